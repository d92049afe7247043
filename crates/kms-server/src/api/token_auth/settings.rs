//! `/api/v1/auth/token-auth/identities/{identityId}`: attach, change, look at, detach.

use axum::Json;
use axum::extract::State;
use kms_app::Error;
use kms_app::identity_tokens::LimitChanges;
use kms_app::token_auth::TokenAuthRecord;
use kms_core::ids::{IdentityId, TokenAuthId};
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, Wire, id};
use crate::api::identity_tokens::wire::{LimitsBody, TrustedIpRequest, trusted};
use crate::state::ServerState;

/// Settings of Token Auth; what is absent stays, or is the default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenAuthRequest {
    /// Life of its tokens in seconds, at most 315360000 and at most `accessTokenMaxTTL`; 0 = without end. Default 2592000.
    #[serde(rename = "accessTokenTTL")]
    access_token_ttl: Option<u64>,
    /// Longest life in seconds with all renewals, at most 315360000. Default 2592000.
    #[serde(rename = "accessTokenMaxTTL")]
    access_token_max_ttl: Option<u64>,
    /// Most requests with a token; 0 = any number (the default).
    access_token_num_uses_limit: Option<u64>,
    /// If greater than 0: the life of its tokens in seconds, renewable for ever. Default 0.
    access_token_period: Option<u64>,
    /// Where requests may come from. Default anywhere.
    access_token_trusted_ips: Option<Vec<TrustedIpRequest>>,
}

impl Wire for TokenAuthRequest {}

impl TokenAuthRequest {
    fn read(self) -> Result<LimitChanges, Error> {
        Ok(LimitChanges {
            ttl: self.access_token_ttl,
            max_ttl: self.access_token_max_ttl,
            uses_limit: self.access_token_num_uses_limit,
            period: self.access_token_period,
            trusted: trusted("accessTokenTrustedIps", self.access_token_trusted_ips)?,
        })
    }
}

/// Token Auth of an identity.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenAuthEnvelope {
    identity_token_auth: TokenAuthBody,
}

/// Token Auth of an identity.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenAuthBody {
    /// Id.
    #[schema(value_type = String, format = Uuid)]
    id: TokenAuthId,
    /// Whose it is.
    #[schema(value_type = String, format = Uuid)]
    identity_id: IdentityId,
    #[serde(flatten)]
    limits: LimitsBody,
    /// When it was attached.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<TokenAuthRecord> for TokenAuthEnvelope {
    fn from(auth: TokenAuthRecord) -> Self {
        Self {
            identity_token_auth: TokenAuthBody {
                id: auth.id,
                identity_id: auth.identity,
                limits: LimitsBody::from(&auth.limits),
                created_at: auth.created_at,
                updated_at: auth.updated_at,
            },
        }
    }
}

/// Attaches Token Auth to a machine identity.
#[utoipa::path(post, path = "/v1/auth/token-auth/identities/{identityId}", operation_id = "attachTokenAuth",
    tag = "Token Auth", security(("token" = [])), params(("identityId" = String, Path)), request_body = TokenAuthRequest,
    responses((status = 200, body = TokenAuthEnvelope), ApiErrors))]
pub(super) async fn attach(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
    ApiJson(request): ApiJson<TokenAuthRequest>,
) -> ApiResult<TokenAuthEnvelope> {
    let identity = id("identityId", &identity)?;
    let limits = request.read()?;
    Ok(Json(state.app.attach_token_auth(&actor, identity, limits).await?.into()))
}

/// Changes Token Auth of a machine identity. New trusted addresses hold for existing tokens, too.
#[utoipa::path(patch, path = "/v1/auth/token-auth/identities/{identityId}", operation_id = "updateTokenAuth",
    tag = "Token Auth", security(("token" = [])), params(("identityId" = String, Path)), request_body = TokenAuthRequest,
    responses((status = 200, body = TokenAuthEnvelope), ApiErrors))]
pub(super) async fn update(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
    ApiJson(request): ApiJson<TokenAuthRequest>,
) -> ApiResult<TokenAuthEnvelope> {
    let identity = id("identityId", &identity)?;
    let changes = request.read()?;
    Ok(Json(state.app.update_token_auth(&actor, identity, changes).await?.into()))
}

/// Token Auth of a machine identity.
#[utoipa::path(get, path = "/v1/auth/token-auth/identities/{identityId}", operation_id = "getTokenAuth", tag = "Token Auth",
    security(("token" = [])), params(("identityId" = String, Path)), responses((status = 200, body = TokenAuthEnvelope), ApiErrors))]
pub(super) async fn get(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
) -> ApiResult<TokenAuthEnvelope> {
    let identity = id("identityId", &identity)?;
    Ok(Json(state.app.get_token_auth(&actor, identity).await?.into()))
}

/// Detaches Token Auth from a machine identity. Its tokens are good no longer.
#[utoipa::path(delete, path = "/v1/auth/token-auth/identities/{identityId}", operation_id = "detachTokenAuth",
    tag = "Token Auth", security(("token" = [])), params(("identityId" = String, Path)),
    responses((status = 200, body = TokenAuthEnvelope), ApiErrors))]
pub(super) async fn detach(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
) -> ApiResult<TokenAuthEnvelope> {
    let identity = id("identityId", &identity)?;
    Ok(Json(state.app.detach_token_auth(&actor, identity).await?.into()))
}
