//! `/keys` and `/keys/{hash}`.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, MANAGEMENT};

#[test]
fn a_created_key_is_answered_in_full_and_once() {
    let bench = Bench::new();
    let (status, body) = bench.post("/keys", &json!({ "name": "a", "limit": 12.5, "limit_reset": "daily" }));
    assert_eq!(status, 201);
    let text = body["key"].as_str().unwrap();
    assert!(
        text.strip_prefix("sk-or-v1-")
            .is_some_and(|digits| { digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) })
    );
    let data = &body["data"];
    let hash = openrouter_sim::KeyHash::of(text).to_string();
    assert_eq!(data["hash"], hash);
    assert_eq!(data["label"], format!("{}...{}", &text[..12], &text[70..]));
    assert_eq!(data["limit"], 12.5);
    assert_eq!(data["limit_remaining"], 12.5);
    assert_eq!(data["limit_reset"], "daily");
    assert_eq!(data["usage"], 0);
    assert_eq!(data["created_at"], "2026-11-24T12:00:00.000Z");
    for field in ["updated_at", "expires_at", "last_used_at", "external_user"] {
        assert_eq!(data[field], Value::Null, "{field}");
    }
    let (status, read) = bench.get(&format!("/keys/{hash}"));
    assert_eq!((status, &read), (200, &json!({ "data": data })));
    assert_eq!(bench.get("/keys").1, json!({ "data": [data] }));
}

#[test]
fn a_create_is_checked_before_it_has_any_effect() {
    let bench = Bench::new();
    for body in [
        json!([]),
        json!("name"),
        json!(null),
        json!({}),
        json!({ "name": "" }),
        json!({ "name": null }),
        json!({ "name": 5 }),
        json!({ "name": "a", "limit": "10" }),
        json!({ "name": "a", "limit": true }),
        json!({ "name": "a", "limit": -0.01 }),
        json!({ "name": "a", "limit": 1e300 }),
        json!({ "name": "a", "limit_reset": "yearly" }),
        json!({ "name": "a", "limit_reset": "Daily" }),
        json!({ "name": "a", "limit_reset": 1 }),
        json!({ "name": "a", "include_byok_in_limit": "true" }),
        json!({ "name": "a", "include_byok_in_limit": null }),
        json!({ "name": "a", "expires_at": "2027-12-31T23:59Z" }),
        json!({ "name": "a", "expires_at": "2027-12-31T23:59:59" }),
        json!({ "name": "a", "expires_at": "2027-12-31T23:59:59+01:00" }),
        json!({ "name": "a", "expires_at": "2027-02-30T00:00:00Z" }),
        json!({ "name": "a", "expires_at": "2026-11-24T11:59:59Z" }),
        json!({ "name": "a", "expires_at": 1_800_000_000 }),
        json!({ "name": "a", "creator_user_id": "" }),
        json!({ "name": "a", "creator_user_id": 1 }),
        json!({ "name": "a", "workspace_id": "default" }),
        json!({ "name": "a", "workspace_id": "7205f2de-ca71-459e-9090-000000000000" }),
    ] {
        let (status, answer) = bench.post("/keys", &body);
        assert_eq!(status, 400, "{body}");
        assert_eq!(answer["error"]["code"], 400, "{body}");
        assert!(answer["error"]["message"].is_string(), "{body}");
    }
    let mut broken = openrouter_sim::SimRequest::new(Method::POST, "/api/v1/keys").bearer(MANAGEMENT);
    broken.body = "{\"name\": \"a\"".into();
    assert_eq!(crate::bench::answer(bench.core.handle(broken)).0, 400);
    assert_eq!(bench.control().stats().keys.total.created_total, 0);
}

#[test]
fn a_create_takes_what_the_contract_allows() {
    let bench = Bench::new();
    for body in [
        json!({ "name": "a", "limit": 0, "limit_reset": null, "unknown": {} }),
        json!({ "name": "b", "limit": null, "expires_at": null, "creator_user_id": null }),
        json!({ "name": "c", "expires_at": "2027-12-31T23:59:59.5Z", "creator_user_id": "user_1" }),
    ] {
        assert_eq!(bench.post("/keys", &body).0, 201, "{body}");
    }
    let (_, page) = bench.get("/keys");
    assert_eq!(page["data"][0]["expires_at"], "2027-12-31T23:59:59.500Z");
    assert_eq!(page["data"][0]["creator_user_id"], "user_1");
    assert_eq!(page["data"][2]["limit"], 0);
}

#[test]
fn the_listing_is_newest_first_in_pages_of_100() {
    let bench = Bench::new();
    for number in 0..250 {
        bench.named(&format!("key {number}"));
        if number % 3 == 0 {
            bench.advance(Duration::from_millis(1));
        }
    }
    let expected: Vec<String> = (0..250).rev().map(|number| format!("key {number}")).collect();
    assert_eq!(bench.names(""), expected[..100]);
    assert_eq!(bench.names("?offset=100"), expected[100..200]);
    assert_eq!(bench.names("?offset=200"), expected[200..]);
    assert_eq!(bench.names("?offset=249"), expected[249..]);
    assert!(bench.names("?offset=250").is_empty());
    assert!(bench.names("?offset=99999999999999999999999").is_empty());
    assert_eq!(bench.names("?colour=blue&limit=3").len(), 100);
}

#[test]
fn disabled_and_expired_keys_are_listed_on_demand_and_offsets_count_what_is_shown() {
    let bench = Bench::new();
    let disabled = bench.named("disabled");
    bench.create(&json!({ "name": "expired", "expires_at": "2026-11-24T12:00:01Z" }));
    bench.named("plain 1");
    bench.named("plain 2");
    bench.patch(&format!("/keys/{}", disabled.hash), &json!({ "disabled": true }));
    bench.advance(Duration::from_secs(1));
    assert_eq!(bench.names(""), ["plain 2", "plain 1"]);
    assert_eq!(bench.names("?offset=1"), ["plain 1"]);
    assert_eq!(bench.names("?include_disabled=true"), ["plain 2", "plain 1", "disabled"]);
    assert_eq!(bench.names("?include_expired=true"), ["plain 2", "plain 1", "expired"]);
    let all = "?include_disabled=true&include_expired=true";
    assert_eq!(bench.names(all), ["plain 2", "plain 1", "expired", "disabled"]);
    assert_eq!(bench.names(&format!("{all}&offset=3")), ["disabled"]);
}

#[test]
fn queries_of_the_listing_are_checked() {
    let bench = Bench::new();
    for (query, expected) in [
        ("?include_disabled=1", 400),
        ("?include_expired=TRUE", 400),
        ("?include_expired=", 400),
        ("?offset=-1", 400),
        ("?offset=1.5", 400),
        ("?offset=x", 400),
        ("?workspace_id=default", 400),
        ("?workspace_id=7205f2de-ca71-459e-9090-000000000000", 404),
        ("?offset=%FF", 400),
        ("?include_disabled=false&offset=0", 200),
    ] {
        assert_eq!(bench.get(&format!("/keys{query}")).0, expected, "{query}");
    }
}

#[test]
fn one_listing_sees_one_workspace_and_keys_move_between_them() {
    let bench = Bench::new();
    let id = bench.get("/workspaces/team-a").1["data"]["id"].as_str().unwrap().to_owned();
    bench.create(&json!({ "name": "there", "workspace_id": id }));
    let mover = bench.named("mover");
    let there = format!("?workspace_id={id}");
    assert_eq!(bench.names(""), ["mover"]);
    assert_eq!(bench.names(&there), ["there"]);
    let (status, body) = bench.patch(&format!("/keys/{}", mover.hash), &json!({ "workspace_id": id }));
    assert_eq!((status, body["data"]["workspace_id"].as_str()), (200, Some(id.as_str())));
    assert!(bench.names("").is_empty());
    assert_eq!(bench.names(&there), ["mover", "there"]);
    assert_eq!(bench.probe(&mover.key), 200);
    let unknown = json!({ "workspace_id": "7205f2de-ca71-459e-9090-000000000000" });
    assert_eq!(bench.patch(&format!("/keys/{}", mover.hash), &unknown).0, 404);
}

#[test]
fn an_update_changes_what_it_names() {
    let bench = Bench::new();
    let made = bench.create(&json!({ "name": "before", "limit": 5, "limit_reset": "weekly" }));
    let path = format!("/keys/{}", made.hash);
    bench.advance(Duration::from_secs(1));
    let (status, body) = bench.patch(&path, &json!({ "name": "after", "colour": "blue" }));
    assert_eq!(status, 200);
    let data = &body["data"];
    assert_eq!((data["name"].as_str(), data["limit"].as_i64()), (Some("after"), Some(5)));
    assert_eq!(data["updated_at"], "2026-11-24T12:00:01.000Z");
    let change = json!({ "limit": null, "limit_reset": null, "include_byok_in_limit": true, "disabled": true });
    let data = bench.patch(&path, &change).1["data"].clone();
    assert_eq!(
        (&data["limit"], &data["limit_remaining"], &data["limit_reset"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!((&data["include_byok_in_limit"], &data["disabled"]), (&json!(true), &json!(true)));
    assert_eq!(bench.probe(&made.key), 401);
    assert_eq!(bench.patch(&path, &json!({ "disabled": false })).0, 200);
    assert_eq!(bench.probe(&made.key), 200);
}

#[test]
fn an_update_is_checked_before_the_key_is_looked_up() {
    let bench = Bench::new();
    let made = bench.named("a");
    let missing = "0".repeat(64);
    for hash in [&made.hash, &missing] {
        for body in [
            json!({}),
            json!({ "colour": "blue" }),
            json!({ "expires_at": "2027-12-31T23:59:59Z" }),
            json!({ "name": null }),
            json!({ "name": 1 }),
            json!({ "disabled": null }),
            json!({ "disabled": "true" }),
            json!({ "limit": -1 }),
            json!({ "limit_reset": "never" }),
            json!({ "include_byok_in_limit": null }),
            json!({ "workspace_id": null }),
            json!({ "workspace_id": "default" }),
        ] {
            assert_eq!(bench.patch(&format!("/keys/{hash}"), &body).0, 400, "{body}");
        }
    }
    let no_fields = bench.patch(&format!("/keys/{missing}"), &json!({})).1;
    assert_eq!(no_fields["error"]["message"], "No update fields provided");
    assert_eq!(bench.patch(&format!("/keys/{missing}"), &json!({ "name": "b" })).0, 404);
    assert_eq!(bench.get(&format!("/keys/{}", made.hash)).1["data"]["updated_at"], Value::Null);
}

#[test]
fn a_deleted_key_is_gone_everywhere() {
    let bench = Bench::new();
    let made = bench.named("a");
    let path = format!("/keys/{}", made.hash);
    assert_eq!(bench.delete(&path), (200, json!({ "deleted": true })));
    assert_eq!(bench.delete(&path).0, 404);
    assert_eq!(bench.get(&path).0, 404);
    assert_eq!(bench.patch(&path, &json!({ "disabled": true })).0, 404);
    assert!(bench.names("?include_disabled=true&include_expired=true").is_empty());
    assert_eq!(bench.probe(&made.key), 401);
    for hash in ["0".repeat(64), made.hash.to_uppercase(), "x".to_owned(), made.key.clone()] {
        assert_eq!(bench.get(&format!("/keys/{hash}")).0, 404);
        assert_eq!(bench.delete(&format!("/keys/{hash}")).0, 404);
    }
}

#[test]
fn disabled_and_expired_keys_can_be_read_changed_and_deleted() {
    let bench = Bench::new();
    let made = bench.create(&json!({ "name": "a", "expires_at": "2026-11-24T12:00:01Z" }));
    let path = format!("/keys/{}", made.hash);
    bench.patch(&path, &json!({ "disabled": true }));
    bench.advance(Duration::from_secs(5));
    assert_eq!(bench.get(&path).0, 200);
    assert_eq!(bench.patch(&path, &json!({ "name": "b" })).0, 200);
    assert_eq!(bench.delete(&path).0, 200);
}

#[test]
fn two_keys_may_share_a_name() {
    let bench = Bench::new();
    let (first, second) = (bench.named("same"), bench.named("same"));
    assert_ne!(first.hash, second.hash);
    assert_eq!(bench.names(""), ["same", "same"]);
}
