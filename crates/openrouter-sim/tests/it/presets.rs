//! The named sets of faults do what their names promise.

use http::Method;
use openrouter_sim::{Experience, Preset, SimReply};
use serde_json::json;

use crate::bench::{Bench, MANAGEMENT};

fn with(preset: Preset) -> Bench {
    let bench = Bench::new();
    bench.control().preset(preset);
    bench
}

fn create(bench: &Bench) -> SimReply {
    bench.handle(Method::POST, "/keys", MANAGEMENT, Some(&json!({ "name": "a" })))
}

#[test]
fn lost_create_loses_one() {
    let bench = with(Preset::LostCreate);
    let statuses: Vec<u16> = (0..2).map(|_| bench.post("/keys", &json!({ "name": "a" })).0).collect();
    assert_eq!(statuses, [500, 201]);
    let keys = bench.control().stats().keys.total;
    assert_eq!((keys.live, keys.undelivered), (2, 1));
}

#[test]
fn flaky_fails_at_about_the_promised_rates() {
    let bench = with(Preset::Flaky);
    let (mut failed, mut resets) = (0, 0);
    for _ in 0..5000 {
        match create(&bench).play().1 {
            Experience::Answer(response) if response.status.is_server_error() => failed += 1,
            Experience::Reset => resets += 1,
            Experience::Answer(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let undelivered = bench.control().stats().keys.total.undelivered;
    assert!((280..420).contains(&failed), "5 % before and 2 % after: {failed}");
    assert!((25..80).contains(&resets), "1 %: {resets}");
    assert!((100..200).contains(&undelivered), "3 % after the effect: {undelivered}");
}

#[test]
fn slow_follows_its_distribution() {
    let bench = with(Preset::Slow);
    let mut waits: Vec<u128> = (0..2000)
        .map(|_| {
            let reply = create(&bench);
            reply.play().0.as_millis()
        })
        .collect();
    waits.sort_unstable();
    assert!((270..330).contains(&waits[1000]), "{}", waits[1000]);
    assert!((2800..5600).contains(&waits[1980]), "{}", waits[1980]);
}

#[test]
fn rate_limited_limits() {
    let bench = with(Preset::RateLimited);
    let statuses: Vec<u16> = (0..6).map(|_| bench.get("/keys").0).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
}

#[test]
fn brownout_shows_each_of_its_symptoms() {
    let bench = with(Preset::Brownout);
    let (mut fine, mut unavailable, mut edge, mut silent) = (0, 0, 0, 0);
    for _ in 0..1000 {
        let (wait, experience) = create(&bench).play();
        match experience {
            Experience::Answer(response) => {
                assert!(wait.as_millis() >= 500);
                match response.status.as_u16() {
                    201 => fine += 1,
                    503 => unavailable += 1,
                    524 => edge += 1,
                    other => panic!("{other}"),
                }
            }
            Experience::Closed => silent += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(
        fine > 600 && unavailable > 140 && edge > 15 && silent > 3,
        "{fine} {unavailable} {edge} {silent}"
    );
}

#[test]
fn eventual_delays_each_view() {
    let bench = with(Preset::Eventual);
    let made = bench.named("a");
    let mut seen = [None; 2];
    for second in 0..=10 {
        if bench.probe(&made.key) == 200 {
            seen[0].get_or_insert(second);
        }
        if !bench.names("").is_empty() {
            seen[1].get_or_insert(second);
        }
        bench.advance(std::time::Duration::from_secs(1));
    }
    assert_eq!(seen, [Some(5), Some(10)]);
    bench.delete(&format!("/keys/{}", made.hash));
    bench.advance(std::time::Duration::from_secs(29));
    assert_eq!(bench.probe(&made.key), 200);
    bench.advance(std::time::Duration::from_secs(1));
    assert_eq!(bench.probe(&made.key), 401);
}
