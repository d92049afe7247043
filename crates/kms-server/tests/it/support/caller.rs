//! Sends requests through the router, and looks at answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::Secrets;

/// Keys under which clients send and get secrets.
const SECRET_KEYS: &[&str] = &[
    "token",
    "accessToken",
    "clientSecret",
    "password",
    "secretValue",
    "apiKey",
    "provisioningApiKey",
];

/// Somebody who makes requests: with a token or without, from an address.
#[derive(Clone)]
pub(crate) struct Caller {
    router: Router,
    secrets: Arc<Secrets>,
    token: Option<String>,
    address: IpAddr,
    headers: HeaderMap,
}

impl Caller {
    pub(crate) fn new(router: Router, secrets: Arc<Secrets>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, "kms-tests".parse().unwrap());
        Self {
            router,
            secrets,
            token: None,
            address: "203.0.113.7".parse().unwrap(),
            headers,
        }
    }

    /// The same with a token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The same from another address.
    pub(crate) fn from(&self, address: &str) -> Self {
        Self {
            address: address.parse().unwrap(),
            ..self.clone()
        }
    }

    /// The same with a header on each request.
    pub(crate) fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.insert(name, value.parse().unwrap());
        other
    }

    /// The token.
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> TestResponse {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> TestResponse {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> TestResponse {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> TestResponse {
        self.send(Method::DELETE, path, None).await
    }

    pub(crate) async fn delete_with(&self, path: &str, body: Value) -> TestResponse {
        self.send(Method::DELETE, path, Some(body)).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> TestResponse {
        let body = body.map(|value| {
            self.remember(&value);
            value.to_string()
        });
        self.send_raw(method, path, "application/json", body.unwrap_or_default()).await
    }

    /// Sends any body.
    pub(crate) async fn send_raw(&self, method: Method, path: &str, content_type: &str, body: String) -> TestResponse {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::CONTENT_TYPE, content_type)
            .extension(ConnectInfo(SocketAddr::new(self.address, 40_000)));
        request.headers_mut().unwrap().extend(self.headers.clone());
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        self.remember(&json);
        let response = TestResponse {
            what: format!("{method} {path}"),
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
            json,
        };
        if let Some(refresh) = response.cookie("jid") {
            self.secrets.add(&refresh);
        }
        response
    }

    fn remember(&self, value: &Value) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    match inner {
                        Value::String(text) if SECRET_KEYS.contains(&key.as_str()) => self.secrets.add(text),
                        other => self.remember(other),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|inner| self.remember(inner)),
            _ => {}
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct TestResponse {
    what: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// The body; null if it is no JSON.
    pub(crate) json: Value,
}

impl TestResponse {
    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}: {}", self.what, self.text);
        self.json
    }

    /// The error object of a refusal with this status and kind (the key `error`).
    #[track_caller]
    pub(crate) fn refused(self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.what, self.text);
        assert_eq!(self.json["statusCode"], status, "{}: {}", self.what, self.text);
        assert_eq!(self.json["error"], kind, "{}: {}", self.what, self.text);
        let id = self.json["reqId"].as_str().unwrap();
        assert!(id.len() == 18 && id.starts_with("req-"), "{id}");
        let message = &self.json["message"];
        assert!(message.is_string() || (status == 422 && message.is_array()), "{message}");
        assert!(status == 404 || !message.to_string().contains("404"), "{message}");
        self.json
    }

    /// The paths of the invalid fields.
    #[track_caller]
    pub(crate) fn invalid(self) -> Vec<String> {
        let body = self.refused(422, "ValidationFailure");
        let issues = body["message"].as_array().unwrap();
        issues
            .iter()
            .map(|issue| {
                assert!(issue["code"].is_string() && issue["message"].is_string(), "{issue}");
                let path: Vec<String> = issue["path"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|part| part.as_str().unwrap().to_owned())
                    .collect();
                path.join(".")
            })
            .collect()
    }

    /// The value of a cookie that the answer sets.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().unwrap().split(';').next().unwrap().split_once('='))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.to_owned())
    }
}

/// What an access token says.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
