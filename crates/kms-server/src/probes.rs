//! What machines ask: alive, ready, metrics.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::api::error::ApiError;
use crate::state::ServerState;

/// Where machines ask.
pub(crate) const PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// `/healthz`, `/readyz` and, unless they have a listener of their own, `/metrics`.
pub(crate) fn routes(metrics_here: bool) -> Router<ServerState> {
    let router = Router::new().route(PATHS[0], get(|| async { "ok" })).route(PATHS[1], get(ready));
    if metrics_here {
        router.route(PATHS[2], get(metrics))
    } else {
        router
    }
}

/// The listener of its own for `/metrics`.
pub fn metrics_router(state: ServerState) -> Router {
    Router::new().route(PATHS[2], get(metrics)).with_state(state)
}

async fn ready(State(state): State<ServerState>) -> Result<&'static str, ApiError> {
    state.app.ready().await?;
    Ok("ok")
}

async fn metrics(State(state): State<ServerState>) -> Response {
    let Some(handle) = &state.metrics else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Gauges are read from the database when somebody asks; without it, the counters are still told.
    if let Err(error) = state.app.record_gauges().await {
        tracing::warn!(?error, "metrics.gauges_failed");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response()
}
