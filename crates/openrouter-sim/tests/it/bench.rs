//! A simulator without sockets under a manual clock, and short words for calls to it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderValue, Method};
use openrouter_sim::{AccountConfig, ClockMode, Control, Experience, KeyHash, SimConfig, SimCore, SimReply, SimRequest};
use serde_json::{Value, json};

/// Text of the management key of [`Bench`].
pub const MANAGEMENT: &str = "sk-or-v1-0123456789012345678901234567890123456789012345678901234567890123";
/// When the clock of [`Bench`] begins: a Tuesday.
pub const START: &str = "2026-11-24T12:00:00Z";

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// One account, a seed, a manual clock.
pub fn config() -> SimConfig {
    SimConfig {
        accounts: vec![AccountConfig {
            management_keys: vec![MANAGEMENT.into()],
            workspaces: vec!["team-a".to_owned()],
            ..AccountConfig::default()
        }],
        seed: Some(1),
        clock: ClockMode::Manual { start: at(START) },
        ..SimConfig::default()
    }
}

pub struct Bench {
    pub core: Arc<SimCore>,
}

/// A key that a test made.
#[derive(Clone, Debug)]
pub struct Made {
    pub key: String,
    pub hash: String,
}

impl Made {
    pub fn of(body: &Value) -> Self {
        Self {
            key: body["key"].as_str().unwrap().to_owned(),
            hash: body["data"]["hash"].as_str().unwrap().to_owned(),
        }
    }

    pub fn hash(&self) -> KeyHash {
        self.hash.parse().unwrap()
    }
}

impl Bench {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: SimConfig) -> Self {
        Self {
            core: SimCore::try_new(config).unwrap(),
        }
    }

    pub fn control(&self) -> &Control {
        self.core.control()
    }

    pub fn advance(&self, by: Duration) {
        self.control().advance(by).unwrap();
    }

    pub fn handle(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> SimReply {
        let mut request = SimRequest::new(method, format!("/api/v1{path}")).bearer(key);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.core.handle(request)
    }

    /// Status and body for a patient client.
    pub fn call(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> (u16, Value) {
        answer(self.handle(method, path, key, body))
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, MANAGEMENT, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.call(Method::POST, path, MANAGEMENT, Some(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        self.call(Method::PATCH, path, MANAGEMENT, Some(body))
    }

    pub fn delete(&self, path: &str) -> (u16, Value) {
        self.call(Method::DELETE, path, MANAGEMENT, None)
    }

    /// Makes a key that must be made.
    pub fn create(&self, body: &Value) -> Made {
        let (status, body) = self.post("/keys", body);
        assert_eq!(status, 201, "{body}");
        Made::of(&body)
    }

    pub fn named(&self, name: &str) -> Made {
        self.create(&json!({ "name": name }))
    }

    /// Status of `/key`.
    pub fn probe(&self, key: &str) -> u16 {
        self.call(Method::GET, "/key", key, None).0
    }

    /// A completion that costs the given amount.
    pub fn spend(&self, key: &str, cost: &'static str) -> (u16, Value) {
        let mut request = SimRequest::new(Method::POST, "/api/v1/chat/completions").bearer(key).json(&chat());
        request.headers.insert("x-sim-cost", HeaderValue::from_static(cost));
        answer(self.core.handle(request))
    }

    /// Names of the listed keys in order.
    pub fn names(&self, query: &str) -> Vec<String> {
        let (status, body) = self.get(&format!("/keys{query}"));
        assert_eq!(status, 200, "{body}");
        let data = body["data"].as_array().unwrap();
        data.iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// Status and JSON of a whole answer.
pub fn answer(reply: SimReply) -> (u16, Value) {
    match reply.play().1 {
        Experience::Answer(response) => (response.status.as_u16(), response.json().unwrap_or(Value::Null)),
        other => panic!("no whole answer: {other:?}"),
    }
}

/// The body of a completion.
pub fn chat() -> Value {
    json!({ "model": "openai/gpt-4o", "messages": [{ "role": "user", "content": "Hello" }] })
}
