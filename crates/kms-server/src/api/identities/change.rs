//! `POST /api/v1/identities`, `PATCH` and `DELETE /api/v1/identities/{identityId}`.

use axum::Json;
use axum::extract::State;
use kms_app::identities::{IdentityChanges, NewIdentity};
use kms_core::permission::OrgRole;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{IdentityEnvelope, MetadataRequest, metadata, name, role};
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, Issues, Wire, id};
use crate::state::ServerState;

/// What a new identity is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateIdentityRequest {
    /// Its name, 1 to 255 characters.
    name: String,
    /// Its organization; that of the token if absent.
    organization_id: Option<String>,
    /// Its role in the organization: `admin`, `member` or `no-access` (if absent).
    role: Option<String>,
    /// Refuses deletion while set; false if absent.
    #[serde(default)]
    has_delete_protection: bool,
    /// Notes.
    #[serde(default)]
    metadata: Vec<MetadataRequest>,
}

impl Wire for CreateIdentityRequest {}

/// Changes of an identity; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateIdentityRequest {
    /// Its name.
    name: Option<String>,
    /// Its role in the organization.
    role: Option<String>,
    /// Refuses deletion while set.
    has_delete_protection: Option<bool>,
    /// All notes.
    metadata: Option<Vec<MetadataRequest>>,
}

impl Wire for UpdateIdentityRequest {}

/// Makes a machine identity.
#[utoipa::path(post, path = "/v1/identities", operation_id = "createIdentity", tag = "Machine Identities", security(("token" = [])),
    request_body = CreateIdentityRequest, responses((status = 200, body = IdentityEnvelope), ApiErrors))]
pub(super) async fn create_identity(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<CreateIdentityRequest>,
) -> ApiResult<IdentityEnvelope> {
    let mut issues = Issues::new();
    let name = name(&mut issues, &request.name);
    let metadata = metadata(&mut issues, request.metadata);
    issues.finish()?;
    let org = request.organization_id.filter(|text| !text.is_empty());
    let new = NewIdentity {
        org: org.map(|text| id("organizationId", &text)).transpose()?,
        name,
        role: request.role.map_or(Ok(OrgRole::NoAccess), |slug| role(&slug))?,
        delete_protection: request.has_delete_protection,
        metadata,
    };
    Ok(Json(state.app.create_identity(&actor, new).await?.into()))
}

/// Changes a machine identity.
#[utoipa::path(patch, path = "/v1/identities/{identityId}", operation_id = "updateIdentity", tag = "Machine Identities",
    security(("token" = [])), params(("identityId" = String, Path)), request_body = UpdateIdentityRequest,
    responses((status = 200, body = IdentityEnvelope), ApiErrors))]
pub(super) async fn update_identity(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
    ApiJson(request): ApiJson<UpdateIdentityRequest>,
) -> ApiResult<IdentityEnvelope> {
    let identity = id("identityId", &identity)?;
    let mut issues = Issues::new();
    let name = request.name.map(|text| name(&mut issues, &text));
    let metadata = request.metadata.map(|list| metadata(&mut issues, list));
    issues.finish()?;
    let changes = IdentityChanges {
        name,
        role: request.role.map(|slug| role(&slug)).transpose()?,
        delete_protection: request.has_delete_protection,
        metadata,
    };
    Ok(Json(state.app.update_identity(&actor, identity, changes).await?.into()))
}

/// Deletes a machine identity. Its tokens are good no longer.
#[utoipa::path(delete, path = "/v1/identities/{identityId}", operation_id = "deleteIdentity", tag = "Machine Identities",
    security(("token" = [])), params(("identityId" = String, Path)), responses((status = 200, body = IdentityEnvelope), ApiErrors))]
pub(super) async fn delete_identity(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
) -> ApiResult<IdentityEnvelope> {
    let identity = id("identityId", &identity)?;
    Ok(Json(state.app.delete_identity(&actor, identity).await?.into()))
}
