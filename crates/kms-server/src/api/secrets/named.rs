//! Secrets whose name is also the last word of a route of the newer generation: `batch` and `move`. A fixed path goes before a
//! parameter, so without these routes such a secret could not be read there. (Methods that the fixed route has keep their meaning;
//! the older generation's paths have no such names.)

use axum::extract::State;
use axum::routing;
use utoipa_axum::router::OpenApiRouter;

use super::read::{SecretQuery, found};
use super::wire::SecretEnvelope;
use super::write::{SecretRequest, changed, gone};
use crate::api::error::ApiResult;
use crate::api::extract::{ApiJson, ApiQuery, Authenticated};
use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .route("/v4/secrets/batch", routing::get(get_batch))
        .route("/v4/secrets/move", routing::get(get_move).patch(update_move).delete(delete_move))
}

async fn get_batch(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<SecretQuery>,
) -> ApiResult<SecretEnvelope> {
    found(&state, &actor, "batch", query, true).await
}

async fn get_move(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<SecretQuery>,
) -> ApiResult<SecretEnvelope> {
    found(&state, &actor, "move", query, true).await
}

async fn update_move(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<SecretRequest>,
) -> ApiResult<SecretEnvelope> {
    changed(&state, &actor, "move", request).await
}

async fn delete_move(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<SecretRequest>,
) -> ApiResult<SecretEnvelope> {
    gone(&state, &actor, "move", request).await
}
