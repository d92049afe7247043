//! `POST /api/v1/auth/token/renew` and `/api/v1/auth/token/revoke`. The token stands in the body: some clients send no
//! `Authorization` header here.

use axum::Json;
use axum::extract::State;
use kms_core::secret::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::AccessTokenBody;
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, From, Wire};
use crate::state::ServerState;

/// An access token of a machine identity.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenRequest {
    #[schema(value_type = String)]
    access_token: SecretString,
}

impl Wire for TokenRequest {}

/// A short answer for people.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenMessageBody {
    message: &'static str,
}

/// Prolongs the life of an access token, as far as its login method allows.
#[utoipa::path(post, path = "/v1/auth/token/renew", operation_id = "renewToken", tag = "Access Tokens",
    request_body = TokenRequest, responses((status = 200, body = AccessTokenBody), ApiErrors))]
pub(super) async fn renew_token(
    State(state): State<ServerState>,
    From(origin): From,
    ApiJson(request): ApiJson<TokenRequest>,
) -> ApiResult<AccessTokenBody> {
    let grant = state.app.renew_token(request.access_token.expose(), &origin).await?;
    Ok(Json(AccessTokenBody::from(&grant)))
}

/// Revokes an access token.
#[utoipa::path(post, path = "/v1/auth/token/revoke", operation_id = "revokeToken", tag = "Access Tokens",
    request_body = TokenRequest, responses((status = 200, body = TokenMessageBody), ApiErrors))]
pub(super) async fn revoke_token(State(state): State<ServerState>, ApiJson(request): ApiJson<TokenRequest>) -> ApiResult<TokenMessageBody> {
    state.app.revoke_token(request.access_token.expose()).await?;
    Ok(Json(TokenMessageBody {
        message: "Successfully revoked access token",
    }))
}
