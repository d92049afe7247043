//! `GET /api/status`: reachable, and really this server.

use axum::Json;
use axum::extract::State;
use kms_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::error::{ApiErrors, ApiResult};
use crate::state::ServerState;

/// State of the instance.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The server's time.
    #[schema(value_type = String, format = DateTime)]
    date: Timestamp,
    /// `Ok`.
    message: &'static str,
    /// Whether mail can be sent.
    email_configured: bool,
    /// Whether people can join by invitation only.
    invite_only_signup: bool,
    /// There is no such thing here; always true, for probes that ask.
    redis_configured: bool,
    /// Not part of this product.
    secret_scanning_configured: bool,
}

/// Answers once the server can serve: database reachable, migrations done.
#[utoipa::path(get, path = "/status", operation_id = "getStatus", tag = "Instance", responses((status = 200, body = Status), ApiErrors))]
pub(super) async fn status(State(state): State<ServerState>) -> ApiResult<Status> {
    state.app.ready().await?;
    Ok(Json(Status {
        date: state.app.now(),
        message: "Ok",
        email_configured: false,
        invite_only_signup: true,
        redis_configured: true,
        secret_scanning_configured: false,
    }))
}
