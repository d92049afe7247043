//! What an endpoint gives back: an answer, or a refusal in the one error shape.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;

use crate::key_text::KeyHash;
use crate::reply::{SimBody, SimResponse};
use crate::state::KeyRef;
use crate::stats::{AuthFailure, CompletionResult};

/// A success.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: HeaderValue,
    pub(crate) body: SimBody,
    /// Whether something was changed.
    pub(crate) effect: bool,
    /// The key it was about, if the path or the credential does not tell.
    pub(crate) hash: Option<KeyHash>,
    /// The key whose plaintext is in the body.
    pub(crate) created: Option<KeyRef>,
}

impl Answer {
    /// 200 with a JSON body and no effect.
    pub(crate) fn json(body: &impl Serialize) -> Result<Self, Refusal> {
        let body =
            serde_json::to_vec(body).map_err(|_unserialisable| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))?;
        Ok(Self {
            status: StatusCode::OK,
            content_type: HeaderValue::from_static("application/json"),
            body: SimBody::Full(Bytes::from(body)),
            effect: false,
            hash: None,
            created: None,
        })
    }

    pub(crate) fn effect(mut self, effect: bool) -> Self {
        self.effect = effect;
        self
    }

    pub(crate) fn into_response(self) -> SimResponse {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, self.content_type);
        SimResponse {
            status: self.status,
            headers,
            body: self.body,
        }
    }
}

/// A refusal.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    message: Cow<'static, str>,
    metadata: Option<Value>,
    /// The true reason, if authentication failed.
    pub(crate) auth: Option<AuthFailure>,
    /// How a completion ended.
    pub(crate) completion: Option<CompletionResult>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
            metadata: None,
            auth: None,
            completion: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn not_found(message: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn auth(status: StatusCode, message: &'static str, reason: AuthFailure) -> Self {
        Self {
            auth: Some(reason),
            ..Self::new(status, message)
        }
    }

    pub(crate) fn with_metadata(mut self, metadata: Value) -> Self {
        self.metadata = Some(metadata);
        self
    }

    pub(crate) fn completion(mut self, result: CompletionResult) -> Self {
        self.completion = Some(result);
        self
    }

    pub(crate) fn into_response(self) -> SimResponse {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = error_body(self.status, &self.message, self.metadata.as_ref());
        SimResponse {
            status: self.status,
            headers,
            body: SimBody::Full(body),
        }
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorDetail<'a>,
}

#[derive(Serialize)]
struct ErrorDetail<'a> {
    code: u16,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Value>,
}

/// The body of every error.
pub(crate) fn error_body(status: StatusCode, message: &str, metadata: Option<&Value>) -> Bytes {
    let body = ErrorBody {
        error: ErrorDetail {
            code: status.as_u16(),
            message,
            metadata,
        },
    };
    serde_json::to_vec(&body).map(Bytes::from).unwrap_or_default()
}

/// A text for a status nobody has another text for.
pub(crate) fn standard_message(status: StatusCode) -> Cow<'static, str> {
    match status.as_u16() {
        429 => "Rate limit exceeded".into(),
        524 => "A timeout occurred".into(),
        529 => "Provider overloaded".into(),
        _ => status.canonical_reason().unwrap_or("Unexpected error").into(),
    }
}
