//! The organizations that the caller belongs to: `GET /api/v1/organization`, `/api/v2/users/me/organizations`,
//! `/api/v1/organization/accessible-with-sub-orgs`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{OrgName, OwnOrganizationBody};
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::AuthenticatedUser;
use crate::state::ServerState;

/// Organizations, by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnOrganizationsBody {
    organizations: Vec<OwnOrganizationBody>,
}

/// Organizations, by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessibleOrganizationsBody {
    organizations: Vec<AccessibleOrganization>,
}

/// An organization and those within it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessibleOrganization {
    #[serde(flatten)]
    name: OrgName,
    /// There are no organizations within organizations; always empty.
    sub_organizations: Vec<OrgName>,
}

/// The organizations that the caller belongs to.
#[utoipa::path(get, path = "/v1/organization", operation_id = "listOrganizations", tag = "Organizations", security(("token" = [])),
    responses((status = 200, body = OwnOrganizationsBody), ApiErrors))]
pub(super) async fn list_organizations(
    State(state): State<ServerState>,
    AuthenticatedUser(signed_in): AuthenticatedUser,
) -> ApiResult<OwnOrganizationsBody> {
    let own = state.app.list_own_orgs(&signed_in).await?;
    Ok(Json(OwnOrganizationsBody {
        organizations: own.iter().map(OwnOrganizationBody::from).collect(),
    }))
}

/// The organizations that the caller belongs to.
#[utoipa::path(get, path = "/v2/users/me/organizations", operation_id = "listOwnOrganizations", tag = "Organizations",
    security(("token" = [])), responses((status = 200, body = OwnOrganizationsBody), ApiErrors))]
pub(super) async fn list_own_organizations(state: State<ServerState>, signed_in: AuthenticatedUser) -> ApiResult<OwnOrganizationsBody> {
    list_organizations(state, signed_in).await
}

/// The organizations that the caller belongs to, with those within them.
#[utoipa::path(get, path = "/v1/organization/accessible-with-sub-orgs", operation_id = "listAccessibleOrganizations",
    tag = "Organizations", security(("token" = [])), responses((status = 200, body = AccessibleOrganizationsBody), ApiErrors))]
pub(super) async fn list_accessible_organizations(
    State(state): State<ServerState>,
    AuthenticatedUser(signed_in): AuthenticatedUser,
) -> ApiResult<AccessibleOrganizationsBody> {
    let own = state.app.list_own_orgs(&signed_in).await?;
    let organizations = own
        .iter()
        .map(|(org, _member)| AccessibleOrganization {
            name: OrgName::from(org),
            sub_organizations: Vec::new(),
        })
        .collect();
    Ok(Json(AccessibleOrganizationsBody { organizations }))
}
