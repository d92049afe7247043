//! Invitations into an organization, and their acceptance.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kms_app::Error;
use kms_app::actor::Actor;
use kms_app::invitations::{InvitationRecord, Invited, MOST_AT_ONCE, NewInvitations, Newcomer};
use kms_app::projects::ProjectSelector;
use kms_core::ids::{InvitationId, ProjectId};
use kms_core::names::Email;
use kms_core::permission::ProjectRole;
use kms_core::secret::SecretString;
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::members::known_role;
use super::wire::OrgName;
use crate::api::error::{ApiError, ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, AuthenticatedUser, From, Issues, Wire, id};
use crate::api::projects::roles::known;
use crate::api::rotations::wire::NoBody;
use crate::api::sessions::cookie;
use crate::state::{ServerState, Site};

/// Whom to invite, and to what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InviteRequest {
    /// 1 to 100 e-mail addresses.
    invitee_emails: Vec<String>,
    /// The organization of the caller's token.
    organization_id: String,
    /// `admin`, `member` or `no-access`; `member` if absent.
    organization_role_slug: Option<String>,
    /// Projects that they are made members of.
    projects: Option<Vec<InviteProject>>,
}

impl Wire for InviteRequest {}

/// A project that an invited person is made a member of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InviteProject {
    /// Its id.
    id: Option<String>,
    /// Its slug, if the id is absent.
    slug: Option<String>,
    /// `admin`, `member`, `viewer` or `no-access`; the first counts, `member` if absent.
    project_role_slug: Option<Vec<String>>,
}

/// The links to send.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitedBody {
    message: &'static str,
    /// A link for each person. It is shown only here, and good for seven days and one use.
    complete_invite_links: Vec<InviteLink>,
}

/// Whom to send a link.
#[derive(Debug, Serialize, ToSchema)]
pub struct InviteLink {
    email: String,
    link: String,
}

/// The link of an invitation. Its secret stands behind the `#`, which browsers keep to themselves.
pub(crate) fn link(site: &Site, invited: &Invited) -> String {
    site.link(&format!("{}#{}", crate::web::invitation::PATH, invited.token.expose()))
}

async fn project(state: &ServerState, actor: &Actor, wanted: InviteProject) -> Result<(ProjectId, ProjectRole), Error> {
    let selector = match (wanted.id, wanted.slug) {
        (Some(id), _) => ProjectSelector::Id(id),
        (None, Some(slug)) => ProjectSelector::Slug(slug),
        (None, None) => return Err(Error::invalid("projects", "invalid_type", "each needs an id or a slug")),
    };
    let role = wanted.project_role_slug.and_then(|roles| roles.into_iter().next());
    let role = role.map_or(Ok(ProjectRole::Member), |slug| known(&slug))?;
    Ok((state.app.get_project(actor, &selector).await?.record.id, role))
}

/// Invites people into the organization. An earlier invitation of an address is replaced, and its link worthless.
#[utoipa::path(post, path = "/v1/invite-org/signup", operation_id = "invitePeople", tag = "Organizations", security(("token" = [])),
    request_body = InviteRequest, responses((status = 200, body = InvitedBody), ApiErrors))]
pub(super) async fn invite(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    site: Site,
    ApiJson(request): ApiJson<InviteRequest>,
) -> ApiResult<InvitedBody> {
    let mut issues = Issues::new();
    let count = request.invitee_emails.len();
    issues.check(count > 0, "inviteeEmails", "too_small", "must have at least 1 address");
    issues.check(count <= MOST_AT_ONCE, "inviteeEmails", "too_big", "must have at most 100 addresses");
    let emails = request
        .invitee_emails
        .iter()
        .filter_map(|text| issues.take("inviteeEmails", Email::parse(text)))
        .collect();
    issues.finish()?;
    let role = request.organization_role_slug.as_deref().unwrap_or("member");
    let mut new = NewInvitations {
        org: id("organizationId", &request.organization_id)?,
        emails,
        role: known_role(role)?,
        projects: Vec::new(),
    };
    for wanted in request.projects.unwrap_or_default() {
        new.projects.push(project(&state, &actor, wanted).await?);
    }
    let invited = state.app.invite(&actor, new).await?;
    let links = invited.iter().map(|one| InviteLink {
        email: one.record.email.clone(),
        link: link(&site, one),
    });
    Ok(Json(InvitedBody {
        message: "Invitations are ready; send each person their link",
        complete_invite_links: links.collect(),
    }))
}

/// An invitation that waits to be accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationBody {
    #[schema(value_type = String, format = Uuid)]
    id: InvitationId,
    email: String,
    /// The role that it gives in the organization.
    role: &'static str,
    /// Who invited.
    invited_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl std::convert::From<InvitationRecord> for InvitationBody {
    fn from(record: InvitationRecord) -> Self {
        Self {
            id: record.id,
            email: record.email,
            role: record.role.slug(),
            invited_by: record.invited_by,
            created_at: record.created_at,
            expires_at: record.expires_at,
        }
    }
}

/// Invitations, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationsBody {
    invitations: Vec<InvitationBody>,
}

/// The invitations of the organization that can still be accepted, oldest first.
#[utoipa::path(get, path = "/v1/invite-org", operation_id = "listInvitations", tag = "Organizations", security(("token" = [])),
    responses((status = 200, body = InvitationsBody), ApiErrors))]
pub(super) async fn list(State(state): State<ServerState>, Authenticated(actor): Authenticated) -> ApiResult<InvitationsBody> {
    let invitations = state.app.list_invitations(&actor).await?;
    Ok(Json(InvitationsBody {
        invitations: invitations.into_iter().map(InvitationBody::from).collect(),
    }))
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct WithdrawnBody {
    message: &'static str,
}

/// Withdraws an invitation: its link is worthless from now on.
#[utoipa::path(delete, path = "/v1/invite-org/{invitationId}", operation_id = "withdrawInvitation", tag = "Organizations",
    security(("token" = [])), params(("invitationId" = String, Path)), responses((status = 200, body = WithdrawnBody), ApiErrors))]
pub(super) async fn withdraw(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(invitation): ApiPath<String>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> ApiResult<WithdrawnBody> {
    state.app.withdraw_invitation(&actor, id("invitationId", &invitation)?).await?;
    Ok(Json(WithdrawnBody {
        message: "The invitation is withdrawn",
    }))
}

/// The end of an invitation's link, and who accepts it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptRequest {
    /// What stands after `#` in the link.
    #[schema(value_type = String)]
    token: SecretString,
    /// The password that the person chooses.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    first_name: Option<String>,
    last_name: Option<String>,
}

impl Wire for AcceptRequest {}

/// A newcomer's session.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedBody {
    message: &'static str,
    /// An access token for the organization.
    token: String,
}

/// Accepts an invitation as somebody who has no login yet. Sets the cookie that renews the session.
#[utoipa::path(post, path = "/v1/invite-org/accept", operation_id = "acceptInvitation", tag = "Organizations",
    request_body = AcceptRequest, responses((status = 200, body = AcceptedBody), ApiErrors))]
pub(super) async fn accept(
    State(state): State<ServerState>,
    cookie::Place(place): cookie::Place,
    From(origin): From,
    ApiJson(request): ApiJson<AcceptRequest>,
) -> Result<Response, ApiError> {
    let mut issues = Issues::new();
    issues.password("password", &request.password);
    let newcomer = Newcomer {
        first_name: issues.note("firstName", request.first_name, 64),
        last_name: issues.note("lastName", request.last_name, 64),
        password: request.password,
    };
    issues.finish()?;
    let grant = state.app.accept_invitation(request.token, newcomer, &origin).await?;
    let body = AcceptedBody {
        message: "Welcome",
        token: grant.access_token.expose().to_owned(),
    };
    Ok((place.set(&grant), Json(body)).into_response())
}

/// The end of an invitation's link.
#[derive(Debug, Deserialize, ToSchema)]
pub struct JoinRequest {
    /// What stands after `#` in the link.
    #[schema(value_type = String)]
    token: SecretString,
}

impl Wire for JoinRequest {}

/// The organization that was joined.
#[derive(Debug, Serialize, ToSchema)]
pub struct JoinedBody {
    organization: OrgName,
}

/// Accepts an invitation as the person it is for, who is logged in.
#[utoipa::path(post, path = "/v1/invite-org/join", operation_id = "joinByInvitation", tag = "Organizations", security(("token" = [])),
    request_body = JoinRequest, responses((status = 200, body = JoinedBody), ApiErrors))]
pub(super) async fn join(
    State(state): State<ServerState>,
    AuthenticatedUser(signed_in): AuthenticatedUser,
    ApiJson(request): ApiJson<JoinRequest>,
) -> ApiResult<JoinedBody> {
    let org = state.app.join_by_invitation(&signed_in, request.token).await?;
    Ok(Json(JoinedBody {
        organization: OrgName::from(&org),
    }))
}
