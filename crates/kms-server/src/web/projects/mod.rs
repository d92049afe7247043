//! The projects of an organization.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::IntoResponse;
use kms_app::projects::NewProject;
use kms_core::permission::{Resource, org};
use serde::Deserialize;

use super::error::WebResult;
use super::form::{Field, Form, Given};
use super::form_page::FormPage;
use super::frame::{Frame, InOrg};
use super::page::Page;
use super::session::Viewer;
use super::show::Paging;
use crate::api::extract::{Issues, PROJECT_DESCRIPTION_LIMIT};
use crate::state::ServerState;

pub(super) struct Row {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) environments: Vec<String>,
    pub(super) failed: usize,
}

#[derive(Template)]
#[template(path = "projects/list.html")]
pub(super) struct ProjectsPage {
    pub(super) frame: Frame,
    pub(super) rows: Vec<Row>,
    pub(super) all: usize,
    pub(super) search: String,
    pub(super) may_create: bool,
    pub(super) paging: Paging,
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    q: Option<String>,
    page: Option<String>,
}

/// Projects on one page.
const SIZE: usize = 60;

pub(super) async fn list(State(state): State<ServerState>, viewer: Viewer, Query(wanted): Query<Wanted>) -> WebResult {
    let InOrg { frame, scope } = viewer.in_org(&state, "/projects").await?;
    let search = wanted.q.unwrap_or_default();
    let lowered = search.to_lowercase();
    let projects = state.app.list_projects(&viewer.actor).await?;
    let all = projects.len();
    let found: Vec<_> = projects
        .into_iter()
        .filter(|project| project.record.name.to_lowercase().contains(&lowered))
        .collect();
    let page = wanted.page.unwrap_or_default();
    let paging = Paging::new(found.len(), SIZE, &page, "/projects", &[("q", &search)]);
    let failed = state.app.failed_rotations(&viewer.actor).await?;
    let rows = paging
        .part(found)
        .into_iter()
        .map(|project| Row {
            id: project.record.id.to_string(),
            failed: failed.get(&project.record.id).copied().unwrap_or(0),
            name: project.record.name,
            description: project.record.description.unwrap_or_default(),
            environments: project.environments.into_iter().map(|environment| environment.name).collect(),
        })
        .collect();
    let may_create = scope.allows(org::PROJECT_CREATE, &Resource::ANY);
    Ok(Page(ProjectsPage {
        frame: frame.titled("Projects"),
        rows,
        all,
        search,
        may_create,
        paging,
    })
    .into_response())
}

fn form() -> Form {
    Form::new(
        "project",
        "/projects/new",
        "Create",
        vec![
            Field::text("name", "Name").required(),
            Field::text("description", "Description"),
            Field::new(
                "environments",
                "Add the environments Development, Staging and Production",
                super::form::Kind::Switch,
            )
            .ticked(true),
        ],
    )
    .busy("Creating…")
    .cancel("/projects")
}

async fn form_page(state: &ServerState, viewer: &Viewer, form: Form) -> Result<FormPage, kms_app::Error> {
    let frame = viewer
        .in_org(state, "/projects")
        .await?
        .frame
        .below("Projects", "/projects".to_owned());
    Ok(FormPage {
        frame: frame.titled("Add Project"),
        intro: String::new(),
        form,
    })
}

pub(super) async fn new(State(state): State<ServerState>, viewer: Viewer) -> WebResult {
    Ok(Page(form_page(&state, &viewer, form()).await?).into_response())
}

pub(super) async fn create(State(state): State<ServerState>, viewer: Viewer, given: Given) -> WebResult {
    let made = async {
        let mut issues = Issues::new();
        let name = issues.short_text("name", given.text("name"));
        let description = issues.note("description", given.optional("description"), PROJECT_DESCRIPTION_LIMIT);
        issues.finish()?;
        let new = NewProject {
            name,
            description,
            slug: None,
            kind: "secret-manager".to_owned(),
            default_environments: given.ticked("environments"),
            delete_protection: false,
        };
        state.app.create_project(&viewer.actor, new).await
    };
    match made.await {
        Ok(project) => Ok(viewer.go(&format!("/projects/{}/secrets?done=project-created", project.record.id))),
        Err(error) => {
            viewer
                .refuse(error, form(), &given, None, |form| form_page(&state, &viewer, form))
                .await
        }
    }
}
