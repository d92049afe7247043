//! Caps, windows and expiry by the simulated clock.

use std::time::Duration;

use http::Method;
use openrouter_sim::{Change, KeyChange, Usd};
use serde_json::{Value, json};

use crate::bench::{Bench, at, chat};

fn complete(bench: &Bench, key: &str) -> (u16, Value) {
    bench.call(Method::POST, "/chat/completions", key, Some(&chat()))
}

#[test]
fn a_spent_cap_is_refused_until_its_window_ends() {
    for (interval, message, inside, next) in [
        ("daily", "daily", "2026-11-24T23:59:59.999Z", "2026-11-25T00:00:00Z"),
        ("weekly", "weekly", "2026-11-29T23:59:59.999Z", "2026-11-30T00:00:00Z"),
        ("monthly", "monthly", "2026-11-30T23:59:59.999Z", "2026-12-01T00:00:00Z"),
    ] {
        let bench = Bench::new();
        let made = bench.create(&json!({ "name": "a", "limit": 1, "limit_reset": interval }));
        assert_eq!(bench.spend(&made.key, "0.75").0, 200);
        let data = bench.get(&format!("/keys/{}", made.hash)).1["data"].clone();
        assert_eq!(data["limit_remaining"], 0.25);
        assert_eq!(bench.spend(&made.key, "0.5").0, 200, "checked before, not after");
        bench.control().set_clock(at(inside)).unwrap();
        let (status, body) = complete(&bench, &made.key);
        assert_eq!(status, 403);
        assert_eq!(body["error"]["message"], format!("Key limit exceeded ({message} limit)"));
        let data = bench.get(&format!("/keys/{}", made.hash)).1["data"].clone();
        assert_eq!(data["limit_remaining"], 0, "never below zero by default");
        bench.control().set_clock(at(next)).unwrap();
        assert_eq!(complete(&bench, &made.key).0, 200, "{interval}");
        let data = bench.get(&format!("/keys/{}", made.hash)).1["data"].clone();
        assert!(data["usage"].as_f64().unwrap() > 1.25);
        assert!(data[format!("usage_{interval}")].as_f64().unwrap() < 0.01);
    }
}

#[test]
fn a_cap_without_window_stays_spent() {
    let bench = Bench::new();
    let made = bench.create(&json!({ "name": "a", "limit": 1 }));
    bench.spend(&made.key, "1");
    bench.advance(Duration::from_hours(24 * 400));
    assert_eq!(complete(&bench, &made.key).0, 403);
    bench.patch(&format!("/keys/{}", made.hash), &json!({ "limit": 2 }));
    assert_eq!(complete(&bench, &made.key).0, 200);
    bench.patch(&format!("/keys/{}", made.hash), &json!({ "limit": 1, "limit_reset": "daily" }));
    assert_eq!(complete(&bench, &made.key).0, 200);
}

#[test]
fn a_key_expires_at_its_moment() {
    let bench = Bench::new();
    let made = bench.create(&json!({ "name": "a", "expires_at": "2026-11-24T12:00:10Z" }));
    bench.advance(Duration::from_millis(9_999));
    assert_eq!(bench.probe(&made.key), 200);
    bench.advance(Duration::from_millis(1));
    assert_eq!(bench.probe(&made.key), 401);
    let change = KeyChange {
        expires_at: Change::To(at("2027-01-01T00:00:00Z")),
        ..KeyChange::default()
    };
    bench.control().set_key(made.hash(), &change).unwrap();
    assert_eq!(bench.probe(&made.key), 200);
    let data = bench.get(&format!("/keys/{}", made.hash)).1["data"].clone();
    assert_eq!(
        (&data["expires_at"], &data["updated_at"]),
        (&json!("2027-01-01T00:00:00.000Z"), &Value::Null)
    );
    let change = KeyChange {
        expires_at: Change::Clear,
        ..KeyChange::default()
    };
    bench.control().set_key(made.hash(), &change).unwrap();
    assert_eq!(bench.get(&format!("/keys/{}", made.hash)).1["data"]["expires_at"], Value::Null);
}

#[test]
fn usage_can_be_set_from_outside() {
    let bench = Bench::new();
    let body = json!({ "name": "a", "limit": 10, "limit_reset": "daily", "include_byok_in_limit": true });
    let made = bench.create(&body);
    let path = format!("/keys/{}", made.hash);
    let change = KeyChange {
        usage: Some(Usd::dollars(4)),
        byok_usage: Some(Usd::dollars(5)),
        last_used_at: Change::To(at("2026-11-24T11:00:00Z")),
        ..KeyChange::default()
    };
    bench.control().set_key(made.hash(), &change).unwrap();
    let data = bench.get(&path).1["data"].clone();
    assert_eq!(
        (&data["usage"], &data["usage_daily"], &data["byok_usage_weekly"]),
        (&json!(4), &json!(4), &json!(5))
    );
    assert_eq!((&data["limit_remaining"], &data["updated_at"]), (&json!(1), &Value::Null));
    assert_eq!(data["last_used_at"], "2026-11-24T11:00:00.000Z");
    assert_eq!(bench.get("/credits").1["data"]["total_usage"], 4);
    assert_eq!(complete(&bench, &made.key).0, 200);
    let change = KeyChange {
        byok_usage: Some(Usd::dollars(6)),
        ..KeyChange::default()
    };
    bench.control().set_key(made.hash(), &change).unwrap();
    assert_eq!(complete(&bench, &made.key).0, 403);
    bench.patch(&path, &json!({ "include_byok_in_limit": false }));
    assert_eq!(complete(&bench, &made.key).0, 200);
    let change = KeyChange {
        usage_daily: Some(Usd::dollars(10)),
        ..KeyChange::default()
    };
    bench.control().set_key(made.hash(), &change).unwrap();
    assert_eq!(complete(&bench, &made.key).0, 403);
}
