//! `/activity`.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, chat};

const DAY: Duration = Duration::from_hours(24);

fn activity(bench: &Bench, query: &str) -> Vec<Value> {
    let (status, body) = bench.get(&format!("/activity{query}"));
    assert_eq!(status, 200, "{body}");
    body["data"].as_array().unwrap().clone()
}

#[test]
fn completed_days_are_summed_by_model() {
    let bench = Bench::new();
    let (first, second) = (bench.named("a"), bench.named("b"));
    bench.spend(&first.key, "1");
    bench.spend(&first.key, "0.5");
    bench.spend(&second.key, "0.25");
    let mut free = chat();
    free["model"] = json!("meta-llama/llama-3.3-70b-instruct:free");
    bench.call(Method::POST, "/chat/completions", &first.key, Some(&free));
    assert!(activity(&bench, "").is_empty(), "the present day is not complete");
    bench.advance(DAY);
    bench.spend(&first.key, "2");
    bench.advance(DAY);
    let rows = activity(&bench, "");
    let short: Vec<_> = rows
        .iter()
        .map(|row| (row["date"].as_str().unwrap(), &row["usage"], &row["requests"]))
        .collect();
    let expected = [
        ("2026-11-25", &json!(2), &json!(1)),
        ("2026-11-24", &json!(0), &json!(1)),
        ("2026-11-24", &json!(1.75), &json!(3)),
    ];
    assert_eq!(short, expected);
    assert_eq!(rows[2]["prompt_tokens"], 6);
    assert_eq!(activity(&bench, "?date=2026-11-25").len(), 1);
    let of_second = activity(&bench, &format!("?api_key_hash={}", second.hash));
    assert_eq!((of_second.len(), &of_second[0]["usage"]), (1, &json!(0.25)));
    assert!(activity(&bench, "?user_id=nobody").is_empty());
    assert!(activity(&bench, "?group_by=workspace")[0]["workspace_id"].is_string());
    assert!(rows[0].get("workspace_id").is_none());
    bench.advance(29 * DAY);
    assert_eq!(activity(&bench, "").len(), 1, "only 30 days");
}

#[test]
fn queries_are_checked() {
    let bench = Bench::new();
    for (query, expected) in [
        ("?date=2026-11-24", 400),
        ("?date=2026-10-24", 400),
        ("?date=2026-10-25", 200),
        ("?date=2026-11-23", 200),
        ("?date=yesterday", 400),
        ("?date=2026-11-31", 400),
        ("?api_key_hash=x", 400),
        ("?group_by=key", 400),
        ("?workspace_id=x", 400),
        ("?workspace_id=7205f2de-ca71-459e-9090-000000000000", 404),
    ] {
        assert_eq!(bench.get(&format!("/activity{query}")).0, expected, "{query}");
    }
}
