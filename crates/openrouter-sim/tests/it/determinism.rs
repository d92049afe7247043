//! Same seed, same rules, same requests: same bytes.

use std::time::Duration;

use http::Method;
use openrouter_sim::{Experience, Preset, SimConfig, SimReply};
use serde_json::json;

use crate::bench::{Bench, MANAGEMENT, chat, config};

/// Everything that can be seen of a run.
fn transcript(seed: u64) -> Vec<u8> {
    let bench = Bench::with(SimConfig {
        seed: Some(seed),
        ..config()
    });
    for preset in [Preset::Flaky, Preset::Slow, Preset::Eventual] {
        bench.control().preset(preset);
    }
    let mut seen = Vec::new();
    let mut keys = Vec::new();
    let mut note = |bench: &Bench, reply: SimReply| {
        let (wait, experience) = reply.play();
        bench.advance(wait.min(Duration::from_secs(10)));
        match experience {
            Experience::Answer(response) => {
                let body = response.body.to_bytes();
                seen.extend_from_slice(format!("{wait:?} {} {:?}\n", response.status, response.headers).as_bytes());
                seen.extend_from_slice(&body);
                response
                    .json()
                    .and_then(|body| Some((body["key"].as_str()?.to_owned(), body["data"]["hash"].as_str()?.to_owned())))
            }
            other => {
                seen.extend_from_slice(format!("{wait:?} {other:?}\n").as_bytes());
                None
            }
        }
    };
    for number in 0..200 {
        let body = json!({ "name": format!("key {number}") });
        keys.extend(note(&bench, bench.handle(Method::POST, "/keys", MANAGEMENT, Some(&body))));
        if let Some((key, hash)) = keys.last().cloned() {
            note(&bench, bench.handle(Method::POST, "/chat/completions", &key, Some(&chat())));
            note(&bench, bench.handle(Method::GET, "/key", &key, None));
            if number % 3 == 0 {
                note(&bench, bench.handle(Method::DELETE, &format!("/keys/{hash}"), MANAGEMENT, None));
            }
        }
        note(&bench, bench.handle(Method::GET, "/keys", MANAGEMENT, None));
    }
    note(&bench, bench.handle(Method::GET, "/workspaces", MANAGEMENT, None));
    note(&bench, bench.handle(Method::GET, "/credits", MANAGEMENT, None));
    seen.extend(serde_json::to_vec(&bench.control().stats()).unwrap());
    seen.extend(serde_json::to_vec(&bench.control().events(0)).unwrap());
    seen
}

#[test]
fn a_run_repeats_byte_for_byte() {
    let first = transcript(42);
    assert!(first.len() > 100_000);
    assert!(first == transcript(42), "two runs with one seed differ");
    assert!(first != transcript(43), "two seeds give the same run");
}

#[test]
fn without_a_seed_keys_differ() {
    let key = || Bench::with(SimConfig { seed: None, ..config() }).named("a").key;
    assert_ne!(key(), key());
}

#[test]
fn cores_are_cheap() {
    // A simulation starts one for each of its thousands of runs.
    let started = std::time::Instant::now();
    for seed in 0..200 {
        let bench = Bench::with(SimConfig {
            seed: Some(seed),
            ..config()
        });
        bench.named("a");
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}
