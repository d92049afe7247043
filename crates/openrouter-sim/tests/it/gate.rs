//! Outage and rate limit.

use std::time::Duration;

use http::Method;
use openrouter_sim::{AccountConfig, Experience, Outage, OutageMode, RateLimit, SimReply};
use serde_json::json;

use crate::bench::{Bench, MANAGEMENT, config};

#[test]
fn an_outage_takes_everything_and_ends_by_the_clock() {
    let bench = Bench::new();
    let made = bench.named("a");
    bench.control().outage(Outage {
        until_ms: 5000,
        mode: OutageMode::Unavailable,
    });
    assert_eq!(
        (
            bench.probe(&made.key),
            bench.get("/models").0,
            bench.post("/keys", &json!({ "name": "b" })).0
        ),
        (503, 503, 503)
    );
    assert_eq!(bench.get("/keys").1["error"]["code"], 503);
    assert!(bench.control().gate().outage.is_some());
    bench.advance(Duration::from_millis(4999));
    assert_eq!(bench.probe(&made.key), 503);
    bench.advance(Duration::from_millis(1));
    assert_eq!(bench.probe(&made.key), 200);
    assert_eq!(bench.names(""), ["a"]);
    bench.control().outage(Outage {
        until_ms: 5000,
        mode: OutageMode::Reset,
    });
    assert!(matches!(
        bench.handle(Method::GET, "/keys", MANAGEMENT, None),
        SimReply::Reset { .. }
    ));
    bench.control().outage(Outage {
        until_ms: 5000,
        mode: OutageMode::Hang,
    });
    assert!(matches!(
        bench.handle(Method::GET, "/keys", MANAGEMENT, None),
        SimReply::Hang { max: None, .. }
    ));
    bench.control().outage(Outage {
        until_ms: 0,
        mode: OutageMode::Hang,
    });
    assert_eq!(bench.probe(&made.key), 200);
}

#[test]
fn each_management_key_has_a_bucket_of_its_own() {
    let mut config = config();
    config.accounts.push(AccountConfig {
        management_keys: vec!["sk-or-v1-EXAMPLE".into()],
        ..AccountConfig::named("other")
    });
    let bench = Bench::with(config);
    let made = bench.named("a");
    bench.control().rate_limit(Some(RateLimit { per_second: 5.0, burst: 3 })).unwrap();
    let statuses: Vec<u16> = (0..5).map(|_| bench.get("/keys").0).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert_eq!(bench.call(Method::GET, "/keys", "sk-or-v1-EXAMPLE", None).0, 200);
    assert_eq!(bench.probe(&made.key), 200, "API keys have no bucket");
    let Experience::Answer(limited) = bench.handle(Method::GET, "/keys", MANAGEMENT, None).play().1 else {
        panic!()
    };
    assert_eq!(limited.headers["retry-after"], "1");
    assert_eq!(limited.headers["x-ratelimit-limit"], "3");
    bench.advance(Duration::from_millis(400));
    let statuses: Vec<u16> = (0..3).map(|_| bench.get("/keys").0).collect();
    assert_eq!(statuses, [200, 200, 429]);
    bench.control().rate_limit(None).unwrap();
    assert_eq!(bench.get("/keys").0, 200);
    for wrong in [0.0, -1.0, f64::NAN] {
        assert!(
            bench
                .control()
                .rate_limit(Some(RateLimit {
                    per_second: wrong,
                    burst: 1
                }))
                .is_err()
        );
    }
}
