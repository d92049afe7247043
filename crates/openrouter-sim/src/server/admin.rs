//! `/_sim`: the control surface over HTTP, and `/healthz`.

use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::Propagation;
use crate::control::{Control, ControlError, ForeignKey, KeyChange, OrphanQuery};
use crate::faults::FaultRule;
use crate::faults::gate::{Outage, RateLimit};
use crate::faults::presets::Preset;
use crate::key_text::{KeyHash, KeyText};

type Shared = std::sync::Arc<Control>;

/// The routes outside `/api/v1`.
pub(super) fn router(control: Control) -> Router {
    let shared: Shared = std::sync::Arc::new(control);
    let sim = Router::new()
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/faults/{id}", delete(remove_fault))
        .route("/presets/{name}", post(preset))
        .route("/outage", post(outage))
        .route("/rate-limit", post(rate_limit))
        .route("/propagation", get(propagation).post(set_propagation))
        .route("/clock", get(clock).post(set_clock))
        .route("/stats", get(stats))
        .route("/events", get(events))
        .route("/orphans", post(orphans))
        .route("/keys", post(create_key))
        .route("/keys/{hash}", get(key).post(set_key).delete(delete_key))
        .route("/provisioning-keys", post(add_provisioning_key))
        .route("/provisioning-keys/{hash}", delete(revoke_provisioning_key))
        .route("/reset", post(reset))
        .layer(axum::middleware::from_fn_with_state(std::sync::Arc::clone(&shared), authorize))
        .with_state(shared);
    Router::new()
        .route("/healthz", get(|| async { Json(json!({ "status": "ok" })) }))
        .nest("/_sim", sim)
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "nothing answers here") })
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": { "code": status.as_u16(), "message": message } }))).into_response()
}

async fn authorize(State(control): State<Shared>, request: Request, next: Next) -> Response {
    let Some(wanted) = control.admin_token() else {
        return next.run(request).await;
    };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given == Some(&format!("Bearer {wanted}")) {
        next.run(request).await
    } else {
        refusal(StatusCode::UNAUTHORIZED, "the admin token is needed")
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
        };
        refusal(status, &self.to_string())
    }
}

type Answer = Result<Json<Value>, Response>;

/// Reads a JSON body; the error names the field.
fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Response> {
    serde_json::from_slice(body).map_err(|error| refusal(StatusCode::BAD_REQUEST, &error.to_string()))
}

fn hash(text: &str) -> Result<KeyHash, Response> {
    text.parse().map_err(|_malformed| refusal(StatusCode::NOT_FOUND, "no such key"))
}

fn done<T>(result: Result<T, ControlError>) -> Answer {
    result
        .map(|_nothing| Json(json!({ "ok": true })))
        .map_err(IntoResponse::into_response)
}

async fn faults(State(control): State<Shared>) -> Json<Value> {
    Json(json!({ "faults": control.faults() }))
}

async fn add_fault(State(control): State<Shared>, body: axum::body::Bytes) -> Answer {
    let rule: FaultRule = read(&body)?;
    control
        .add_fault(rule)
        .map(|id| Json(json!({ "id": id })))
        .map_err(IntoResponse::into_response)
}

async fn clear_faults(State(control): State<Shared>) -> Json<Value> {
    control.clear_faults();
    Json(json!({ "ok": true }))
}

async fn remove_fault(State(control): State<Shared>, Path(id): Path<u64>) -> Answer {
    done(control.remove_fault(id))
}

async fn preset(State(control): State<Shared>, Path(name): Path<String>) -> Answer {
    let preset: Preset = name.parse().map_err(|_unknown| refusal(StatusCode::NOT_FOUND, "no such preset"))?;
    Ok(Json(json!({ "ids": control.preset(preset) })))
}

async fn outage(State(control): State<Shared>, body: axum::body::Bytes) -> Answer {
    let outage: Outage = read(&body)?;
    control.outage(outage);
    Ok(Json(json!({ "ok": true })))
}

async fn rate_limit(State(control): State<Shared>, body: axum::body::Bytes) -> Answer {
    let limit: Option<RateLimit> = read(&body)?;
    done(control.rate_limit(limit))
}

async fn propagation(State(control): State<Shared>) -> Json<Value> {
    Json(json!(control.propagation()))
}

async fn set_propagation(State(control): State<Shared>, body: axum::body::Bytes) -> Answer {
    let propagation: Propagation = read(&body)?;
    control.set_propagation(propagation);
    Ok(Json(json!({ "ok": true })))
}

async fn clock(State(control): State<Shared>) -> Json<Value> {
    Json(json!(control.clock()))
}

/// What `POST /_sim/clock` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    #[serde(default)]
    freeze: Option<bool>,
    #[serde(default)]
    set: Option<DateTime<Utc>>,
    #[serde(default)]
    advance_ms: Option<u64>,
}

async fn set_clock(State(control): State<Shared>, body: axum::body::Bytes) -> Answer {
    let change: ClockChange = read(&body)?;
    match change.freeze {
        Some(true) => control.freeze(),
        Some(false) => control.unfreeze(),
        None => {}
    }
    if let Some(to) = change.set {
        control.set_clock(to).map_err(IntoResponse::into_response)?;
    }
    if let Some(ms) = change.advance_ms {
        control.advance(Duration::from_millis(ms)).map_err(IntoResponse::into_response)?;
    }
    Ok(Json(json!(control.clock())))
}

async fn stats(State(control): State<Shared>, Query(query): Query<Vec<(String, String)>>) -> Json<Value> {
    let prefixes: Vec<String> = query
        .into_iter()
        .filter(|(name, _)| name == "prefix")
        .map(|(_, value)| value)
        .collect();
    Json(json!(control.stats_with(&prefixes)))
}

/// What `GET /_sim/events` takes.
#[derive(Deserialize)]
struct EventsQuery {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait_ms: u64,
}

async fn events(State(control): State<Shared>, Query(query): Query<EventsQuery>) -> Json<Value> {
    Json(json!(control.wait_events(query.after, Duration::from_millis(query.wait_ms)).await))
}

async fn orphans(State(control): State<Shared>, body: axum::body::Bytes) -> Answer {
    let query: OrphanQuery = read(&body)?;
    control
        .orphans(&query)
        .map(|found| Json(json!(found)))
        .map_err(IntoResponse::into_response)
}

async fn create_key(State(control): State<Shared>, body: axum::body::Bytes) -> Answer {
    let key: ForeignKey = if body.is_empty() { ForeignKey::default() } else { read(&body)? };
    let made = control.create_foreign_key(key).map_err(IntoResponse::into_response)?;
    Ok(Json(json!({ "key": made.key.expose(), "hash": made.hash, "label": made.label })))
}

async fn key(State(control): State<Shared>, Path(text): Path<String>) -> Answer {
    control
        .key(hash(&text)?)
        .map(|key| Json(json!(key)))
        .map_err(IntoResponse::into_response)
}

async fn set_key(State(control): State<Shared>, Path(text): Path<String>, body: axum::body::Bytes) -> Answer {
    let change: KeyChange = read(&body)?;
    done(control.set_key(hash(&text)?, &change))
}

async fn delete_key(State(control): State<Shared>, Path(text): Path<String>) -> Answer {
    done(control.delete_key(hash(&text)?))
}

/// What `POST /_sim/provisioning-keys` takes.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NewProvisioningKey {
    account: Option<String>,
    key: Option<KeyText>,
}

async fn add_provisioning_key(State(control): State<Shared>, body: axum::body::Bytes) -> Answer {
    let new: NewProvisioningKey = if body.is_empty() {
        NewProvisioningKey::default()
    } else {
        read(&body)?
    };
    let made = control
        .add_provisioning_key(new.account.as_deref(), new.key)
        .map_err(IntoResponse::into_response)?;
    Ok(Json(json!({ "key": made.key.expose(), "hash": made.hash, "label": made.label })))
}

async fn revoke_provisioning_key(State(control): State<Shared>, Path(text): Path<String>) -> Answer {
    done(control.revoke_provisioning_key(hash(&text)?))
}

async fn reset(State(control): State<Shared>) -> Json<Value> {
    control.reset();
    Json(json!({ "ok": true }))
}
