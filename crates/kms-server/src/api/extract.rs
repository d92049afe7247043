//! Extractors. Every rejection is the error object; `null` means absent; unknown keys are ignored.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kms_app::actor::Actor;
use kms_app::authentication::SignedIn;
use kms_app::{Error, FieldIssue};
use kms_core::audit::Origin;
use kms_core::secret::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{ApiError, Problem};
use crate::middleware::ClientAddress;
use crate::state::ServerState;

/// Longest body, in bytes. A batch of secrets is the largest thing that is sent.
pub const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// Longest description of a connection or a rotation, in characters.
pub(crate) const DESCRIPTION_LIMIT: usize = 256;
/// Longest description of a project, in characters.
pub(crate) const PROJECT_DESCRIPTION_LIMIT: usize = 1024;
/// What is said about a folder's description that cannot be stored.
pub(crate) const NUL_IN_DESCRIPTION: &str = "a description has no NUL characters";

/// What a body says about itself.
pub trait Wire: DeserializeOwned {
    /// Keys of the top level in which `null` has a meaning of its own (it clears the field). Everywhere else it means absent.
    const NULL_CLEARS: &'static [&'static str] = &[];
}

/// A JSON (or form) body. An empty one, and the literal `null`, count as an object without keys.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

impl<T: Wire> FromRequest<ServerState> for ApiJson<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &ServerState) -> Result<Self, Response> {
        let form = match request
            .headers()
            .get(header::CONTENT_TYPE)
            .map(|value| value.to_str().unwrap_or("invalid"))
        {
            None => false,
            Some(kind) => {
                let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                if kind == "application/x-www-form-urlencoded" {
                    true
                } else if kind.is_empty() || kind == "application/json" || kind.ends_with("+json") || kind == "text/plain" {
                    false
                } else {
                    let message = "send the body as application/json";
                    return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message).into_response());
                }
            }
        };
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                let message = format!("the body is larger than {BODY_LIMIT} bytes");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge", message).into_response()
            } else {
                ApiError(Error::bad_request("the body could not be read")).into_response()
            }
        })?;
        let value = if form { form_value(&bytes) } else { json_value(&bytes) }.map_err(|error| ApiError(error).into_response())?;
        read(value, T::NULL_CLEARS)
            .map(Self)
            .map_err(|error| ApiError(error).into_response())
    }
}

fn json_value(bytes: &[u8]) -> Result<Value, Error> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        Error::bad_request(format!(
            "the body is not valid JSON (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    Ok(if value.is_null() {
        Value::Object(serde_json::Map::new())
    } else {
        value
    })
}

fn form_value(bytes: &[u8]) -> Result<Value, Error> {
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_bytes(bytes).map_err(|_malformed| Error::bad_request("the body is not a valid form"))?;
    Ok(Value::Object(
        pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect(),
    ))
}

/// Removes `null` at every level of objects, but for the keys of the top level in which it has a meaning.
fn without_nulls(value: &mut Value, kept: &[&str]) {
    match value {
        Value::Object(map) => {
            map.retain(|key, inner| !inner.is_null() || kept.contains(&key.as_str()));
            map.values_mut().for_each(|inner| without_nulls(inner, &[]));
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| without_nulls(inner, &[])),
        _ => {}
    }
}

/// Reads a value into a wire type; the error names the field.
fn read<T: DeserializeOwned>(mut value: Value, kept: &[&str]) -> Result<T, Error> {
    without_nulls(&mut value, kept);
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut path: Vec<String> = error
            .path()
            .iter()
            .filter_map(|segment| match segment {
                serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
                serde_path_to_error::Segment::Map { key } => Some(key.clone()),
                serde_path_to_error::Segment::Enum { variant } => Some(variant.clone()),
                serde_path_to_error::Segment::Unknown => None,
            })
            .collect();
        let text = error.inner().to_string();
        // serde's words for a missing field; the field belongs to the path, and values never do to the message.
        let (code, message) = if let Some(field) = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            path.push(field.to_owned());
            ("invalid_type", "Required".to_owned())
        } else if let Some((_, expected)) = text.split_once("expected ") {
            ("invalid_type", format!("expected {expected}"))
        } else {
            ("custom", "the value is not valid here".to_owned())
        };
        Error::Invalid {
            issues: vec![FieldIssue { code, path, message }],
        }
    })
}

/// The query string. An empty value means absent; of a repeated key the last counts.
#[derive(Debug)]
pub struct ApiQuery<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<ServerState> for ApiQuery<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &ServerState) -> Result<Self, Response> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(parts.uri.query().unwrap_or_default())
            .map_err(|_malformed| ApiError(Error::bad_request("the query string is not valid")).into_response())?;
        let map = pairs
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name, Value::String(value)))
            .collect();
        read(Value::Object(map), &[])
            .map(Self)
            .map_err(|error| ApiError(error).into_response())
    }
}

/// Parameters of the path, as text. Broken percent-encoding is refused.
#[derive(Debug)]
pub struct ApiPath<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<ServerState> for ApiPath<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &ServerState) -> Result<Self, Response> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => {
                let issue = FieldIssue {
                    code: "invalid_string",
                    path: vec!["path".to_owned()],
                    message: rejection.body_text(),
                };
                Err(ApiError(Error::Invalid { issues: vec![issue] }).into_response())
            }
        }
    }
}

/// Reads an id of a path or query; a malformed one is an invalid field.
pub fn id<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, Error> {
    text.to_ascii_lowercase()
        .parse()
        .map_err(|_malformed| Error::invalid(field, "invalid_string", "must be a UUID"))
}

/// Collects problems with fields, so that all are answered at once.
#[derive(Debug, Default)]
pub struct Issues(Vec<FieldIssue>);

impl Issues {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value, or none and a remembered issue.
    pub fn take<T>(&mut self, field: &str, parsed: Result<T, kms_core::names::NameError>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.push(FieldIssue::at(field, error.code, error.message));
                None
            }
        }
    }

    /// Remembers an issue unless `holds`.
    pub fn check(&mut self, holds: bool, field: &str, code: &'static str, message: &str) {
        if !holds {
            self.0.push(FieldIssue::at(field, code, message));
        }
    }

    /// A password: not empty, and at most 1,024 bytes, so that hashing is no way to keep the server busy.
    pub fn password(&mut self, field: &str, password: &SecretString) {
        self.check(!password.is_empty(), field, "too_small", "must not be empty");
        self.check(password.len() <= 1024, field, "too_big", "must have at most 1024 bytes");
    }

    /// A name for people: trimmed, 1 to 64 characters.
    pub fn short_text(&mut self, field: &str, text: &str) -> String {
        let text = text.trim();
        self.check(!text.is_empty(), field, "too_small", "must not be empty");
        self.check(text.chars().count() <= 64, field, "too_big", "must have at most 64 characters");
        text.to_owned()
    }

    /// A text for people that may be absent: trimmed, at most `most` characters.
    pub fn note(&mut self, field: &str, text: Option<String>, most: usize) -> Option<String> {
        let text = text.map(|text| text.trim().to_owned());
        let fits = text.as_ref().is_none_or(|text| text.chars().count() <= most);
        self.check(fits, field, "too_big", &format!("must have at most {most} characters"));
        text
    }

    /// A text that the database can store: without NUL.
    pub fn storable(&mut self, field: &str, text: Option<&str>, message: &str) {
        self.check(text.is_none_or(|text| !text.contains('\0')), field, "invalid_string", message);
    }

    /// Days between two rotations; 1 if that is no such number.
    pub fn interval(&mut self, field: &str, days: Option<i64>) -> u16 {
        let days = days
            .and_then(|days| u16::try_from(days).ok())
            .filter(|days| (1..=3650).contains(days));
        self.check(days.is_some(), field, "too_small", "must be a whole number of days from 1 to 3650");
        days.unwrap_or(1)
    }

    /// Remembers issues found elsewhere.
    pub fn append(&mut self, issues: Vec<FieldIssue>) {
        self.0.extend(issues);
    }

    /// Remembers issues found elsewhere, below `field`.
    pub fn extend(&mut self, field: &str, issues: Vec<FieldIssue>) {
        self.0.extend(issues.into_iter().map(|mut issue| {
            issue.path.insert(0, field.to_owned());
            issue
        }));
    }

    /// Whether there was none so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them as one error.
    pub(crate) fn into_error(self) -> Error {
        Error::Invalid { issues: self.0 }
    }

    /// Refuses if there was any.
    pub fn finish(self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(self.into_error()) }
    }
}

/// Reads `true` and `false` of a query in any case; `0` is false.
pub fn query_bool<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    use serde::Deserialize;
    let text = Option::<String>::deserialize(deserializer)?;
    match text.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false" | "0" | "") => Ok(Some(false)),
        Some(_) => Err(serde::de::Error::custom("expected true or false")),
    }
}

/// Reads a whole number of a query.
pub fn query_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    use serde::Deserialize;
    match Option::<String>::deserialize(deserializer)? {
        None => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_malformed| serde::de::Error::custom("expected a whole number, 0 or greater")),
    }
}

/// Where the request came from.
pub(crate) fn origin(parts: &Parts) -> Origin {
    Origin {
        address: parts.extensions.get::<ClientAddress>().and_then(|address| address.0),
        user_agent: parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .map(|agent| agent.chars().take(512).collect()),
    }
}

/// Somebody who has proved who they are, in an organization. Without it no use case can be called.
#[derive(Debug)]
pub struct Authenticated(pub Actor);

impl FromRequestParts<ServerState> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ServerState) -> Result<Self, ApiError> {
        let token = bearer(parts)?;
        let actor = state.app.authenticate(token, origin(parts)).await?;
        Ok(Self(actor))
    }
}

/// A person with an open session, whether or not an organization is selected.
#[derive(Debug)]
pub struct AuthenticatedUser(pub SignedIn);

impl FromRequestParts<ServerState> for AuthenticatedUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ServerState) -> Result<Self, ApiError> {
        let token = bearer(parts)?;
        let signed_in = state.app.authenticate_user(token, origin(parts)).await?;
        Ok(Self(signed_in))
    }
}

/// The bearer token of a request.
pub(crate) fn bearer(parts: &Parts) -> Result<&str, Error> {
    if parts.headers.contains_key("x-api-key") && !parts.headers.contains_key(header::AUTHORIZATION) {
        return Err(Error::bad_request("API keys are not supported; log in with a machine identity"));
    }
    let missing = || Error::unauthorized("no credentials: send an access token in the Authorization header");
    let value = parts
        .headers
        .get(header::AUTHORIZATION)
        .ok_or_else(missing)?
        .to_str()
        .map_err(|_binary| missing())?;
    let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() {
        Ok(token.trim())
    } else {
        Err(missing())
    }
}

/// Where a request without credentials came from.
#[derive(Debug)]
pub struct From(pub Origin);

impl FromRequestParts<ServerState> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &ServerState) -> Result<Self, Self::Rejection> {
        Ok(Self(origin(parts)))
    }
}
