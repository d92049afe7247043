//! `/api/v2/organizations/{organizationId}/memberships`: the people of an organization.

use axum::Json;
use axum::extract::State;
use kms_app::Error;
use kms_app::people::OrgPerson;
use kms_core::ids::{MembershipId, OrgId};
use kms_core::permission::OrgRole;
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, Wire, id};
use crate::api::rotations::wire::NoBody;
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

/// One person of an organization.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrganizationMemberEnvelope {
    membership: OrganizationMember,
}

impl From<&OrgPerson> for OrganizationMemberEnvelope {
    fn from(person: &OrgPerson) -> Self {
        Self { membership: person.into() }
    }
}

/// Changes of a membership; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OrganizationMemberChanges {
    /// `admin`, `member` or `no-access`.
    role: Option<String>,
}

impl Wire for OrganizationMemberChanges {}

/// A role of organizations that exists.
pub(super) fn known_role(slug: &str) -> Result<OrgRole, Error> {
    let slug = slug.trim();
    OrgRole::from_slug(slug).ok_or_else(|| Error::bad_request(format!("there is no role \"{slug}\" in organizations")))
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

/// One person of an organization.
#[utoipa::path(get, path = "/v2/organizations/{organizationId}/memberships/{membershipId}", operation_id = "getOrganizationMember",
    tag = "Organizations", security(("token" = [])), params(("organizationId" = String, Path), ("membershipId" = String, Path)),
    responses((status = 200, body = OrganizationMemberEnvelope), ApiErrors))]
pub(super) async fn get_member(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((org, membership)): ApiPath<(String, String)>,
) -> ApiResult<OrganizationMemberEnvelope> {
    let (org, membership) = (id("organizationId", &org)?, id("membershipId", &membership)?);
    Ok(Json((&state.app.get_org_person(&actor, org, membership).await?).into()))
}

/// Gives a person another role in the organization. Its last administrator keeps theirs.
#[utoipa::path(patch, path = "/v2/organizations/{organizationId}/memberships/{membershipId}", operation_id = "updateOrganizationMember",
    tag = "Organizations", security(("token" = [])), params(("organizationId" = String, Path), ("membershipId" = String, Path)),
    request_body = OrganizationMemberChanges, responses((status = 200, body = OrganizationMemberEnvelope), ApiErrors))]
pub(super) async fn update_member(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((org, membership)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<OrganizationMemberChanges>,
) -> ApiResult<OrganizationMemberEnvelope> {
    let (org, membership) = (id("organizationId", &org)?, id("membershipId", &membership)?);
    let person = match request.role {
        Some(role) => state.app.update_org_person(&actor, org, membership, known_role(&role)?).await?,
        None => state.app.get_org_person(&actor, org, membership).await?,
    };
    Ok(Json((&person).into()))
}

/// Takes a person out of the organization and out of all its projects, at once. Its last administrator stays.
#[utoipa::path(delete, path = "/v2/organizations/{organizationId}/memberships/{membershipId}", operation_id = "deleteOrganizationMember",
    tag = "Organizations", security(("token" = [])), params(("organizationId" = String, Path), ("membershipId" = String, Path)),
    responses((status = 200, body = OrganizationMemberEnvelope), ApiErrors))]
pub(super) async fn remove_member(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((org, membership)): ApiPath<(String, String)>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> ApiResult<OrganizationMemberEnvelope> {
    let (org, membership) = (id("organizationId", &org)?, id("membershipId", &membership)?);
    Ok(Json((&state.app.remove_org_person(&actor, org, membership).await?).into()))
}
