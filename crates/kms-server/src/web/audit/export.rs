//! The audit log as a file: JSON Lines, each line an entry as the API shows it.

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use kms_app::Error;
use kms_app::records::AuditFilter;
use kms_core::ids::ProjectId;

use super::{Asked, Wanted};
use crate::api::audit::list::AuditLogBody;
use crate::api::extract::id;
use crate::state::ServerState;
use crate::web::error::WebResult;
use crate::web::session::Viewer;

/// Entries that are read at a time: what is held in memory.
const AT_ONCE: u64 = 1000;

async fn export(state: ServerState, viewer: Viewer, project: Option<ProjectId>, wanted: &Wanted) -> Result<Response, Error> {
    let now = state.app.now();
    let filter = AuditFilter {
        // What happens later would push entries over the border between two parts.
        until: Some(now + std::time::Duration::from_millis(1)),
        limit: AT_ONCE,
        ..Asked::read(wanted).filter(now, project)
    };
    // The first part is read before the answer begins, so that a refusal is one.
    let first = lines(&state, &viewer, &filter).await?;
    state.app.record_audit_export(&viewer.actor, &filter).await?;
    let parts = futures::stream::unfold(Some((first, filter)), move |next| {
        let (state, viewer) = (state.clone(), viewer.clone());
        async move {
            let ((text, count), filter) = next?;
            if count < AT_ONCE {
                return Some((Ok(Bytes::from(text)), None));
            }
            let filter = AuditFilter {
                offset: filter.offset + AT_ONCE,
                ..filter
            };
            match lines(&state, &viewer, &filter).await {
                Ok(part) => Some((Ok(Bytes::from(text)), Some((part, filter)))),
                // The connection is cut, so that nobody takes a part for the whole.
                Err(error) => Some((Err(std::io::Error::other(error.to_string())), None)),
            }
        }
    });
    let name = format!("audit-logs-{}.jsonl", now.utc().format("%Y-%m-%d"));
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}

/// A part of the entries as lines, and how many they are.
async fn lines(state: &ServerState, viewer: &Viewer, filter: &AuditFilter) -> Result<(String, u64), Error> {
    let entries = state.app.list_audit_logs(&viewer.actor, filter).await?;
    let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for entry in entries {
        text.push_str(&serde_json::to_string(&AuditLogBody::from(entry)).map_err(Error::internal)?);
        text.push('\n');
    }
    Ok((text, count))
}

pub(in crate::web) async fn export_of_org(State(state): State<ServerState>, viewer: Viewer, Query(wanted): Query<Wanted>) -> WebResult {
    Ok(export(state, viewer, None, &wanted).await?)
}

pub(in crate::web) async fn export_of_project(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path(text): Path<String>,
    Query(wanted): Query<Wanted>,
) -> WebResult {
    let project = id("projectId", &text)?;
    Ok(export(state, viewer, Some(project), &wanted).await?)
}
