//! Guardrail assignments and BYOK allowlists: what a rotated key loses unless somebody copies it.

use http::Method;
use openrouter_sim::ByokConfig;
use serde_json::{Value, json};

use crate::bench::{Bench, Made, chat};

fn guardrail(bench: &Bench, body: &Value) -> String {
    let (status, body) = bench.post("/guardrails", body);
    assert_eq!(status, 201, "{body}");
    body["data"]["id"].as_str().unwrap().to_owned()
}

fn assigned(bench: &Bench, id: &str) -> Vec<String> {
    let (status, body) = bench.get(&format!("/guardrails/{id}/assignments/keys"));
    assert_eq!(status, 200);
    let data = body["data"].as_array().unwrap();
    assert_eq!(body["total_count"], data.len());
    data.iter().map(|entry| entry["key_hash"].as_str().unwrap().to_owned()).collect()
}

fn assign(bench: &Bench, id: &str, made: &Made) -> (u16, Value) {
    bench.post(&format!("/guardrails/{id}/assignments/keys"), &json!({ "key_hashes": [made.hash] }))
}

#[test]
fn a_key_has_one_guardrail_and_loses_it_with_its_life() {
    let bench = Bench::new();
    let (first, second) = (
        guardrail(&bench, &json!({ "name": "1" })),
        guardrail(&bench, &json!({ "name": "2" })),
    );
    let (old, new) = (bench.named("old"), bench.named("new"));
    assert_eq!(assign(&bench, &first, &old), (200, json!({ "assigned_count": 1 })));
    assert_eq!(assigned(&bench, &first), std::slice::from_ref(&old.hash));
    assert_eq!(assign(&bench, &second, &old).0, 200);
    assert!(assigned(&bench, &first).is_empty(), "assigning replaces");
    assert_eq!(assign(&bench, &second, &new).0, 200);
    assert_eq!(bench.get("/guardrails/assignments/keys").1["total_count"], 2);
    assert_eq!(bench.get("/guardrails").1["total_count"], 2);
    bench.delete(&format!("/keys/{}", old.hash));
    assert_eq!(assigned(&bench, &second), std::slice::from_ref(&new.hash));
    let remove = format!("/guardrails/{second}/assignments/keys/remove");
    let hashes = json!({ "key_hashes": [new.hash] });
    assert_eq!(bench.post(&remove, &hashes), (200, json!({ "unassigned_count": 1 })));
    assert_eq!(bench.post(&remove, &hashes), (200, json!({ "unassigned_count": 0 })));
    assert!(assigned(&bench, &second).is_empty());
}

#[test]
fn assignments_are_checked() {
    let bench = Bench::new();
    let id = guardrail(&bench, &json!({ "name": "g" }));
    let made = bench.named("a");
    let path = format!("/guardrails/{id}/assignments/keys");
    for body in [
        json!({}),
        json!({ "key_hashes": [] }),
        json!({ "key_hashes": "x" }),
        json!({ "key_hashes": ["x"] }),
        json!({ "key_hashes": [made.hash, "0".repeat(64)] }),
    ] {
        assert_eq!(bench.post(&path, &body).0, 400, "{body}");
    }
    assert!(assigned(&bench, &id).is_empty(), "all or none");
    assert_eq!(assign(&bench, "7205f2de-ca71-459e-9090-000000000000", &made).0, 404);
    assert_eq!(bench.get("/guardrails/x").0, 404);
    for body in [
        json!({}),
        json!({ "name": "g", "limit_usd": 5 }),
        json!({ "name": "g", "reset_interval": "daily" }),
        json!({ "name": "g", "limit_usd": 0, "reset_interval": "daily" }),
        json!({ "name": "g", "allowed_models": "all" }),
    ] {
        assert_eq!(bench.post("/guardrails", &body).0, 400, "{body}");
    }
}

#[test]
fn a_byok_credential_serves_the_keys_on_its_list() {
    let bench = Bench::new();
    let credential = ByokConfig {
        provider: "openai".to_owned(),
        name: Some("ours".to_owned()),
        workspace: None,
    };
    let id = bench.control().add_byok(None, credential).unwrap();
    let (old, new) = (bench.named("old"), bench.named("new"));
    let path = format!("/byok/{id}");
    let is_byok = |made: &Made| {
        let answer = bench.call(Method::POST, "/chat/completions", &made.key, Some(&chat())).1;
        let cost = answer["usage"]["cost"].clone();
        (answer["usage"]["is_byok"] == true, cost == json!(0))
    };
    assert_eq!(is_byok(&old), (true, true), "no list means every key");
    let only = |hashes: &[&str]| bench.patch(&path, &json!({ "allowed_api_key_hashes": hashes }));
    assert_eq!(only(&[&old.hash]).1["data"]["allowed_api_key_hashes"], json!([old.hash]));
    assert_eq!((is_byok(&old), is_byok(&new)), ((true, true), (false, false)));
    assert_eq!(only(&[]).0, 400);
    assert_eq!(only(&[&"0".repeat(64)]).0, 400);
    assert_eq!(bench.patch(&path, &json!({ "name": "x" })).0, 400);
    assert_eq!(only(&[&old.hash, &new.hash]).0, 200);
    bench.delete(&format!("/keys/{}", old.hash));
    assert_eq!(bench.get(&path).1["data"]["allowed_api_key_hashes"], json!([new.hash]));
    bench.delete(&format!("/keys/{}", new.hash));
    assert_eq!(
        bench.get(&path).1["data"]["allowed_api_key_hashes"],
        json!([new.hash]),
        "never empty"
    );
    let newest = bench.named("newest");
    assert_eq!(is_byok(&newest), (false, false));
    assert_eq!(only(&[&new.hash, &newest.hash]).0, 200, "what is on the list may be sent back");
    assert_eq!(is_byok(&newest), (true, true));
    assert_eq!(bench.get("/byok").1["total_count"], 1);
    let used = bench.get(&format!("/keys/{}", newest.hash)).1["data"].clone();
    assert!(used["byok_usage"].as_f64().unwrap() > 0.0 && used["usage"].as_f64().unwrap() > 0.0);
}
