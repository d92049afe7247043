//! What the registry knows, and how it reads what people fill in and what is stored.

use kms_core::secret::SecretString;
use kms_providers::declaration::{FieldIssue, FieldKind};
use kms_providers::outcome::{CallError, IssueError};
use kms_providers::registry::{Access, AnyConnector, AnyRotator, Registry};
use kms_providers::rotator::SweepScope;
use serde_json::{Value, json};

use crate::raw::{RawServer, Reply};
use crate::stage::{Stage, access, marker};

fn stage() -> Stage {
    Stage::new("http://127.0.0.1:1/api/v1".parse().unwrap())
}

fn app(registry: &Registry) -> &dyn AnyConnector {
    registry.app("open-router").unwrap()
}

fn rotator(registry: &Registry) -> &dyn AnyRotator {
    registry.rotation_type("open-router-api-key").unwrap()
}

fn told(issues: Vec<FieldIssue>) -> Vec<(String, &'static str, String)> {
    issues
        .into_iter()
        .map(|issue| (issue.path.join("."), issue.code, issue.message))
        .collect()
}

#[test]
fn openrouter_is_declared() {
    let registry = stage().registry;
    let apps: Vec<_> = registry.apps().iter().map(|app| (app.app().name, app.app().slug)).collect();
    assert_eq!(apps, [("OpenRouter", "open-router")]);
    let method = app(&registry).app().method("api-key").unwrap();
    let fields: Vec<_> = method.fields.iter().map(|field| (field.name, field.label, field.kind)).collect();
    assert_eq!(fields, [("apiKey", "Provisioning API Key", FieldKind::Secret)]);
    assert!(method.fields[0].help.contains("Settings → Provisioning API Keys"));
    assert!(registry.app("openrouter").is_none());

    let kinds: Vec<_> = registry
        .rotation_types()
        .iter()
        .map(|kind| (kind.rotation_type().name, kind.rotation_type().slug, kind.rotation_type().app))
        .collect();
    assert_eq!(kinds, [("OpenRouter API Key", "open-router-api-key", "open-router")]);
    let kind = rotator(&registry).rotation_type();
    let labels: Vec<_> = kind
        .parameters
        .iter()
        .map(|field| (field.name, field.label, field.required))
        .collect();
    assert_eq!(
        labels,
        [
            ("name", "Key name", true),
            ("limit", "Limit", false),
            ("limitReset", "Limit reset", false),
            ("includeByokInLimit", "Include BYOK in limit", false),
        ]
    );
    assert_eq!(
        kind.parameters[2].kind,
        FieldKind::Choice(&[("", "Never"), ("daily", "Daily"), ("weekly", "Weekly"), ("monthly", "Monthly")])
    );
    assert_eq!(
        (kind.mapping[0].name, kind.mapping[0].default_secret),
        ("apiKey", "OPEN_ROUTER_API_KEY")
    );
    assert!(registry.rotation_type("openrouter-api-key").is_none());
    assert_eq!(
        format!("{registry:?}"),
        r#"Registry { apps: ["open-router"], rotation_types: ["open-router-api-key"] }"#
    );
}

#[test]
fn every_declared_app_of_a_rotation_type_exists() {
    let registry = stage().registry;
    for kind in registry.rotation_types() {
        assert!(registry.app(kind.rotation_type().app).is_some(), "{}", kind.rotation_type().slug);
    }
}

#[test]
fn credentials_are_read_trimmed_and_never_shown() {
    let registry = stage().registry;
    let given = json!({"apiKey": "  sk-or-v1-EXAMPLE\n", "more": 1});
    let read = app(&registry).read("api-key", &given).unwrap();
    assert_eq!(read.plaintext.expose(), r#"{"apiKey":"sk-or-v1-EXAMPLE"}"#);
    assert_eq!(read.public, json!({}));
    assert!(!format!("{read:?}").contains("EXAMPLE"));
    let longest = "k".repeat(512);
    assert!(app(&registry).read("api-key", &json!({ "apiKey": longest })).is_ok());
}

#[test]
fn problems_of_credentials_are_told_without_the_value() {
    let registry = stage().registry;
    let problems = |given: Value| told(app(&registry).read("api-key", &given).unwrap_err());
    let one = |path: &str, code: &'static str, message: &str| vec![(path.to_owned(), code, message.to_owned())];
    let required = one("apiKey", "invalid_type", "Provisioning API Key is required");
    assert_eq!(problems(json!({})), required);
    assert_eq!(problems(json!({"apiKey": null})), required);
    assert_eq!(
        problems(json!({"apiKey": 5})),
        one("apiKey", "invalid_type", "Provisioning API Key must be text")
    );
    assert_eq!(
        problems(json!({"apiKey": " \t"})),
        one("apiKey", "too_small", "Provisioning API Key must not be empty")
    );
    assert_eq!(
        problems(json!({"apiKey": "k".repeat(513)})),
        one("apiKey", "too_big", "Provisioning API Key must have at most 512 characters")
    );
    for text in ["sk or", "sk\u{0}or", "schlüssel", "sk\r\nx-evil: 1"] {
        assert_eq!(
            problems(json!({ "apiKey": text })),
            one(
                "apiKey",
                "invalid_string",
                "Provisioning API Key must not contain blanks or special characters"
            ),
            "{text:?}"
        );
    }
    assert_eq!(problems(json!([])), one("", "invalid_type", "Expected an object"));
    assert_eq!(
        told(app(&registry).read("oauth", &json!({"apiKey": "x"})).unwrap_err()),
        one("", "invalid_enum_value", "OpenRouter has no such method to authenticate")
    );
}

#[test]
fn parameters_are_normalised() {
    let registry = stage().registry;
    for (given, shown) in [
        (json!({"name": " gateway "}), json!({"name": "gateway"})),
        (
            json!({"name": "x", "limit": null, "limitReset": null, "includeByokInLimit": null, "other": 1}),
            json!({"name": "x"}),
        ),
        (
            json!({"name": "x", "limit": 250, "limitReset": "monthly", "includeByokInLimit": false}),
            json!({"name": "x", "limit": 250, "limitReset": "monthly", "includeByokInLimit": false}),
        ),
        (json!({"name": "x", "limit": 0.01}), json!({"name": "x", "limit": 0.01})),
        (json!({"name": "ü".repeat(100)}), json!({"name": "ü".repeat(100)})),
    ] {
        let read = rotator(&registry).read_parameters(&given).unwrap();
        assert_eq!(read, shown);
        assert_eq!(rotator(&registry).read_parameters(&read).unwrap(), read, "reads its own form");
    }
    let text = rotator(&registry).read_parameters(&json!({"name": "x", "limit": 250})).unwrap();
    assert_eq!(text.to_string(), r#"{"limit":250,"name":"x"}"#, "an integer stays one");
}

#[test]
fn every_problem_of_parameters_is_told() {
    let registry = stage().registry;
    let problems = |given: Value| told(rotator(&registry).read_parameters(&given).unwrap_err());
    let expected = [
        ("name", "invalid_type", "Key name is required"),
        ("limit", "too_small", "Limit must be greater than 0"),
        (
            "limitReset",
            "invalid_enum_value",
            "Limit reset must be one of daily, weekly, monthly",
        ),
        ("includeByokInLimit", "invalid_type", "Include BYOK in limit must be true or false"),
    ]
    .map(|(path, code, message)| (path.to_owned(), code, message.to_owned()));
    assert_eq!(
        problems(json!({"limit": 0, "limitReset": "yearly", "includeByokInLimit": "yes"})),
        expected
    );
    for (given, code) in [
        (json!({"name": ""}), "too_small"),
        (json!({"name": "x".repeat(101)}), "too_big"),
        (json!({"name": ["x"]}), "invalid_type"),
        (json!({"name": "x", "limit": -1}), "too_small"),
        (json!({"name": "x", "limit": "250"}), "invalid_type"),
        (json!({"name": "x", "limitReset": ""}), "invalid_enum_value"),
        (json!({"name": "x", "limitReset": 1}), "invalid_enum_value"),
        (json!({"name": "x", "includeByokInLimit": 0}), "invalid_type"),
        (json!(null), "invalid_type"),
    ] {
        let problems = problems(given.clone());
        assert_eq!(problems.len(), 1, "{given}");
        assert_eq!(problems[0].1, code, "{given}");
    }
}

#[test]
fn a_credential_is_published_under_its_mapping_field() {
    let registry = stage().registry;
    let credential = SecretString::new(r#"{"apiKey":"sk-or-v1-EXAMPLE","keyHash":"00"}"#);
    let published = rotator(&registry).publish(&credential).unwrap();
    let shown: Vec<_> = published.iter().map(|(field, value)| (*field, value.expose())).collect();
    assert_eq!(shown, [("apiKey", "sk-or-v1-EXAMPLE")]);
    for damaged in ["", "{}", r#"{"apiKey":5}"#, "sk-or-v1-EXAMPLE"] {
        assert!(rotator(&registry).publish(&SecretString::new(damaged)).is_err(), "{damaged}");
    }
}

#[tokio::test]
async fn what_is_stored_and_cannot_be_read_is_refused_before_anything_is_sent() {
    let server = RawServer::scripted(vec![Reply::Close]).await;
    let stage = Stage::new(server.url("/api/v1"));
    let outbound = stage.outbound();
    let rotator = rotator(&stage.registry);
    let damaged = Access {
        method: "api-key".to_owned(),
        plaintext: SecretString::new("sk-or-v1-EXAMPLE"),
    };
    let foreign = Access {
        method: "oauth".to_owned(),
        ..access("sk-or-v1-EXAMPLE")
    };
    let parameters = json!({"name": "x"});
    for access in [&damaged, &foreign] {
        let errors = [
            app(&stage.registry).validate(&outbound, access).await.unwrap_err(),
            rotator.sweep(&outbound, access, SweepScope::Usual).await.unwrap_err(),
            rotator.revoke(&outbound, access, "00").await.unwrap_err(),
            rotator.confirm_revoked(&outbound, access, "00", None).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(&error, CallError::Refused { .. }), "{error:?}");
            assert_eq!(error.to_string(), "the stored credentials cannot be read");
        }
        let error = rotator.issue(&outbound, access, &parameters, &marker(1)).await.unwrap_err();
        assert!(matches!(&error, IssueError::Refused { .. }), "{error:?}");
    }
    let error = rotator
        .issue(&outbound, &access("sk-or-v1-EXAMPLE"), &json!({"name": ""}), &marker(1))
        .await
        .unwrap_err();
    assert!(matches!(&error, IssueError::Refused { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the stored parameters cannot be read: Key name must not be empty"
    );
    let credential = SecretString::new("damaged");
    assert!(rotator.check(&outbound, &credential).await.is_err());
    assert!(rotator.verify(&outbound, &parameters, &credential).await.is_err());
    for handle in ["", ".", "..", "a b", "ü"] {
        let access = access("sk-or-v1-EXAMPLE");
        assert!(rotator.revoke(&outbound, &access, handle).await.is_err(), "{handle:?}");
        assert!(
            rotator.confirm_revoked(&outbound, &access, handle, None).await.is_err(),
            "{handle:?}"
        );
    }
    assert_eq!(server.connections(), 0);
}
