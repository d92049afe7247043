//! People as members of projects (`core-api.md` §7.5).

use axum::Json;
use axum::extract::State;
use kms_app::Error;
use kms_app::people::{PersonSelector, ProjectPerson};
use kms_core::ids::{MembershipId, UserId};
use kms_core::names::Email;
use kms_core::permission::ProjectRole;
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::roles::{RoleBody, RolesBody, RolesRequest, known};
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, Issues, Wire, id};
use crate::api::users::wire::UserBody;
use crate::state::ServerState;

/// Which people, and with which roles.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeopleRequest {
    /// E-mail addresses.
    #[serde(default)]
    emails: Vec<String>,
    /// More e-mail addresses.
    #[serde(default)]
    usernames: Vec<String>,
    /// `admin`, `member`, `viewer` or `no-access`; `member` if absent. Not read where people are removed.
    role_slugs: Option<Vec<String>>,
}

impl Wire for PeopleRequest {}

impl PeopleRequest {
    fn addresses(&self) -> Result<Vec<Email>, Error> {
        let mut issues = Issues::new();
        let mut addresses: Vec<Email> = Vec::new();
        for (field, texts) in [("emails", &self.emails), ("usernames", &self.usernames)] {
            issues.check(texts.len() <= 100, field, "too_big", "must have at most 100 addresses");
            for text in texts {
                if let Some(email) = issues.take(field, Email::parse(text))
                    && !addresses.contains(&email)
                {
                    addresses.push(email);
                }
            }
        }
        issues.check(
            !(self.emails.is_empty() && self.usernames.is_empty()),
            "emails",
            "too_small",
            "must have at least 1 address, here or in usernames",
        );
        issues.finish()?;
        Ok(addresses)
    }

    fn roles(&self) -> Result<Vec<ProjectRole>, Error> {
        match self.role_slugs.as_deref() {
            None | Some([]) => Ok(vec![ProjectRole::Member]),
            Some(slugs) => slugs.iter().map(|slug| known(slug)).collect(),
        }
    }
}

/// The membership of a person in a project.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonMembershipBody {
    #[schema(value_type = String, format = Uuid)]
    id: MembershipId,
    #[schema(value_type = String, format = Uuid)]
    user_id: UserId,
    project_id: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<&ProjectPerson> for PersonMembershipBody {
    fn from(person: &ProjectPerson) -> Self {
        Self {
            id: person.member.id,
            user_id: person.user.id,
            project_id: person.member.project.to_string(),
            created_at: person.member.created_at,
            updated_at: person.member.updated_at,
        }
    }
}

/// Memberships that were made or ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonMembershipsBody {
    memberships: Vec<PersonMembershipBody>,
}

impl From<&[ProjectPerson]> for PersonMembershipsBody {
    fn from(people: &[ProjectPerson]) -> Self {
        Self {
            memberships: people.iter().map(PersonMembershipBody::from).collect(),
        }
    }
}

/// The membership of a person with their roles.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectPersonBody {
    #[serde(flatten)]
    membership: PersonMembershipBody,
    user: UserBody,
    roles: Vec<RoleBody>,
}

impl From<&ProjectPerson> for ProjectPersonBody {
    fn from(person: &ProjectPerson) -> Self {
        Self {
            membership: person.into(),
            user: UserBody::from(&person.user),
            roles: person.member.roles.iter().cloned().map(RoleBody::from).collect(),
        }
    }
}

/// One person of a project.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectPersonEnvelope {
    membership: ProjectPersonBody,
}

impl From<&ProjectPerson> for ProjectPersonEnvelope {
    fn from(person: &ProjectPerson) -> Self {
        Self { membership: person.into() }
    }
}

/// The people of a project.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectPeopleBody {
    memberships: Vec<ProjectPersonBody>,
}

/// The people of a project, in the order in which they joined.
#[utoipa::path(get, path = "/v1/projects/{projectId}/memberships", operation_id = "listProjectMembers", tag = "Project Members",
    security(("token" = [])), params(("projectId" = Uuid, Path)), responses((status = 200, body = ProjectPeopleBody), ApiErrors))]
pub(super) async fn list(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
) -> ApiResult<ProjectPeopleBody> {
    let people = state.app.list_project_people(&actor, id("projectId", &project)?).await?;
    Ok(Json(ProjectPeopleBody {
        memberships: people.iter().map(ProjectPersonBody::from).collect(),
    }))
}

/// Gives people of the organization access to a project: all of them, or none.
#[utoipa::path(post, path = "/v2/workspace/{projectId}/memberships", operation_id = "addProjectMembers", tag = "Project Members",
    security(("token" = [])), params(("projectId" = Uuid, Path)), request_body = PeopleRequest,
    responses((status = 200, body = PersonMembershipsBody), ApiErrors))]
pub(super) async fn add(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
    ApiJson(request): ApiJson<PeopleRequest>,
) -> ApiResult<PersonMembershipsBody> {
    let project = id("projectId", &project)?;
    let (emails, roles) = (request.addresses()?, request.roles()?);
    let people = state.app.add_people_to_project(&actor, project, &emails, &roles).await?;
    Ok(Json(people.as_slice().into()))
}

/// Takes people's access to a project: all of them, or none. Somebody who administers it always stays.
#[utoipa::path(delete, path = "/v2/workspace/{projectId}/memberships", operation_id = "removeProjectMembers", tag = "Project Members",
    security(("token" = [])), params(("projectId" = Uuid, Path)), request_body = PeopleRequest,
    responses((status = 200, body = PersonMembershipsBody), ApiErrors))]
pub(super) async fn remove(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
    ApiJson(request): ApiJson<PeopleRequest>,
) -> ApiResult<PersonMembershipsBody> {
    let project = id("projectId", &project)?;
    let who: Vec<_> = request.addresses()?.into_iter().map(PersonSelector::Email).collect();
    let people = state.app.remove_people_from_project(&actor, project, &who).await?;
    Ok(Json(people.as_slice().into()))
}

/// Whom to look up.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PersonRequest {
    /// Their e-mail address.
    username: String,
}

impl Wire for PersonRequest {}

/// A person of a project, by e-mail address.
#[utoipa::path(post, path = "/v1/workspace/{projectId}/memberships/details", operation_id = "findProjectMember", tag = "Project Members",
    security(("token" = [])), params(("projectId" = Uuid, Path)), request_body = PersonRequest,
    responses((status = 200, body = ProjectPersonEnvelope), ApiErrors))]
pub(super) async fn find(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
    ApiJson(request): ApiJson<PersonRequest>,
) -> ApiResult<ProjectPersonEnvelope> {
    let project = id("projectId", &project)?;
    let mut issues = Issues::new();
    let Some(email) = issues.take("username", Email::parse(&request.username)) else {
        return Err(issues.into_error().into());
    };
    let person = state.app.get_project_person(&actor, project, &PersonSelector::Email(email)).await?;
    Ok(Json((&person).into()))
}

/// A person of a project, by their id.
#[utoipa::path(get, path = "/v1/projects/{projectId}/user/{userId}/membership", operation_id = "getProjectMember", tag = "Project Members",
    security(("token" = [])), params(("projectId" = Uuid, Path), ("userId" = Uuid, Path)),
    responses((status = 200, body = ProjectPersonEnvelope), ApiErrors))]
pub(super) async fn get(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, user)): ApiPath<(String, String)>,
) -> ApiResult<ProjectPersonEnvelope> {
    let project = id("projectId", &project)?;
    let who = PersonSelector::User(id("userId", &user)?);
    Ok(Json((&state.app.get_project_person(&actor, project, &who).await?).into()))
}

/// Replaces the roles of a person in a project. Answers the roles alone.
#[utoipa::path(patch, path = "/v1/workspace/{projectId}/memberships/{membershipId}", operation_id = "updateProjectMember",
    tag = "Project Members", security(("token" = [])), params(("projectId" = Uuid, Path), ("membershipId" = Uuid, Path)),
    request_body = RolesRequest, responses((status = 200, body = RolesBody), ApiErrors))]
pub(super) async fn update(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, membership)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<RolesRequest>,
) -> ApiResult<RolesBody> {
    let project = id("projectId", &project)?;
    let who = PersonSelector::Membership(id("membershipId", &membership)?);
    let person = state.app.update_person_in_project(&actor, project, &who, request.read()?).await?;
    Ok(Json(RolesBody {
        roles: person.member.roles.into_iter().map(RoleBody::from).collect(),
    }))
}
