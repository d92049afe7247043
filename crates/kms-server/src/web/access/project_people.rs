//! Access Control → Users of a project.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::memberships::RoleGrant;
use kms_app::people::PersonSelector;
use kms_core::names::Email;
use kms_core::permission::{ProjectRole, Resource, org, project};

use super::people::PersonPage;
use super::{RoleShown, SECTION, USERS, below_list, first_role, person_name, project_roles, project_tabs, role_label, shown_roles};
use crate::api::extract::{Issues, id};
use crate::state::ServerState;
use crate::web::error::WebResult;
use crate::web::form::{Field, Form, Given};
use crate::web::frame::{Frame, InProject, Tab};
use crate::web::page::Page;
use crate::web::session::Viewer;
use crate::web::show::At;

struct Row {
    href: String,
    name: String,
    email: String,
    roles: Vec<RoleShown>,
    since: At,
    is_viewer: bool,
}

#[derive(Template)]
#[template(path = "access/project_people.html")]
pub(in crate::web) struct ProjectPeoplePage {
    frame: Frame,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    may_edit: bool,
    add: Option<Form>,
    /// Everybody of the organization is here already.
    all_here: bool,
    /// Whether the viewer may invite people into the organization.
    may_invite: bool,
}

fn list_of(project: &str) -> String {
    format!("/projects/{project}/access-control/users")
}

fn add_form(project: &str, people: Vec<(String, String)>, roles: Field) -> Form {
    let who = Field::choice("email", "Person", people).required();
    Form::new("add", list_of(project), "Add to project", vec![who, roles]).busy("Adding…")
}

async fn page(state: &ServerState, viewer: &Viewer, text: &str, again: Option<Form>) -> Result<ProjectPeoplePage, Error> {
    let InProject { frame, project, scope } = viewer.in_project(state, text, SECTION).await?;
    let people = state.app.list_project_people(&viewer.actor, project.record.id).await?;
    let may_add = scope.allows(project::MEMBER_CREATE, &Resource::ANY);
    // Who may not see the organization's people can add nobody here; the API takes addresses.
    let all = match state.app.list_org_people(&viewer.actor, viewer.actor.org()).await {
        Ok(all) if may_add => Some(all),
        Ok(_) | Err(Error::PermissionDenied { .. }) => None,
        Err(other) => return Err(other),
    };
    let sees_all = all.is_some();
    let others: Vec<(String, String)> = all
        .unwrap_or_default()
        .into_iter()
        .filter(|person| !people.iter().any(|here| here.user.id == person.user.id))
        .map(|person| {
            let name = person_name(&person.user);
            let label = if name == person.user.email {
                name
            } else {
                format!("{name} ({})", person.user.email)
            };
            (person.user.email, label)
        })
        .collect();
    let in_org = state.app.org_access(&viewer.actor).await?;
    let list = list_of(text);
    let rows = people.into_iter().map(|person| Row {
        href: format!("{list}/{}", person.member.id),
        name: person_name(&person.user),
        is_viewer: viewer.actor.user_id() == Some(person.user.id),
        roles: shown_roles(&person.member.roles),
        since: person.member.created_at.into(),
        email: person.user.email,
    });
    Ok(ProjectPeoplePage {
        frame: frame.titled("Access Control"),
        tabs: project_tabs(&scope, text, USERS),
        rows: rows.collect(),
        may_edit: scope.allows(project::MEMBER_EDIT, &Resource::ANY),
        all_here: sees_all && others.is_empty(),
        may_invite: in_org.allows(org::MEMBER_CREATE, &Resource::ANY),
        add: (!others.is_empty()).then(|| add_form(text, others, project_roles(&scope, ProjectRole::Member)).or_again(again.as_ref())),
    })
}

pub(in crate::web) async fn list(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>) -> WebResult {
    Ok(Page(page(&state, &viewer, &text, None).await?).into_response())
}

pub(super) fn given_role(given: &Given) -> Result<ProjectRole, Error> {
    ProjectRole::from_slug(given.text("role")).ok_or_else(|| Error::invalid("role", "custom", "must be one of the roles"))
}

/// One role, for good.
pub(super) fn lasting(role: ProjectRole) -> Vec<RoleGrant> {
    vec![RoleGrant { role, temporary: None }]
}

pub(in crate::web) async fn add(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>, given: Given) -> WebResult {
    let added = async {
        let mut issues = Issues::new();
        let Some(email) = issues.take("email", Email::parse(given.text("email"))) else {
            return Err(issues.into_error());
        };
        let role = given_role(&given)?;
        let project = id("projectId", &text)?;
        state.app.add_people_to_project(&viewer.actor, project, &[email], &[role]).await
    };
    match added.await {
        Ok(_people) => Ok(viewer.go(&format!("{}?done=people-added", list_of(&text)))),
        Err(error) => {
            let page = page(&state, &viewer, &text, None).await?;
            let form = page
                .add
                .clone()
                .unwrap_or_else(|| add_form(&text, Vec::new(), Field::hidden("role", "")));
            viewer
                .refuse(error, form, &given, Some("email"), async |form| {
                    Ok(ProjectPeoplePage { add: Some(form), ..page })
                })
                .await
        }
    }
}

fn role_form(project: &str, membership: &str, roles: Field) -> Form {
    Form::new("role", format!("{}/{membership}", list_of(project)), "Save", vec![roles])
}

fn remove_form(project: &str, membership: &str) -> Form {
    let action = format!("{}/{membership}/remove", list_of(project));
    Form::new("remove", action, "Remove from project", Vec::new())
        .busy("Removing…")
        .danger()
}

async fn person_page(state: &ServerState, viewer: &Viewer, text: &str, membership: &str, again: Option<Form>) -> Result<PersonPage, Error> {
    let InProject { frame, project, scope } = viewer.in_project(state, text, SECTION).await?;
    let who = PersonSelector::Membership(id("membershipId", membership)?);
    let person = state.app.get_project_person(&viewer.actor, project.record.id, &who).await?;
    let role = first_role(&person.member.roles);
    let covered = person.member.roles.iter().all(|one| scope.require_covers(one.role).is_ok());
    let may = |permission| covered && scope.allows(permission, &Resource::ANY);
    Ok(PersonPage {
        frame: below_list(frame, "Users", &list_of(text), &person_name(&person.user)),
        role: role_label(role.slug()),
        since: person.member.created_at.into(),
        edit: may(project::MEMBER_EDIT).then(|| role_form(text, membership, project_roles(&scope, role)).or_again(again.as_ref())),
        remove: may(project::MEMBER_DELETE).then(|| remove_form(text, membership).or_again(again.as_ref())),
        taken: "The person loses access to this project, at once. In the organization they stay.",
        email: person.user.email,
    })
}

pub(in crate::web) async fn one(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((text, membership)): Path<(String, String)>,
) -> WebResult {
    Ok(Page(person_page(&state, &viewer, &text, &membership, None).await?).into_response())
}

pub(in crate::web) async fn save(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((text, membership)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let saved = async {
        let project = id("projectId", &text)?;
        let who = PersonSelector::Membership(id("membershipId", &membership)?);
        let roles = lasting(given_role(&given)?);
        state.app.update_person_in_project(&viewer.actor, project, &who, roles).await
    };
    match saved.await {
        Ok(_person) => Ok(viewer.go(&format!("{}?done=person-saved", list_of(&text)))),
        Err(error) => {
            let page = person_page(&state, &viewer, &text, &membership, None).await?;
            let form = page
                .edit
                .clone()
                .unwrap_or_else(|| role_form(&text, &membership, Field::hidden("role", "")));
            viewer
                .refuse(error, form, &given, Some("role"), async |form| {
                    Ok(PersonPage { edit: Some(form), ..page })
                })
                .await
        }
    }
}

pub(in crate::web) async fn remove(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((text, membership)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let project = id("projectId", &text)?;
    let who = PersonSelector::Membership(id("membershipId", &membership)?);
    match state.app.remove_people_from_project(&viewer.actor, project, &[who]).await {
        Ok(_people) => Ok(viewer.go(&format!("{}?done=person-removed", list_of(&text)))),
        Err(error) => {
            viewer
                .refuse(error, remove_form(&text, &membership), &given, None, |form| {
                    person_page(&state, &viewer, &text, &membership, Some(form))
                })
                .await
        }
    }
}
