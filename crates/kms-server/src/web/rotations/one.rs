//! One rotation: its keys, its runs, rotating by hand, checking, changing, deleting.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::rotations::{AttemptRecord, KeyRecord, Removal, Rotation, RotationChanges, RotationType};
use kms_core::names::ResourceName;
use kms_core::permission::{Resource, project};
use kms_core::rotation::Status;
use kms_core::rotation::ledger::KeyState;
use kms_core::rotation::machine::{Phase, Trigger};

use super::fields;
use crate::api::extract::{Issues, id};
use crate::state::ServerState;
use crate::web::charts::timeline::{Life, Span, Timeline};
use crate::web::error::WebResult;
use crate::web::form::{Field, Form, Given, Kind, require_typed};
use crate::web::form_page::FormPage;
use crate::web::frame::{Frame, InProject};
use crate::web::page::Page;
use crate::web::place::Here;
use crate::web::session::Viewer;
use crate::web::show::At;

pub(in crate::web) struct KeyRow {
    pub(in crate::web) handle: String,
    pub(in crate::web) colour: &'static str,
    pub(in crate::web) state: &'static str,
    pub(in crate::web) note: String,
    pub(in crate::web) published: Option<At>,
    pub(in crate::web) replaced: Option<At>,
    pub(in crate::web) ended: Option<At>,
}

pub(in crate::web) struct Run {
    pub(in crate::web) at: At,
    pub(in crate::web) trigger: &'static str,
    pub(in crate::web) colour: &'static str,
    pub(in crate::web) result: &'static str,
    pub(in crate::web) message: String,
}

#[derive(Template)]
#[template(path = "rotations/one.html")]
pub(in crate::web) struct RotationPage {
    pub(in crate::web) frame: Frame,
    pub(in crate::web) base: String,
    pub(in crate::web) name: String,
    pub(in crate::web) description: String,
    pub(in crate::web) kind: &'static str,
    pub(in crate::web) connection: String,
    pub(in crate::web) connection_href: String,
    pub(in crate::web) secrets: Vec<String>,
    pub(in crate::web) environment: String,
    pub(in crate::web) path: String,
    pub(in crate::web) place_href: String,
    pub(in crate::web) failed: bool,
    pub(in crate::web) message: String,
    pub(in crate::web) last: At,
    pub(in crate::web) next: Option<At>,
    pub(in crate::web) interval: u16,
    pub(in crate::web) parameters: Vec<(&'static str, String)>,
    pub(in crate::web) timeline: String,
    pub(in crate::web) keys: Vec<KeyRow>,
    pub(in crate::web) runs: Vec<Run>,
    pub(in crate::web) rotate: Option<Form>,
    pub(in crate::web) check: Form,
    pub(in crate::web) may_edit: bool,
    pub(in crate::web) may_delete: bool,
}

pub(super) fn base(project: &str, rotation: &Rotation) -> String {
    format!("/projects/{project}/rotations/{}", rotation.record.id)
}

/// The rotation that the address names, with its type. One of another project is none.
pub(super) async fn found(
    state: &ServerState,
    viewer: &Viewer,
    project: &str,
    text: &str,
) -> Result<(Rotation, &'static RotationType), Error> {
    let rotation = state.app.get_rotation_of_any_type(&viewer.actor, id("rotationId", text)?).await?;
    if rotation.record.project.to_string() != project {
        return Err(Error::not_found(format!("no rotation with the id {text}")));
    }
    let kind = fields::known(&state.app, &rotation.record.kind)?;
    Ok((rotation, kind))
}

fn rotate_form(base: &str) -> Form {
    Form::new("rotate", format!("{base}/rotate"), "Rotate Now", Vec::new()).busy("Rotating…")
}

fn check_form(base: &str) -> Form {
    Form::new("check", format!("{base}/check"), "Check Credentials", Vec::new())
        .busy("Checking…")
        .secondary()
}

fn key_row(key: &KeyRecord, next: Option<At>) -> KeyRow {
    let (colour, state) = match key.state {
        KeyState::Active => ("good", "active"),
        KeyState::StillValid => ("accent", "still valid"),
        KeyState::AwaitingRevocation => ("warn", "awaiting revocation"),
        KeyState::Unpublished => ("", "being verified"),
        KeyState::Revoked => ("", "revoked"),
        KeyState::Released => ("", "released"),
    };
    let note = match key.state {
        KeyState::Active => "What applications read.".to_owned(),
        KeyState::StillValid => next.map_or_else(
            || "Valid until the next rotation.".to_owned(),
            |next| format!("Valid until the next rotation, {}.", next.text),
        ),
        KeyState::AwaitingRevocation => key
            .last_error
            .as_ref()
            .map_or_else(String::new, |error| format!("Last try: {error}. It is tried again.")),
        _ if key.published_at.is_none() && key.ended_at.is_some() => "Never served.".to_owned(),
        _ => String::new(),
    };
    KeyRow {
        handle: short(&key.handle),
        colour,
        state,
        note,
        published: key.published_at.map(At::from),
        replaced: key.replaced_at.map(At::from),
        ended: key.ended_at.map(At::from),
    }
}

/// The beginning of a provider's identifier: enough to find the key by.
pub(super) fn short(handle: &str) -> String {
    handle.chars().take(12).collect()
}

/// The parts of each key's life. A replaced key stays valid until the one after its successor is published.
fn timeline(now: kms_core::time::Timestamp, rotation: &Rotation, keys: &[KeyRecord], attempts: &[AttemptRecord]) -> Timeline {
    let mut published: Vec<&KeyRecord> = keys.iter().filter(|key| key.published_at.is_some()).collect();
    published.sort_by_key(|key| key.published_at);
    let mut lives: Vec<Life> = published
        .iter()
        .enumerate()
        .map(|(index, key)| {
            let begun = key.published_at.unwrap_or(key.created_at);
            let ended = key.ended_at.unwrap_or(now);
            let replaced = key.replaced_at.unwrap_or(ended);
            let owed = published
                .get(index + 1)
                .and_then(|successor| successor.replaced_at)
                .unwrap_or(ended)
                .clamp(replaced, ended.max(replaced));
            let parts = [
                ("active", begun, replaced),
                ("still-valid", replaced, owed),
                ("awaiting-revocation", owed, ended),
            ];
            Life {
                label: short(&key.handle),
                spans: parts
                    .into_iter()
                    .filter(|(_, from, to)| from < to)
                    .map(|(state, from, to)| Span { state, from, to })
                    .collect(),
            }
        })
        .collect();
    lives.reverse();
    lives.truncate(12);
    Timeline {
        now,
        next: rotation.record.next_at,
        lives,
        failures: attempts
            .iter()
            .filter(|attempt| attempt.state.phase == Phase::Failed)
            .map(|attempt| attempt.updated_at)
            .collect(),
    }
}

fn run(attempt: AttemptRecord) -> Run {
    let (colour, result) = match attempt.state.phase {
        Phase::Published => ("good", "rotated"),
        Phase::Failed => ("bad", "failed"),
        Phase::Uncertain => ("warn", "unclear, being swept"),
        Phase::Planned => ("", "waiting"),
        Phase::Creating | Phase::Created => ("accent", "under way"),
    };
    Run {
        at: attempt.created_at.into(),
        trigger: match attempt.state.trigger {
            Trigger::Creation => "at creation",
            Trigger::Manual => "by hand",
            Trigger::Scheduled => "by schedule",
        },
        colour,
        result,
        message: attempt.message.unwrap_or_default(),
    }
}

async fn page(state: &ServerState, viewer: &Viewer, project_id: &str, text: &str, again: Option<Form>) -> Result<RotationPage, Error> {
    let (rotation, kind) = found(state, viewer, project_id, text).await?;
    let InProject { frame, scope, .. } = viewer.in_project(state, project_id, "rotations").await?;
    let record = &rotation.record;
    let (keys, attempts) = state.app.rotation_history(&viewer.actor, kind.slug, record.id).await?;
    let connection = record.connection.to_string();
    let at = Resource::at(&rotation.environment.slug, rotation.folder.path.as_str()).through(&connection);
    let here = Here {
        project: project_id.to_owned(),
        environment: rotation.environment.slug.clone(),
        path: rotation.folder.path.clone(),
    };
    let base = base(project_id, &rotation);
    let timeline = timeline(state.app.now(), &rotation, &keys, &attempts).svg();
    let next = record.next_at.map(At::from);
    Ok(RotationPage {
        frame: frame
            .below("Secret Rotation", format!("/projects/{project_id}/rotations"))
            .titled(&record.name)
            .live(format!("/projects/{project_id}/live")),
        name: record.name.clone(),
        description: record.description.clone().unwrap_or_default(),
        kind: kind.name,
        connection: rotation.connection.name.clone(),
        connection_href: format!("/app-connections/{}/{connection}", rotation.connection.app),
        secrets: record.mapping.values().cloned().collect(),
        environment: rotation.environment.name.clone(),
        path: rotation.folder.path.as_str().to_owned(),
        place_href: here.environment_at(here.path.as_str()),
        failed: record.status == Status::Failed,
        message: crate::web::form::sentence(rotation.last_message.as_deref().unwrap_or("the reason is not known")),
        last: record.last_rotated_at.into(),
        interval: record.interval_days,
        parameters: fields::shown(kind, &record.parameters),
        timeline,
        keys: keys.iter().rev().map(|key| key_row(key, next.clone())).collect(),
        next,
        runs: attempts.into_iter().map(run).collect(),
        rotate: scope
            .allows(project::ROTATION_ROTATE, &at)
            .then(|| rotate_form(&base).or_again(again.as_ref())),
        check: check_form(&base).or_again(again.as_ref()),
        may_edit: scope.allows(project::ROTATION_EDIT, &at),
        may_delete: scope.allows(project::ROTATION_DELETE, &at),
        base,
    })
}

pub(in crate::web) async fn show(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, text)): Path<(String, String)>,
) -> WebResult {
    Ok(Page(page(&state, &viewer, &project, &text, None).await?).into_response())
}

pub(in crate::web) async fn rotate_now(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, text)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let (rotation, kind) = found(&state, &viewer, &project, &text).await?;
    let base = base(&project, &rotation);
    match state.app.rotate_now(&viewer.actor, kind.slug, rotation.record.id).await {
        Ok(_rotation) => Ok(viewer.go(&format!("{base}?done=rotated"))),
        Err(error) => {
            viewer
                .refuse(error, rotate_form(&base), &given, None, |form| {
                    page(&state, &viewer, &project, &text, Some(form))
                })
                .await
        }
    }
}

pub(in crate::web) async fn check(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, text)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let (rotation, kind) = found(&state, &viewer, &project, &text).await?;
    let base = base(&project, &rotation);
    match state.app.check_rotation(&viewer.actor, kind.slug, rotation.record.id).await {
        Ok(()) => Ok(viewer.go(&format!("{base}?done=checked"))),
        Err(error) => {
            viewer
                .refuse(error, check_form(&base), &given, None, |form| {
                    page(&state, &viewer, &project, &text, Some(form))
                })
                .await
        }
    }
}

fn edit_form(base: &str, rotation: &Rotation, kind: &RotationType) -> Form {
    let record = &rotation.record;
    let mut all = fields::details();
    all.extend(fields::schedule());
    all.extend(fields::parameters(kind));
    all.extend(fields::mapping(kind));
    for field in &mut all {
        field.value = match field.name.as_str() {
            "name" => record.name.clone(),
            "description" => record.description.clone().unwrap_or_default(),
            "rotationInterval" => record.interval_days.to_string(),
            "rotateAt" => format!("{:02}:{:02}", record.rotate_at.hours, record.rotate_at.minutes),
            "isAutoRotationEnabled" => if record.auto_rotation { "on" } else { "" }.to_owned(),
            "offset" => "0".to_owned(),
            other => match other.split_once('.') {
                Some(("parameters", name)) => fields::as_typed(&record.parameters, name),
                Some(("secretsMapping", name)) => record.mapping.get(name).cloned().unwrap_or_default(),
                _ => String::new(),
            },
        };
    }
    Form::new("rotation", format!("{base}/edit"), "Save", all).cancel(base)
}

async fn edit_page(state: &ServerState, viewer: &Viewer, project: &str, rotation: &Rotation, form: Form) -> Result<FormPage, Error> {
    let frame = viewer.in_project(state, project, "rotations").await?.frame;
    Ok(FormPage {
        frame: frame
            .below("Secret Rotation", format!("/projects/{project}/rotations"))
            .below(&rotation.record.name, base(project, rotation))
            .titled("Edit rotation"),
        intro: "New parameters act from the next key on. A changed secret name renames the secret in place.".to_owned(),
        form,
    })
}

pub(in crate::web) async fn edit(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, text)): Path<(String, String)>,
) -> WebResult {
    let (rotation, kind) = found(&state, &viewer, &project, &text).await?;
    let form = edit_form(&base(&project, &rotation), &rotation, kind);
    Ok(Page(edit_page(&state, &viewer, &project, &rotation, form).await?).into_response())
}

pub(in crate::web) async fn save(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, text)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let (rotation, kind) = found(&state, &viewer, &project, &text).await?;
    let base = base(&project, &rotation);
    let saved = async {
        let mut issues = Issues::new();
        let name = issues.take("name", ResourceName::parse(given.text("name")));
        let description = fields::read_description(&mut issues, &given);
        let interval_days = fields::read_interval(&mut issues, &given);
        let rotate_at = fields::read_rotate_at(&mut issues, &given);
        issues.finish()?;
        let changes = RotationChanges {
            name,
            description: Some(description),
            auto_rotation: Some(given.ticked("isAutoRotationEnabled")),
            interval_days: Some(interval_days),
            rotate_at: Some(rotate_at),
            parameters: Some(fields::read_parameters(kind, &given)),
            mapping: Some(fields::read_mapping(kind, &given)),
        };
        state
            .app
            .update_rotation(&viewer.actor, kind.slug, rotation.record.id, changes)
            .await
    };
    match saved.await {
        Ok(_rotation) => Ok(viewer.go(&format!("{base}?done=rotation-saved"))),
        Err(error) => {
            viewer
                .refuse(error, edit_form(&base, &rotation, kind), &given, None, |form| {
                    edit_page(&state, &viewer, &project, &rotation, form)
                })
                .await
        }
    }
}

#[derive(Template)]
#[template(path = "rotations/delete.html")]
pub(in crate::web) struct DeletePage {
    pub(in crate::web) frame: Frame,
    pub(in crate::web) name: String,
    pub(in crate::web) secrets: Vec<String>,
    pub(in crate::web) form: Form,
}

fn removal_form(base: &str, rotation: &Rotation) -> Form {
    let fields = vec![
        Field::new("deleteSecrets", "Delete the secrets", Kind::Switch).helped("Applications that read them get an error from then on."),
        Field::new("revokeGeneratedCredentials", "Revoke the keys", Kind::Switch)
            .helped("The keys are deleted at the provider; whoever still uses one is refused."),
        Field::text("confirm", "Type the rotation's name to delete it")
            .required()
            .mono()
            .helped(&rotation.record.name),
    ];
    Form::new("delete", format!("{base}/delete"), "Delete Rotation", fields)
        .busy("Deleting…")
        .cancel(base)
        .danger()
}

async fn delete_page(state: &ServerState, viewer: &Viewer, project: &str, rotation: &Rotation, form: Form) -> Result<DeletePage, Error> {
    let frame = viewer.in_project(state, project, "rotations").await?.frame;
    Ok(DeletePage {
        frame: frame
            .below("Secret Rotation", format!("/projects/{project}/rotations"))
            .below(&rotation.record.name, base(project, rotation))
            .titled("Delete rotation"),
        name: rotation.record.name.clone(),
        secrets: rotation.record.mapping.values().cloned().collect(),
        form,
    })
}

pub(in crate::web) async fn delete_form(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, text)): Path<(String, String)>,
) -> WebResult {
    let (rotation, _kind) = found(&state, &viewer, &project, &text).await?;
    let form = removal_form(&base(&project, &rotation), &rotation);
    Ok(Page(delete_page(&state, &viewer, &project, &rotation, form).await?).into_response())
}

pub(in crate::web) async fn delete(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, text)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let (rotation, kind) = found(&state, &viewer, &project, &text).await?;
    let deleted = async {
        require_typed(&given, &rotation.record.name)?;
        let removal = Removal {
            delete_secrets: given.ticked("deleteSecrets"),
            revoke_keys: given.ticked("revokeGeneratedCredentials"),
        };
        state
            .app
            .delete_rotation(&viewer.actor, kind.slug, rotation.record.id, removal)
            .await
    };
    match deleted.await {
        Ok(_rotation) => Ok(viewer.go(&format!("/projects/{project}/rotations?done=rotation-deleted"))),
        Err(error) => {
            viewer
                .refuse(error, removal_form(&base(&project, &rotation), &rotation), &given, None, |form| {
                    delete_page(&state, &viewer, &project, &rotation, form)
                })
                .await
        }
    }
}
