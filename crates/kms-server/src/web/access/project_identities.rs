//! Access Control → Machine Identities of a project.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::identities::IdentityFilter;
use kms_app::memberships::Page as Part;
use kms_core::permission::{ProjectRole, Resource, org, project};
use serde::Deserialize;

use super::project_people::{given_role, lasting};
use super::{IDENTITIES, RoleShown, SECTION, below_list, first_role, method_label, project_roles, project_tabs, shown_roles};
use crate::api::extract::id;
use crate::state::ServerState;
use crate::web::error::WebResult;
use crate::web::form::{Field, Form, Given};
use crate::web::frame::{Frame, InProject, Tab};
use crate::web::page::Page;
use crate::web::session::Viewer;
use crate::web::show::{At, Paging};

struct Row {
    href: String,
    name: String,
    roles: Vec<RoleShown>,
    methods: Vec<&'static str>,
    since: At,
}

#[derive(Template)]
#[template(path = "access/project_identities.html")]
struct ProjectIdentitiesPage {
    frame: Frame,
    tabs: Vec<Tab>,
    base: String,
    rows: Vec<Row>,
    search: String,
    add: Option<Form>,
    paging: Paging,
}

#[derive(Deserialize, Default)]
pub(in crate::web) struct Wanted {
    q: Option<String>,
    page: Option<String>,
}

/// Identities on one page.
const SIZE: usize = 100;
/// Identities that can be chosen from a list; of more, the others are added by the API.
const CHOICES: u64 = 500;

fn list_of(project: &str) -> String {
    format!("/projects/{project}/access-control/identities")
}

fn add_form(project: &str, identities: Vec<(String, String)>, roles: Field) -> Form {
    let which = Field::choice("identity", "Machine identity", identities).required();
    Form::new("add", list_of(project), "Add to project", vec![which, roles]).busy("Adding…")
}

async fn page(
    state: &ServerState,
    viewer: &Viewer,
    text: &str,
    wanted: Wanted,
    again: Option<Form>,
) -> Result<ProjectIdentitiesPage, Error> {
    let InProject { frame, project, scope } = viewer.in_project(state, text, SECTION).await?;
    let search = wanted.q.unwrap_or_default();
    let everybody = Part::default();
    let (members, _total) = state
        .app
        .list_project_identities(&viewer.actor, project.record.id, &everybody)
        .await?;
    let filter = IdentityFilter {
        limit: CHOICES,
        ..IdentityFilter::default()
    };
    let others: Vec<(String, String)> = if scope.allows_somewhere(project::IDENTITY_CREATE) {
        match state.app.list_identities(&viewer.actor, None, &filter).await {
            Ok(found) => found
                .identities
                .into_iter()
                .filter(|one| !members.iter().any(|member| member.record.identity.id == one.record.id))
                .map(|one| (one.record.id.to_string(), one.record.name))
                .collect(),
            // Who may not see the organization's identities can add none here.
            Err(Error::PermissionDenied { .. }) => Vec::new(),
            Err(other) => return Err(other),
        }
    } else {
        Vec::new()
    };
    let lowered = search.to_lowercase();
    let found: Vec<_> = members
        .into_iter()
        .filter(|member| member.record.identity.name.to_lowercase().contains(&lowered))
        .collect();
    let list = list_of(text);
    let paging = Paging::new(found.len(), SIZE, &wanted.page.unwrap_or_default(), &list, &[("q", &search)]);
    let rows: Vec<Row> = paging
        .part(found)
        .into_iter()
        .map(|member| Row {
            href: format!("{list}/{}", member.record.identity.id),
            name: member.record.identity.name,
            roles: shown_roles(&member.record.member.roles),
            methods: member.record.auth_methods.into_iter().map(method_label).collect(),
            since: member.record.member.created_at.into(),
        })
        .collect();
    Ok(ProjectIdentitiesPage {
        frame: frame.titled("Access Control"),
        tabs: project_tabs(&scope, text, IDENTITIES),
        base: list,
        rows,
        search,
        add: (!others.is_empty()).then(|| add_form(text, others, project_roles(&scope, ProjectRole::Viewer)).or_again(again.as_ref())),
        paging,
    })
}

pub(in crate::web) async fn list(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path(text): Path<String>,
    Query(wanted): Query<Wanted>,
) -> WebResult {
    Ok(Page(page(&state, &viewer, &text, wanted, None).await?).into_response())
}

pub(in crate::web) async fn add(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>, given: Given) -> WebResult {
    let added = async {
        let roles = lasting(given_role(&given)?);
        let project = id("projectId", &text)?;
        let identity = id("identity", given.text("identity"))?;
        state.app.add_identity_to_project(&viewer.actor, project, identity, roles).await
    };
    match added.await {
        Ok(_member) => Ok(viewer.go(&format!("{}?done=identity-added", list_of(&text)))),
        Err(error) => {
            let page = page(&state, &viewer, &text, Wanted::default(), None).await?;
            let form = page
                .add
                .clone()
                .unwrap_or_else(|| add_form(&text, Vec::new(), Field::hidden("role", "")));
            viewer
                .refuse(error, form, &given, Some("identity"), async |form| {
                    Ok(ProjectIdentitiesPage { add: Some(form), ..page })
                })
                .await
        }
    }
}

#[derive(Template)]
#[template(path = "access/project_identity.html")]
struct ProjectIdentityPage {
    frame: Frame,
    id: String,
    roles: Vec<RoleShown>,
    methods: Vec<&'static str>,
    since: At,
    edit: Option<Form>,
    remove: Option<Form>,
    /// Whether the viewer sees the identity in the organization too.
    seen_in_org: bool,
}

fn role_form(project: &str, identity: &str, roles: Field) -> Form {
    Form::new("role", format!("{}/{identity}", list_of(project)), "Save", vec![roles])
}

fn remove_form(project: &str, identity: &str) -> Form {
    let action = format!("{}/{identity}/remove", list_of(project));
    Form::new("remove", action, "Remove from project", Vec::new())
        .busy("Removing…")
        .danger()
}

async fn identity_page(
    state: &ServerState,
    viewer: &Viewer,
    text: &str,
    identity: &str,
    again: Option<Form>,
) -> Result<ProjectIdentityPage, Error> {
    let InProject { frame, project, scope } = viewer.in_project(state, text, SECTION).await?;
    let found = state
        .app
        .get_project_identity(&viewer.actor, project.record.id, id("identityId", identity)?)
        .await?;
    let member = &found.record.member;
    let covered = member.roles.iter().all(|one| scope.require_covers(one.role).is_ok());
    let resource = Resource {
        identity_id: Some(identity),
        ..Resource::ANY
    };
    let may = |permission| covered && scope.allows(permission, &resource);
    let in_org = state.app.org_access(&viewer.actor).await?;
    Ok(ProjectIdentityPage {
        seen_in_org: in_org.allows(org::IDENTITY_READ, &Resource::ANY),
        frame: below_list(frame, "Machine Identities", &list_of(text), &found.record.identity.name),
        id: identity.to_owned(),
        roles: shown_roles(&member.roles),
        since: member.created_at.into(),
        edit: may(project::IDENTITY_EDIT)
            .then(|| role_form(text, identity, project_roles(&scope, first_role(&member.roles))).or_again(again.as_ref())),
        remove: may(project::IDENTITY_DELETE).then(|| remove_form(text, identity).or_again(again.as_ref())),
        methods: found.record.auth_methods.iter().map(|method| method_label(method)).collect(),
    })
}

pub(in crate::web) async fn one(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((text, identity)): Path<(String, String)>,
) -> WebResult {
    Ok(Page(identity_page(&state, &viewer, &text, &identity, None).await?).into_response())
}

pub(in crate::web) async fn save(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((text, identity)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let saved = async {
        let roles = lasting(given_role(&given)?);
        let (project, identity) = (id("projectId", &text)?, id("identityId", &identity)?);
        state.app.update_identity_in_project(&viewer.actor, project, identity, roles).await
    };
    match saved.await {
        Ok(_member) => Ok(viewer.go(&format!("{}?done=identity-saved", list_of(&text)))),
        Err(error) => {
            let page = identity_page(&state, &viewer, &text, &identity, None).await?;
            let form = page
                .edit
                .clone()
                .unwrap_or_else(|| role_form(&text, &identity, Field::hidden("role", "")));
            viewer
                .refuse(error, form, &given, Some("role"), async |form| {
                    Ok(ProjectIdentityPage { edit: Some(form), ..page })
                })
                .await
        }
    }
}

pub(in crate::web) async fn remove(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((text, identity)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let (project, member) = (id("projectId", &text)?, id("identityId", &identity)?);
    match state.app.remove_identity_from_project(&viewer.actor, project, member).await {
        Ok(_member) => Ok(viewer.go(&format!("{}?done=identity-removed", list_of(&text)))),
        Err(error) => {
            viewer
                .refuse(error, remove_form(&text, &identity), &given, None, |form| {
                    identity_page(&state, &viewer, &text, &identity, Some(form))
                })
                .await
        }
    }
}
