//! `POST /api/v1/auth/universal-auth/login`.

use axum::Json;
use axum::extract::State;
use kms_core::secret::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, From, Wire};
use crate::api::identity_tokens::wire::AccessTokenBody;
use crate::state::ServerState;

/// A client id and a client secret.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UniversalLoginRequest {
    client_id: String,
    #[schema(value_type = String)]
    client_secret: SecretString,
}

impl Wire for UniversalLoginRequest {}

/// Logs a machine in.
#[utoipa::path(post, path = "/v1/auth/universal-auth/login", operation_id = "logInUniversalAuth", tag = "Universal Auth",
    request_body = UniversalLoginRequest, responses((status = 200, body = AccessTokenBody), ApiErrors))]
pub(super) async fn log_in(
    State(state): State<ServerState>,
    From(origin): From,
    ApiJson(request): ApiJson<UniversalLoginRequest>,
) -> ApiResult<AccessTokenBody> {
    let grant = state
        .app
        .log_in_universal(request.client_id.trim(), request.client_secret, &origin)
        .await?;
    Ok(Json(AccessTokenBody::from(&grant)))
}
