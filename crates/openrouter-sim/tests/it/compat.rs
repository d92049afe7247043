//! Both behaviours wherever the contract is only assumed.

use std::time::Duration;

use http::Method;
use openrouter_sim::{Compat, SimConfig};
use serde_json::{Value, json};

use crate::bench::{Bench, MANAGEMENT, START, at, chat, config};

fn bench(choices: &[(&str, &str)]) -> Bench {
    let mut compat = Compat::default();
    for (name, value) in choices {
        compat.set(name, value).unwrap();
    }
    Bench::with(SimConfig { compat, ..config() })
}

#[test]
fn list_forbidden() {
    for (value, expected) in [("403", 403), ("401", 401)] {
        let bench = bench(&[("list_forbidden", value)]);
        let made = bench.named("a");
        let hash = format!("/keys/{}", made.hash);
        for (method, path) in [(Method::GET, "/keys"), (Method::GET, hash.as_str()), (Method::DELETE, &hash)] {
            assert_eq!(bench.call(method, path, &made.key, None).0, expected);
        }
        assert_eq!(bench.call(Method::POST, "/keys", &made.key, Some(&json!({ "name": "b" }))).0, 403);
        assert_eq!(bench.call(Method::PATCH, &hash, &made.key, Some(&json!({ "name": "b" }))).0, 403);
        assert_eq!(bench.call(Method::GET, "/credits", &made.key, None).0, 403);
    }
}

#[test]
fn mgmt_on_inference() {
    for (value, expected) in [("401", 401), ("403", 403)] {
        let bench = bench(&[("mgmt_on_inference", value)]);
        assert_eq!(bench.call(Method::POST, "/chat/completions", MANAGEMENT, Some(&chat())).0, expected);
    }
}

#[test]
fn over_limit() {
    for (value, expected, source) in [("403", 403, Value::Null), ("402", 402, json!("openrouter_key_limit"))] {
        let bench = bench(&[("over_limit", value)]);
        let made = bench.create(&json!({ "name": "a", "limit": 0 }));
        let (status, body) = bench.call(Method::POST, "/chat/completions", &made.key, Some(&chat()));
        assert_eq!((status, &body["error"]["metadata"]["limit_source"]), (expected, &source));
    }
}

#[test]
fn expired_message() {
    for (value, expected) in [("user_not_found", "User not found."), ("key_expired", "API key expired")] {
        let bench = bench(&[("expired_message", value)]);
        let made = bench.create(&json!({ "name": "a", "expires_at": "2026-11-24T12:00:01Z" }));
        bench.advance(Duration::from_secs(2));
        let (status, body) = bench.call(Method::GET, "/key", &made.key, None);
        assert_eq!((status, body["error"]["message"].as_str()), (401, Some(expected)));
    }
}

#[test]
fn delete_missing() {
    for (value, expected) in [("404", 404), ("200", 200)] {
        let bench = bench(&[("delete_missing", value)]);
        assert_eq!(bench.delete(&format!("/keys/{}", "0".repeat(64))).0, expected);
    }
}

#[test]
fn negative_limit() {
    for (value, expected) in [("400", 400), ("201", 201)] {
        let bench = bench(&[("negative_limit", value)]);
        assert_eq!(bench.post("/keys", &json!({ "name": "a", "limit": -1 })).0, expected);
    }
}

#[test]
fn past_expiry() {
    let body = json!({ "name": "a", "expires_at": START });
    assert_eq!(bench(&[]).post("/keys", &body).0, 400);
    let bench = bench(&[("past_expiry", "201")]);
    let made = bench.create(&body);
    assert_eq!(bench.probe(&made.key), 401);
}

#[test]
fn remaining_floor() {
    for (value, expected) in [("zero", json!(0)), ("negative", json!(-0.5))] {
        let bench = bench(&[("remaining_floor", value)]);
        let made = bench.create(&json!({ "name": "a", "limit": 1 }));
        bench.spend(&made.key, "1.5");
        assert_eq!(bench.get(&format!("/keys/{}", made.hash)).1["data"]["limit_remaining"], expected);
        let own = bench.call(Method::GET, "/key", &made.key, None).1["data"].clone();
        assert_eq!(
            (&own["limit_remaining"], &own["budgets"][0]["remaining_usd"]),
            (&expected, &expected)
        );
    }
}

#[test]
fn label() {
    for (value, length) in [("3", 18), ("4", 19)] {
        let bench = bench(&[("label", value)]);
        let label = bench.post("/keys", &json!({ "name": "a" })).1["data"]["label"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(label.len(), length);
    }
}

#[test]
fn timestamps() {
    for (value, expected) in [("z", "2026-11-24T12:00:00.000Z"), ("offset", "2026-11-24T12:00:00.000000+00:00")] {
        let bench = bench(&[("timestamps", value)]);
        let data = bench.post("/keys", &json!({ "name": "a" })).1["data"].clone();
        assert_eq!(data["created_at"], expected);
    }
}

#[test]
fn max_lifetime_days() {
    let bench = bench(&[("max_lifetime_days", "10")]);
    let never = bench.named("never expires");
    let long = bench.create(&json!({ "name": "long", "expires_at": "2026-12-04T12:00:01Z" }));
    let short = bench.create(&json!({ "name": "short", "expires_at": "2026-12-04T12:00:00Z" }));
    assert_eq!(
        [bench.probe(&never.key), bench.probe(&long.key), bench.probe(&short.key)],
        [401, 401, 200]
    );
    let reasons = serde_json::to_value(bench.control().stats().auth_failures).unwrap();
    assert_eq!(reasons["policy"], 2);
}

#[test]
fn max_keys() {
    let bench = bench(&[("max_keys", "2")]);
    let first = bench.named("1");
    bench.named("2");
    assert_eq!(bench.post("/keys", &json!({ "name": "3" })).0, 403);
    bench.delete(&format!("/keys/{}", first.hash));
    assert_eq!(bench.post("/keys", &json!({ "name": "3" })).0, 201);
}

#[test]
fn choices_can_change_at_run_time() {
    let bench = Bench::new();
    let mut compat = bench.control().compat();
    compat.set("timestamps", "offset").unwrap();
    bench.control().set_compat(compat);
    assert_eq!(
        bench.post("/keys", &json!({ "name": "a" })).1["data"]["created_at"],
        "2026-11-24T12:00:00.000000+00:00"
    );
    bench.control().reset();
    assert_eq!(bench.control().compat(), Compat::default());
    assert_eq!(bench.control().now(), at(START));
}
