//! The environments of a project: added on its settings, changed and deleted on a page of their own.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::environments::{EnvironmentChanges, EnvironmentSelector};
use kms_app::projects::Project;
use kms_app::records::EnvironmentRecord;
use kms_core::names::EnvironmentSlug;
use kms_core::permission::{Resource, project};

use super::error::WebResult;
use super::form::{Field, Form, Given, require_typed};
use super::frame::{Frame, InProject};
use super::page::Page;
use super::project_settings;
use super::session::Viewer;
use crate::api::extract::{Issues, id};
use crate::state::ServerState;

pub(super) fn add_form(id: &str) -> Form {
    let fields = vec![
        Field::text("name", "Name").required(),
        Field::text("slug", "Slug")
            .required()
            .mono()
            .helped("What clients name it by, such as prod."),
    ];
    Form::new("environment", format!("/projects/{id}/environments"), "Add Environment", fields)
}

pub(super) async fn add(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>, given: Given) -> WebResult {
    let made = async {
        let mut issues = Issues::new();
        let name = issues.short_text("name", given.text("name"));
        let slug = issues.take("slug", EnvironmentSlug::parse(given.text("slug").trim()));
        let (Some(slug), true) = (slug, issues.is_empty()) else {
            return Err(issues.into_error());
        };
        let project = id("projectId", &text)?;
        state.app.create_environment(&viewer.actor, project, name, slug, None).await
    };
    match made.await {
        Ok(_environment) => Ok(viewer.go(&format!("/projects/{text}/settings?done=environment-created"))),
        Err(error) => {
            viewer
                .refuse(error, add_form(&text), &given, None, |form| {
                    project_settings::page(&state, &viewer, &text, Some(form))
                })
                .await
        }
    }
}

#[derive(Template)]
#[template(path = "environment.html")]
struct EnvironmentPage {
    frame: Frame,
    edit: Option<Form>,
    delete: Option<Form>,
}

fn edit_form(base: &str, environment: Option<&EnvironmentRecord>, places: Vec<(String, String)>) -> Form {
    let fields = vec![
        Field::text("name", "Name")
            .required()
            .valued(environment.map(|one| one.name.as_str()).unwrap_or_default()),
        Field::text("slug", "Slug")
            .required()
            .mono()
            .helped("What clients name it by. Clients that use the old slug get an error from then on.")
            .valued(environment.map(|one| one.slug.as_str()).unwrap_or_default()),
        Field::choice("position", "Place in lists", places)
            .required()
            .valued(environment.map(|one| one.position.to_string()).unwrap_or_default()),
    ];
    Form::new("environment", base, "Save", fields)
}

fn delete_form(base: &str, slug: &str) -> Form {
    let field = Field::text("confirm", "Type the environment's slug to delete it")
        .required()
        .helped(slug);
    Form::new("delete", format!("{base}/delete"), "Delete environment", vec![field])
        .busy("Deleting…")
        .danger()
}

fn base(project: &str, environment: &str) -> String {
    format!("/projects/{project}/environments/{environment}")
}

fn places(project: &Project) -> Vec<(String, String)> {
    (1..=project.environments.len())
        .map(|place| (place.to_string(), place.to_string()))
        .collect()
}

async fn page(state: &ServerState, viewer: &Viewer, text: &str, environment: &str, again: Option<Form>) -> Result<EnvironmentPage, Error> {
    let InProject { frame, project, scope } = viewer.in_project(state, text, "settings").await?;
    let id = id("environmentId", environment)?;
    let found = project.environments.iter().find(|one| one.id == id);
    let record = found.ok_or_else(|| Error::not_found("no such environment in this project"))?;
    let base = base(text, environment);
    Ok(EnvironmentPage {
        edit: scope
            .allows(project::ENVIRONMENTS_EDIT, &Resource::ANY)
            .then(|| edit_form(&base, Some(record), places(&project)).or_again(again.as_ref())),
        delete: scope
            .allows(project::ENVIRONMENTS_DELETE, &Resource::ANY)
            .then(|| delete_form(&base, &record.slug).or_again(again.as_ref())),
        frame: frame
            .below("Project Settings", format!("/projects/{text}/settings"))
            .titled(&record.name),
    })
}

pub(super) async fn show(State(state): State<ServerState>, viewer: Viewer, Path((text, environment)): Path<(String, String)>) -> WebResult {
    Ok(Page(page(&state, &viewer, &text, &environment, None).await?).into_response())
}

pub(super) async fn save(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((text, environment)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let saved = async {
        let mut issues = Issues::new();
        let changes = EnvironmentChanges {
            name: Some(issues.short_text("name", given.text("name"))),
            slug: issues.take("slug", EnvironmentSlug::parse(given.text("slug").trim())),
            position: given.number(&mut issues, "position"),
        };
        issues.finish()?;
        let (project, environment) = (id("projectId", &text)?, id("environmentId", &environment)?);
        state.app.update_environment(&viewer.actor, project, environment, changes).await
    };
    match saved.await {
        Ok(_environment) => Ok(viewer.go(&format!("/projects/{text}/settings?done=environment-saved"))),
        Err(error) => {
            let project = viewer.in_project(&state, &text, "settings").await?.project;
            let form = edit_form(&base(&text, &environment), None, places(&project));
            viewer
                .refuse(error, form, &given, None, |form| {
                    page(&state, &viewer, &text, &environment, Some(form))
                })
                .await
        }
    }
}

pub(super) async fn delete(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((text, environment)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let (project, environment_id) = (id("projectId", &text)?, id("environmentId", &environment)?);
    let selector = EnvironmentSelector::Id(environment_id);
    let slug = state.app.get_environment(&viewer.actor, project, &selector).await?.slug;
    let deleted = async {
        require_typed(&given, &slug)?;
        state.app.delete_environment(&viewer.actor, project, environment_id).await
    };
    match deleted.await {
        Ok(_environment) => Ok(viewer.go(&format!("/projects/{text}/settings?done=environment-deleted"))),
        Err(error) => {
            let form = delete_form(&base(&text, &environment), &slug);
            viewer
                .refuse(error, form, &given, None, |form| {
                    page(&state, &viewer, &text, &environment, Some(form))
                })
                .await
        }
    }
}
