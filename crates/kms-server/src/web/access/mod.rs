//! Access Control: the people and machine identities of an organization and of a project.

pub(super) mod identities;
pub(super) mod people;
pub(super) mod project_identities;
pub(super) mod project_people;
pub(super) mod universal_auth;

use axum::extract::{Path, State};
use kms_app::access::{OrgScope, ProjectScope};
use kms_app::records::RoleAssignment;
use kms_app::users::UserRecord;
use kms_core::permission::{OrgRole, ProjectRole, Resource, org, project};

use super::error::WebResult;
use super::form::Field;
use super::frame::{Frame, Tab};
use super::session::Viewer;
use super::show::At;
use crate::state::ServerState;

/// The place of these pages in the navigation.
pub(super) const SECTION: &str = "access-control";

const USERS: &str = "users";
const IDENTITIES: &str = "identities";

/// The pages about an organization's members that the viewer may see. `current`: the last part of the address of one of them.
pub(super) fn org_tabs(scope: &OrgScope, current: &str) -> Vec<Tab> {
    tabs(
        "/access-control",
        current,
        scope.allows(org::MEMBER_READ, &Resource::ANY),
        scope.allows(org::IDENTITY_READ, &Resource::ANY),
    )
}

/// The same of a project.
pub(super) fn project_tabs(scope: &ProjectScope, id: &str, current: &str) -> Vec<Tab> {
    tabs(
        &format!("/projects/{id}/access-control"),
        current,
        scope.allows(project::MEMBER_READ, &Resource::ANY),
        scope.allows_somewhere(project::IDENTITY_READ),
    )
}

fn tabs(base: &str, current: &str, people: bool, identities: bool) -> Vec<Tab> {
    [(USERS, "Users", people), (IDENTITIES, "Machine Identities", identities)]
        .into_iter()
        .filter(|(.., seen)| *seen)
        .map(|(last, label, _)| Tab {
            label,
            href: format!("{base}/{last}"),
            current: last == current,
        })
        .collect()
}

/// Leads to the first of the pages about an organization's members.
pub(super) async fn of_org(State(state): State<ServerState>, viewer: Viewer) -> WebResult {
    let scope = state.app.org_access(&viewer.actor).await?;
    let first = org_tabs(&scope, "").into_iter().next();
    Ok(viewer.go(first.as_ref().map_or("/projects", |tab| tab.href.as_str())))
}

/// Leads to the first of the pages about a project's members.
pub(super) async fn of_project(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>) -> WebResult {
    let found = viewer.in_project(&state, &text, SECTION).await?;
    let first = project_tabs(&found.scope, &text, "").into_iter().next();
    Ok(viewer.go(first.as_ref().map_or("/projects", |tab| tab.href.as_str())))
}

/// What a role is called on a page.
pub(super) fn role_label(slug: &str) -> &'static str {
    match slug {
        "admin" => "Admin",
        "member" => "Member",
        "viewer" => "Viewer",
        _ => "No Access",
    }
}

/// A choice of the organization's roles that the viewer may give.
fn org_roles(scope: &OrgScope, role: OrgRole) -> Field {
    let offered = [OrgRole::Admin, OrgRole::Member, OrgRole::NoAccess]
        .into_iter()
        .filter(|offered| scope.role().covers(*offered))
        .map(|offered| (offered.slug().to_owned(), role_label(offered.slug()).to_owned()));
    Field::choice("role", "Role", offered)
        .required()
        .helped("Admins may do everything. Members create projects and machine identities, and use what they were given.")
        .valued(role.slug())
}

/// A choice of the project's roles that the viewer may give.
fn project_roles(scope: &ProjectScope, role: ProjectRole) -> Field {
    let offered = [ProjectRole::Admin, ProjectRole::Member, ProjectRole::Viewer, ProjectRole::NoAccess]
        .into_iter()
        .filter(|offered| scope.require_covers(*offered).is_ok())
        .map(|offered| (offered.slug().to_owned(), role_label(offered.slug()).to_owned()));
    Field::choice("role", "Role", offered)
        .required()
        .helped("Admins may do everything, also set up rotations. Members work with secrets. Viewers read, also values.")
        .valued(role.slug())
}

/// The roles of a project's member, and until when if one ends by itself.
struct RoleShown {
    label: &'static str,
    until: Option<At>,
}

fn shown_roles(roles: &[RoleAssignment]) -> Vec<RoleShown> {
    roles
        .iter()
        .map(|assignment| RoleShown {
            label: role_label(assignment.role.slug()),
            until: assignment.temporary.as_ref().map(|temporary| At::from(temporary.end)),
        })
        .collect()
}

/// The role that a form about a member begins with.
fn first_role(roles: &[RoleAssignment]) -> ProjectRole {
    roles.first().map_or(ProjectRole::NoAccess, |assignment| assignment.role)
}

/// What a person is called; the address where they gave no name.
fn person_name(user: &UserRecord) -> String {
    let name = [user.first_name.as_deref(), user.last_name.as_deref()];
    let name = name.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if name.trim().is_empty() { user.email.clone() } else { name }
}

/// What a login method is called.
pub(super) fn method_label(method: &str) -> &'static str {
    match method {
        "universal-auth" => "Universal Auth",
        "token-auth" => "Token Auth",
        _ => "another method",
    }
}

/// A page about one member, below the list of all.
fn below_list(frame: Frame, label: &str, href: &str, title: &str) -> Frame {
    frame.below(label, href.to_owned()).titled(title)
}
