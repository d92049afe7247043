//! No key text appears where it must not: logs, events, counters, errors, state file, debug output.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use openrouter_sim::{AccountConfig, FaultRule, Preset, SimConfig};
use reqwest::Method;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::bench::{MANAGEMENT, chat};
use crate::running::{Running, answer, config};

/// Collects what is logged.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn every_output_is_free_of_key_texts() {
    let log = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let configuration = SimConfig {
        state_file: Some(state.clone()),
        ..config()
    };
    let mut outputs = vec![format!("{configuration:?}")];
    let running = Running::with(configuration).await;
    let mut secrets = vec![MANAGEMENT.to_owned()];

    for number in 0..5 {
        secrets.push(running.create(&format!("key {number}")).await.key);
    }
    let added = running.control(Method::POST, "/provisioning-keys", json!({})).await.1;
    secrets.push(added["key"].as_str().unwrap().to_owned());
    let foreign = running.control(Method::POST, "/keys", json!({})).await.1;
    secrets.push(foreign["key"].as_str().unwrap().to_owned());

    // Confused clients put keys everywhere; faults spoil answers; bodies are malformed.
    let rule: FaultRule = serde_json::from_value(json!({ "action": { "type": "status", "status": 500 }, "probability": 0.2 })).unwrap();
    running.simulator.control().add_fault(rule).unwrap();
    for secret in &secrets {
        let requests = [
            running.managed(Method::GET, &format!("/keys/{secret}")),
            running.managed(Method::DELETE, &format!("/keys/{secret}")),
            running
                .managed(Method::PATCH, &format!("/keys/{secret}"))
                .json(&json!({ "name": secret, "limit": secret })),
            running.managed(Method::GET, &format!("/keys?workspace_id={secret}&offset={secret}")),
            running.managed(Method::GET, &format!("/workspaces/{secret}")),
            running.managed(Method::GET, &format!("/{secret}")),
            running
                .managed(Method::POST, "/keys")
                .json(&json!({ "name": "a", "limit": secret })),
            running
                .managed(Method::POST, "/keys")
                .json(&json!({ "name": "a", "expires_at": secret })),
            running
                .managed(Method::POST, "/guardrails")
                .json(&json!({ "name": "a", "reset_interval": secret })),
            running.managed(Method::POST, "/keys").body(format!("{{{secret}")),
            running.api(Method::GET, "/key").bearer_auth(format!("{secret}x")),
            running.api(Method::GET, "/key").header("authorization", format!("Basic {secret}")),
            running.api(Method::POST, "/chat/completions").bearer_auth(secret).json(&chat()),
            running
                .api(Method::POST, "/chat/completions")
                .bearer_auth(secret)
                .json(&json!({ "model": secret, "messages": [{ "role": secret }] })),
            running
                .api(Method::POST, "/chat/completions")
                .bearer_auth(secret)
                .header("x-sim-cost", secret)
                .json(&chat()),
            running.api(Method::GET, "/key").bearer_auth(secret),
            running.sim(Method::GET, &format!("/keys/{secret}")),
            running.sim(Method::GET, &format!("/faults/{secret}")),
            running.sim(Method::POST, "/provisioning-keys").json(&json!({ "key": secret })),
            running.sim(Method::POST, "/provisioning-keys").json(&json!({ "key": [secret] })),
            running.sim(Method::POST, "/orphans").json(&json!({ "known_hashes": [secret] })),
            running.sim(Method::GET, &format!("/events?after={secret}")),
        ];
        for request in requests {
            let response = request.send().await.unwrap();
            outputs.push(format!("{:?}", response.headers()));
            outputs.push(response.text().await.unwrap());
        }
    }
    for path in [
        "/stats?prefix=key",
        "/events?after=0",
        "/faults",
        "/propagation",
        "/compat",
        "/clock",
    ] {
        outputs.push(running.sim(Method::GET, path).send().await.unwrap().text().await.unwrap());
    }
    for path in [
        "/keys?include_disabled=true",
        "/activity",
        "/workspaces",
        "/credits",
        "/guardrails",
        "/byok",
    ] {
        outputs.push(running.managed(Method::GET, path).send().await.unwrap().text().await.unwrap());
    }
    let control = running.simulator.control();
    outputs.push(format!("{:?} {:?} {:?}", running.simulator, control, control.faults()));
    running.simulator.shutdown().await;
    outputs.push(std::fs::read_to_string(&state).unwrap());
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("request handled"), "the log was captured");
    outputs.push(logged);
    for secret in secrets {
        let digits = secret.strip_prefix("sk-or-v1-").unwrap();
        for output in &outputs {
            assert!(!output.contains(digits), "a key text is in: {output}");
        }
    }
}

#[test]
fn debug_output_of_requests_and_replies_shows_nothing() {
    let bench = crate::bench::Bench::new();
    let request = openrouter_sim::SimRequest::new(http::Method::POST, "/api/v1/keys/sk-or-v1-EXAMPLE")
        .bearer(MANAGEMENT)
        .json(&json!({ "name": "sk-or-v1-EXAMPLE" }));
    let shown = format!("{request:?}");
    assert!(!shown.contains("EXAMPLE") && !shown.contains(MANAGEMENT));
    let reply = bench.handle(http::Method::POST, "/keys", MANAGEMENT, Some(&json!({ "name": "a" })));
    let shown = format!("{reply:?}");
    let (_, experience) = reply.play();
    let openrouter_sim::Experience::Answer(response) = experience else {
        panic!("an answer")
    };
    let key = response.json().unwrap()["key"].as_str().unwrap().to_owned();
    assert!(!shown.contains(&key) && !format!("{response:?}").contains(&key));
}

#[test]
fn a_marker_makes_every_key_recognisable() {
    let mut config = crate::bench::config();
    config.key_marker = Some("51a51a51".to_owned());
    config.accounts.push(AccountConfig::named("generated"));
    let bench = crate::bench::Bench::with(config);
    bench.control().preset(Preset::LostCreate);
    let mut texts: Vec<String> = (0..3)
        .filter_map(|_| bench.post("/keys", &json!({ "name": "a" })).1["key"].as_str().map(str::to_owned))
        .collect();
    let added = bench.control().add_provisioning_key(None, None).unwrap();
    texts.push(added.key.expose().to_owned());
    assert_eq!(texts.len(), 3);
    for text in texts {
        assert!(text.starts_with("sk-or-v1-51a51a51"));
    }
    assert_ne!(bench.get("/keys").1["data"][0]["hash"], Value::Null);
}

#[tokio::test]
async fn wrong_answers_of_the_server_itself_show_nothing() {
    let running = Running::start().await;
    let request = format!("GET /api/v1/keys HTTP/1.1\r\nAuthorization: Bearer {MANAGEMENT}\r\nbroken {MANAGEMENT}\r\n\r\n");
    let answer = String::from_utf8(running.raw(request.as_bytes()).await).unwrap();
    assert!(!answer.contains(MANAGEMENT));
    let path = format!("http://{}/{MANAGEMENT}", running.simulator.address());
    let (status, body) = self::answer(running.client.get(path)).await;
    assert!(status == 404 && !body.to_string().contains(MANAGEMENT));
}
