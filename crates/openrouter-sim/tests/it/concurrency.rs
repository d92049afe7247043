//! Many clients at once.

use std::collections::HashSet;

use openrouter_sim::KeyHash;
use reqwest::Method;
use serde_json::json;

use crate::bench::Made;
use crate::running::{Running, answer};

const CLIENTS: usize = 64;
const EACH: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_creates_lose_and_mix_nothing() {
    let running = std::sync::Arc::new(Running::start().await);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let running = std::sync::Arc::clone(&running);
            tokio::spawn(async move {
                let mut mine = Vec::new();
                for number in 0..EACH {
                    let name = format!("{client}/{number}");
                    let (status, body) = answer(running.creation(&name)).await;
                    assert_eq!((status, body["data"]["name"].as_str()), (201, Some(name.as_str())));
                    let made = Made::of(&body);
                    assert_eq!(made.hash, KeyHash::of(&made.key).to_string());
                    assert_eq!(running.probe(&made.key).await, 200);
                    mine.push((name, made));
                }
                // Every second one goes again.
                for (_, made) in mine.iter().step_by(2) {
                    let path = format!("/keys/{}", made.hash);
                    assert_eq!(answer(running.managed(Method::DELETE, &path)).await.0, 200);
                    assert_eq!(running.probe(&made.key).await, 401);
                }
                mine
            })
        })
        .collect();
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.unwrap());
    }
    let texts: HashSet<&String> = all.iter().map(|(_, made)| &made.key).collect();
    assert_eq!(texts.len(), CLIENTS * EACH);
    let mut listed = HashSet::new();
    for offset in (0..).step_by(100) {
        let page = answer(running.managed(Method::GET, &format!("/keys?offset={offset}"))).await.1;
        let page = page["data"].as_array().unwrap().clone();
        let full = page.len() == 100;
        listed.extend(page.iter().map(|key| (key["name"].to_string(), key["hash"].to_string())));
        if !full {
            break;
        }
    }
    let kept = all.chunks(EACH).flat_map(|mine| mine.iter().skip(1).step_by(2));
    let expected: HashSet<_> = kept
        .map(|(name, made)| (json!(name).to_string(), json!(made.hash).to_string()))
        .collect();
    assert_eq!(listed, expected);
    let stats = running.simulator.control().stats();
    let keys = stats.keys.total;
    assert_eq!((keys.created_total, keys.deleted_total, keys.live), (640, 320, 320));
    assert_eq!((keys.undelivered, stats.requests.in_flight), (0, 0));
    assert!(stats.requests.max_in_flight <= CLIENTS as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_spending_adds_up_exactly() {
    let running = std::sync::Arc::new(Running::start().await);
    let made = running.create("shared").await;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (running, key) = (std::sync::Arc::clone(&running), made.key.clone());
            tokio::spawn(async move {
                for _ in 0..EACH {
                    let request = running.api(Method::POST, "/chat/completions").bearer_auth(&key);
                    let request = request.header("x-sim-cost", "0.000000001").json(&crate::bench::chat());
                    assert_eq!(answer(request).await.0, 200);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let shown = answer(running.managed(Method::GET, &format!("/keys/{}", made.hash))).await.1;
    assert_eq!(shown["data"]["usage"], 0.000_000_64);
    assert_eq!(running.simulator.control().stats().completions.ok, 640);
}

#[tokio::test]
async fn instances_run_side_by_side() {
    let (first, second) = tokio::join!(Running::start(), Running::start());
    let made = first.create("a").await;
    assert_eq!((first.probe(&made.key).await, second.probe(&made.key).await), (200, 401));
    assert_eq!(second.simulator.control().stats().keys.total.created_total, 0);
    // One seed, one sequence of keys.
    assert_eq!(second.create("b").await.key, made.key);
    let address = first.simulator.address();
    first.simulator.shutdown().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
    second.create("c").await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_those_who_hang() {
    let running = Running::start().await;
    let hang = serde_json::from_value(json!({ "action": { "type": "hang" } })).unwrap();
    running.simulator.control().add_fault(hang).unwrap();
    let request = running.creation("a");
    let hanging = tokio::spawn(async move { request.send().await.is_err() });
    while running.simulator.control().stats().requests.in_flight == 0 {
        tokio::task::yield_now().await;
    }
    let started = std::time::Instant::now();
    running.simulator.shutdown().await;
    assert!(started.elapsed() < std::time::Duration::from_secs(10));
    assert!(hanging.await.unwrap());
}
