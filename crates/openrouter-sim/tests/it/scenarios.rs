//! Stories of rotations, played against the simulator alone: each shows the outcome where a test of a client
//! would look for it.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use openrouter_sim::{Delays, Distribution, KeyChange, KeyHash, OrphanQuery, Propagation};
use serde_json::json;

use crate::bench::{Bench, MANAGEMENT, Made};

fn fault(bench: &Bench, rule: serde_json::Value) -> u64 {
    bench.control().add_fault(serde_json::from_value(rule).unwrap()).unwrap()
}

/// All hashes of the listing, page by page.
fn sweep(bench: &Bench, mut between: impl FnMut(&Bench)) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for offset in (0..).step_by(100) {
        let page = bench
            .get(&format!("/keys?offset={offset}&include_disabled=true&include_expired=true"))
            .1;
        let page = page["data"].as_array().unwrap().clone();
        seen.extend(page.iter().map(|key| key["hash"].as_str().unwrap().to_owned()));
        if page.len() < 100 {
            break;
        }
        between(bench);
    }
    seen
}

#[test]
fn a_lost_create_is_found_by_its_name_and_repaired() {
    for action in [
        json!({ "type": "status", "status": 500 }),
        json!({ "type": "reset" }),
        json!({ "type": "hang" }),
        json!({ "type": "truncate", "bytes": 40 }),
        json!({ "type": "malformed_json" }),
    ] {
        let bench = Bench::new();
        fault(
            &bench,
            json!({ "match": { "endpoint": "keys.create" }, "when": "after_effect", "times": 1, "action": action }),
        );
        drop(bench.handle(Method::POST, "/keys", MANAGEMENT, Some(&json!({ "name": "rotation-7/attempt-1" }))));
        assert_eq!(bench.control().stats().keys.total.undelivered, 1, "{action}");
        let listed = bench.get("/keys?include_disabled=true&include_expired=true").1;
        let lost = listed["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|key| key["name"] == "rotation-7/attempt-1")
            .unwrap();
        assert_eq!(bench.delete(&format!("/keys/{}", lost["hash"].as_str().unwrap())).0, 200);
        let made = bench.named("rotation-7/attempt-2");
        let query = OrphanQuery {
            known_hashes: vec![made.hash()],
            name_prefix: "rotation-7/".to_owned(),
            account: None,
        };
        assert_eq!(bench.control().orphans(&query).unwrap(), openrouter_sim::Orphans::default());
        assert_eq!(bench.control().stats().keys.total.undelivered, 0);
    }
}

#[test]
fn a_client_that_honours_retry_after_is_seen_to_wait() {
    for format in ["seconds", "date"] {
        let bench = Bench::new();
        fault(
            &bench,
            json!({ "times": 1, "action": { "type": "rate_limit", "retry_after_s": 9, "format": format } }),
        );
        assert_eq!(bench.get("/keys").0, 429);
        bench.advance(Duration::from_secs(10));
        assert_eq!(bench.get("/keys").0, 200);
        let events = bench.control().events(0).events;
        let times: Vec<&str> = events.iter().map(|event| event.time.as_str()).collect();
        assert_eq!(times, ["2026-11-24T12:00:00.000Z", "2026-11-24T12:00:10.000Z"]);
    }
}

#[test]
fn a_lagging_listing_does_not_mean_gone() {
    let bench = Bench::new();
    let all = Delays {
        list: Some(Distribution::fixed_ms(10_000)),
        ..Delays::default()
    };
    bench.control().set_propagation(Propagation {
        global: all,
        prefixes: Vec::new(),
    });
    let made = bench.named("a");
    assert!(sweep(&bench, |_| ()).is_empty());
    assert_eq!(bench.get(&format!("/keys/{}", made.hash)).0, 200, "the read by hash confirms it");
}

#[test]
fn traffic_over_rotations_without_downtime_leaves_no_mark() {
    let bench = Bench::new();
    let mut old = bench.named("rotation/0");
    for number in 1..=10 {
        let new = bench.named(&format!("rotation/{number}"));
        assert_eq!(bench.probe(&new.key), 200);
        assert_eq!(bench.spend(&old.key, "0.01").0, 200);
        assert_eq!(bench.spend(&new.key, "0.01").0, 200);
        bench.delete(&format!("/keys/{}", old.hash));
        assert_eq!(bench.probe(&old.key), 401);
        bench.advance(Duration::from_mins(1));
        old = new;
    }
    let stats = bench.control().stats_with(&["rotation/".to_owned()]);
    assert_eq!((stats.uses_after_delete.total.count, stats.completions.refused_auth), (0, 0));
    assert_eq!(stats.uses_after_delete.total.probes, 10, "asking whether a key is dead is no use");
    assert_eq!(stats.keys.by_prefix["rotation/"].peak_live, 2);
    assert_eq!(stats.first_use_ms.len(), 11);
}

#[test]
fn a_delete_that_does_nothing_is_noticed_by_asking() {
    let bench = Bench::new();
    let made = bench.named("a");
    fault(
        &bench,
        json!({ "match": { "endpoint": "keys.delete" }, "times": 1, "action": { "type": "ignore_effect" } }),
    );
    assert_eq!(bench.delete(&format!("/keys/{}", made.hash)).0, 200);
    assert_eq!(bench.probe(&made.key), 200);
    assert_eq!(bench.delete(&format!("/keys/{}", made.hash)).0, 200);
    assert_eq!(bench.probe(&made.key), 401);
}

#[test]
fn a_lost_delete_gets_404_when_repeated() {
    let bench = Bench::new();
    let made = bench.named("a");
    fault(
        &bench,
        json!({ "match": { "endpoint": "keys.delete" }, "when": "after_effect", "times": 1, "action": { "type": "reset" } }),
    );
    drop(bench.handle(Method::DELETE, &format!("/keys/{}", made.hash), MANAGEMENT, None));
    assert_eq!(bench.delete(&format!("/keys/{}", made.hash)).0, 404);
    assert_eq!(bench.control().stats().effects_without_reply["keys.delete"], 1);
}

#[test]
fn somebody_else_disables_and_deletes() {
    let bench = Bench::new();
    let made = bench.named("a");
    let off = KeyChange {
        disabled: Some(true),
        ..KeyChange::default()
    };
    bench.control().set_key(made.hash(), &off).unwrap();
    assert_eq!(bench.probe(&made.key), 401);
    assert_eq!(bench.get(&format!("/keys/{}", made.hash)).1["data"]["disabled"], true);
    assert!(bench.names("").is_empty() && bench.names("?include_disabled=true") == ["a"]);
    bench.control().delete_key(made.hash()).unwrap();
    assert_eq!(bench.get(&format!("/keys/{}", made.hash)).0, 404);
}

#[test]
fn the_management_key_is_revoked_in_the_middle() {
    let bench = Bench::new();
    let old = bench.named("old");
    let new = bench.named("new");
    bench.control().revoke_provisioning_key(KeyHash::of(MANAGEMENT)).unwrap();
    assert_eq!(bench.delete(&format!("/keys/{}", old.hash)).0, 401);
    assert_eq!((bench.probe(&old.key), bench.probe(&new.key)), (200, 200));
}

#[test]
fn paging_while_keys_come_and_go_misses_entries_and_a_second_sweep_finds_them() {
    let bench = Bench::new();
    let made: Vec<Made> = (0..250).map(|number| bench.named(&format!("key {number}"))).collect();
    let mut newest = made.iter().rev();
    let seen = sweep(&bench, |bench| {
        // Deleting what was already seen shifts the rest towards the front: the next page skips some.
        for made in newest.by_ref().take(30) {
            assert_eq!(bench.delete(&format!("/keys/{}", made.hash)).0, 200);
        }
    });
    let live = sweep(&bench, |_| ());
    assert_eq!(live.len(), 250 - 60);
    assert!(!live.is_subset(&seen), "one listing is not the truth");
    let gone = &made[0];
    assert!(live.contains(&gone.hash));
    assert_eq!(bench.get(&format!("/keys/{}", gone.hash)).0, 200);
}
