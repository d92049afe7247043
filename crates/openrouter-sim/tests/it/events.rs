//! The event log and waiting for it.

use std::time::{Duration, Instant};

use openrouter_sim::SimConfig;
use reqwest::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, MANAGEMENT};
use crate::running::{Running, answer};

#[test]
fn events_tell_what_happened_in_order() {
    let bench = Bench::new();
    let made = bench.named("a");
    bench.probe(&made.key);
    bench.probe("sk-or-v1-nobody");
    bench.delete(&format!("/keys/{}", made.hash));
    let events = serde_json::to_value(bench.control().events(0).events).unwrap();
    let short: Vec<Value> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            json!([
                event["seq"],
                event["endpoint"],
                event["credential"],
                event["hash"],
                event["status"],
                event["effect"],
                event["delivered"]
            ])
        })
        .collect();
    assert_eq!(
        short,
        [
            json!([1, "keys.create", "management", made.hash, 201, true, true]),
            json!([2, "key", "inference", made.hash, 200, false, true]),
            json!([3, "key", "unknown", null, 401, false, true]),
            json!([4, "keys.delete", "management", made.hash, 200, true, true]),
        ]
    );
    assert_eq!(events[0]["time"], "2026-11-24T12:00:00.000Z");
    assert_eq!((&events[0]["account"], &events[2]["account"]), (&json!("default"), &Value::Null));
    assert_eq!(bench.control().events(3).events.len(), 1);
    assert_eq!(bench.control().events(4).last_seq, 4);
}

#[test]
fn old_events_are_forgotten_and_the_gap_is_told() {
    let bench = Bench::with(SimConfig {
        event_capacity: 3,
        ..crate::bench::config()
    });
    for _ in 0..5 {
        bench.probe(MANAGEMENT);
    }
    let page = bench.control().events(0);
    assert_eq!((page.events.len(), page.last_seq, page.truncated), (3, 5, true));
    assert!(!bench.control().events(2).truncated);
}

#[tokio::test]
async fn a_question_waits_for_news() {
    let running = Running::start().await;
    let waiting = tokio::spawn(answer(running.sim(Method::GET, "/events?after=0&wait_ms=15000")));
    running.create("a").await;
    let (status, page) = waiting.await.unwrap();
    assert_eq!((status, &page["events"][0]["endpoint"]), (200, &json!("keys.create")));
    let started = Instant::now();
    let (_, page) = answer(running.sim(Method::GET, "/events?after=1&wait_ms=50")).await;
    assert_eq!(page, json!({ "events": [], "last_seq": 1, "truncated": false }));
    assert!(started.elapsed() >= Duration::from_millis(50));
    let (_, page) = answer(running.sim(Method::GET, "/events?after=0")).await;
    assert_eq!(page["events"].as_array().unwrap().len(), 1);
    for query in ["after=x", "after=-1", "wait_ms=soon", "after=%FF"] {
        assert_eq!(
            answer(running.sim(Method::GET, &format!("/events?{query}"))).await.0,
            400,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_waiting_reader_misses_nothing() {
    let running = Running::start().await;
    let made = running.create("a").await;
    let total = 200;
    let reader = async {
        let (mut seen, mut after) = (Vec::new(), 1);
        while seen.len() < total {
            let page = running.simulator.control().wait_events(after, Duration::from_secs(15)).await;
            assert!(!page.events.is_empty(), "an event is missing");
            seen.extend(page.events.iter().map(|event| event.seq));
            after = page.last_seq;
        }
        seen
    };
    let writer = async {
        for _ in 0..total {
            running.probe(&made.key).await;
        }
    };
    let (seen, ()) = tokio::join!(reader, writer);
    assert_eq!(seen, (2..2 + total as u64).collect::<Vec<_>>());
}
