//! Counters.

use std::time::Duration;

use http::Method;
use openrouter_sim::{Action, FaultRule, ForeignKey, OrphanQuery, When};
use serde_json::{Value, json};

use crate::bench::{Bench, MANAGEMENT, chat};

fn stats(bench: &Bench) -> Value {
    serde_json::to_value(bench.control().stats()).unwrap()
}

#[test]
fn keys_are_counted_by_state_and_prefix() {
    let bench = Bench::new();
    let one = bench.named("prod/1");
    let two = bench.named("prod/2");
    let gone = bench.named("prod/3");
    bench.create(&json!({ "name": "dev/1", "expires_at": "2026-11-24T12:00:01Z" }));
    bench.patch(&format!("/keys/{}", two.hash), &json!({ "disabled": true }));
    bench.delete(&format!("/keys/{}", gone.hash));
    bench.advance(Duration::from_secs(2));
    let stats = bench.control().stats_with(&["prod/".to_owned(), "none/".to_owned()]);
    let value = serde_json::to_value(&stats.keys).unwrap();
    let counts = json!({ "live": 3, "enabled": 1, "disabled": 1, "expired": 1, "created_total": 4,
                         "deleted_total": 1, "peak_live": 4, "undelivered": 0 });
    for (name, count) in counts.as_object().unwrap() {
        assert_eq!(&value[name], count, "{name}");
    }
    assert_eq!(value["by_account"]["default"], counts);
    assert_eq!(
        value["by_prefix"]["prod/"],
        json!({ "live": 2, "enabled": 1, "disabled": 1, "expired": 0, "created_total": 3, "deleted_total": 1,
                "peak_live": 3, "undelivered": 0 })
    );
    assert_eq!(value["by_prefix"]["none/"]["peak_live"], 0);
    assert_eq!(bench.probe(&one.key), 200);
}

#[test]
fn the_peak_of_a_prefix_follows_time_and_names() {
    let bench = Bench::new();
    let peak = |prefix: &str| {
        let prefix = prefix.to_owned();
        bench.control().stats_with(std::slice::from_ref(&prefix)).keys.by_prefix[&prefix].peak_live
    };
    let mut previous = bench.named("r/0");
    for number in 1..20 {
        let next = bench.named(&format!("r/{number}"));
        bench.delete(&format!("/keys/{}", previous.hash));
        previous = next;
    }
    assert_eq!((peak("r/"), peak("r/1"), peak("")), (2, 2, 2));
    bench.patch(&format!("/keys/{}", previous.hash), &json!({ "name": "other" }));
    bench.named("r/20");
    assert_eq!((peak("r/"), peak("o")), (2, 1));
    bench.named("r/21");
    bench.patch(&format!("/keys/{}", previous.hash), &json!({ "name": "r/back" }));
    assert_eq!((peak("r/"), bench.control().stats().keys.total.peak_live), (3, 3));
}

#[test]
fn requests_are_counted_by_all_four_properties() {
    let bench = Bench::new();
    let made = bench.named("a");
    bench.probe(&made.key);
    bench.probe(&made.key);
    bench.probe("sk-or-v1-nobody");
    bench.get("/nothing");
    let counts = stats(&bench)["requests"]["counts"].clone();
    let expected = json!([
        { "endpoint": "key", "method": "GET", "status": 200, "credential": "inference", "count": 2 },
        { "endpoint": "key", "method": "GET", "status": 401, "credential": "unknown", "count": 1 },
        { "endpoint": "keys.create", "method": "POST", "status": 201, "credential": "management", "count": 1 },
        { "endpoint": "other", "method": "GET", "status": 404, "credential": "management", "count": 1 },
    ]);
    assert_eq!(counts, expected);
    let stats = bench.control().stats();
    assert_eq!((stats.requests.total, stats.requests_with("key", Some(200))), (5, 2));
    assert_eq!(stats.requests.by_management_key["sk-or-v1-012...123"], 2);
    assert_eq!((stats.requests.in_flight, stats.requests.max_in_flight), (0, 1));
}

#[test]
fn completions_are_counted_by_result_and_key_with_times() {
    let bench = Bench::new();
    let made = bench.create(&json!({ "name": "a", "limit": 1 }));
    bench.spend(&made.key, "0.5");
    bench.advance(Duration::from_secs(1));
    bench.spend(&made.key, "0.5");
    bench.spend(&made.key, "0.5");
    let id = bench.control().add_fault(FaultRule::on("chat", Action::Reset).times(1)).unwrap();
    drop(bench.handle(Method::POST, "/chat/completions", &made.key, Some(&chat())));
    bench.delete(&format!("/keys/{}", made.hash));
    bench.spend(&made.key, "0.5");
    bench.spend("sk-or-v1-nobody", "0.5");
    let stats = stats(&bench);
    let completions = &stats["completions"];
    for (name, count) in [
        ("ok", 2),
        ("refused_limit", 1),
        ("refused_auth", 2),
        ("refused_credits", 0),
        ("fault", 1),
    ] {
        assert_eq!(completions[name], count, "{name}");
    }
    let of_key = &completions["by_key"][&made.hash];
    assert_eq!(
        of_key["ok"],
        json!({ "count": 2, "first": "2026-11-24T12:00:00.000Z", "last": "2026-11-24T12:00:01.000Z" })
    );
    assert_eq!(
        (&of_key["refused_auth"]["count"], &of_key["fault"]["count"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(stats["faults"], json!({ id.to_string(): 1 }));
    assert_eq!(stats["uses_after_delete"]["count"], 1);
}

#[test]
fn first_use_is_the_first_accepted_request() {
    let bench = Bench::new();
    let made = bench.named("a");
    bench.call(Method::GET, "/models", &made.key, None);
    bench.advance(Duration::from_millis(1234));
    bench.probe(&made.key);
    bench.advance(Duration::from_secs(5));
    bench.spend(&made.key, "0.1");
    assert_eq!(stats(&bench)["first_use_ms"], json!({ made.hash: 1234 }));
}

#[test]
fn orphans_and_ghosts_are_told_by_the_callers_knowledge() {
    let bench = Bench::new();
    let known = bench.named("prod/known");
    let gone = bench.named("prod/gone");
    bench.named("dev/other");
    bench
        .control()
        .add_fault(FaultRule::on("keys.create", Action::Close).when(When::AfterEffect).times(1))
        .unwrap();
    drop(bench.handle(Method::POST, "/keys", MANAGEMENT, Some(&json!({ "name": "prod/lost" }))));
    bench.control().delete_key(gone.hash()).unwrap();
    let query = OrphanQuery {
        known_hashes: vec![known.hash(), gone.hash()],
        name_prefix: "prod/".to_owned(),
        account: None,
    };
    let found = bench.control().orphans(&query).unwrap();
    let names: Vec<&str> = found.orphans.iter().map(|key| key.name.as_str()).collect();
    assert_eq!((names, found.ghosts), (vec!["prod/lost"], vec![gone.hash()]));
    assert!(found.orphans[0].undelivered);
    bench.delete(&format!("/keys/{}", found.orphans[0].hash));
    let query = OrphanQuery {
        known_hashes: vec![known.hash()],
        ..query
    };
    assert_eq!(bench.control().orphans(&query).unwrap(), openrouter_sim::Orphans::default());
    assert_eq!(bench.control().stats().keys.total.undelivered, 0);
    assert!(
        bench
            .control()
            .orphans(&OrphanQuery {
                account: Some("x".to_owned()),
                ..query
            })
            .is_err()
    );
}

#[test]
fn a_foreign_key_is_no_lost_one() {
    let bench = Bench::new();
    let foreign = ForeignKey {
        name: Some("theirs".to_owned()),
        workspace: Some("team-a".to_owned()),
        ..ForeignKey::default()
    };
    let made = bench.control().create_foreign_key(foreign).unwrap();
    assert_eq!(bench.probe(made.key.expose()), 200);
    assert_eq!(bench.control().stats().keys.total.undelivered, 0);
    assert_eq!(bench.control().key(made.hash).unwrap().workspace, "team-a");
}

#[test]
fn a_reset_begins_anew() {
    let bench = Bench::new();
    let before = bench.named("a");
    bench.spend(&before.key, "1");
    bench.advance(Duration::from_hours(100));
    bench.control().add_fault(FaultRule::on("keys.get", Action::Reset)).unwrap();
    bench.control().reset();
    let fresh = Bench::new();
    let (after, new) = (stats(&bench), stats(&fresh));
    assert_eq!(after["keys"], new["keys"]);
    assert_eq!(after["time"], new["time"]);
    assert_eq!(after["requests"]["counts"], json!([]));
    assert!(bench.control().events(0).events.is_empty());
    assert_eq!(bench.get("/credits").1["data"]["total_usage"], 0);
    assert_eq!(bench.probe(&before.key), 401);
    assert_eq!(bench.get("/keys").1, json!({ "data": [] }));
    assert_ne!(bench.named("a").key, before.key, "key texts never repeat");
}

#[test]
fn a_reply_from_before_a_reset_does_not_count_after_it() {
    let bench = Bench::new();
    let reply = bench.handle(Method::POST, "/keys", MANAGEMENT, Some(&json!({ "name": "a" })));
    bench.control().reset();
    drop(reply);
    assert!(bench.control().events(0).events.is_empty());
    assert!(bench.control().stats().effects_without_reply.is_empty());
    assert_eq!(bench.control().stats().requests.in_flight, 0);
}
