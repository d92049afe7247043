//! `GET /api/v2/organizations/{organizationId}/memberships`.

use axum::Json;
use axum::extract::State;
use kms_app::organizations::OrgPerson;
use kms_core::ids::{MembershipId, OrgId};
use kms_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiPath, Authenticated, id};
use crate::api::users::wire::UserBody;
use crate::state::ServerState;

/// People, in the order in which they joined.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrganizationMembersBody {
    users: Vec<OrganizationMember>,
}

/// A person in an organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationMember {
    /// Id of the membership.
    #[schema(value_type = String, format = Uuid)]
    id: MembershipId,
    /// Role.
    role: &'static str,
    /// Id of a role of the organization's own; null for a built-in role.
    role_id: Option<String>,
    /// `accepted`.
    status: &'static str,
    /// Whether the person may log in; always true.
    is_active: bool,
    /// The address that was invited.
    invite_email: String,
    /// Organization.
    #[schema(value_type = String, format = Uuid)]
    org_id: OrgId,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The person.
    user: UserBody,
}

impl From<&OrgPerson> for OrganizationMember {
    fn from(person: &OrgPerson) -> Self {
        Self {
            id: person.member.id,
            role: person.member.role.slug(),
            role_id: None,
            status: "accepted",
            is_active: true,
            invite_email: person.user.email.clone(),
            org_id: person.member.org,
            created_at: person.member.created_at,
            user: UserBody::from(&person.user),
        }
    }
}

/// The people of an organization.
#[utoipa::path(get, path = "/v2/organizations/{organizationId}/memberships", operation_id = "listOrganizationMembers",
    tag = "Organizations", security(("token" = [])), params(("organizationId" = String, Path)),
    responses((status = 200, body = OrganizationMembersBody), ApiErrors))]
pub(super) async fn list_members(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(org): ApiPath<String>,
) -> ApiResult<OrganizationMembersBody> {
    let people = state.app.list_org_people(&actor, id("organizationId", &org)?).await?;
    Ok(Json(OrganizationMembersBody {
        users: people.iter().map(OrganizationMember::from).collect(),
    }))
}
