use serde_json::{Value, json};

use super::{PATH, request, start, with};
use crate::support::{START_ON_THE_WIRE, on_each_database, text};

/// 64 lower-case hexadecimal digits.
fn is_hash(value: &Value) -> bool {
    let hash = value.as_str().unwrap();
    hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[test]
fn the_answer_is_the_whole_connection_without_its_credentials() {
    on_each_database(async || {
        let (simulator, app, admin, project) = start().await;
        let body = json!({
            "name": "my-openrouter-connection", "method": "api-key", "projectId": project,
            "credentials": { "apiKey": simulator.management_key() },
        });
        let made = admin.post(PATH, body).await.ok();
        let connection = &made["appConnection"];
        assert!(is_hash(&connection["credentialsHash"]), "{connection}");
        assert_eq!(
            made,
            json!({ "appConnection": {
                "id": text(connection, "/id"),
                "name": "my-openrouter-connection",
                "description": null,
                "app": "open-router",
                "method": "api-key",
                "credentials": {},
                "credentialsHash": text(connection, "/credentialsHash"),
                "version": 1,
                "orgId": admin.org_id,
                "projectId": project,
                "isPlatformManagedCredentials": false,
                "gatewayId": null,
                "gatewayPoolId": null,
                "isAutoRotationEnabled": false,
                "createdAt": START_ON_THE_WIRE,
                "updatedAt": START_ON_THE_WIRE,
            } })
        );
        let event = app.only_event(&admin.org_id, "create-app-connection").await;
        assert_eq!(
            event.metadata,
            json!({
                "name": "my-openrouter-connection", "method": "api-key", "app": "open-router", "connectionId": connection["id"],
                "isPlatformManagedCredentials": false,
            })
        );
    });
}

#[test]
fn what_terraform_sends_besides_is_ignored() {
    on_each_database(async || {
        let (simulator, _app, admin, _project) = start().await;
        let more = json!({
            "App": "open-router", "ID": "", "unknown": { "deep": [1] }, "gatewayId": null, "gatewayPoolId": null, "rotation": null,
            "isPlatformManagedCredentials": false, "isAutoRotationEnabled": false, "description": "  of the prod account ",
            "projectId": "",
        });
        let made = admin
            .post(PATH, with(request(&simulator, &Value::Null, " router "), &more))
            .await
            .ok();
        assert_eq!(made["appConnection"]["name"], "router");
        assert_eq!(made["appConnection"]["description"], "of the prod account");
        assert_eq!(made["appConnection"]["projectId"], Value::Null);
    });
}

#[test]
fn names_are_slugs_of_at_most_64_characters() {
    on_each_database(async || {
        let (simulator, _app, admin, _project) = start().await;
        let named = |name: &str| request(&simulator, &Value::Null, name);
        for name in ["", " ", "Router", "a_b", "a--b", "-a", "a-", "a b", "ä", &"a".repeat(65)] {
            assert_eq!(admin.post(PATH, named(name)).await.invalid(), ["name"], "{name:?}");
        }
        for name in ["a", "a-1-b", &"a".repeat(64)] {
            admin.post(PATH, named(name)).await.ok();
        }
    });
}

#[test]
fn every_problem_with_the_fields_is_told_at_once() {
    on_each_database(async || {
        let (simulator, _app, admin, _project) = start().await;
        let good = || request(&simulator, &Value::Null, "router");
        let cases = [
            (json!({ "description": "x".repeat(257) }), vec!["description"]),
            (json!({ "method": "oauth" }), vec!["method"]),
            (json!({ "credentials": {} }), vec!["credentials.apiKey"]),
            (json!({ "credentials": { "apiKey": null } }), vec!["credentials.apiKey"]),
            (json!({ "credentials": { "apiKey": "  " } }), vec!["credentials.apiKey"]),
            (json!({ "credentials": { "apiKey": 5 } }), vec!["credentials.apiKey"]),
            (json!({ "credentials": { "apiKey": "k".repeat(513) } }), vec!["credentials.apiKey"]),
            (json!({ "credentials": "key" }), vec!["credentials"]),
            (
                json!({ "isPlatformManagedCredentials": true }),
                vec!["isPlatformManagedCredentials"],
            ),
            (json!({ "isAutoRotationEnabled": true }), vec!["isAutoRotationEnabled"]),
            (json!({ "gatewayId": "3d0c9a52-71de-4a0b-9c6e-0a4f5f6f1b11" }), vec!["gatewayId"]),
            (
                json!({ "gatewayPoolId": "3d0c9a52-71de-4a0b-9c6e-0a4f5f6f1b11" }),
                vec!["gatewayPoolId"],
            ),
            (
                json!({ "rotation": { "rotationInterval": 7, "rotateAtUtc": { "hours": 0, "minutes": 0 } } }),
                vec!["rotation"],
            ),
            (
                json!({ "name": "A", "credentials": {}, "gatewayId": "x", "description": "x".repeat(257) }),
                vec!["credentials.apiKey", "description", "gatewayId", "name"],
            ),
        ];
        for (change, fields) in cases {
            let mut told = admin.post(PATH, with(good(), &change)).await.invalid();
            told.sort();
            assert_eq!(told, fields, "{change}");
        }
        for missing in ["name", "method", "credentials"] {
            let mut body = good();
            body.as_object_mut().unwrap().remove(missing);
            assert_eq!(admin.post(PATH, body).await.invalid(), [missing]);
        }
        let told = admin.post(PATH, with(good(), &json!({ "gatewayId": "x" }))).await;
        assert!(told.text.contains("not supported for OpenRouter Connections"), "{}", told.text);
        assert_eq!(simulator.control().stats().requests.total, 0, "OpenRouter was not asked");
        let list = admin.get("/api/v1/app-connections").await.ok();
        assert_eq!(list, json!({ "appConnections": [] }));
    });
}

#[test]
fn a_name_is_unique_in_its_scope() {
    on_each_database(async || {
        let (simulator, _app, admin, project) = start().await;
        let other = admin.project("Search").await;
        for scope in [json!(null), json!(project), json!(other)] {
            admin.post(PATH, request(&simulator, &scope, "router")).await.ok();
            let refused = admin
                .post(PATH, request(&simulator, &scope, "router"))
                .await
                .refused(400, "BadRequest");
            assert!(refused["message"].as_str().unwrap().contains("\"router\""), "{refused}");
        }
    });
}

#[test]
fn a_project_that_is_not_there_is_a_bad_request() {
    on_each_database(async || {
        let (simulator, app, admin, project) = start().await;
        for id in ["3d0c9a52-71de-4a0b-9c6e-0a4f5f6f1b11", "chat", "../x"] {
            admin
                .post(PATH, request(&simulator, &json!(id), "router"))
                .await
                .refused(400, "BadRequest");
        }
        app.stranger()
            .await
            .post(PATH, request(&simulator, &json!(project), "router"))
            .await
            .refused(400, "BadRequest");
    });
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    on_each_database(async || {
        let (_simulator, _app, admin, _project) = start().await;
        let post = |body: &str| admin.send_raw(axum::http::Method::POST, PATH, "application/json", body.to_owned());
        for body in ["{", "{\"name\": }", "\u{0}"] {
            post(body).await.refused(400, "BadRequest");
        }
        for body in ["[]", "\"text\"", "7", "", "null", "{}"] {
            post(body).await.refused(422, "ValidationFailure");
        }
        admin
            .send_raw(axum::http::Method::POST, PATH, "application/xml", "<a/>".to_owned())
            .await
            .refused(415, "UnsupportedMediaType");
    });
}
