//! Project Settings: name, environments, the end of it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::projects::{ProjectChanges, ProjectSelector};
use kms_core::permission::{Resource, project};

use super::environments;
use super::error::WebResult;
use super::form::{Field, Form, Given, require_typed};
use super::frame::{Frame, InProject};
use super::page::Page;
use super::session::Viewer;
use crate::api::extract::{Issues, PROJECT_DESCRIPTION_LIMIT};
use crate::state::ServerState;

pub(super) struct EnvironmentRow {
    pub(super) name: String,
    pub(super) slug: String,
    /// Its page, where the viewer may change something there.
    pub(super) href: Option<String>,
}

#[derive(Template)]
#[template(path = "project_settings.html")]
pub(super) struct SettingsPage {
    pub(super) frame: Frame,
    pub(super) environments: Vec<EnvironmentRow>,
    pub(super) edit: Option<Form>,
    pub(super) add: Option<Form>,
    pub(super) delete: Option<Form>,
}

fn edit_form(id: &str, name: &str, description: &str) -> Form {
    let fields = vec![
        Field::text("name", "Name").required().valued(name),
        Field::text("description", "Description").valued(description),
    ];
    Form::new("project", format!("/projects/{id}/settings"), "Save", fields)
}

fn delete_form(id: &str, name: &str) -> Form {
    let field = Field::text("confirm", "Type the project's name to delete it")
        .required()
        .helped(name);
    Form::new("delete", format!("/projects/{id}/delete"), "Delete Project", vec![field])
        .busy("Deleting…")
        .danger()
}

/// `again`: the form of the page that was not accepted.
pub(super) async fn page(state: &ServerState, viewer: &Viewer, text: &str, again: Option<Form>) -> Result<SettingsPage, Error> {
    let InProject {
        frame,
        project: found,
        scope,
    } = viewer.in_project(state, text, "settings").await?;
    let record = &found.record;
    let may_change = scope.allows(project::ENVIRONMENTS_EDIT, &Resource::ANY) || scope.allows(project::ENVIRONMENTS_DELETE, &Resource::ANY);
    let description = record.description.as_deref().unwrap_or_default();
    Ok(SettingsPage {
        frame: frame.titled("Project Settings"),
        edit: scope
            .allows(project::PROJECT_EDIT, &Resource::ANY)
            .then(|| edit_form(text, &record.name, description).or_again(again.as_ref())),
        add: scope
            .allows_somewhere(project::ENVIRONMENTS_CREATE)
            .then(|| environments::add_form(text).or_again(again.as_ref())),
        delete: scope
            .allows(project::PROJECT_DELETE, &Resource::ANY)
            .then(|| delete_form(text, &record.name).or_again(again.as_ref())),
        environments: found
            .environments
            .into_iter()
            .map(|environment| EnvironmentRow {
                href: may_change.then(|| format!("/projects/{text}/environments/{}", environment.id)),
                name: environment.name,
                slug: environment.slug,
            })
            .collect(),
    })
}

pub(super) async fn show(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>) -> WebResult {
    Ok(Page(page(&state, &viewer, &text, None).await?).into_response())
}

pub(super) async fn save(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>, given: Given) -> WebResult {
    let saved = async {
        let mut issues = Issues::new();
        let name = issues.short_text("name", given.text("name"));
        let description = issues.note("description", Some(given.text("description").to_owned()), PROJECT_DESCRIPTION_LIMIT);
        issues.finish()?;
        let changes = ProjectChanges {
            name: Some(name),
            description,
            ..ProjectChanges::default()
        };
        let selector = ProjectSelector::Id(text.clone());
        state.app.update_project(&viewer.actor, &selector, changes).await
    };
    match saved.await {
        Ok(_project) => Ok(viewer.go(&format!("/projects/{text}/settings?done=project-saved"))),
        Err(error) => {
            viewer
                .refuse(error, edit_form(&text, "", ""), &given, None, |form| {
                    page(&state, &viewer, &text, Some(form))
                })
                .await
        }
    }
}

pub(super) async fn delete(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>, given: Given) -> WebResult {
    let selector = ProjectSelector::Id(text.clone());
    let name = state.app.get_project(&viewer.actor, &selector).await?.record.name;
    let deleted = async {
        require_typed(&given, &name)?;
        state.app.delete_project(&viewer.actor, &selector).await
    };
    match deleted.await {
        Ok(_project) => Ok(viewer.go("/projects?done=project-deleted")),
        Err(error) => {
            viewer
                .refuse(error, delete_form(&text, &name), &given, None, |form| {
                    page(&state, &viewer, &text, Some(form))
                })
                .await
        }
    }
}
