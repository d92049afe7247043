//! Who gets what: every endpoint as nobody, with each kind of key, and with dead ones.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use openrouter_sim::{KeyHash, SimRequest, StatsView};
use serde_json::{Value, json};

use crate::bench::{Bench, MANAGEMENT, answer, chat};

const HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const ID: &str = "7205f2de-ca71-459e-9090-000000000000";

/// Every endpoint that needs a management key.
fn management_endpoints() -> Vec<(Method, String)> {
    let paths = [
        (Method::GET, "/keys".to_owned()),
        (Method::POST, "/keys".to_owned()),
        (Method::GET, format!("/keys/{HASH}")),
        (Method::PATCH, format!("/keys/{HASH}")),
        (Method::DELETE, format!("/keys/{HASH}")),
        (Method::GET, "/credits".to_owned()),
        (Method::GET, "/workspaces".to_owned()),
        (Method::GET, "/workspaces/default".to_owned()),
        (Method::GET, "/activity".to_owned()),
        (Method::GET, "/guardrails".to_owned()),
        (Method::POST, "/guardrails".to_owned()),
        (Method::GET, format!("/guardrails/{ID}")),
        (Method::GET, "/guardrails/assignments/keys".to_owned()),
        (Method::GET, format!("/guardrails/{ID}/assignments/keys")),
        (Method::POST, format!("/guardrails/{ID}/assignments/keys")),
        (Method::POST, format!("/guardrails/{ID}/assignments/keys/remove")),
        (Method::GET, "/byok".to_owned()),
        (Method::GET, format!("/byok/{ID}")),
        (Method::PATCH, format!("/byok/{ID}")),
    ];
    paths.into()
}

/// `/key` and its older address, and completions.
fn other_endpoints() -> [(Method, String); 3] {
    [
        (Method::GET, "/key".to_owned()),
        (Method::GET, "/auth/key".to_owned()),
        (Method::POST, "/chat/completions".to_owned()),
    ]
}

fn with_headers(bench: &Bench, method: &Method, path: &str, headers: &[(&'static str, &str)]) -> (u16, Value) {
    let mut request = SimRequest::new(method.clone(), format!("/api/v1{path}"));
    for (name, value) in headers {
        request
            .headers
            .append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    answer(bench.core.handle(request))
}

fn error(code: u16, message: &str) -> (u16, Value) {
    (code, json!({ "error": { "code": code, "message": message } }))
}

#[test]
fn nobody_gets_anything_but_the_models() {
    let bench = Bench::new();
    for (method, path) in management_endpoints().into_iter().chain(other_endpoints()) {
        let refused = with_headers(&bench, &method, &path, &[]);
        assert_eq!(refused, error(401, "Missing Authentication header"), "{method} {path}");
    }
    assert_eq!(with_headers(&bench, &Method::GET, "/models", &[]).0, 200);
}

#[test]
fn an_inference_key_manages_nothing() {
    let bench = Bench::new();
    let made = bench.named("a");
    for (method, path) in management_endpoints() {
        let refused = bench.call(method.clone(), &path, &made.key, Some(&json!({ "name": "b" })));
        assert_eq!(
            refused,
            error(403, "Only management keys can perform this operation"),
            "{method} {path}"
        );
    }
    assert_eq!(bench.control().stats().keys.total.created_total, 1);
}

#[test]
fn a_management_key_does_no_inference() {
    let bench = Bench::new();
    let refused = bench.call(Method::POST, "/chat/completions", MANAGEMENT, Some(&chat()));
    assert_eq!(refused, error(401, "User not found."));
    let (status, body) = bench.get("/key");
    assert_eq!(status, 200);
    assert_eq!(body["data"]["is_management_key"], true);
    assert_eq!(body["data"]["is_provisioning_key"], true);
}

#[test]
fn dead_keys_are_all_told_the_same() {
    let bench = Bench::new();
    let deleted = bench.named("deleted");
    bench.delete(&format!("/keys/{}", deleted.hash));
    let disabled = bench.named("disabled");
    bench.patch(&format!("/keys/{}", disabled.hash), &json!({ "disabled": true }));
    let expired = bench.create(&json!({ "name": "expired", "expires_at": "2026-11-24T12:00:01Z" }));
    bench.advance(std::time::Duration::from_secs(1));
    bench.control().add_provisioning_key(None, Some("sk-or-v1-EXAMPLE".into())).unwrap();
    bench.control().revoke_provisioning_key(KeyHash::of("sk-or-v1-EXAMPLE")).unwrap();
    for key in [
        &deleted.key,
        &disabled.key,
        &expired.key,
        "sk-or-v1-EXAMPLE",
        "sk-or-v1-nobody",
        "eyJhbGciOi.x.y",
    ] {
        for (method, path) in management_endpoints().into_iter().chain(other_endpoints()) {
            let refused = bench.call(method.clone(), &path, key, Some(&chat()));
            assert_eq!(refused, error(401, "User not found."), "{method} {path}");
        }
    }
}

#[test]
fn authorization_is_decided_before_body_and_existence() {
    let bench = Bench::new();
    let made = bench.named("a");
    let bad = json!({ "name": 5 });
    assert_eq!(bench.call(Method::POST, "/keys", "sk-or-v1-nobody", Some(&bad)).0, 401);
    assert_eq!(bench.call(Method::POST, "/keys", &made.key, Some(&bad)).0, 403);
    assert_eq!(bench.call(Method::GET, &format!("/keys/{HASH}"), &made.key, None).0, 403);
    assert_eq!(bench.call(Method::POST, "/chat/completions", "sk-or-v1-nobody", Some(&bad)).0, 401);
}

#[test]
fn credentials_are_read_from_both_headers() {
    let bench = Bench::new();
    let key = |value: &str| with_headers(&bench, &Method::GET, "/credits", &[("authorization", value)]).0;
    assert_eq!(key(&format!("Bearer {MANAGEMENT}")), 200);
    assert_eq!(key(&format!("bearer {MANAGEMENT}")), 200);
    assert_eq!(key(&format!("BEARER {MANAGEMENT}")), 200);
    for malformed in [
        format!("Basic {MANAGEMENT}"),
        MANAGEMENT.to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer  {MANAGEMENT}"),
        format!("Bearer {MANAGEMENT} x"),
        String::new(),
    ] {
        assert_eq!(key(&malformed), 401, "{malformed}");
    }
    assert_eq!(key(&format!("Bearer \"{MANAGEMENT}\"")), 401);
    let other = |headers: &[(&'static str, &str)]| with_headers(&bench, &Method::GET, "/credits", headers).0;
    assert_eq!(other(&[("x-api-key", MANAGEMENT)]), 200);
    assert_eq!(other(&[("x-api-key", "sk-or-v1-nobody")]), 401);
    let bearer = format!("Bearer {MANAGEMENT}");
    assert_eq!(other(&[("authorization", &bearer), ("x-api-key", "sk-or-v1-nobody")]), 200);
    assert_eq!(other(&[("authorization", &bearer), ("authorization", &bearer)]), 401);
    let mut request = SimRequest::new(Method::GET, "/api/v1/credits");
    request.headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap())]);
    assert_eq!(answer(bench.core.handle(request)).0, 401);
}

#[test]
fn true_reasons_are_counted_by_group() {
    let bench = Bench::new();
    let disabled = bench.named("a");
    bench.patch(&format!("/keys/{}", disabled.hash), &json!({ "disabled": true }));
    bench.probe(&disabled.key);
    bench.call(Method::POST, "/chat/completions", &disabled.key, Some(&chat()));
    bench.call(Method::POST, "/chat/completions", MANAGEMENT, Some(&chat()));
    bench.call(Method::GET, "/keys", "sk-or-v1-nobody", None);
    with_headers(&bench, &Method::GET, "/keys", &[]);
    with_headers(&bench, &Method::GET, "/keys", &[("authorization", "Basic x")]);
    let stats: StatsView = bench.control().stats();
    let failures = serde_json::to_value(&stats.auth_failures).unwrap();
    let counted = |group: &Value| {
        let counts = group
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(reason, count)| count.as_u64().filter(|count| *count > 0).map(|count| (reason.clone(), count)));
        counts.collect::<Vec<_>>()
    };
    let expect = |pairs: &[(&str, u64)]| pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Vec<_>>();
    assert_eq!(counted(&failures["completions"]), expect(&[("disabled", 1), ("wrong_kind", 1)]));
    assert_eq!(counted(&failures["key"]), expect(&[("disabled", 1)]));
    assert_eq!(
        counted(&failures["management"]),
        expect(&[("malformed", 1), ("missing", 1), ("unknown", 1)])
    );
    assert_eq!(
        counted(&failures),
        expect(&[("disabled", 2), ("malformed", 1), ("missing", 1), ("unknown", 1), ("wrong_kind", 1)])
    );
}
