//! Secret Rotation: the list, the steps of a new one ([`wizard`]), and one with its keys, its runs and what can be done ([`one`]).

mod fields;
mod one;
mod spending;
mod wizard;

pub(super) use one::{check, delete, delete_form, edit, rotate_now, save, show};
pub(super) use spending::spending;
pub(super) use wizard::{start, step, types};

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};

use super::charts::calendar::{self, Due};
use super::error::{WebError, WebResult};
use super::frame::{Frame, InProject};
use super::page::Page;
use super::session::Viewer;
use super::show::At;
use crate::api::extract::id;
use crate::state::ServerState;

pub(super) struct Row {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) environment: String,
    pub(super) path: String,
    pub(super) failed: bool,
    pub(super) last: At,
    pub(super) next: Option<At>,
}

#[derive(Template)]
#[template(path = "rotations/list.html")]
pub(super) struct RotationsPage {
    pub(super) frame: Frame,
    pub(super) project: String,
    pub(super) rows: Vec<Row>,
    pub(super) calendar: Vec<calendar::Day>,
    pub(super) chart: String,
}

/// Name of a type.
fn kind_name(state: &ServerState, kind: &str) -> &'static str {
    state.app.rotation_type(kind).map_or("", |kind| kind.name)
}

pub(super) async fn list(State(state): State<ServerState>, viewer: Viewer, Path(project): Path<String>) -> WebResult {
    let InProject { frame, project: found, .. } = viewer.in_project(&state, &project, "rotations").await?;
    let rotations = state.app.list_rotations(&viewer.actor, found.record.id, None).await?;
    let due: Vec<Due> = rotations
        .iter()
        .filter_map(|rotation| {
            let record = &rotation.record;
            Some(Due {
                name: record.name.clone(),
                at: record.next_at?,
                every: (!frame.development).then(|| Duration::from_secs(u64::from(record.interval_days) * 86_400)),
            })
        })
        .collect();
    let calendar = calendar::days(state.app.now(), &due);
    let rows = rotations
        .into_iter()
        .map(|rotation| Row {
            href: format!("/projects/{project}/rotations/{}", rotation.record.id),
            kind: kind_name(&state, &rotation.record.kind),
            environment: rotation.environment.name,
            path: rotation.folder.path.as_str().to_owned(),
            failed: rotation.record.status == kms_core::rotation::Status::Failed,
            last: rotation.record.last_rotated_at.into(),
            next: rotation.record.next_at.map(At::from),
            name: rotation.record.name,
        })
        .collect();
    Ok(Page(RotationsPage {
        frame: frame.titled("Secret Rotation").live(format!("/projects/{project}/live")),
        project,
        rows,
        chart: calendar::svg(&calendar),
        calendar,
    })
    .into_response())
}

/// Tells an open page that something about the project's rotations changed. The page asks for the parts itself.
pub(super) async fn live(State(state): State<ServerState>, viewer: Viewer, Path(project): Path<String>) -> Result<Response, WebError> {
    let project = id("projectId", &project)?;
    let subscription = state.app.subscribe_to_rotations(&viewer.actor, project).await?;
    // Ends when the server stops, or when the person may look no longer.
    let news = futures::stream::unfold(subscription, async |mut subscription| {
        subscription.changed().await.ok()?;
        // Browsers pass an event on only if it has data.
        Some((
            Ok::<_, Infallible>(Event::default().event("changed").data("rotations")),
            subscription,
        ))
    });
    Ok(Sse::new(news).keep_alive(KeepAlive::default()).into_response())
}
