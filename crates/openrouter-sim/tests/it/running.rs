//! A simulator on a socket, and short words for requests to it.

use std::time::Duration;

use openrouter_sim::{SimConfig, Simulator};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bench::{MANAGEMENT, Made};

/// Longest wait for something that must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Running {
    pub simulator: Simulator,
    pub client: reqwest::Client,
}

/// With the system's clock.
pub fn config() -> SimConfig {
    SimConfig {
        clock: openrouter_sim::ClockMode::Real,
        ..crate::bench::config()
    }
}

impl Running {
    pub async fn start() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: SimConfig) -> Self {
        let simulator = Simulator::start(config).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { simulator, client }
    }

    /// A request to the service's surface.
    pub fn api(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.simulator.base_url()))
    }

    /// The same with the management key.
    pub fn managed(&self, method: Method, path: &str) -> RequestBuilder {
        self.api(method, path).bearer_auth(MANAGEMENT)
    }

    /// A request to the control surface.
    pub fn sim(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}/_sim{path}", self.simulator.address()))
    }

    pub async fn control(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        answer(self.sim(method, path).json(&body)).await
    }

    pub fn creation(&self, name: &str) -> RequestBuilder {
        self.managed(Method::POST, "/keys").json(&json!({ "name": name }))
    }

    pub async fn create(&self, name: &str) -> Made {
        let (status, body) = answer(self.creation(name)).await;
        assert_eq!(status, 201, "{body}");
        Made::of(&body)
    }

    pub async fn probe(&self, key: &str) -> u16 {
        answer(self.api(Method::GET, "/key").bearer_auth(key)).await.0
    }

    /// A connection without a client library.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.simulator.address()).await.unwrap()
    }

    /// Sends raw bytes and reads until the other side closes.
    pub async fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        Self::rest(stream).await
    }

    /// As [`Self::raw`], and ends the own direction: a request that is cut short will not go on.
    pub async fn raw_and_no_more(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        stream.shutdown().await.unwrap();
        Self::rest(stream).await
    }

    async fn rest(mut stream: TcpStream) -> Vec<u8> {
        let mut answer = Vec::new();
        let reading = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        reading.expect("the other side closes").expect("orderly");
        answer
    }
}

pub async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

/// A create as raw bytes.
pub fn raw_create(name: &str) -> Vec<u8> {
    let body = json!({ "name": name }).to_string();
    format!(
        "POST /api/v1/keys HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {MANAGEMENT}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
