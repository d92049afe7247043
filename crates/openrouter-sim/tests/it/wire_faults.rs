//! What the actions do on a real connection.

use std::time::{Duration, Instant};

use openrouter_sim::{Event, FaultRule, Simulator};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::MANAGEMENT;
use crate::running::{PATIENCE, Running, answer, raw_create};

fn add(simulator: &Simulator, value: Value) -> u64 {
    let rule: FaultRule = serde_json::from_value(value).unwrap();
    simulator.control().add_fault(rule).unwrap()
}

fn on_create(simulator: &Simulator, action: Value) -> u64 {
    add(
        simulator,
        json!({ "match": { "endpoint": "keys.create" }, "when": "after_effect", "times": 1, "action": action }),
    )
}

/// The first event after `seq` for which `wanted` holds.
async fn event(simulator: &Simulator, mut seq: u64, wanted: impl Fn(&Event) -> bool) -> Event {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "the event did not come");
        let page = simulator.control().wait_events(seq, left).await;
        if let Some(event) = page.events.into_iter().find(|event| wanted(event)) {
            return event;
        }
        seq = page.last_seq;
    }
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let running = Running::start().await;
    on_create(&running.simulator, json!({ "type": "reset" }));
    let mut stream = running.connect().await;
    stream.write_all(&raw_create("a")).await.unwrap();
    let mut bytes = Vec::new();
    let error = stream.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!((error.kind(), bytes.len()), (std::io::ErrorKind::ConnectionReset, 0));
    let keys = running.simulator.control().stats().keys.total;
    assert_eq!((keys.live, keys.undelivered), (1, 1));
}

#[tokio::test]
async fn a_close_is_orderly_and_empty() {
    let running = Running::start().await;
    on_create(&running.simulator, json!({ "type": "close" }));
    assert!(running.raw(&raw_create("a")).await.is_empty());
    assert_eq!(running.simulator.control().stats().keys.total.undelivered, 1);
}

#[tokio::test]
async fn only_the_connection_concerned_is_hit() {
    let running = Running::start().await;
    let mut other = running.connect().await;
    let get = format!("GET /api/v1/key HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {MANAGEMENT}\r\n\r\n");
    let mut first = [0; 15];
    other.write_all(get.as_bytes()).await.unwrap();
    other.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    for action in ["reset", "close"] {
        on_create(&running.simulator, json!({ "type": action }));
        assert!(running.creation("a").send().await.is_err());
    }
    // The same connection goes on.
    let mut rest = vec![0; 4096];
    other
        .write_all(get.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut bytes = Vec::new();
    while let Ok(read @ 1..) = other.read(&mut rest).await {
        bytes.extend_from_slice(&rest[..read]);
    }
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 1, "the second answer: {text}");
}

#[tokio::test]
async fn a_truncated_answer_has_the_full_length_in_its_header() {
    let running = Running::start().await;
    for bytes in [0, 1, 100] {
        on_create(&running.simulator, json!({ "type": "truncate", "bytes": bytes }));
        let text = String::from_utf8(running.raw(&raw_create("a")).await).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 201"), "{head}");
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        assert_eq!(body.len(), bytes);
        assert!(length.is_some_and(|length: usize| length > 600), "{head}");
    }
    assert_eq!(running.simulator.control().stats().keys.total.undelivered, 3);
}

#[tokio::test]
async fn malformed_json_has_the_right_status() {
    let running = Running::start().await;
    on_create(&running.simulator, json!({ "type": "malformed_json" }));
    let response = running.creation("a").send().await.unwrap();
    assert_eq!(response.status(), 201);
    let text = response.text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_err());
}

#[tokio::test]
async fn a_slow_body_trickles() {
    let running = Running::start().await;
    on_create(
        &running.simulator,
        json!({ "type": "slow_body", "first_byte_ms": 60, "bytes": 200, "interval_ms": 30 }),
    );
    let started = Instant::now();
    let mut response = running.creation("a").send().await.unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = response.chunk().await.unwrap() {
        pieces.push(piece);
    }
    assert!(pieces.len() >= 3, "{} pieces", pieces.len());
    assert!(started.elapsed() >= Duration::from_millis(60 + 3 * 30), "{:?}", started.elapsed());
    assert!(serde_json::from_slice::<Value>(&pieces.concat()).unwrap()["key"].is_string());
    assert_eq!(running.simulator.control().stats().keys.total.undelivered, 0);
}

#[tokio::test]
async fn a_slow_body_that_is_not_awaited_is_not_delivered() {
    let running = Running::start().await;
    on_create(
        &running.simulator,
        json!({ "type": "slow_body", "bytes": 100, "interval_ms": 60_000 }),
    );
    let mut response = running.creation("a").send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    drop(response);
    let event = event(&running.simulator, 0, |event| event.delivered.is_some()).await;
    assert_eq!((event.effect, event.delivered), (true, Some(false)));
    assert_eq!(running.simulator.control().stats().keys.total.undelivered, 1);
}

#[tokio::test]
async fn a_hang_ends_with_its_time_or_with_the_client() {
    let running = Running::start().await;
    on_create(&running.simulator, json!({ "type": "hang", "max_ms": 50 }));
    let started = Instant::now();
    assert!(running.raw(&raw_create("a")).await.is_empty());
    assert!(started.elapsed() >= Duration::from_millis(50));
    on_create(&running.simulator, json!({ "type": "hang" }));
    let mut stream = running.connect().await;
    stream.write_all(&raw_create("b")).await.unwrap();
    let lost = event(&running.simulator, 1, |event| event.effect).await;
    assert_eq!((lost.delivered, lost.status), (Some(false), None));
    assert_eq!(running.simulator.control().stats().requests.in_flight, 1);
    drop(stream);
    let deadline = Instant::now() + PATIENCE;
    while running.simulator.control().stats().requests.in_flight > 0 {
        assert!(Instant::now() < deadline, "the hang-up goes unnoticed");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_cancel_the_change() {
    for when in ["before_effect", "after_effect"] {
        let running = Running::start().await;
        let slow = json!({ "type": "latency", "ms": 300 });
        add(
            &running.simulator,
            json!({ "match": { "endpoint": "keys.create" }, "when": when, "action": slow }),
        );
        let mut stream = running.connect().await;
        stream.write_all(&raw_create("late")).await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        while running.simulator.control().stats().requests.in_flight == 0 {
            assert!(Instant::now() < deadline, "the request does not arrive");
            tokio::task::yield_now().await;
        }
        let early = running.simulator.control().stats().keys.total.live;
        assert_eq!(early, u64::from(when == "after_effect"));
        drop(stream);
        let event = event(&running.simulator, 0, |event| event.delivered.is_some()).await;
        assert_eq!((event.effect, event.delivered), (true, Some(false)), "{when}");
        let keys = running.simulator.control().stats().keys.total;
        assert_eq!((keys.live, keys.undelivered), (1, 1), "{when}");
        assert_eq!(running.simulator.control().stats().effects_without_reply["keys.create"], 1);
    }
}

#[tokio::test]
async fn a_create_slower_than_the_clients_timeout_is_made_all_the_same() {
    let running = Running::start().await;
    add(
        &running.simulator,
        json!({ "match": { "endpoint": "keys.create" }, "action": { "type": "latency", "ms": 400 } }),
    );
    let request = running.creation("slow").timeout(Duration::from_millis(100));
    assert!(request.send().await.unwrap_err().is_timeout());
    let event = event(&running.simulator, 0, |event| event.endpoint == "keys.create").await;
    assert_eq!((event.effect, event.delivered), (true, Some(false)));
    assert_eq!(running.simulator.control().stats().keys.total.undelivered, 1);
}

#[tokio::test]
async fn a_patient_client_gets_its_delayed_answer() {
    let running = Running::start().await;
    for when in ["before_effect", "after_effect"] {
        running.simulator.control().clear_faults();
        let slow = json!({ "type": "latency", "ms": { "uniform": [50, 80] } });
        add(
            &running.simulator,
            json!({ "match": { "endpoint": "keys.create" }, "when": when, "action": slow }),
        );
        let started = Instant::now();
        let made = running.create("a").await;
        assert!(started.elapsed() >= Duration::from_millis(50));
        assert_eq!(running.probe(&made.key).await, 200);
    }
    assert_eq!(running.simulator.control().stats().keys.total.undelivered, 0);
}

#[tokio::test]
async fn streams_arrive_in_pieces() {
    let running = Running::start().await;
    let made = running.create("a").await;
    let mut body = crate::bench::chat();
    body["stream"] = json!(true);
    let response = running
        .api(Method::POST, "/chat/completions")
        .bearer_auth(&made.key)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(response.headers().get("content-length").is_none());
    let text = response.text().await.unwrap();
    assert!(text.ends_with("data: [DONE]\n\n") && text.matches("data: ").count() == 4, "{text}");
    assert_eq!(running.simulator.control().stats().completions.ok, 1);
}

#[tokio::test]
async fn outages_are_felt_on_the_wire() {
    let running = Running::start().await;
    let outage = |mode: &str| json!({ "until_ms": 60_000, "mode": mode });
    assert_eq!(running.control(Method::POST, "/outage", outage("503")).await.0, 200);
    assert_eq!(answer(running.creation("a")).await.0, 503);
    running.control(Method::POST, "/outage", outage("reset")).await;
    assert!(running.creation("a").send().await.is_err());
    running.control(Method::POST, "/outage", outage("hang")).await;
    assert!(
        running
            .creation("a")
            .timeout(Duration::from_millis(50))
            .send()
            .await
            .unwrap_err()
            .is_timeout()
    );
    assert_eq!(running.sim(Method::DELETE, "/outage").send().await.unwrap().status(), 200);
    running.create("a").await;
}
