//! Delays between a change and its effect.

use std::time::Duration;

use openrouter_sim::{Delays, Distribution, PrefixDelays, Propagation, SimConfig};
use serde_json::{Value, json};

use crate::bench::{Bench, Made, config};

fn bench(delays: Delays) -> Bench {
    Bench::with(SimConfig {
        propagation: Propagation {
            global: delays,
            prefixes: Vec::new(),
        },
        ..config()
    })
}

fn seconds(seconds: u32) -> Option<Distribution> {
    Some(Distribution::fixed_ms(seconds * 1000))
}

fn switch(bench: &Bench, made: &Made, disabled: bool) {
    assert_eq!(
        bench.patch(&format!("/keys/{}", made.hash), &json!({ "disabled": disabled })).0,
        200
    );
}

#[test]
fn a_new_or_re_enabled_key_is_refused_until_it_is_visible() {
    let bench = bench(Delays {
        visible: seconds(10),
        ..Delays::default()
    });
    let made = bench.named("a");
    assert_eq!(bench.names(""), ["a"], "the management view is ahead");
    bench.advance(Duration::from_millis(9_999));
    assert_eq!(bench.probe(&made.key), 401);
    bench.advance(Duration::from_millis(1));
    assert_eq!(bench.probe(&made.key), 200);
    switch(&bench, &made, true);
    assert_eq!(bench.probe(&made.key), 401);
    switch(&bench, &made, false);
    assert_eq!(bench.probe(&made.key), 401);
    bench.advance(Duration::from_secs(10));
    assert_eq!(bench.probe(&made.key), 200);
    let stats = bench.control().stats();
    let reasons = serde_json::to_value(&stats.auth_failures).unwrap();
    assert_eq!((&reasons["not_yet_visible"], &reasons["disabled"]), (&json!(2), &json!(1)));
    assert_eq!(stats.first_use_ms[&made.hash()], 10_000);
}

#[test]
fn a_deleted_or_disabled_key_works_on_until_it_is_revoked() {
    let bench = bench(Delays {
        revoke: seconds(30),
        ..Delays::default()
    });
    let made = bench.named("a");
    switch(&bench, &made, true);
    bench.advance(Duration::from_millis(29_999));
    assert_eq!(bench.probe(&made.key), 200);
    bench.advance(Duration::from_millis(1));
    assert_eq!(bench.probe(&made.key), 401);
    switch(&bench, &made, false);
    assert_eq!(bench.probe(&made.key), 200);
    bench.delete(&format!("/keys/{}", made.hash));
    assert_eq!(bench.get(&format!("/keys/{}", made.hash)).0, 404);
    bench.advance(Duration::from_secs(29));
    assert_eq!(bench.spend(&made.key, "0.5").0, 200);
    assert_eq!(bench.probe(&made.key), 200);
    bench.advance(Duration::from_secs(1));
    assert_eq!(bench.probe(&made.key), 401);
    let late = bench.control().stats().uses_after_delete;
    assert_eq!((late.total.count, late.total.max_ms), (1, 29_000));
    assert_eq!((late.total.probes, late.total.max_probe_ms), (2, 30_000));
    assert_eq!(bench.get("/credits").1["data"]["total_usage"], 0.5);
}

#[test]
fn the_listing_lags_and_reads_by_hash_do_not() {
    let bench = bench(Delays {
        list: seconds(10),
        ..Delays::default()
    });
    let first = bench.named("first");
    assert!(bench.names("").is_empty());
    assert_eq!(bench.get(&format!("/keys/{}", first.hash)).0, 200);
    bench.advance(Duration::from_secs(10));
    bench.named("second");
    assert_eq!(bench.names(""), ["first"]);
    bench.delete(&format!("/keys/{}", first.hash));
    assert_eq!(bench.names(""), ["first"]);
    assert_eq!(bench.get(&format!("/keys/{}", first.hash)).0, 404);
    assert_eq!(bench.delete(&format!("/keys/{}", first.hash)).0, 404);
    bench.advance(Duration::from_secs(10));
    assert_eq!(bench.names(""), ["second"]);
    assert_eq!(bench.control().stats().keys.total.live, 1);
}

#[test]
fn reads_by_hash_can_lag_too() {
    let bench = bench(Delays {
        get: seconds(3),
        ..Delays::default()
    });
    let made = bench.named("a");
    let path = format!("/keys/{}", made.hash);
    assert_eq!(bench.get(&path).0, 404);
    bench.advance(Duration::from_secs(3));
    assert_eq!(bench.get(&path).0, 200);
    bench.delete(&path);
    assert_eq!(bench.get(&path).0, 200);
    assert_eq!(
        bench.patch(&path, &json!({ "name": "b" })).0,
        404,
        "what is deleted cannot be changed"
    );
    bench.advance(Duration::from_secs(3));
    assert_eq!(bench.get(&path).0, 404);
}

#[test]
fn counters_lag_and_enforcement_does_not() {
    let bench = bench(Delays {
        usage: seconds(60),
        ..Delays::default()
    });
    let made = bench.create(&json!({ "name": "a", "limit": 1 }));
    let path = format!("/keys/{}", made.hash);
    bench.spend(&made.key, "0.75");
    bench.advance(Duration::from_secs(30));
    bench.spend(&made.key, "0.25");
    assert_eq!(bench.spend(&made.key, "0.25").0, 403);
    let shown = |expected: (Value, Value, Value)| {
        let data = bench.get(&path).1["data"].clone();
        let remaining = data["limit_remaining"].clone();
        assert_eq!((data["usage"].clone(), remaining, data["last_used_at"].clone()), expected);
    };
    shown((json!(0), json!(1), Value::Null));
    assert_eq!(bench.get("/credits").1["data"]["total_usage"], 0);
    bench.advance(Duration::from_secs(30));
    shown((json!(0.75), json!(0.25), json!("2026-11-24T12:00:00.000Z")));
    assert_eq!(bench.get("/credits").1["data"]["total_usage"], 0.75);
    bench.advance(Duration::from_secs(30));
    shown((json!(1), json!(0), json!("2026-11-24T12:00:30.000Z")));
}

#[test]
fn delays_can_belong_to_a_prefix_and_change_at_run_time() {
    let bench = Bench::new();
    let slow = PrefixDelays {
        name_prefix: "slow/".to_owned(),
        delays: Delays {
            visible: seconds(10),
            ..Delays::default()
        },
    };
    bench.control().set_propagation(Propagation {
        global: Delays::default(),
        prefixes: vec![slow],
    });
    let (fast, slow) = (bench.named("fast/a"), bench.named("slow/a"));
    assert_eq!((bench.probe(&fast.key), bench.probe(&slow.key)), (200, 401));
    bench.control().set_propagation(Propagation::default());
    assert_eq!(bench.probe(&slow.key), 401, "changes on their way keep their delay");
    assert_eq!(bench.probe(&bench.named("slow/b").key), 200);
}

#[test]
fn drawn_delays_repeat_with_the_seed() {
    let visible: Distribution = r#"{"uniform": [1000, 9000]}"#.parse().unwrap();
    let run = || {
        let bench = bench(Delays {
            visible: Some(visible.clone()),
            ..Delays::default()
        });
        let made = bench.named("a");
        let mut waited = 0;
        while bench.probe(&made.key) == 401 {
            bench.advance(Duration::from_millis(1));
            waited += 1;
        }
        waited
    };
    let first = run();
    assert!((1000..=9000).contains(&first));
    assert_eq!(first, run());
}
