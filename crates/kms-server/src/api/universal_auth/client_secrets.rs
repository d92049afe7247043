//! `/api/v1/auth/universal-auth/identities/{identityId}/client-secrets`.

use axum::Json;
use axum::extract::State;
use kms_app::universal_auth::{ClientSecretRecord, NewClientSecret};
use kms_core::ids::{ClientSecretId, UniversalAuthId};
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, Issues, Wire, id};
use crate::state::ServerState;

/// What a new client secret is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateClientSecretRequest {
    /// What it is for, at most 1000 characters.
    #[serde(default)]
    description: String,
    /// Most logins; 0 = any number (the default).
    #[serde(default)]
    num_uses_limit: u64,
    /// Life in seconds, at most 315360000; 0 = without end (the default).
    #[serde(default)]
    ttl: u64,
}

impl Wire for CreateClientSecretRequest {}

/// A new client secret. It is shown only here.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedClientSecretBody {
    client_secret: String,
    client_secret_data: ClientSecretBody,
}

/// A client secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretEnvelope {
    client_secret_data: ClientSecretBody,
}

/// Client secrets, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretsEnvelope {
    client_secret_data: Vec<ClientSecretBody>,
}

/// What is known about a client secret; never the secret itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretBody {
    /// Id.
    #[schema(value_type = String, format = Uuid)]
    id: ClientSecretId,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// What it is for.
    description: String,
    /// Its first four characters.
    client_secret_prefix: String,
    /// Logins with it.
    client_secret_num_uses: u64,
    /// Most logins; 0 = any number.
    client_secret_num_uses_limit: u64,
    /// Life in seconds; 0 = without end.
    #[serde(rename = "clientSecretTTL")]
    client_secret_ttl: u64,
    /// The Universal Auth it belongs to.
    #[serde(rename = "identityUAId")]
    #[schema(value_type = String, format = Uuid)]
    universal_auth_id: UniversalAuthId,
    /// Whether it was revoked.
    is_client_secret_revoked: bool,
}

impl From<ClientSecretRecord> for ClientSecretBody {
    fn from(secret: ClientSecretRecord) -> Self {
        Self {
            id: secret.id,
            created_at: secret.created_at,
            updated_at: secret.updated_at,
            description: secret.description,
            client_secret_prefix: secret.prefix,
            client_secret_num_uses: secret.uses,
            client_secret_num_uses_limit: secret.uses_limit,
            client_secret_ttl: secret.ttl,
            universal_auth_id: secret.universal_auth,
            is_client_secret_revoked: secret.revoked,
        }
    }
}

/// Makes a client secret.
#[utoipa::path(post, path = "/v1/auth/universal-auth/identities/{identityId}/client-secrets", operation_id = "createClientSecret",
    tag = "Universal Auth", security(("token" = [])), params(("identityId" = String, Path)),
    request_body = CreateClientSecretRequest, responses((status = 200, body = CreatedClientSecretBody), ApiErrors))]
pub(super) async fn create(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
    ApiJson(request): ApiJson<CreateClientSecretRequest>,
) -> ApiResult<CreatedClientSecretBody> {
    let identity = id("identityId", &identity)?;
    let mut issues = Issues::new();
    issues.check(
        request.description.chars().count() <= 1000,
        "description",
        "too_big",
        "must have at most 1000 characters",
    );
    issues.finish()?;
    let new = NewClientSecret {
        description: request.description,
        uses_limit: request.num_uses_limit,
        ttl: request.ttl,
    };
    let created = state.app.create_client_secret(&actor, identity, new).await?;
    Ok(Json(CreatedClientSecretBody {
        client_secret: created.secret.expose().to_owned(),
        client_secret_data: created.record.into(),
    }))
}

/// The client secrets that were not revoked, oldest first.
#[utoipa::path(get, path = "/v1/auth/universal-auth/identities/{identityId}/client-secrets", operation_id = "listClientSecrets",
    tag = "Universal Auth", security(("token" = [])), params(("identityId" = String, Path)),
    responses((status = 200, body = ClientSecretsEnvelope), ApiErrors))]
pub(super) async fn list(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
) -> ApiResult<ClientSecretsEnvelope> {
    let secrets = state.app.list_client_secrets(&actor, id("identityId", &identity)?).await?;
    Ok(Json(ClientSecretsEnvelope {
        client_secret_data: secrets.into_iter().map(ClientSecretBody::from).collect(),
    }))
}

/// What is known about a client secret.
#[utoipa::path(get, path = "/v1/auth/universal-auth/identities/{identityId}/client-secrets/{clientSecretId}",
    operation_id = "getClientSecret", tag = "Universal Auth", security(("token" = [])),
    params(("identityId" = String, Path), ("clientSecretId" = String, Path)),
    responses((status = 200, body = ClientSecretEnvelope), ApiErrors))]
pub(super) async fn get(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((identity, secret)): ApiPath<(String, String)>,
) -> ApiResult<ClientSecretEnvelope> {
    let (identity, secret) = (id("identityId", &identity)?, id("clientSecretId", &secret)?);
    let secret = state.app.get_client_secret(&actor, identity, secret).await?;
    Ok(Json(ClientSecretEnvelope {
        client_secret_data: secret.into(),
    }))
}

/// Revokes a client secret together with the tokens that were given for it.
#[utoipa::path(post, path = "/v1/auth/universal-auth/identities/{identityId}/client-secrets/{clientSecretId}/revoke",
    operation_id = "revokeClientSecret", tag = "Universal Auth", security(("token" = [])),
    params(("identityId" = String, Path), ("clientSecretId" = String, Path)),
    responses((status = 200, body = ClientSecretEnvelope), ApiErrors))]
pub(super) async fn revoke(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((identity, secret)): ApiPath<(String, String)>,
) -> ApiResult<ClientSecretEnvelope> {
    let (identity, secret) = (id("identityId", &identity)?, id("clientSecretId", &secret)?);
    let secret = state.app.revoke_client_secret(&actor, identity, secret).await?;
    Ok(Json(ClientSecretEnvelope {
        client_secret_data: secret.into(),
    }))
}
