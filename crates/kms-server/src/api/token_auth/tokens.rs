//! `/api/v1/auth/token-auth/identities/{identityId}/tokens` and `/api/v1/auth/token-auth/tokens/{tokenId}`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, ApiQuery, Authenticated, Issues, Wire, id, query_number};
use crate::api::identity_tokens::wire::{AccessTokenBody, TokenBody};
use crate::state::ServerState;

/// A token's name.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TokenNameRequest {
    /// At most 255 characters.
    name: Option<String>,
}

impl Wire for TokenNameRequest {}

impl TokenNameRequest {
    fn read(self) -> Result<Option<String>, kms_app::Error> {
        let name = self.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let mut issues = Issues::new();
        issues.check(
            name.as_ref().is_none_or(|name| name.chars().count() <= 255),
            "name",
            "too_big",
            "must have at most 255 characters",
        );
        issues.finish()?;
        Ok(name)
    }
}

/// Which tokens.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListTokensQuery {
    /// Tokens to skip; 0 if absent.
    #[serde(default, deserialize_with = "query_number")]
    #[param(value_type = Option<u64>)]
    offset: Option<u64>,
    /// Most tokens, at most 100; 20 if absent.
    #[serde(default, deserialize_with = "query_number")]
    #[param(value_type = Option<u64>)]
    limit: Option<u64>,
}

/// A new token. It is shown only here.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedTokenBody {
    #[serde(flatten)]
    grant: AccessTokenBody,
    token_data: TokenBody,
}

/// A token.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenEnvelope {
    token: TokenBody,
}

/// Tokens, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokensEnvelope {
    tokens: Vec<TokenBody>,
}

/// A short answer for people.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevokedTokenBody {
    message: &'static str,
}

/// Makes a token for a machine identity.
#[utoipa::path(post, path = "/v1/auth/token-auth/identities/{identityId}/tokens", operation_id = "createToken",
    tag = "Token Auth", security(("token" = [])), params(("identityId" = String, Path)), request_body = TokenNameRequest,
    responses((status = 200, body = CreatedTokenBody), ApiErrors))]
pub(super) async fn create(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
    ApiJson(request): ApiJson<TokenNameRequest>,
) -> ApiResult<CreatedTokenBody> {
    let identity = id("identityId", &identity)?;
    let created = state.app.create_token(&actor, identity, request.read()?).await?;
    Ok(Json(CreatedTokenBody {
        grant: AccessTokenBody::from(&created.grant),
        token_data: created.record.into(),
    }))
}

/// The tokens of a machine identity, oldest first.
#[utoipa::path(get, path = "/v1/auth/token-auth/identities/{identityId}/tokens", operation_id = "listTokens",
    tag = "Token Auth", security(("token" = [])), params(("identityId" = String, Path), ListTokensQuery),
    responses((status = 200, body = TokensEnvelope), ApiErrors))]
pub(super) async fn list(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
    ApiQuery(query): ApiQuery<ListTokensQuery>,
) -> ApiResult<TokensEnvelope> {
    let identity = id("identityId", &identity)?;
    let (offset, limit) = (query.offset.unwrap_or(0), query.limit.unwrap_or(20));
    let mut issues = Issues::new();
    issues.check(u32::try_from(offset).is_ok(), "offset", "too_big", "is beyond every list");
    issues.check((1..=100).contains(&limit), "limit", "too_big", "must be from 1 to 100");
    issues.finish()?;
    let tokens = state.app.list_tokens(&actor, identity, offset, limit).await?;
    Ok(Json(TokensEnvelope {
        tokens: tokens.into_iter().map(TokenBody::from).collect(),
    }))
}

/// What is known about a token.
#[utoipa::path(get, path = "/v1/auth/token-auth/tokens/{tokenId}", operation_id = "getToken", tag = "Token Auth",
    security(("token" = [])), params(("tokenId" = String, Path)), responses((status = 200, body = TokenEnvelope), ApiErrors))]
pub(super) async fn get(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(token): ApiPath<String>,
) -> ApiResult<TokenEnvelope> {
    let token = state.app.get_token(&actor, id("tokenId", &token)?).await?;
    Ok(Json(TokenEnvelope { token: token.into() }))
}

/// Gives a token another name.
#[utoipa::path(patch, path = "/v1/auth/token-auth/tokens/{tokenId}", operation_id = "renameToken", tag = "Token Auth",
    security(("token" = [])), params(("tokenId" = String, Path)), request_body = TokenNameRequest,
    responses((status = 200, body = TokenEnvelope), ApiErrors))]
pub(super) async fn rename(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(token): ApiPath<String>,
    ApiJson(request): ApiJson<TokenNameRequest>,
) -> ApiResult<TokenEnvelope> {
    let token = id("tokenId", &token)?;
    let token = state.app.rename_token(&actor, token, request.read()?).await?;
    Ok(Json(TokenEnvelope { token: token.into() }))
}

/// Revokes a token.
#[utoipa::path(post, path = "/v1/auth/token-auth/tokens/{tokenId}/revoke", operation_id = "revokeTokenById", tag = "Token Auth",
    security(("token" = [])), params(("tokenId" = String, Path)), responses((status = 200, body = RevokedTokenBody), ApiErrors))]
pub(super) async fn revoke(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(token): ApiPath<String>,
) -> ApiResult<RevokedTokenBody> {
    state.app.revoke_token_by_id(&actor, id("tokenId", &token)?).await?;
    Ok(Json(RevokedTokenBody {
        message: "Successfully revoked access token",
    }))
}
