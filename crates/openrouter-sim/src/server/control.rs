//! `/_sim` over HTTP: every route is one call of [`Control`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, RawQuery, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::answer::error_body;
use crate::api::route;
use crate::config::{ByokConfig, Propagation};
use crate::control::{Control, ControlError, ForeignKey, KeyChange, MadeKey, OrphanQuery};
use crate::faults::FaultRule;
use crate::faults::gate::{Outage, RateLimit};
use crate::faults::presets::Preset;
use crate::key_text::{KeyHash, KeyText};
use crate::money::Usd;

/// Orphan queries can carry a hundred thousand hashes.
const MAX_CONTROL_BODY: usize = 64 << 20;
/// Longest wait of one question for events.
const MAX_WAIT_MS: u64 = 600_000;

type Shared = State<Arc<Control>>;
type Outcome = Result<Response, Failure>;

/// All routes of the control surface.
pub(super) fn router(control: Control) -> Router {
    let control = Arc::new(control);
    Router::new()
        .route("/_sim/faults", get(list_faults).post(add_faults).delete(clear_faults))
        .route("/_sim/faults/{id}", get(show_fault).delete(remove_fault))
        .route("/_sim/outage", get(show_gate).post(begin_outage).delete(end_outage))
        .route("/_sim/rate-limit", get(show_gate).post(set_rate_limit).delete(lift_rate_limit))
        .route("/_sim/presets", get(list_presets).post(apply_preset))
        .route("/_sim/propagation", get(show_propagation).post(set_propagation))
        .route("/_sim/compat", get(show_compat).post(set_compat))
        .route("/_sim/clock", get(show_clock).post(change_clock))
        .route("/_sim/keys", post(create_key))
        .route("/_sim/keys/{hash}", get(show_key).post(change_key).delete(delete_key))
        .route(
            "/_sim/provisioning-keys",
            post(add_provisioning_key).delete(revoke_provisioning_key),
        )
        .route("/_sim/credits", post(set_credits))
        .route("/_sim/byok", post(add_byok))
        .route("/_sim/reset", post(reset))
        .route("/_sim/stats", get(stats))
        .route("/_sim/events", get(events))
        .route("/_sim/orphans", post(orphans))
        .fallback(async || Failure(StatusCode::NOT_FOUND, "Not Found".to_owned()))
        .method_not_allowed_fallback(async || Failure(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed".to_owned()))
        .layer(middleware::from_fn_with_state(Arc::clone(&control), check_token))
        .layer(DefaultBodyLimit::max(MAX_CONTROL_BODY))
        .with_state(control)
}

/// An answer in the error shape.
struct Failure(StatusCode, String);

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let status = match error {
            ControlError::NotFound(_) => StatusCode::NOT_FOUND,
            ControlError::Invalid(_) => StatusCode::BAD_REQUEST,
        };
        Self(status, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = error_body(self.0, &self.1, None).into_response();
        *response.status_mut() = self.0;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

fn bad_request(message: impl Into<String>) -> Failure {
    Failure(StatusCode::BAD_REQUEST, message.into())
}

/// A body read by this crate's own rules: the framework's plain-text rejections must not leak through.
fn read<T: DeserializeOwned>(body: &Result<Bytes, axum::extract::rejection::BytesRejection>) -> Result<T, Failure> {
    let body = body
        .as_ref()
        .map_err(|rejection| Failure(rejection.status(), "Body not readable".to_owned()))?;
    serde_json::from_slice(body).map_err(|error| bad_request(error.to_string()))
}

/// The path's last part; one that is no UTF-8 is refused like every other bad request.
struct Segment(String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text))
            .map_err(|rejection| Failure(rejection.status(), rejection.body_text()))
    }
}

type Body = Result<Bytes, axum::extract::rejection::BytesRejection>;

fn show(value: &impl Serialize) -> Outcome {
    let body = serde_json::to_vec(value).map_err(|error| Failure(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

fn done() -> Outcome {
    show(&json!({ "ok": true }))
}

async fn check_token(State(control): Shared, headers: HeaderMap, request: Request, next: Next) -> Response {
    if let Some(expected) = control.admin_token() {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.split_once(' '));
        let given = given
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, token)| token);
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), expected.as_bytes());
        if same.is_err() {
            return Failure(StatusCode::UNAUTHORIZED, "The admin token is missing or wrong".to_owned()).into_response();
        }
    }
    next.run(request).await
}

fn rule_id(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_not_a_number| Failure::from(ControlError::NotFound("rule")))
}

fn hash(text: &str) -> Result<KeyHash, Failure> {
    text.parse().map_err(|_malformed| Failure::from(ControlError::NotFound("key")))
}

async fn list_faults(State(control): Shared) -> Outcome {
    show(&json!({ "faults": control.faults() }))
}

/// One rule or a list of rules.
async fn add_faults(State(control): Shared, body: Body) -> Outcome {
    let given: Value = read(&body)?;
    if let Value::Array(rules) = given {
        let rules: Result<Vec<FaultRule>, _> = rules.into_iter().map(serde_json::from_value).collect();
        let rules = rules.map_err(|error| bad_request(error.to_string()))?;
        for rule in &rules {
            rule.validate().map_err(|error| bad_request(error.to_string()))?;
        }
        let ids: Result<Vec<u64>, _> = rules.into_iter().map(|rule| control.add_fault(rule)).collect();
        return show(&json!({ "ids": ids? }));
    }
    let rule: FaultRule = serde_json::from_value(given).map_err(|error| bad_request(error.to_string()))?;
    show(&json!({ "id": control.add_fault(rule)? }))
}

async fn clear_faults(State(control): Shared) -> Outcome {
    control.clear_faults();
    done()
}

async fn show_fault(State(control): Shared, Segment(id): Segment) -> Outcome {
    let id = rule_id(&id)?;
    let rule = control.faults().into_iter().find(|rule| rule.id == id);
    show(&rule.ok_or(ControlError::NotFound("rule"))?)
}

async fn remove_fault(State(control): Shared, Segment(id): Segment) -> Outcome {
    control.remove_fault(rule_id(&id)?)?;
    done()
}

async fn show_gate(State(control): Shared) -> Outcome {
    show(&control.gate())
}

async fn begin_outage(State(control): Shared, body: Body) -> Outcome {
    control.outage(read::<Outage>(&body)?);
    show(&control.gate())
}

async fn end_outage(State(control): Shared) -> Outcome {
    control.outage(Outage {
        until_ms: 0,
        mode: crate::faults::gate::OutageMode::default(),
    });
    done()
}

async fn set_rate_limit(State(control): Shared, body: Body) -> Outcome {
    control.rate_limit(Some(read::<RateLimit>(&body)?))?;
    show(&control.gate())
}

async fn lift_rate_limit(State(control): Shared) -> Outcome {
    control.rate_limit(None)?;
    done()
}

async fn list_presets() -> Outcome {
    show(&json!({ "presets": Preset::ALL }))
}

async fn apply_preset(State(control): Shared, body: Body) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        name: Preset,
    }

    show(&json!({ "ids": control.preset(read::<Named>(&body)?.name) }))
}

async fn show_propagation(State(control): Shared) -> Outcome {
    show(&control.propagation())
}

async fn set_propagation(State(control): Shared, body: Body) -> Outcome {
    control.set_propagation(read::<Propagation>(&body)?);
    show(&control.propagation())
}

async fn show_compat(State(control): Shared) -> Outcome {
    show(&control.compat())
}

/// Choices by name; those not named stay.
async fn set_compat(State(control): Shared, body: Body) -> Outcome {
    let mut compat = control.compat();
    for (name, value) in read::<BTreeMap<String, Value>>(&body)? {
        let value = match value {
            Value::String(text) => text,
            Value::Null => "none".to_owned(),
            other => other.to_string(),
        };
        compat.set(&name, &value).map_err(|error| bad_request(error.to_string()))?;
    }
    control.set_compat(compat);
    show(&control.compat())
}

async fn show_clock(State(control): Shared) -> Outcome {
    show(&control.clock())
}

async fn change_clock(State(control): Shared, body: Body) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Change {
        freeze: Option<bool>,
        set: Option<DateTime<Utc>>,
        advance_ms: Option<u64>,
    }

    let change: Change = read(&body)?;
    if change.freeze == Some(true) {
        control.freeze();
    }
    if let Some(to) = change.set {
        control.set_clock(to)?;
    }
    if let Some(ms) = change.advance_ms {
        control.advance(Duration::from_millis(ms))?;
    }
    if change.freeze == Some(false) {
        control.unfreeze();
    }
    show(&control.clock())
}

fn show_made(made: &MadeKey) -> Outcome {
    show(&json!({ "key": made.key.expose(), "hash": made.hash, "label": made.label }))
}

async fn create_key(State(control): Shared, body: Body) -> Outcome {
    show_made(&control.create_foreign_key(read::<ForeignKey>(&body)?)?)
}

async fn show_key(State(control): Shared, Segment(text): Segment) -> Outcome {
    show(&control.key(hash(&text)?)?)
}

async fn change_key(State(control): Shared, Segment(text): Segment, body: Body) -> Outcome {
    let hash = hash(&text)?;
    control.set_key(hash, &read::<KeyChange>(&body)?)?;
    show(&control.key(hash)?)
}

async fn delete_key(State(control): Shared, Segment(text): Segment) -> Outcome {
    control.delete_key(hash(&text)?)?;
    done()
}

/// A body that can hold a key text: what is wrong with it is not repeated.
fn read_silently<T: DeserializeOwned>(body: &Body) -> Result<T, Failure> {
    read(body).map_err(|Failure(status, _)| Failure(status, "Malformed body".to_owned()))
}

async fn add_provisioning_key(State(control): Shared, body: Body) -> Outcome {
    #[derive(Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct New {
        key: Option<KeyText>,
        account: Option<String>,
    }

    let new: New = read_silently(&body)?;
    show_made(&control.add_provisioning_key(new.account.as_deref(), new.key)?)
}

async fn revoke_provisioning_key(State(control): Shared, body: Body) -> Outcome {
    #[derive(Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Which {
        key: Option<KeyText>,
        hash: Option<KeyHash>,
    }

    let which: Which = read_silently(&body)?;
    let hash = which.hash.or(which.key.map(|key| key.hash()));
    control.revoke_provisioning_key(hash.ok_or_else(|| bad_request("key or hash: one is needed"))?)?;
    done()
}

async fn set_credits(State(control): Shared, body: Body) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Credits {
        credits: Usd,
        account: Option<String>,
    }

    let credits: Credits = read(&body)?;
    control.set_credits(credits.account.as_deref(), credits.credits)?;
    done()
}

async fn add_byok(State(control): Shared, body: Body) -> Outcome {
    #[derive(Deserialize)]
    struct New {
        account: Option<String>,
        #[serde(flatten)]
        byok: ByokConfig,
    }

    let new: New = read(&body)?;
    show(&json!({ "id": control.add_byok(new.account.as_deref(), new.byok)? }))
}

async fn reset(State(control): Shared) -> Outcome {
    control.reset();
    done()
}

fn pairs(RawQuery(query): RawQuery) -> Result<Vec<(String, String)>, Failure> {
    route::query(query.as_deref().unwrap_or_default()).ok_or_else(|| bad_request("Malformed query"))
}

/// `prefix` may be repeated.
async fn stats(State(control): Shared, query: RawQuery) -> Outcome {
    let pairs = pairs(query)?;
    let prefixes: Vec<String> = pairs
        .into_iter()
        .filter(|(name, _)| name == "prefix")
        .map(|(_, prefix)| prefix)
        .collect();
    show(&control.stats_with(&prefixes))
}

async fn events(State(control): Shared, query: RawQuery) -> Outcome {
    let pairs = pairs(query)?;
    let number = |wanted: &str| match pairs.iter().rev().find(|(name, _)| name == wanted) {
        None => Ok(0),
        Some((name, text)) => text
            .parse::<u64>()
            .map_err(|_not_a_number| bad_request(format!("{name}: expected a whole number"))),
    };
    let wait = Duration::from_millis(number("wait_ms")?.min(MAX_WAIT_MS));
    show(&control.wait_events(number("after")?, wait).await)
}

async fn orphans(State(control): Shared, body: Body) -> Outcome {
    show(&control.orphans(&read_silently::<OrphanQuery>(&body)?)?)
}
