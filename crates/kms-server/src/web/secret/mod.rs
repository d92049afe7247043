//! One secret: its value on demand, its history, changing it, restoring an earlier version, deleting it.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::secrets::{ReadOptions, Secret, SecretChanges};
use kms_core::ids::SecretId;
use kms_core::names::SecretName;
use kms_core::permission::{Resource, project};
use kms_core::secret::SecretString;
use serde::Deserialize;

use super::error::WebResult;
use super::form::{Field, Form, Given, Kind, require_typed};
use super::frame::Frame;
use super::page::Page;
use super::place::Here;
use super::secrets::{InEnvironment, in_environment};
use super::session::Viewer;
use super::show::At;
use crate::api::extract::{Issues, id};
use crate::state::ServerState;

pub(super) struct VersionRow {
    pub(super) version: u32,
    pub(super) current: bool,
    pub(super) author: String,
    pub(super) name: String,
}

#[derive(Template)]
#[template(path = "secret/one.html")]
pub(super) struct SecretPage {
    pub(super) frame: Frame,
    pub(super) id: String,
    pub(super) base: String,
    pub(super) name: String,
    pub(super) environment: String,
    pub(super) path: String,
    pub(super) version: u32,
    pub(super) changed: At,
    pub(super) empty: bool,
    pub(super) comment: String,
    pub(super) metadata: Vec<(String, String)>,
    pub(super) rotation: Option<String>,
    pub(super) may_read: bool,
    pub(super) versions: Vec<VersionRow>,
    pub(super) edit: Option<Form>,
    pub(super) delete: Option<Form>,
}

#[derive(Template)]
#[template(path = "secret/revealed.html")]
struct Revealed<'a> {
    slot: &'a str,
    value: &'a str,
}

#[derive(Template)]
#[template(path = "secret/revealed_page.html")]
struct RevealedPage<'a> {
    frame: Frame,
    name: &'a str,
    value: &'a str,
    back: &'a str,
}

const HIDDEN: ReadOptions = ReadOptions {
    values: false,
    expand: false,
};
const IN_CLEAR: ReadOptions = ReadOptions {
    values: true,
    expand: false,
};

fn base(project: &str, id: SecretId) -> String {
    format!("/projects/{project}/secret/{id}")
}

fn here_of(secret: &Secret) -> Here {
    Here {
        project: secret.project().to_string(),
        environment: secret.environment.clone(),
        path: secret.path.clone(),
    }
}

/// The secret that the address names, without its value. One of another project is none.
async fn found(state: &ServerState, viewer: &Viewer, project: &str, id_text: &str) -> Result<Secret, Error> {
    let secret = state.app.get_secret_by_id(&viewer.actor, id("secretId", id_text)?, HIDDEN).await?;
    if secret.project().to_string() == project {
        Ok(secret)
    } else {
        Err(Error::not_found(format!("no secret with the id {id_text}")))
    }
}

fn edit_form(secret: &Secret) -> Form {
    let project = secret.project().to_string();
    let mut fields = Vec::new();
    if secret.record.rotation.is_none() {
        fields.extend([
            Field::text("newSecretName", "Name")
                .required()
                .mono()
                .valued(secret.record.key.as_str()),
            Field::new("secretValue", "New value", Kind::Area)
                .mono()
                .helped("Leave it empty to keep the value that is stored."),
            Field::new("empty", "Make the value empty", Kind::Switch),
        ]);
    }
    fields.push(Field::text("secretComment", "Comment").valued(secret.comment.as_str()));
    Form::new("secret", base(&project, secret.record.id), "Save", fields)
}

fn delete_form(secret: &Secret) -> Form {
    let field = Field::text("confirm", "Type the secret's name to delete it")
        .required()
        .mono()
        .helped(&secret.record.key);
    let action = format!("{}/delete", base(&secret.project().to_string(), secret.record.id));
    Form::new("delete", action, "Delete Secret", vec![field]).busy("Deleting…").danger()
}

async fn page(state: &ServerState, viewer: &Viewer, secret: Secret, again: Option<Form>) -> Result<SecretPage, Error> {
    let here = here_of(&secret);
    let InEnvironment {
        frame,
        name: environment,
        scope,
        ..
    } = in_environment(state, viewer, &here).await?;
    let at = Resource::at(&here.environment, here.path.as_str()).named(&secret.record.key);
    let edit = scope
        .allows(project::SECRETS_EDIT, &at)
        .then(|| edit_form(&secret).or_again(again.as_ref()));
    let delete = (secret.record.rotation.is_none() && scope.allows(project::SECRETS_DELETE, &at))
        .then(|| delete_form(&secret).or_again(again.as_ref()));
    let versions = state
        .app
        .list_secret_versions(&viewer.actor, secret.record.id, 0, 100, false)
        .await?;
    Ok(SecretPage {
        frame: frame
            .below(&environment, here.environment_at(here.path.as_str()))
            .titled(&secret.record.key),
        id: secret.record.id.to_string(),
        base: base(&here.project, secret.record.id),
        environment,
        path: here.path.as_str().to_owned(),
        version: secret.record.version,
        changed: secret.record.updated_at.into(),
        empty: secret.is_empty(),
        rotation: secret
            .record
            .rotation
            .map(|rotation| format!("/projects/{}/rotations/{rotation}", here.project)),
        may_read: scope.allows(project::SECRETS_READ_VALUE, &at),
        versions: versions
            .into_iter()
            .map(|old| VersionRow {
                version: old.secret.record.version,
                current: old.secret.record.version == secret.record.version,
                author: old.author.name.unwrap_or(old.author.kind),
                name: old.secret.record.key,
            })
            .collect(),
        metadata: secret
            .metadata
            .into_iter()
            .map(|entry| {
                let open = entry.value.filter(|_value| !entry.encrypted);
                (
                    entry.key,
                    open.map_or_else(|| "••••••••".to_owned(), |value| value.expose().to_owned()),
                )
            })
            .collect(),
        comment: secret.comment,
        name: secret.record.key,
        edit,
        delete,
    })
}

pub(super) async fn show(State(state): State<ServerState>, viewer: Viewer, Path((project, id)): Path<(String, String)>) -> WebResult {
    let secret = found(&state, &viewer, &project, &id).await?;
    Ok(Page(page(&state, &viewer, secret, None).await?).into_response())
}

#[derive(Deserialize)]
pub(super) struct WantedVersion {
    version: Option<u32>,
}

pub(super) async fn reveal(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, id)): Path<(String, String)>,
    Query(wanted): Query<WantedVersion>,
) -> WebResult {
    let secret = found(&state, &viewer, &project, &id).await?;
    let here = here_of(&secret);
    let name = SecretName::from_stored(secret.record.key.clone());
    let shown = state
        .app
        .get_secret(&viewer.actor, &here.selector(), &name, wanted.version, IN_CLEAR)
        .await?;
    let value = shown.value.as_ref().map_or("", SecretString::expose);
    let slot = wanted
        .version
        .map_or_else(|| secret.record.id.to_string(), |version| format!("{}-{version}", secret.record.id));
    if viewer.part {
        return Ok(Page(Revealed { slot: &slot, value }).into_response());
    }
    let InEnvironment {
        frame, name: environment, ..
    } = in_environment(&state, &viewer, &here).await?;
    Ok(Page(RevealedPage {
        frame: frame
            .below(&environment, here.environment_at(here.path.as_str()))
            .titled(&secret.record.key),
        name: &secret.record.key,
        value,
        back: &base(&project, secret.record.id),
    })
    .into_response())
}

pub(super) async fn save(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, id)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let secret = found(&state, &viewer, &project, &id).await?;
    let saved = async {
        let mut changes = SecretChanges {
            comment: Some(given.text("secretComment").trim().to_owned()).filter(|comment| *comment != secret.comment),
            ..SecretChanges::default()
        };
        if secret.record.rotation.is_none() {
            let mut issues = Issues::new();
            let name = issues.take("newSecretName", SecretName::parse(given.text("newSecretName").trim()));
            issues.finish()?;
            changes.name = name.filter(|name| name.as_str() != secret.record.key);
            let typed = given.text("secretValue").replace("\r\n", "\n");
            changes.value = match (typed.is_empty(), given.ticked("empty")) {
                (false, true) => {
                    return Err(Error::invalid("empty", "custom", "either type a value or make it empty, not both"));
                }
                (true, true) => Some(SecretString::new("")),
                (false, false) => Some(SecretString::new(typed)),
                (true, false) => None,
            };
        }
        let name = SecretName::from_stored(secret.record.key.clone());
        state
            .app
            .update_secret(&viewer.actor, &here_of(&secret).selector(), &name, changes)
            .await
    };
    match saved.await {
        Ok(_secret) => Ok(viewer.go(&format!("{}?done=secret-saved", base(&project, secret.record.id)))),
        Err(error) => {
            viewer
                .refuse(error, edit_form(&secret), &given, None, |form| {
                    page(&state, &viewer, secret, Some(form))
                })
                .await
        }
    }
}

pub(super) async fn restore(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, id)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let secret = found(&state, &viewer, &project, &id).await?;
    let version: u32 = given
        .text("version")
        .parse()
        .map_err(|_no_number| Error::invalid("version", "invalid_type", "expected a number"))?;
    let name = SecretName::from_stored(secret.record.key.clone());
    let place = here_of(&secret).selector();
    let old = state.app.get_secret(&viewer.actor, &place, &name, Some(version), IN_CLEAR).await?;
    let changes = SecretChanges {
        value: old.value,
        comment: Some(old.comment),
        ..SecretChanges::default()
    };
    state.app.update_secret(&viewer.actor, &place, &name, changes).await?;
    Ok(viewer.go(&format!("{}?done=secret-restored", base(&project, secret.record.id))))
}

pub(super) async fn delete(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, id)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let secret = found(&state, &viewer, &project, &id).await?;
    let here = here_of(&secret);
    let deleted = async {
        require_typed(&given, &secret.record.key)?;
        let name = SecretName::from_stored(secret.record.key.clone());
        state.app.delete_secrets(&viewer.actor, &here.selector(), &[name]).await
    };
    match deleted.await {
        Ok(_secrets) => Ok(viewer.go(&here.done("secret-deleted"))),
        Err(error) => {
            viewer
                .refuse(error, delete_form(&secret), &given, None, |form| {
                    page(&state, &viewer, secret, Some(form))
                })
                .await
        }
    }
}
