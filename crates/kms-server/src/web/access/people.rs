//! Access Control → Users of an organization: roles, invitations.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::invitations::{MOST_AT_ONCE, NewInvitations};
use kms_core::ids::InvitationId;
use kms_core::names::Email;
use kms_core::permission::{OrgRole, Resource, org};

use super::{SECTION, USERS, below_list, org_roles, org_tabs, person_name, role_label};
use crate::api::extract::{Issues, id};
use crate::api::organizations::invitations::link;
use crate::state::{ServerState, Site};
use crate::web::error::WebResult;
use crate::web::form::{Field, Form, Given};
use crate::web::frame::{Frame, InOrg, Tab};
use crate::web::page::Page;
use crate::web::session::Viewer;
use crate::web::show::At;

const LIST: &str = "/access-control/users";

struct Row {
    href: String,
    name: String,
    email: String,
    role: &'static str,
    since: At,
    is_viewer: bool,
}

struct InvitationRow {
    id: InvitationId,
    email: String,
    role: &'static str,
    invited_by: String,
    until: At,
}

#[derive(Template)]
#[template(path = "access/people.html")]
pub(in crate::web) struct PeoplePage {
    frame: Frame,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    invitations: Vec<InvitationRow>,
    may_edit: bool,
    may_withdraw: bool,
    invite: Option<Form>,
}

fn invite_form(roles: Field) -> Form {
    let emails = Field::text("emails", "E-mail addresses")
        .required()
        .helped("One, or several with commas between them.");
    Form::new("invite", LIST, "Invite", vec![emails, roles])
        .busy("Inviting…")
        .own_page()
}

async fn page(state: &ServerState, viewer: &Viewer, again: Option<Form>) -> Result<PeoplePage, Error> {
    let InOrg { frame, scope } = viewer.in_org(state, SECTION).await?;
    let people = state.app.list_org_people(&viewer.actor, viewer.actor.org()).await?;
    let invitations = state.app.list_invitations(&viewer.actor).await?;
    let rows = people.into_iter().map(|person| Row {
        href: format!("{LIST}/{}", person.member.id),
        name: person_name(&person.user),
        is_viewer: viewer.actor.user_id() == Some(person.user.id),
        email: person.user.email,
        role: role_label(person.member.role.slug()),
        since: person.member.created_at.into(),
    });
    let invitations = invitations.into_iter().map(|one| InvitationRow {
        id: one.id,
        email: one.email,
        role: role_label(one.role.slug()),
        invited_by: one.invited_by,
        until: one.expires_at.into(),
    });
    Ok(PeoplePage {
        tabs: org_tabs(&scope, USERS),
        rows: rows.collect(),
        invitations: invitations.collect(),
        may_edit: scope.allows(org::MEMBER_EDIT, &Resource::ANY),
        may_withdraw: scope.allows(org::MEMBER_DELETE, &Resource::ANY),
        invite: scope
            .allows(org::MEMBER_CREATE, &Resource::ANY)
            .then(|| invite_form(org_roles(&scope, OrgRole::Member)).or_again(again.as_ref())),
        frame: frame.titled("Access Control"),
    })
}

pub(in crate::web) async fn list(State(state): State<ServerState>, viewer: Viewer) -> WebResult {
    Ok(Page(page(&state, &viewer, None).await?).into_response())
}

/// A link, and whom to send it.
struct LinkRow {
    email: String,
    link: String,
}

#[derive(Template)]
#[template(path = "access/invited.html")]
struct InvitedPage {
    frame: Frame,
    rows: Vec<LinkRow>,
}

pub(in crate::web) async fn invite(State(state): State<ServerState>, viewer: Viewer, site: Site, given: Given) -> WebResult {
    let invited = async {
        let mut issues = Issues::new();
        let texts: Vec<&str> = given
            .text("emails")
            .split([',', ';', ' '])
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .collect();
        issues.check(!texts.is_empty(), "emails", "too_small", "must not be empty");
        issues.check(texts.len() <= MOST_AT_ONCE, "emails", "too_big", "must have at most 100 addresses");
        let emails = texts
            .into_iter()
            .filter_map(|text| issues.take("emails", Email::parse(text)))
            .collect();
        let role = OrgRole::from_slug(given.text("role"));
        issues.check(role.is_some(), "role", "custom", "must be one of the roles");
        let (Some(role), true) = (role, issues.is_empty()) else {
            return Err(issues.into_error());
        };
        let new = NewInvitations {
            org: viewer.actor.org(),
            emails,
            role,
            projects: Vec::new(),
        };
        state.app.invite(&viewer.actor, new).await
    };
    match invited.await {
        Ok(invited) => {
            let frame = viewer.in_org(&state, SECTION).await?.frame;
            let rows = invited.iter().map(|one| LinkRow {
                email: one.record.email.clone(),
                link: link(&site, one),
            });
            Ok(Page(InvitedPage {
                rows: rows.collect(),
                frame: below_list(frame, "Users", LIST, "Invitations"),
            })
            .into_response())
        }
        Err(error) => {
            let scope = state.app.org_access(&viewer.actor).await?;
            let form = invite_form(org_roles(&scope, OrgRole::Member));
            viewer
                .refuse(error, form, &given, Some("emails"), |form| page(&state, &viewer, Some(form)))
                .await
        }
    }
}

pub(in crate::web) async fn withdraw(State(state): State<ServerState>, viewer: Viewer, Path(invitation): Path<String>) -> WebResult {
    state
        .app
        .withdraw_invitation(&viewer.actor, id("invitationId", &invitation)?)
        .await?;
    Ok(viewer.go(&format!("{LIST}?done=invitation-withdrawn")))
}

#[derive(Template)]
#[template(path = "access/person.html")]
pub(in crate::web) struct PersonPage {
    pub(super) frame: Frame,
    pub(super) email: String,
    pub(super) role: &'static str,
    pub(super) since: At,
    pub(super) edit: Option<Form>,
    pub(super) remove: Option<Form>,
    /// What removing takes.
    pub(super) taken: &'static str,
}

fn role_form(membership: &str, roles: Field) -> Form {
    Form::new("role", format!("{LIST}/{membership}"), "Save", vec![roles])
}

fn remove_form(membership: &str) -> Form {
    Form::new(
        "remove",
        format!("{LIST}/{membership}/remove"),
        "Remove from organization",
        Vec::new(),
    )
    .busy("Removing…")
    .danger()
}

async fn person_page(state: &ServerState, viewer: &Viewer, membership: &str, again: Option<Form>) -> Result<PersonPage, Error> {
    let InOrg { frame, scope } = viewer.in_org(state, SECTION).await?;
    let person = state
        .app
        .get_org_person(&viewer.actor, viewer.actor.org(), id("membershipId", membership)?)
        .await?;
    let covered = scope.role().covers(person.member.role);
    let may = |permission| covered && scope.allows(permission, &Resource::ANY);
    Ok(PersonPage {
        frame: below_list(frame, "Users", LIST, &person_name(&person.user)),
        role: role_label(person.member.role.slug()),
        since: person.member.created_at.into(),
        edit: may(org::MEMBER_EDIT).then(|| role_form(membership, org_roles(&scope, person.member.role)).or_again(again.as_ref())),
        remove: may(org::MEMBER_DELETE).then(|| remove_form(membership).or_again(again.as_ref())),
        taken: "The person loses access to the organization and to all its projects, at once. What they made stays.",
        email: person.user.email,
    })
}

pub(in crate::web) async fn one(State(state): State<ServerState>, viewer: Viewer, Path(membership): Path<String>) -> WebResult {
    Ok(Page(person_page(&state, &viewer, &membership, None).await?).into_response())
}

pub(in crate::web) async fn save(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path(membership): Path<String>,
    given: Given,
) -> WebResult {
    let saved = async {
        let role = OrgRole::from_slug(given.text("role"));
        let role = role.ok_or_else(|| Error::invalid("role", "custom", "must be one of the roles"))?;
        let membership = id("membershipId", &membership)?;
        state
            .app
            .update_org_person(&viewer.actor, viewer.actor.org(), membership, role)
            .await
    };
    match saved.await {
        Ok(_person) => Ok(viewer.go(&format!("{LIST}?done=person-saved"))),
        Err(error) => {
            let scope = state.app.org_access(&viewer.actor).await?;
            let form = role_form(&membership, org_roles(&scope, OrgRole::Member));
            viewer
                .refuse(error, form, &given, Some("role"), |form| {
                    person_page(&state, &viewer, &membership, Some(form))
                })
                .await
        }
    }
}

pub(in crate::web) async fn remove(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path(membership): Path<String>,
    given: Given,
) -> WebResult {
    let member = id("membershipId", &membership)?;
    match state.app.remove_org_person(&viewer.actor, viewer.actor.org(), member).await {
        Ok(_person) => Ok(viewer.go(&format!("{LIST}?done=person-removed"))),
        Err(error) => {
            viewer
                .refuse(error, remove_form(&membership), &given, None, |form| {
                    person_page(&state, &viewer, &membership, Some(form))
                })
                .await
        }
    }
}
