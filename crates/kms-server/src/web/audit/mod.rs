//! Audit Logs, of the organization and of a project.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use kms_app::Error;
use kms_app::records::AuditFilter;
use kms_core::ids::ProjectId;
use kms_core::time::Timestamp;
use serde::Deserialize;

use super::charts::days::{self, DayCount};
use super::error::WebResult;
use super::frame::{Frame, InProject};
use super::page::{Page, encoded};
use super::session::Viewer;
use super::show::At;
use crate::state::ServerState;

mod export;

pub(super) use export::{export_of_org, export_of_project};

#[derive(Deserialize)]
pub(super) struct Wanted {
    event: Option<String>,
    actor: Option<String>,
    days: Option<String>,
    page: Option<String>,
}

pub(super) struct Row {
    pub(super) at: At,
    pub(super) event: String,
    pub(super) actor: String,
    pub(super) project: String,
    pub(super) address: String,
    pub(super) details: String,
}

#[derive(Template)]
#[template(path = "audit/logs.html")]
pub(super) struct LogsPage {
    pub(super) frame: Frame,
    pub(super) action: String,
    pub(super) event: String,
    pub(super) actor: String,
    pub(super) actors: [(&'static str, &'static str); 2],
    pub(super) days: u64,
    pub(super) activity: Vec<DayCount>,
    pub(super) activity_chart: Option<String>,
    pub(super) export: String,
    pub(super) rows: Vec<Row>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// Entries on one page.
const SIZE: u64 = 50;

/// What the filter's form holds.
struct Asked {
    event: String,
    actor: String,
    days: u64,
}

impl Asked {
    fn read(wanted: &Wanted) -> Self {
        let longest = kms_app::audit::LONGEST_WINDOW.as_secs() / 86_400;
        let days = wanted.days.as_deref().and_then(|days| days.trim().parse::<u64>().ok());
        Self {
            event: wanted.event.as_deref().unwrap_or_default().trim().to_owned(),
            actor: wanted.actor.clone().unwrap_or_default(),
            days: days.unwrap_or(30).clamp(1, longest),
        }
    }

    fn filter(&self, now: Timestamp, project: Option<ProjectId>) -> AuditFilter {
        AuditFilter {
            project,
            events: Some(self.event.clone()).filter(|event| !event.is_empty()).into_iter().collect(),
            actor_kind: Some(self.actor.clone()).filter(|actor| !actor.is_empty()),
            from: Some(now - Duration::from_secs(self.days * 86_400)),
            ..AuditFilter::default()
        }
    }

    /// As parameters of an address.
    fn parameters(&self) -> String {
        format!("event={}&actor={}&days={}", encoded(&self.event), encoded(&self.actor), self.days)
    }
}

/// Days whose activity is drawn.
const ACTIVE_DAYS: u32 = 30;

async fn page(
    state: &ServerState,
    viewer: &Viewer,
    frame: Frame,
    action: String,
    project: Option<ProjectId>,
    wanted: Wanted,
) -> Result<Response, Error> {
    let asked = Asked::read(&wanted);
    let number = wanted.page.and_then(|page| page.parse::<u64>().ok()).unwrap_or(1).clamp(1, 100_000);
    let filter = AuditFilter {
        offset: (number - 1) * SIZE,
        limit: SIZE + 1,
        ..asked.filter(state.app.now(), project)
    };
    let mut logs = state.app.list_audit_logs(&viewer.actor, &filter).await?;
    let size = usize::try_from(SIZE).unwrap_or(usize::MAX);
    let more = logs.len() > size;
    logs.truncate(size);
    let parameters = asked.parameters();
    let to = |number: u64| format!("{action}?{parameters}&page={number}");
    let activity: Vec<DayCount> = match project {
        Some(id) => state.app.project_activity(&viewer.actor, id, ACTIVE_DAYS).await?,
        None => Vec::new(),
    }
    .into_iter()
    .map(|(day, count)| DayCount {
        date: day.utc().format("%Y-%m-%d").to_string(),
        count,
    })
    .collect();
    let rows = logs
        .into_iter()
        .map(|log| {
            let who = ["email", "username", "name"]
                .iter()
                .find_map(|key| log.record.actor.get(key)?.as_str())
                .unwrap_or(&log.record.actor_kind)
                .to_owned();
            Row {
                at: log.record.at.into(),
                event: log.record.event,
                actor: who,
                project: log.project_name.unwrap_or_default(),
                address: log.record.address.unwrap_or_default(),
                details: format!("{:#}", log.record.metadata),
            }
        })
        .collect();
    Ok(Page(LogsPage {
        frame: frame.titled("Audit Logs"),
        before: (number > 1).then(|| to(number - 1)),
        after: more.then(|| to(number + 1)),
        export: format!("{action}/export?{parameters}"),
        activity_chart: (!activity.is_empty()).then(|| days::svg(&activity, "entries")),
        activity,
        action: action.clone(),
        event: asked.event,
        actors: [("user", "People"), ("identity", "Machine identities")],
        actor: asked.actor,
        days: asked.days,
        rows,
    })
    .into_response())
}

pub(super) async fn of_org(State(state): State<ServerState>, viewer: Viewer, Query(wanted): Query<Wanted>) -> WebResult {
    let frame = viewer.in_org(&state, "/audit-logs").await?.frame;
    Ok(page(&state, &viewer, frame, "/audit-logs".to_owned(), None, wanted).await?)
}

pub(super) async fn of_project(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> WebResult {
    let InProject { frame, project, .. } = viewer.in_project(&state, &id, "audit-logs").await?;
    let action = format!("/projects/{id}/audit-logs");
    Ok(page(&state, &viewer, frame, action, Some(project.record.id), wanted).await?)
}
