//! `GET /api/v1/identities/{identityId}` and `/api/v1/identities/details`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::OrgIdentityBody;
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiPath, Authenticated, id};
use crate::api::organizations::wire::OrgName;
use crate::state::ServerState;

/// A machine identity within its organization.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrgIdentityEnvelope {
    identity: OrgIdentityBody,
}

/// What a machine identity may know about itself, whatever its role.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityDetailsEnvelope {
    identity_details: IdentityDetails,
}

/// The organization that the identity belongs to.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentityDetails {
    organization: OrgName,
}

/// A machine identity within its organization.
#[utoipa::path(get, path = "/v1/identities/{identityId}", operation_id = "getIdentity", tag = "Machine Identities",
    security(("token" = [])), params(("identityId" = String, Path)), responses((status = 200, body = OrgIdentityEnvelope), ApiErrors))]
pub(super) async fn get_identity(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(identity): ApiPath<String>,
) -> ApiResult<OrgIdentityEnvelope> {
    let identity = state.app.get_identity(&actor, id("identityId", &identity)?).await?;
    Ok(Json(OrgIdentityEnvelope { identity: identity.into() }))
}

/// The organization of the machine identity that asks.
#[utoipa::path(get, path = "/v1/identities/details", operation_id = "getIdentityDetails", tag = "Machine Identities",
    security(("token" = [])), responses((status = 200, body = IdentityDetailsEnvelope), ApiErrors))]
pub(super) async fn get_identity_details(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
) -> ApiResult<IdentityDetailsEnvelope> {
    let org = state.app.get_own_org(&actor).await?;
    Ok(Json(IdentityDetailsEnvelope {
        identity_details: IdentityDetails {
            organization: OrgName::from(&org),
        },
    }))
}
