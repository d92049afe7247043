//! The error shape, everywhere.

use http::Method;
use openrouter_sim::{Experience, SimRequest};
use serde_json::{Value, json};

use crate::bench::{Bench, MANAGEMENT};
use crate::running::{Running, answer};

fn is_error(status: u16, body: &Value) -> bool {
    body["error"]["code"] == status && body["error"]["message"].is_string()
}

#[test]
fn unknown_paths_and_wrong_methods_have_the_error_shape() {
    let bench = Bench::new();
    for (method, path, expected) in [
        (Method::GET, "/", 404),
        (Method::GET, "/nothing", 404),
        (Method::GET, "/keys/a/b", 404),
        (Method::GET, "/keys//", 404),
        (Method::GET, "/organization/members", 404),
        (Method::PUT, "/keys", 405),
        (Method::PATCH, "/keys", 405),
        (Method::POST, "/key", 405),
        (Method::GET, "/chat/completions", 405),
        (Method::DELETE, "/credits", 405),
        (Method::OPTIONS, "/keys", 405),
    ] {
        for key in [MANAGEMENT, "sk-or-v1-nobody"] {
            let (status, body) = bench.call(method.clone(), path, key, None);
            assert_eq!(status, expected, "{method} {path}");
            assert!(is_error(expected, &body), "{method} {path}: {body}");
        }
    }
}

#[test]
fn every_answer_has_an_id_of_its_own_that_the_log_knows() {
    let bench = Bench::new();
    let mut ids = Vec::new();
    for path in ["/api/v1/keys", "/api/v1/nothing", "/api/v1/models", "/api/v1/key"] {
        let reply = bench.core.handle(SimRequest::new(Method::GET, path));
        let Experience::Answer(response) = reply.play().1 else {
            panic!("an answer")
        };
        ids.push(response.headers["x-request-id"].to_str().unwrap().to_owned());
    }
    let logged: Vec<String> = bench.control().events(0).events.into_iter().map(|event| event.request_id).collect();
    assert_eq!(ids, logged);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn the_server_adds_no_plain_text_of_its_own() {
    let running = Running::start().await;
    let large = "x".repeat((1 << 20) + 1);
    let fits = format!("{{\"name\": \"{}\"}}", "x".repeat((1 << 20) - 12));
    for (request, expected) in [
        (running.api(Method::GET, "/nothing"), 404),
        (running.api(Method::DELETE, "/keys"), 405),
        (running.managed(Method::POST, "/keys").body(large.clone()), 413),
        (running.api(Method::POST, "/chat/completions").body(large), 413),
        (running.managed(Method::POST, "/keys").body("{"), 400),
        (running.managed(Method::POST, "/keys").body(vec![0xff, 0xfe]), 400),
        (running.client.get(format!("http://{}/", running.simulator.address())), 404),
        (running.client.get(format!("http://{}/api/v1", running.simulator.address())), 404),
        (running.client.get(format!("http://{}/api/v1x", running.simulator.address())), 404),
        (
            running.client.get(format!("http://{}/api/v2/keys", running.simulator.address())),
            404,
        ),
    ] {
        let (status, body) = answer(request).await;
        assert_eq!(status, expected, "{body}");
        assert!(is_error(expected, &body), "{body}");
    }
    assert_eq!(answer(running.managed(Method::POST, "/keys").body(fits)).await.0, 201);
    let health = running.client.get(format!("http://{}/healthz", running.simulator.address()));
    assert_eq!(answer(health).await, (200, json!({ "status": "ok" })));
}

#[tokio::test]
async fn content_types_are_json() {
    let running = Running::start().await;
    for path in ["/keys", "/key", "/models", "/credits", "/nothing"] {
        let response = running.managed(Method::GET, path).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/json", "{path}");
        assert!(response.headers().contains_key("x-request-id"), "{path}");
    }
}
