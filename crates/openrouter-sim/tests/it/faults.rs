//! Fault rules: matching, moments and actions, without sockets.

use std::time::Duration;

use http::Method;
use openrouter_sim::{Action, Distribution, Experience, FaultRule, KeyKind, SimReply, When};
use serde_json::{Value, json};

use crate::bench::{Bench, MANAGEMENT, Made, answer, chat};

fn rule(value: Value) -> FaultRule {
    serde_json::from_value(value).unwrap()
}

fn add(bench: &Bench, value: Value) -> u64 {
    bench.control().add_fault(rule(value)).unwrap()
}

fn create(bench: &Bench, name: &str) -> SimReply {
    bench.handle(Method::POST, "/keys", MANAGEMENT, Some(&json!({ "name": name })))
}

fn created_total(bench: &Bench) -> u64 {
    bench.control().stats().keys.total.created_total
}

#[test]
fn the_rule_of_the_contract_is_read() {
    let bench = Bench::new();
    let id = add(
        &bench,
        json!({
            "match": { "endpoint": "keys.create", "name_prefix": "prod/", "hash": null, "account": null,
                       "key_kind": "management", "skip": 0 },
            "when": "after_effect",
            "action": { "type": "status", "status": 500, "body": "json", "headers": {} },
            "times": 1,
            "probability": 1.0
        }),
    );
    let shown = &bench.control().faults()[0];
    assert_eq!((shown.id, shown.rule.matching.key_kind), (id, Some(KeyKind::Management)));
    assert_eq!(answer(create(&bench, "dev/a")).0, 201);
    let (status, body) = answer(create(&bench, "prod/a"));
    assert_eq!((status, &body["error"]["code"]), (500, &json!(500)));
    assert_eq!(answer(create(&bench, "prod/b")).0, 201);
    let stats = bench.control().stats();
    assert_eq!((stats.keys.total.live, stats.keys.total.undelivered), (3, 1));
    assert_eq!((stats.faults[&id], stats.effects_without_reply["keys.create"]), (1, 1));
}

#[test]
fn malformed_rules_are_refused() {
    for value in [
        json!({}),
        json!({ "action": { "type": "explode" } }),
        json!({ "action": { "type": "status" } }),
        json!({ "action": { "type": "status", "status": 500, "colour": 1 } }),
        json!({ "action": { "type": "reset" }, "time": 1 }),
        json!({ "action": { "type": "reset" }, "match": { "endpoints": "any" } }),
        json!({ "action": { "type": "reset" }, "when": "sometimes" }),
        json!({ "action": { "type": "latency", "ms": -5 } }),
        json!({ "action": { "type": "reset" }, "match": { "hash": "x" } }),
    ] {
        assert!(serde_json::from_value::<FaultRule>(value.clone()).is_err(), "{value}");
    }
    let bench = Bench::new();
    for value in [
        json!({ "action": { "type": "status", "status": 99 } }),
        json!({ "action": { "type": "status", "status": 500, "headers": { "a b": "c" } } }),
        json!({ "action": { "type": "status", "status": 500, "headers": { "a": "b\n" } } }),
        json!({ "action": { "type": "wrong_status", "status": 600 } }),
        json!({ "action": { "type": "slow_body", "bytes": 0 } }),
        json!({ "action": { "type": "latency", "ms": 5, "then": { "type": "wrong_status", "status": 1 } } }),
        json!({ "action": { "type": "reset" }, "probability": 1.5 }),
        json!({ "action": { "type": "reset" }, "match": { "endpoint": "keys.burn" } }),
        json!({ "action": { "type": "reset" }, "match": { "endpoint": "get /keys" } }),
    ] {
        assert!(bench.control().add_fault(rule(value.clone())).is_err(), "{value}");
    }
    assert!(bench.control().faults().is_empty());
}

#[test]
fn rules_match_by_endpoint_pattern_key_and_kind() {
    let bench = Bench::new();
    let (a, b) = (bench.named("a/1"), bench.named("b/1"));
    let path = |made: &Made| format!("/keys/{}", made.hash);
    let teapot = |matching: Value| {
        bench.control().clear_faults();
        add(&bench, json!({ "match": matching, "action": { "type": "status", "status": 418 } }));
    };
    let get = |path: &str, key: &str| bench.call(Method::GET, path, key, None).0;

    teapot(json!({ "endpoint": "keys.get" }));
    assert_eq!((get(&path(&a), MANAGEMENT), get("/keys", MANAGEMENT)), (418, 200));
    teapot(json!({ "endpoint": "any" }));
    assert_eq!((get("/models", MANAGEMENT), get("/nothing", MANAGEMENT)), (418, 418));
    teapot(json!({ "endpoint": "GET /keys/*" }));
    assert_eq!((get(&path(&a), MANAGEMENT), get("/keys", MANAGEMENT)), (418, 200));
    assert_eq!(bench.patch(&path(&a), &json!({ "disabled": false })).0, 200);
    teapot(json!({ "endpoint": "* /api/v1/keys/**" }));
    assert_eq!((get(&path(&a), MANAGEMENT), get("/credits", MANAGEMENT)), (418, 200));
    teapot(json!({ "name_prefix": "a/" }));
    assert_eq!((get(&path(&a), MANAGEMENT), get(&path(&b), MANAGEMENT)), (418, 200));
    assert_eq!((get("/key", &a.key), get("/key", &b.key), get("/key", MANAGEMENT)), (418, 200, 200));
    assert_eq!((answer(create(&bench, "a/2")).0, answer(create(&bench, "b/2")).0), (418, 201));
    teapot(json!({ "hash": a.hash }));
    assert_eq!((get(&path(&a), MANAGEMENT), get(&path(&b), MANAGEMENT)), (418, 200));
    assert_eq!((get("/key", &a.key), get("/key", &b.key)), (418, 200));
    teapot(json!({ "key_kind": "inference" }));
    assert_eq!(
        (get("/key", &a.key), get("/key", MANAGEMENT), get("/key", "sk-or-v1-nobody")),
        (418, 200, 401)
    );
    teapot(json!({ "key_kind": "none" }));
    assert_eq!((get("/key", &a.key), get("/key", "sk-or-v1-nobody")), (200, 418));
    teapot(json!({ "account": "default" }));
    assert_eq!((get("/key", &a.key), get("/key", "sk-or-v1-nobody")), (418, 401));
    teapot(json!({ "account": "other" }));
    assert_eq!(get("/key", &a.key), 200);
}

#[test]
fn skip_times_and_order_are_kept() {
    let bench = Bench::new();
    let skipping = json!({ "match": { "endpoint": "key", "skip": 2 }, "times": 2,
                           "action": { "type": "status", "status": 418 } });
    let first = add(&bench, skipping);
    let second = add(
        &bench,
        json!({ "match": { "endpoint": "key" }, "times": 3, "action": { "type": "status", "status": 503 } }),
    );
    let statuses: Vec<u16> = (0..7).map(|_| bench.probe(MANAGEMENT)).collect();
    assert_eq!(statuses, [503, 503, 418, 418, 503, 200, 200]);
    let stats = bench.control().stats();
    assert_eq!((stats.faults[&first], stats.faults[&second]), (2, 3));
    bench.control().remove_fault(first).unwrap();
    assert!(bench.control().remove_fault(first).is_err());
    assert_eq!(bench.control().faults().len(), 1);
}

#[test]
fn probability_is_about_right_and_repeats() {
    let run = || {
        let bench = Bench::new();
        add(&bench, json!({ "action": { "type": "status", "status": 503 }, "probability": 0.3 }));
        (0..1000).map(|_| bench.probe(MANAGEMENT)).collect::<Vec<_>>()
    };
    let first = run();
    let fired = first.iter().filter(|status| **status == 503).count();
    assert!((250..350).contains(&fired), "{fired}");
    assert_eq!(first, run());
}

#[test]
fn before_the_effect_nothing_happens() {
    let bench = Bench::new();
    for action in [
        json!({ "type": "status", "status": 500 }),
        json!({ "type": "rate_limit" }),
        json!({ "type": "reset" }),
        json!({ "type": "close" }),
        json!({ "type": "hang" }),
        json!({ "type": "truncate", "bytes": 10 }),
        json!({ "type": "malformed_json" }),
        json!({ "type": "wrong_status", "status": 200 }),
        json!({ "type": "latency", "ms": 50, "then": { "type": "status", "status": 502 } }),
    ] {
        bench.control().clear_faults();
        add(
            &bench,
            json!({ "match": { "endpoint": "keys.create" }, "when": "before_effect", "action": action }),
        );
        drop(create(&bench, "a"));
    }
    let stats = bench.control().stats();
    assert_eq!((stats.keys.total.created_total, stats.requests.in_flight), (0, 0));
    assert!(stats.effects_without_reply.is_empty());
    assert_eq!(stats.faults.len(), 9);
}

#[test]
fn after_the_effect_the_key_exists_and_its_plaintext_is_lost() {
    for action in [
        json!({ "type": "status", "status": 500 }),
        json!({ "type": "status", "status": 502, "body": "html" }),
        json!({ "type": "rate_limit" }),
        json!({ "type": "reset" }),
        json!({ "type": "close" }),
        json!({ "type": "hang", "max_ms": 5 }),
        json!({ "type": "truncate", "bytes": 30 }),
        json!({ "type": "malformed_json" }),
        json!({ "type": "drop_fields", "fields": ["key"] }),
        json!({ "type": "null_fields", "fields": ["key"] }),
        json!({ "type": "latency", "ms": 5, "then": { "type": "reset" } }),
    ] {
        let bench = Bench::new();
        add(&bench, json!({ "when": "after_effect", "action": action }));
        drop(create(&bench, "a").play());
        let stats = bench.control().stats();
        assert_eq!((stats.keys.total.live, stats.keys.total.undelivered), (1, 1), "{action}");
        assert_eq!(stats.effects_without_reply["keys.create"], 1, "{action}");
        let events = bench.control().events(0).events;
        assert_eq!(
            (events.len(), events[0].effect, events[0].delivered),
            (1, true, Some(false)),
            "{action}"
        );
        assert!(events[0].hash.is_some() && events[0].rule.is_some(), "{action}");
    }
}

#[test]
fn an_answer_that_is_only_odd_still_delivers_the_key() {
    for (action, check) in [
        (json!({ "type": "wrong_status", "status": 200 }), "status"),
        (json!({ "type": "wrong_content_type", "content_type": "text/plain" }), "type"),
        (
            json!({ "type": "extra_fields", "fields": { "data.new": 1, "beside": [] } }),
            "extra",
        ),
        (json!({ "type": "drop_fields", "fields": ["data.usage"] }), "dropped"),
        (json!({ "type": "null_fields", "fields": ["data.name"] }), "null"),
        (
            json!({ "type": "slow_body", "first_byte_ms": 100, "bytes": 100, "interval_ms": 10 }),
            "slow",
        ),
        (json!({ "type": "truncate", "bytes": 100_000 }), "whole"),
    ] {
        let bench = Bench::new();
        add(&bench, json!({ "action": action }));
        let (wait, experience) = create(&bench, "a").play();
        let Experience::Answer(response) = experience else {
            panic!("{check}")
        };
        let body = response.json().unwrap();
        let right = match check {
            "status" => response.status == 200,
            "type" => response.headers["content-type"] == "text/plain",
            "extra" => body["data"]["new"] == 1 && body["beside"] == json!([]),
            "dropped" => body["data"].get("usage").is_none(),
            "null" => body["data"]["name"].is_null(),
            "slow" => wait > Duration::from_millis(150),
            _ => response.status == 201,
        };
        assert!(right, "{check}: {body}");
        assert!(body["key"].is_string(), "{check}");
        assert_eq!(bench.control().stats().keys.total.undelivered, 0, "{check}");
    }
}

#[test]
fn rules_after_the_effect_leave_refused_requests_alone() {
    let bench = Bench::new();
    let id = add(
        &bench,
        json!({ "match": { "endpoint": "keys.create" }, "when": "after_effect", "times": 1, "action": { "type": "reset" } }),
    );
    assert_eq!(bench.post("/keys", &json!({})).0, 400);
    assert_eq!(
        bench
            .call(Method::POST, "/keys", "sk-or-v1-nobody", Some(&json!({ "name": "a" })))
            .0,
        401
    );
    assert!(!bench.control().stats().faults.contains_key(&id));
    assert!(matches!(create(&bench, "a"), SimReply::Reset { .. }));
}

#[test]
fn double_effect_makes_two_and_answers_one() {
    let bench = Bench::new();
    add(
        &bench,
        json!({ "match": { "endpoint": "keys.create" }, "action": { "type": "double_effect" } }),
    );
    let made = bench.named("twice");
    assert_eq!(bench.names(""), ["twice", "twice"]);
    let stats = bench.control().stats();
    assert_eq!((stats.keys.total.live, stats.keys.total.undelivered), (2, 1));
    assert_eq!(bench.probe(&made.key), 200);
    add(
        &bench,
        json!({ "match": { "endpoint": "chat" }, "action": { "type": "double_effect" } }),
    );
    bench.spend(&made.key, "1");
    assert_eq!(bench.get(&format!("/keys/{}", made.hash)).1["data"]["usage"], 2);
}

#[test]
fn ignore_effect_reports_success_and_does_nothing() {
    let bench = Bench::new();
    let made = bench.named("a");
    let path = format!("/keys/{}", made.hash);
    add(
        &bench,
        json!({ "match": { "key_kind": "management" }, "action": { "type": "ignore_effect" } }),
    );
    assert_eq!(bench.delete(&path), (200, json!({ "deleted": true })));
    assert_eq!(bench.patch(&path, &json!({ "name": "b" })).1["data"]["name"], "b");
    let (status, body) = bench.post("/keys", &json!({ "name": "phantom" }));
    assert_eq!((status, body["key"].as_str().map(str::len)), (201, Some(73)));
    assert_eq!(bench.names(""), ["a"]);
    assert_eq!(bench.probe(&made.key), 200);
    assert_eq!(bench.probe(body["key"].as_str().unwrap()), 401);
    assert_eq!(created_total(&bench), 1);
    let events = bench.control().events(1).events;
    assert!(events.iter().take(3).all(|event| !event.effect));
}

#[test]
fn latency_before_the_effect_defers_it() {
    let bench = Bench::new();
    bench
        .control()
        .add_fault(FaultRule::on(
            "keys.create",
            Action::Latency {
                ms: Distribution::fixed_ms(7_000),
                then: None,
            },
        ))
        .unwrap();
    let SimReply::Deferred { after, resume } = create(&bench, "late") else {
        panic!("deferred")
    };
    assert_eq!(after, Duration::from_secs(7));
    assert_eq!((created_total(&bench), bench.control().stats().requests.in_flight), (0, 1));
    bench.advance(after);
    drop(resume.call());
    let stats = bench.control().stats();
    assert_eq!(
        (stats.keys.total.live, stats.keys.total.undelivered, stats.requests.in_flight),
        (1, 1, 0)
    );
    let event = &bench.control().events(0).events[0];
    assert_eq!((event.time.as_str(), event.delivered), ("2026-11-24T12:00:07.000Z", Some(false)));
}

#[test]
fn a_deferred_request_is_judged_by_the_state_it_meets() {
    let bench = Bench::new();
    let made = bench.named("a");
    add(
        &bench,
        json!({ "match": { "endpoint": "chat" }, "action": { "type": "latency", "ms": 1000 } }),
    );
    let SimReply::Deferred { resume, .. } = bench.handle(Method::POST, "/chat/completions", &made.key, Some(&chat())) else {
        panic!("deferred")
    };
    bench.delete(&format!("/keys/{}", made.hash));
    assert_eq!(answer(resume.call()).0, 401);
    assert_eq!(bench.control().stats().uses_after_delete.total.count, 1);
}

#[test]
fn latency_after_the_effect_delays_the_reply_only() {
    let bench = Bench::new();
    add(
        &bench,
        json!({ "when": "after_effect", "action": { "type": "latency", "ms": 7000 } }),
    );
    let SimReply::Response { delay, response, delivery } = create(&bench, "a") else {
        panic!("a response")
    };
    assert_eq!((delay, response.status.as_u16()), (Duration::from_secs(7), 201));
    assert_eq!(created_total(&bench), 1);
    let early = bench.control().events(0).events;
    assert_eq!((early.len(), early[0].effect, early[0].delivered), (1, true, None));
    drop(delivery);
    let events = bench.control().events(0).events;
    assert_eq!((events.len(), events[1].delivered), (2, Some(false)));
    assert_eq!(events[0].request_id, events[1].request_id);
    assert_eq!(bench.control().stats().keys.total.undelivered, 1);
}

#[test]
fn bodies_of_status_faults() {
    let bench = Bench::new();
    for (body, check) in [
        ("json", "application/json"),
        ("html", "text/html"),
        ("empty", ""),
        ("so sorry", "text/plain"),
    ] {
        bench.control().clear_faults();
        add(
            &bench,
            json!({ "action": { "type": "status", "status": 503, "body": body, "headers": { "Retry-After": "3" } } }),
        );
        let Experience::Answer(response) = create(&bench, "a").play().1 else {
            panic!("an answer")
        };
        assert_eq!(response.status.as_u16(), 503);
        assert_eq!(response.headers["retry-after"], "3");
        let content_type = response.headers.get("content-type").map_or("", |value| value.to_str().unwrap());
        assert!(
            content_type.starts_with(check) && (check.is_empty() == content_type.is_empty()),
            "{body}"
        );
        let bytes = response.body.to_bytes();
        match body {
            "json" => assert_eq!(response.json().unwrap()["error"]["code"], 503),
            "html" => assert!(bytes.starts_with(b"<!DOCTYPE html>")),
            "empty" => assert!(bytes.is_empty()),
            literal => assert_eq!(bytes, literal.as_bytes()),
        }
    }
}

#[test]
fn rate_limits_carry_their_headers() {
    let bench = Bench::new();
    bench.advance(Duration::from_millis(500));
    add(
        &bench,
        json!({ "action": { "type": "rate_limit", "retry_after_s": 7, "limit": 20, "remaining": 0 }, "times": 1 }),
    );
    add(
        &bench,
        json!({ "action": { "type": "rate_limit", "retry_after_s": 7, "format": "date" } }),
    );
    let headers = |bench: &Bench| match create(bench, "a").play().1 {
        Experience::Answer(response) if response.status == 429 => response.headers,
        other => panic!("{other:?}"),
    };
    let seconds = headers(&bench);
    assert_eq!(seconds["retry-after"], "7");
    assert_eq!(seconds["x-ratelimit-limit"], "20");
    assert_eq!(seconds["x-ratelimit-remaining"], "0");
    assert_eq!(seconds["x-ratelimit-reset"], "1795521607500");
    assert_eq!(headers(&bench)["retry-after"], "Tue, 24 Nov 2026 12:00:08 GMT");
}

#[test]
fn builders_make_the_same_rules() {
    let built = FaultRule::on("chat", Action::Reset)
        .when(When::AfterEffect)
        .times(2)
        .probability(0.5);
    let read = rule(
        json!({ "match": { "endpoint": "chat" }, "action": { "type": "reset" }, "when": "after_effect",
                            "times": 2, "probability": 0.5 }),
    );
    assert_eq!(built, read);
}
