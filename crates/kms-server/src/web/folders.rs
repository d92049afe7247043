//! Adding, renaming and deleting folders.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::folders::{Folder, FolderChange};
use kms_app::projects::ProjectSelector;
use kms_core::names::{FolderName, SecretPath};
use kms_core::permission::{Resource, project};

use super::error::WebResult;
use super::form::{Field, Form, Given, require_typed};
use super::form_page::FormPage;
use super::frame::Frame;
use super::page::Page;
use super::place::Here;
use super::secrets::{InEnvironment, Wanted, in_environment};
use super::session::Viewer;
use crate::api::extract::{Issues, NUL_IN_DESCRIPTION, id};
use crate::state::ServerState;

fn new_form(here: &Here) -> Form {
    let action = format!(
        "/projects/{}/folders/{}/new?path={}",
        here.project,
        here.environment,
        here.path_encoded()
    );
    let fields = vec![
        Field::text("name", "Name")
            .required()
            .mono()
            .helped("Letters, digits, dashes and underscores."),
        Field::text("description", "Description"),
    ];
    Form::new("folder", action, "Add Folder", fields).cancel(here.environment_at(here.path.as_str()))
}

async fn new_page(state: &ServerState, viewer: &Viewer, here: &Here, form: Form) -> Result<FormPage, Error> {
    let InEnvironment { frame, name, .. } = in_environment(state, viewer, here).await?;
    Ok(FormPage {
        frame: frame.below(&name, here.environment_at(here.path.as_str())).titled("Add Folder"),
        intro: format!("In the folder {}.", here.path),
        form,
    })
}

pub(super) async fn new(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, environment)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> WebResult {
    let here = Here::new(&project, &environment, wanted.path.as_deref())?;
    Ok(Page(new_page(&state, &viewer, &here, new_form(&here)).await?).into_response())
}

/// The name that was typed, once the description is known to be fit as well.
fn read_name(given: &Given) -> Result<FolderName, Error> {
    let mut issues = Issues::new();
    let name = issues.take("name", FolderName::parse(given.text("name").trim()));
    issues.storable("description", Some(given.text("description")), NUL_IN_DESCRIPTION);
    match name {
        Some(name) if issues.is_empty() => Ok(name),
        _ => Err(issues.into_error()),
    }
}

pub(super) async fn create(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, environment)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    given: Given,
) -> WebResult {
    let here = Here::new(&project, &environment, wanted.path.as_deref())?;
    let made = async {
        let name = read_name(&given)?;
        state
            .app
            .create_folder(&viewer.actor, &here.selector(), &name, given.optional("description"))
            .await
    };
    match made.await {
        Ok(_folder) => Ok(viewer.go(&here.done("folder-created"))),
        Err(error) => {
            viewer
                .refuse(error, new_form(&here), &given, None, |form| new_page(&state, &viewer, &here, form))
                .await
        }
    }
}

#[derive(Template)]
#[template(path = "folders.html")]
pub(super) struct FolderPage {
    pub(super) frame: Frame,
    pub(super) edit: Option<Form>,
    pub(super) delete: Option<Form>,
}

/// The folder that a folder stands in.
fn outside(folder: &Folder, project: &str) -> Here {
    Here {
        project: project.to_owned(),
        environment: folder.environment.slug.clone(),
        path: folder
            .record
            .path
            .split_last()
            .map_or_else(SecretPath::root, |(parent, _name)| parent),
    }
}

fn base(folder: &Folder, project: &str) -> String {
    format!("/projects/{project}/folders/{}/{}", folder.environment.slug, folder.record.id)
}

fn edit_form(folder: &Folder, project: &str) -> Form {
    let fields = vec![
        Field::text("name", "Name").required().mono().valued(folder.record.name.as_str()),
        Field::text("description", "Description").valued(folder.record.description.clone().unwrap_or_default()),
    ];
    Form::new("folder", base(folder, project), "Save", fields)
}

fn delete_form(folder: &Folder, project: &str) -> Form {
    let field = Field::text("confirm", "Type the folder's name to delete it")
        .required()
        .mono()
        .helped(&folder.record.name);
    Form::new("delete", format!("{}/delete", base(folder, project)), "Delete Folder", vec![field])
        .busy("Deleting…")
        .danger()
}

async fn found(state: &ServerState, viewer: &Viewer, project: &str, text: &str) -> Result<Folder, Error> {
    let folder = state.app.get_folder(&viewer.actor, id("folderId", text)?).await?;
    if folder.record.project.to_string() == project && !folder.record.path.is_root() {
        Ok(folder)
    } else {
        Err(Error::not_found(format!("no folder with the id {text}")))
    }
}

async fn page(state: &ServerState, viewer: &Viewer, project_id: &str, folder: &Folder, again: Option<Form>) -> Result<FolderPage, Error> {
    let here = outside(folder, project_id);
    let InEnvironment { frame, name, scope, .. } = in_environment(state, viewer, &here).await?;
    let at = Resource::at(&here.environment, here.path.as_str());
    Ok(FolderPage {
        frame: frame
            .below(&name, here.environment_at(here.path.as_str()))
            .titled(&format!("Folder {}", folder.record.name)),
        edit: scope
            .allows(project::FOLDERS_EDIT, &at)
            .then(|| edit_form(folder, project_id).or_again(again.as_ref())),
        delete: scope
            .allows(project::FOLDERS_DELETE, &at)
            .then(|| delete_form(folder, project_id).or_again(again.as_ref())),
    })
}

pub(super) async fn show(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, _environment, text)): Path<(String, String, String)>,
) -> WebResult {
    let folder = found(&state, &viewer, &project, &text).await?;
    Ok(Page(page(&state, &viewer, &project, &folder, None).await?).into_response())
}

pub(super) async fn save(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, _environment, text)): Path<(String, String, String)>,
    given: Given,
) -> WebResult {
    let folder = found(&state, &viewer, &project, &text).await?;
    let here = outside(&folder, &project);
    let saved = async {
        let change = FolderChange {
            folder: folder.record.id.to_string(),
            environment: here.environment.clone(),
            path: here.path.clone(),
            name: read_name(&given)?,
            description: Some(given.text("description").trim().to_owned()),
        };
        state
            .app
            .update_folder(&viewer.actor, &ProjectSelector::Id(project.clone()), change)
            .await
    };
    match saved.await {
        Ok(_folder) => Ok(viewer.go(&here.done("folder-saved"))),
        Err(error) => {
            viewer
                .refuse(error, edit_form(&folder, &project), &given, None, |form| {
                    page(&state, &viewer, &project, &folder, Some(form))
                })
                .await
        }
    }
}

pub(super) async fn delete(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, _environment, text)): Path<(String, String, String)>,
    given: Given,
) -> WebResult {
    let folder = found(&state, &viewer, &project, &text).await?;
    let here = outside(&folder, &project);
    let deleted = async {
        require_typed(&given, &folder.record.name)?;
        state
            .app
            .delete_folder(&viewer.actor, &here.selector(), &folder.record.id.to_string())
            .await
    };
    match deleted.await {
        Ok(_folder) => Ok(viewer.go(&here.done("folder-deleted"))),
        Err(error) => {
            viewer
                .refuse(error, delete_form(&folder, &project), &given, None, |form| {
                    page(&state, &viewer, &project, &folder, Some(form))
                })
                .await
        }
    }
}
