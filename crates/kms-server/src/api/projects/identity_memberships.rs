//! Machine identities as members of projects, under two generations of paths (`core-api.md` §7.4).

use axum::Json;
use axum::extract::State;
use kms_app::actor::Actor;
use kms_app::memberships::{Page, ProjectIdentity, RoleGrant};
use kms_app::records::ProjectMemberRecord;
use serde::Deserialize;
use utoipa::IntoParams;

use super::members::{
    IdentityMemberBody, IdentityMemberEnvelope, IdentityMembersEnvelope, IdentityMembershipBody, IdentityMembershipEnvelope,
};
use super::roles::{RoleBody, RolesBody, RolesRequest};
use crate::api::error::{ApiError, ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, ApiQuery, Authenticated, Issues, id, query_number};
use crate::api::rotations::wire::NoBody;
use crate::state::ServerState;

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only identities with this in their name, without regard to case.
    search: Option<String>,
    /// Members to skip; 0 if absent.
    #[serde(default, deserialize_with = "query_number")]
    #[param(value_type = Option<u64>)]
    offset: Option<u64>,
    /// Most members; all if absent.
    #[serde(default, deserialize_with = "query_number")]
    #[param(value_type = Option<u64>, minimum = 1)]
    limit: Option<u64>,
}

impl ListQuery {
    fn read(self) -> Result<Page, kms_app::Error> {
        let mut issues = Issues::new();
        issues.check(self.limit != Some(0), "limit", "too_small", "must be 1 or greater");
        issues.finish()?;
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Page {
            search: self.search,
            offset: count(self.offset.unwrap_or(0)),
            limit: self.limit.map(count),
        })
    }
}

async fn listed(state: &ServerState, actor: &Actor, project: &str, query: ListQuery) -> ApiResult<IdentityMembersEnvelope> {
    let (found, total_count) = state
        .app
        .list_project_identities(actor, id("projectId", project)?, &query.read()?)
        .await?;
    Ok(Json(IdentityMembersEnvelope {
        identity_memberships: found.into_iter().map(IdentityMemberBody::from).collect(),
        total_count,
    }))
}

fn shown(found: ProjectIdentity) -> ApiResult<IdentityMemberEnvelope> {
    Ok(Json(IdentityMemberEnvelope {
        identity_membership: found.into(),
    }))
}

fn changed(member: ProjectMemberRecord) -> ApiResult<IdentityMembershipEnvelope> {
    Ok(Json(IdentityMembershipEnvelope {
        identity_membership: IdentityMembershipBody::read(member)?,
    }))
}

async fn joined(
    state: &ServerState,
    actor: &Actor,
    project: &str,
    identity: &str,
    roles: Vec<RoleGrant>,
) -> ApiResult<IdentityMembershipEnvelope> {
    let (project, identity) = (id("projectId", project)?, id("identityId", identity)?);
    changed(state.app.add_identity_to_project(actor, project, identity, roles).await?)
}

async fn given_roles(
    state: &ServerState,
    actor: &Actor,
    project: &str,
    identity: &str,
    request: RolesRequest,
) -> Result<ProjectMemberRecord, ApiError> {
    let (project, identity) = (id("projectId", project)?, id("identityId", identity)?);
    let roles = request.read()?;
    Ok(state.app.update_identity_in_project(actor, project, identity, roles).await?)
}

async fn left(state: &ServerState, actor: &Actor, project: &str, identity: &str) -> ApiResult<IdentityMembershipEnvelope> {
    let (project, identity) = (id("projectId", project)?, id("identityId", identity)?);
    changed(state.app.remove_identity_from_project(actor, project, identity).await?)
}

async fn found(state: &ServerState, actor: &Actor, project: &str, identity: &str) -> ApiResult<IdentityMemberEnvelope> {
    let (project, identity) = (id("projectId", project)?, id("identityId", identity)?);
    shown(state.app.get_project_identity(actor, project, identity).await?)
}

/// The identities of a project, in the order in which they joined.
#[utoipa::path(get, path = "/v2/workspace/{projectId}/identity-memberships", operation_id = "listWorkspaceIdentityMemberships",
    tag = "Project Members", security(("token" = [])), params(("projectId" = Uuid, Path), ListQuery),
    responses((status = 200, body = IdentityMembersEnvelope), ApiErrors))]
pub(super) async fn list_in_workspace(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> ApiResult<IdentityMembersEnvelope> {
    listed(&state, &actor, &project, query).await
}

/// An identity of a project.
#[utoipa::path(get, path = "/v2/workspace/{projectId}/identity-memberships/{identityId}", operation_id = "getWorkspaceIdentityMembership",
    tag = "Project Members", security(("token" = [])), params(("projectId" = Uuid, Path), ("identityId" = Uuid, Path)),
    responses((status = 200, body = IdentityMemberEnvelope), ApiErrors))]
pub(super) async fn get_in_workspace(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, identity)): ApiPath<(String, String)>,
) -> ApiResult<IdentityMemberEnvelope> {
    found(&state, &actor, &project, &identity).await
}

/// An identity of any project, by the id of its membership.
#[utoipa::path(get, path = "/v2/workspace/identity-memberships/{membershipId}", operation_id = "getIdentityMembershipById",
    tag = "Project Members", security(("token" = [])), params(("membershipId" = Uuid, Path)),
    responses((status = 200, body = IdentityMemberEnvelope), ApiErrors))]
pub(super) async fn get_by_membership(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(membership): ApiPath<String>,
) -> ApiResult<IdentityMemberEnvelope> {
    let membership = id("membershipId", &membership)?;
    shown(state.app.get_project_identity_by_membership(&actor, membership).await?)
}

/// Gives an identity access to a project.
#[utoipa::path(post, path = "/v2/workspace/{projectId}/identity-memberships/{identityId}", operation_id = "createWorkspaceIdentityMembership",
    tag = "Project Members", security(("token" = [])), params(("projectId" = Uuid, Path), ("identityId" = Uuid, Path)),
    request_body = RolesRequest, responses((status = 200, body = IdentityMembershipEnvelope), ApiErrors))]
pub(super) async fn add_to_workspace(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, identity)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<RolesRequest>,
) -> ApiResult<IdentityMembershipEnvelope> {
    joined(&state, &actor, &project, &identity, request.read_or_no_access()?).await
}

/// Replaces the roles of an identity in a project. Answers the roles alone.
#[utoipa::path(patch, path = "/v2/workspace/{projectId}/identity-memberships/{identityId}", operation_id = "updateWorkspaceIdentityMembership",
    tag = "Project Members", security(("token" = [])), params(("projectId" = Uuid, Path), ("identityId" = Uuid, Path)),
    request_body = RolesRequest, responses((status = 200, body = RolesBody), ApiErrors))]
pub(super) async fn update_in_workspace(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, identity)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<RolesRequest>,
) -> ApiResult<RolesBody> {
    let member = given_roles(&state, &actor, &project, &identity, request).await?;
    Ok(Json(RolesBody {
        roles: member.roles.into_iter().map(RoleBody::from).collect(),
    }))
}

/// Takes an identity's access to a project.
#[utoipa::path(delete, path = "/v2/workspace/{projectId}/identity-memberships/{identityId}",
    operation_id = "deleteWorkspaceIdentityMembership", tag = "Project Members", security(("token" = [])),
    params(("projectId" = Uuid, Path), ("identityId" = Uuid, Path)), responses((status = 200, body = IdentityMembershipEnvelope), ApiErrors))]
pub(super) async fn remove_from_workspace(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, identity)): ApiPath<(String, String)>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> ApiResult<IdentityMembershipEnvelope> {
    left(&state, &actor, &project, &identity).await
}

/// The identities of a project, in the order in which they joined.
#[utoipa::path(get, path = "/v1/projects/{projectId}/memberships/identities", operation_id = "listProjectIdentityMemberships",
    tag = "Project Members", security(("token" = [])), params(("projectId" = Uuid, Path), ListQuery),
    responses((status = 200, body = IdentityMembersEnvelope), ApiErrors))]
pub(super) async fn list(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> ApiResult<IdentityMembersEnvelope> {
    listed(&state, &actor, &project, query).await
}

/// An identity of a project.
#[utoipa::path(get, path = "/v1/projects/{projectId}/memberships/identities/{identityId}", operation_id = "getProjectIdentityMembership",
    tag = "Project Members", security(("token" = [])), params(("projectId" = Uuid, Path), ("identityId" = Uuid, Path)),
    responses((status = 200, body = IdentityMemberEnvelope), ApiErrors))]
pub(super) async fn get_one(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, identity)): ApiPath<(String, String)>,
) -> ApiResult<IdentityMemberEnvelope> {
    found(&state, &actor, &project, &identity).await
}

/// Gives an identity access to a project.
#[utoipa::path(post, path = "/v1/projects/{projectId}/memberships/identities/{identityId}", operation_id = "createProjectIdentityMembership",
    tag = "Project Members", security(("token" = [])), params(("projectId" = Uuid, Path), ("identityId" = Uuid, Path)),
    request_body = RolesRequest, responses((status = 200, body = IdentityMembershipEnvelope), ApiErrors))]
pub(super) async fn add(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, identity)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<RolesRequest>,
) -> ApiResult<IdentityMembershipEnvelope> {
    joined(&state, &actor, &project, &identity, request.read_or_no_access()?).await
}

/// Replaces the roles of an identity in a project.
#[utoipa::path(patch, path = "/v1/projects/{projectId}/memberships/identities/{identityId}", operation_id = "updateProjectIdentityMembership",
    tag = "Project Members", security(("token" = [])), params(("projectId" = Uuid, Path), ("identityId" = Uuid, Path)),
    request_body = RolesRequest, responses((status = 200, body = IdentityMembershipEnvelope), ApiErrors))]
pub(super) async fn update(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, identity)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<RolesRequest>,
) -> ApiResult<IdentityMembershipEnvelope> {
    changed(given_roles(&state, &actor, &project, &identity, request).await?)
}

/// Takes an identity's access to a project.
#[utoipa::path(delete, path = "/v1/projects/{projectId}/memberships/identities/{identityId}",
    operation_id = "deleteProjectIdentityMembership", tag = "Project Members", security(("token" = [])),
    params(("projectId" = Uuid, Path), ("identityId" = Uuid, Path)), responses((status = 200, body = IdentityMembershipEnvelope), ApiErrors))]
pub(super) async fn remove(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, identity)): ApiPath<(String, String)>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> ApiResult<IdentityMembershipEnvelope> {
    left(&state, &actor, &project, &identity).await
}
