//! `GET /api/v1/organization/audit-logs`: who did what, newest first.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use kms_app::Error;
use kms_app::audit::{AuditLog, LONGEST_WINDOW};
use kms_app::records::AuditFilter;
use kms_core::names::SecretPath;
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiQuery, Authenticated, Issues, id, query_number};
use crate::state::ServerState;

/// Entries without a limit given.
const USUAL_LIMIT: u64 = 20;
/// Most entries of one answer.
const MOST: u64 = 1000;
/// Entries that can be skipped; whoever needs more narrows the time.
const FARTHEST: u64 = 1_000_000_000;
/// How far an answer looks back if nobody says.
const USUAL_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Times of the API have milliseconds: the entries of that whole millisecond are meant.
const MILLISECOND: Duration = Duration::from_millis(1);

/// Which entries. Every filter that is given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Of this project; needs the right to read its log. Without it, of the whole organization.
    #[param(format = Uuid)]
    project_id: Option<String>,
    /// In the environment with this slug.
    environment: Option<String>,
    /// In this folder.
    secret_path: Option<String>,
    /// About the secret with this name.
    secret_key: Option<String>,
    /// By this type of actor: `user`, `identity`, `platform`, `unknownUser`.
    actor_type: Option<String>,
    /// By the user or identity with this id.
    #[param(format = Uuid)]
    actor: Option<String>,
    /// Event names, separated by commas: one of them.
    event_type: Option<String>,
    /// From this kind of client.
    user_agent_type: Option<String>,
    /// Details, `name=value`, separated by commas: all of them.
    event_metadata: Option<String>,
    /// From this time on; 24 hours before the end if absent.
    #[param(format = DateTime)]
    start_date: Option<String>,
    /// Up to this time; now if absent. At most three months after the start.
    #[param(format = DateTime)]
    end_date: Option<String>,
    /// Entries to skip; 0 if absent.
    #[serde(default, deserialize_with = "query_number")]
    #[param(value_type = Option<u64>)]
    offset: Option<u64>,
    /// Most entries, 1 to 1000; 20 if absent.
    #[serde(default, deserialize_with = "query_number")]
    #[param(value_type = Option<u64>, minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

fn time(issues: &mut Issues, field: &str, text: Option<&str>) -> Option<Timestamp> {
    let text = text?.trim();
    // A date alone is its first instant.
    let parsed = text.parse().or_else(|_no_time| format!("{text}T00:00:00Z").parse()).ok();
    issues.check(
        parsed.is_some(),
        field,
        "invalid_string",
        "must be an ISO 8601 time, as in 2026-01-31T10:20:30.123Z",
    );
    parsed
}

fn list_of(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty())
}

impl ListQuery {
    fn read(self, now: Timestamp) -> Result<AuditFilter, Error> {
        let mut issues = Issues::new();
        let project = self.project_id.as_deref().map(|text| id("projectId", text)).transpose()?;
        let actor = self.actor.as_deref().map(|text| id::<Uuid>("actor", text)).transpose()?;
        let secret_path = self
            .secret_path
            .and_then(|path| issues.take("secretPath", SecretPath::parse(&path)))
            .map(|path| path.as_str().to_owned());
        let metadata: Vec<(String, String)> = list_of(self.event_metadata.as_deref())
            .filter_map(|pair| {
                let parts = pair.split_once('=').filter(|(name, _)| !name.trim().is_empty());
                issues.check(
                    parts.is_some(),
                    "eventMetadata",
                    "invalid_string",
                    "must be name=value, several separated by commas",
                );
                parts.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            })
            .collect();
        let start = time(&mut issues, "startDate", self.start_date.as_deref());
        let end = time(&mut issues, "endDate", self.end_date.as_deref());
        let until = end.unwrap_or(now);
        let from = start.unwrap_or(until - USUAL_WINDOW);
        issues.check(from <= until, "startDate", "too_big", "must not be after endDate");
        issues.check(
            until.since(from) <= LONGEST_WINDOW,
            "startDate",
            "too_small",
            "must not be more than three months before endDate",
        );
        let limit = self.limit.unwrap_or(USUAL_LIMIT);
        issues.check(limit >= 1, "limit", "too_small", "must be 1 or greater");
        issues.check(limit <= MOST, "limit", "too_big", "must be 1000 or less");
        let offset = self.offset.unwrap_or(0);
        issues.check(offset <= FARTHEST, "offset", "too_big", "must be 1000000000 or less");
        issues.finish()?;
        Ok(AuditFilter {
            project,
            environment: self.environment,
            secret_path,
            secret_key: self.secret_key,
            actor_kind: self.actor_type,
            actor,
            events: list_of(self.event_type.as_deref()).map(str::to_owned).collect(),
            user_agent_kind: self.user_agent_type,
            metadata,
            from: Some(from),
            until: Some(until + MILLISECOND),
            offset,
            limit,
        })
    }
}

/// What happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEventBody {
    /// Name of the event (`create-secret`).
    #[serde(rename = "type")]
    kind: String,
    /// Its details, depending on the event. Never a secret.
    #[schema(value_type = Object)]
    metadata: Value,
}

/// Who did it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditActorBody {
    /// `user`, `identity`, `platform` or `unknownUser`.
    #[serde(rename = "type")]
    kind: String,
    /// Who exactly, depending on the type.
    #[schema(value_type = Object)]
    metadata: Value,
}

/// An entry.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditLogBody {
    id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The same as `createdAt`: entries never change.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    ip_address: Option<String>,
    user_agent: Option<String>,
    user_agent_type: String,
    /// When it may be removed; never if null.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    org_id: Uuid,
    project_id: Option<String>,
    /// Null also if the project is gone.
    project_name: Option<String>,
    event: AuditEventBody,
    actor: AuditActorBody,
}

impl From<AuditLog> for AuditLogBody {
    fn from(log: AuditLog) -> Self {
        let record = log.record;
        Self {
            id: record.id.0,
            created_at: record.at,
            updated_at: record.at,
            ip_address: record.address,
            user_agent: record.user_agent,
            user_agent_type: record.user_agent_kind,
            expires_at: log.expires_at,
            org_id: record.org.0,
            project_id: record.project.map(|id| id.to_string()),
            project_name: log.project_name,
            event: AuditEventBody {
                kind: record.event,
                metadata: record.metadata,
            },
            actor: AuditActorBody {
                kind: record.actor_kind,
                metadata: record.actor,
            },
        }
    }
}

/// Entries of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditLogsEnvelope {
    audit_logs: Vec<AuditLogBody>,
}

/// Who did what, newest first.
#[utoipa::path(get, path = "/v1/organization/audit-logs", operation_id = "listAuditLogs", tag = "Audit Logs", security(("token" = [])),
    params(ListQuery), responses((status = 200, body = AuditLogsEnvelope), ApiErrors))]
pub(super) async fn list(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> ApiResult<AuditLogsEnvelope> {
    let filter = query.read(state.app.now())?;
    let found = state.app.list_audit_logs(&actor, &filter).await?;
    Ok(Json(AuditLogsEnvelope {
        audit_logs: found.into_iter().map(AuditLogBody::from).collect(),
    }))
}
