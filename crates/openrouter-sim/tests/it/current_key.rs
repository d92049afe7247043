//! `/key`.

use http::Method;
use serde_json::{Value, json};

use crate::bench::Bench;

fn current(bench: &Bench, key: &str) -> Value {
    let (status, body) = bench.call(Method::GET, "/key", key, None);
    assert_eq!(status, 200);
    assert_eq!(bench.call(Method::GET, "/auth/key", key, None).1, body);
    body["data"].clone()
}

#[test]
fn a_key_learns_its_cap_as_its_only_budget() {
    let bench = Bench::new();
    let made = bench.create(&json!({ "name": "a", "limit": 10, "limit_reset": "weekly" }));
    bench.spend(&made.key, "4");
    let data = current(&bench, &made.key);
    assert_eq!(
        (&data["limit"], &data["limit_remaining"], &data["usage"]),
        (&json!(10), &json!(6), &json!(4))
    );
    let budget = json!({
        "scope": "key_limit", "limit_usd": 10, "spend_usd": 4, "remaining_usd": 6, "reset_interval": "weekly",
        "resets_at": "2026-11-30T00:00:00.000Z", "include_byok": false, "guardrail_id": null, "budget_id": null,
    });
    assert_eq!(data["budgets"], json!([budget]));
    assert_eq!(data["effective_budget"], budget);
    assert!(data.get("hash").is_none() && data.get("name").is_none());
    assert_eq!(data["rate_limit"]["requests"], -1);
}

#[test]
fn without_cap_there_is_no_budget() {
    let bench = Bench::new();
    let data = current(&bench, &bench.named("a").key);
    assert_eq!((&data["budgets"], &data["effective_budget"]), (&json!([]), &Value::Null));
    assert_eq!(data["is_management_key"], false);
    assert_eq!(data["is_free_tier"], false);
}

#[test]
fn the_tightest_budget_is_the_effective_one() {
    let bench = Bench::new();
    let made = bench.create(&json!({ "name": "a", "limit": 10 }));
    let rail = json!({ "name": "g", "limit_usd": 5, "reset_interval": "daily" });
    let id = bench.post("/guardrails", &rail).1["data"]["id"].as_str().unwrap().to_owned();
    bench.post(&format!("/guardrails/{id}/assignments/keys"), &json!({ "key_hashes": [made.hash] }));
    let data = current(&bench, &made.key);
    assert_eq!(data["budgets"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&data["effective_budget"]["scope"], &data["effective_budget"]["guardrail_id"]),
        (&json!("api_key"), &json!(id))
    );
    bench.spend(&made.key, "5");
    assert_eq!(bench.spend(&made.key, "1").0, 403);
    bench.advance(std::time::Duration::from_hours(12));
    assert_eq!(bench.spend(&made.key, "4").0, 200);
    assert_eq!(current(&bench, &made.key)["effective_budget"]["scope"], "api_key");
    assert_eq!(bench.spend(&made.key, "1").0, 200);
}

#[test]
fn asking_is_no_use() {
    let bench = Bench::new();
    let made = bench.create(&json!({ "name": "a", "limit": 0 }));
    current(&bench, &made.key);
    let data = bench.get(&format!("/keys/{}", made.hash)).1["data"].clone();
    assert_eq!((&data["usage"], &data["last_used_at"]), (&json!(0), &Value::Null));
}
