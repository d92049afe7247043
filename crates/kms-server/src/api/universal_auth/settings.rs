//! `/api/v1/auth/universal-auth/identities/{identityId}`: attach, change, look at, detach; and clearing its lockouts.

use axum::Json;
use axum::extract::State;
use kms_app::Error;
use kms_app::identity_tokens::LimitChanges;
use kms_app::universal_auth::{UniversalAuthChanges, UniversalAuthRecord};
use kms_core::ids::{IdentityId, UniversalAuthId};
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, Wire, id};
use crate::api::identity_tokens::wire::{LimitsBody, TrustedIpBody, TrustedIpRequest, trusted};
use crate::state::ServerState;

/// Settings of Universal Auth; what is absent stays, or is the default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UniversalAuthRequest {
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
    /// Where logins may come from. Default anywhere.
    client_secret_trusted_ips: Option<Vec<TrustedIpRequest>>,
    /// Whether failed logins lock it. Default true.
    lockout_enabled: Option<bool>,
    /// Failures in a row that do, 1 to 30. Default 3.
    lockout_threshold: Option<u32>,
    /// For so many seconds, 30 to 86400. Default 300.
    lockout_duration_seconds: Option<u32>,
    /// After so many seconds without a failure, counting begins anew, 5 to 3600. Default 30.
    lockout_counter_reset_seconds: Option<u32>,
}

impl Wire for UniversalAuthRequest {}

impl UniversalAuthRequest {
    fn read(self) -> Result<UniversalAuthChanges, Error> {
        Ok(UniversalAuthChanges {
            limits: LimitChanges {
                ttl: self.access_token_ttl,
                max_ttl: self.access_token_max_ttl,
                uses_limit: self.access_token_num_uses_limit,
                period: self.access_token_period,
                trusted: trusted("accessTokenTrustedIps", self.access_token_trusted_ips)?,
            },
            login_trusted: trusted("clientSecretTrustedIps", self.client_secret_trusted_ips)?,
            lockout_enabled: self.lockout_enabled,
            lockout_threshold: self.lockout_threshold,
            lockout_seconds: self.lockout_duration_seconds,
            lockout_reset_seconds: self.lockout_counter_reset_seconds,
        })
    }
}

/// Universal Auth of an identity.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UniversalAuthEnvelope {
    identity_universal_auth: UniversalAuthBody,
}

/// Universal Auth of an identity.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UniversalAuthBody {
    /// Id.
    #[schema(value_type = String, format = Uuid)]
    id: UniversalAuthId,
    /// The client id, to log in with.
    client_id: String,
    /// Whose it is.
    #[schema(value_type = String, format = Uuid)]
    identity_id: IdentityId,
    #[serde(flatten)]
    limits: LimitsBody,
    /// Where logins may come from.
    client_secret_trusted_ips: Vec<TrustedIpBody>,
    /// Whether failed logins lock it.
    lockout_enabled: bool,
    /// Failures in a row that do.
    lockout_threshold: u32,
    /// For so many seconds.
    lockout_duration_seconds: u64,
    /// After so many seconds without a failure, counting begins anew.
    lockout_counter_reset_seconds: u64,
    /// When it was attached.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<UniversalAuthRecord> for UniversalAuthEnvelope {
    fn from(auth: UniversalAuthRecord) -> Self {
        Self {
            identity_universal_auth: UniversalAuthBody {
                id: auth.id,
                client_id: auth.client_id,
                identity_id: auth.identity,
                limits: LimitsBody::from(&auth.limits),
                client_secret_trusted_ips: auth.login_trusted.iter().map(TrustedIpBody::from).collect(),
                lockout_enabled: auth.lockout_enabled,
                lockout_threshold: auth.lockout.threshold,
                lockout_duration_seconds: auth.lockout.duration.as_secs(),
                lockout_counter_reset_seconds: auth.lockout.reset.as_secs(),
                created_at: auth.created_at,
                updated_at: auth.updated_at,
            },
        }
    }
}

/// Lockouts that were cleared.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClearedLockoutsBody {
    deleted: u64,
}

/// Attaches Universal Auth to a machine identity.
#[utoipa::path(post, path = "/v1/auth/universal-auth/identities/{identityId}", operation_id = "attachUniversalAuth",
    tag = "Universal Auth", security(("token" = [])), params(("identityId" = String, Path)), request_body = UniversalAuthRequest,
    responses((status = 200, body = UniversalAuthEnvelope), ApiErrors))]
pub(super) async fn attach(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
    ApiJson(request): ApiJson<UniversalAuthRequest>,
) -> ApiResult<UniversalAuthEnvelope> {
    let identity = id("identityId", &identity)?;
    Ok(Json(
        state.app.attach_universal_auth(&actor, identity, request.read()?).await?.into(),
    ))
}

/// Changes Universal Auth of a machine identity. New trusted addresses hold for tokens that were given before, too.
#[utoipa::path(patch, path = "/v1/auth/universal-auth/identities/{identityId}", operation_id = "updateUniversalAuth",
    tag = "Universal Auth", security(("token" = [])), params(("identityId" = String, Path)), request_body = UniversalAuthRequest,
    responses((status = 200, body = UniversalAuthEnvelope), ApiErrors))]
pub(super) async fn update(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
    ApiJson(request): ApiJson<UniversalAuthRequest>,
) -> ApiResult<UniversalAuthEnvelope> {
    let identity = id("identityId", &identity)?;
    Ok(Json(
        state.app.update_universal_auth(&actor, identity, request.read()?).await?.into(),
    ))
}

/// Universal Auth of a machine identity.
#[utoipa::path(get, path = "/v1/auth/universal-auth/identities/{identityId}", operation_id = "getUniversalAuth",
    tag = "Universal Auth", security(("token" = [])), params(("identityId" = String, Path)),
    responses((status = 200, body = UniversalAuthEnvelope), ApiErrors))]
pub(super) async fn get(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
) -> ApiResult<UniversalAuthEnvelope> {
    let identity = id("identityId", &identity)?;
    Ok(Json(state.app.get_universal_auth(&actor, identity).await?.into()))
}

/// Detaches Universal Auth from a machine identity. Its client secrets and tokens are good no longer.
#[utoipa::path(delete, path = "/v1/auth/universal-auth/identities/{identityId}", operation_id = "detachUniversalAuth",
    tag = "Universal Auth", security(("token" = [])), params(("identityId" = String, Path)),
    responses((status = 200, body = UniversalAuthEnvelope), ApiErrors))]
pub(super) async fn detach(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
) -> ApiResult<UniversalAuthEnvelope> {
    let identity = id("identityId", &identity)?;
    Ok(Json(state.app.detach_universal_auth(&actor, identity).await?.into()))
}

/// Lets locked logins of a machine identity try again.
#[utoipa::path(post, path = "/v1/auth/universal-auth/identities/{identityId}/clear-lockouts",
    operation_id = "clearUniversalAuthLockouts", tag = "Universal Auth", security(("token" = [])),
    params(("identityId" = String, Path)), responses((status = 200, body = ClearedLockoutsBody), ApiErrors))]
pub(super) async fn clear_lockouts(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
) -> ApiResult<ClearedLockoutsBody> {
    let identity = id("identityId", &identity)?;
    let deleted = state.app.clear_universal_auth_lockouts(&actor, identity).await?;
    Ok(Json(ClearedLockoutsBody { deleted }))
}
