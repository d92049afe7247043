//! `/chat/completions`.

use http::Method;
use openrouter_sim::{Experience, SimBody, SimReply};
use serde_json::{Value, json};

use crate::bench::{Bench, chat};

#[test]
fn an_answer_names_the_label_and_its_cost_is_what_the_key_pays() {
    let bench = Bench::new();
    let made = bench.named("a");
    let (status, body) = bench.call(Method::POST, "/chat/completions", &made.key, Some(&chat()));
    assert_eq!(status, 200);
    let label = bench.get(&format!("/keys/{}", made.hash)).1["data"]["label"]
        .as_str()
        .unwrap()
        .to_owned();
    let text = body["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.contains(&label) && !text.contains(&made.key));
    let usage = &body["usage"];
    // Five bytes are two tokens; prices are 2.50 and 10 USD for a million.
    assert_eq!(usage["prompt_tokens"], 2);
    let completion = usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(completion, text.len().div_ceil(4) as u64);
    assert_eq!(usage["total_tokens"], 2 + completion);
    let picodollars = 2 * 2_500_000 + completion * 10_000_000;
    assert!((usage["cost"].as_f64().unwrap() * 1e12 - picodollars as f64).abs() < 0.5);
    let data = bench.get(&format!("/keys/{}", made.hash)).1["data"].clone();
    for field in ["usage", "usage_daily", "usage_weekly", "usage_monthly"] {
        assert_eq!(data[field], usage["cost"], "{field}");
    }
    assert_eq!(data["last_used_at"], "2026-11-24T12:00:00.000Z");
    assert_eq!(bench.get("/credits").1["data"]["total_usage"], usage["cost"]);
}

#[test]
fn forced_costs_add_up_exactly_also_after_the_key_is_gone() {
    let bench = Bench::new();
    let made = bench.named("a");
    for _ in 0..1000 {
        assert_eq!(bench.spend(&made.key, "0.000000001").0, 200);
    }
    assert_eq!(bench.spend(&made.key, "0.1").1["usage"]["cost"], 0.1);
    assert_eq!(bench.spend(&made.key, "0.2").1["usage"]["cost"], 0.2);
    assert_eq!(bench.get(&format!("/keys/{}", made.hash)).1["data"]["usage"], 0.300_001);
    bench.delete(&format!("/keys/{}", made.hash));
    assert_eq!(
        bench.get("/credits").1,
        json!({ "data": { "total_credits": 100, "total_usage": 0.300_001 } })
    );
}

#[test]
fn bodies_are_checked() {
    let bench = Bench::new();
    let made = bench.named("a");
    let messages = json!([{ "role": "user", "content": "Hello" }]);
    for body in [
        json!(1),
        json!({}),
        json!({ "model": "openai/gpt-4o" }),
        json!({ "model": "openai/gpt-4o", "messages": [] }),
        json!({ "model": "openai/gpt-4o", "messages": "Hello" }),
        json!({ "model": "openai/gpt-4o", "messages": ["Hello"] }),
        json!({ "model": "openai/gpt-4o", "messages": [{ "content": "Hello" }] }),
        json!({ "model": "openai/gpt-4o", "messages": [{ "role": "user", "content": 1 }] }),
        json!({ "model": "openai/gpt-1", "messages": messages }),
        json!({ "model": null, "messages": messages }),
        json!({ "model": "openai/gpt-4o", "messages": messages, "stream": "yes" }),
    ] {
        let (status, answer) = bench.call(Method::POST, "/chat/completions", &made.key, Some(&body));
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(400)), "{body}");
    }
    for cost in ["-1", "much", ""] {
        assert_eq!(bench.spend(&made.key, cost).0, 400, "{cost}");
    }
    let parts = json!([{ "type": "text", "text": "Hello" }, { "type": "image_url", "image_url": {} }]);
    let body = json!({ "model": "openai/gpt-4o", "messages": [{ "role": "user", "content": parts }] });
    let (status, answer) = bench.call(Method::POST, "/chat/completions", &made.key, Some(&body));
    assert_eq!((status, &answer["usage"]["prompt_tokens"]), (200, &json!(2)));
    assert_eq!(bench.control().stats().completions.ok, 1);
}

#[test]
fn a_stream_has_chunks_usage_and_an_end() {
    let bench = Bench::new();
    let made = bench.named("a");
    let mut body = chat();
    body["stream"] = json!(true);
    let reply = bench.handle(Method::POST, "/chat/completions", &made.key, Some(&body));
    let SimReply::Response { response, .. } = reply else {
        panic!("a plain response")
    };
    assert_eq!(response.headers["content-type"], "text/event-stream");
    let SimBody::Chunks(chunks) = response.body else { panic!("chunks") };
    let texts: Vec<String> = chunks.iter().map(|chunk| String::from_utf8(chunk.to_vec()).unwrap()).collect();
    assert_eq!(texts.last().unwrap(), "data: [DONE]\n\n");
    let events: Vec<Value> = texts[..texts.len() - 1]
        .iter()
        .map(|text| serde_json::from_str(text.strip_prefix("data: ").unwrap()).unwrap())
        .collect();
    assert!(events.len() >= 3);
    let text: String = events
        .iter()
        .map(|event| event["choices"][0]["delta"]["content"].as_str().unwrap())
        .collect();
    assert!(text.starts_with("Simulated answer for the key sk-or-v1-"));
    for (place, event) in events.iter().enumerate() {
        let last = place + 1 == events.len();
        assert_eq!(event["object"], "chat.completion.chunk");
        assert!(event.get("system_fingerprint").is_none());
        assert_eq!(event.get("usage").is_some(), last);
        assert_eq!(event["choices"][0]["finish_reason"], if last { json!("stop") } else { Value::Null });
    }
    let cost = &events.last().unwrap()["usage"]["cost"];
    assert_eq!(&bench.get(&format!("/keys/{}", made.hash)).1["data"]["usage"], cost);
}

#[test]
fn a_free_model_costs_nothing_and_has_its_own_quota() {
    let bench = Bench::new();
    let made = bench.named("a");
    let mut body = chat();
    body["model"] = json!("meta-llama/llama-3.3-70b-instruct:free");
    let (status, answer) = bench.call(Method::POST, "/chat/completions", &made.key, Some(&body));
    assert_eq!((status, &answer["usage"]["cost"]), (200, &json!(0)));
    let quota = bench.call(Method::GET, "/key", &made.key, None).1["data"]["free_model_daily_requests"].clone();
    assert_eq!(quota, json!({ "limit": 1000, "remaining": 999, "used": 1 }));
    bench.advance(std::time::Duration::from_hours(12));
    let quota = bench.call(Method::GET, "/key", &made.key, None).1["data"]["free_model_daily_requests"].clone();
    assert_eq!(quota["used"], 0);
}

#[test]
fn a_spent_account_gets_402_for_priced_models_only() {
    let bench = Bench::new();
    let made = bench.named("a");
    assert_eq!(bench.spend(&made.key, "100").0, 200);
    let (status, body) = bench.call(Method::POST, "/chat/completions", &made.key, Some(&chat()));
    assert_eq!(
        (status, &body["error"]["metadata"]["limit_source"]),
        (402, &json!("openrouter_credits"))
    );
    let mut free = chat();
    free["model"] = json!("meta-llama/llama-3.3-70b-instruct:free");
    assert_eq!(bench.call(Method::POST, "/chat/completions", &made.key, Some(&free)).0, 200);
    assert_eq!(bench.probe(&made.key), 200);
    bench.control().set_credits(None, openrouter_sim::Usd::dollars(101)).unwrap();
    assert_eq!(bench.call(Method::POST, "/chat/completions", &made.key, Some(&chat())).0, 200);
    let stats = bench.control().stats();
    assert_eq!((stats.completions.ok, stats.completions.refused_credits), (3, 1));
}

#[test]
fn a_key_without_budget_never_spends() {
    let bench = Bench::new();
    let made = bench.create(&json!({ "name": "a", "limit": 0 }));
    let (status, body) = bench.call(Method::POST, "/chat/completions", &made.key, Some(&chat()));
    assert_eq!(
        (status, &body["error"]["message"]),
        (403, &json!("Key limit exceeded (total limit)"))
    );
    assert_eq!(bench.probe(&made.key), 200);
    assert_eq!(bench.control().stats().completions.refused_limit, 1);
}

#[test]
fn answers_play_through_the_patient_client() {
    let bench = Bench::new();
    let made = bench.named("a");
    let reply = bench.handle(Method::POST, "/chat/completions", &made.key, Some(&chat()));
    let (wait, experience) = reply.play();
    assert!(wait.is_zero() && matches!(experience, Experience::Answer(response) if response.status == 200));
}
