//! The audit log.

use kms_core::audit::AuditEntry;
use kms_core::ids::{AuditEntryId, OrgId, ProjectId};
use kms_core::time::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Query, SimpleExpr};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait as _, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use crate::entity::{audit_log, projects};
use crate::{Session, StoreError, Tx};

/// An entry as it is listed.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    /// Its id.
    pub id: AuditEntryId,
    /// When.
    pub at: Timestamp,
    /// In which organization.
    pub org: OrgId,
    /// In which project.
    pub project: Option<ProjectId>,
    /// The actor's type.
    pub actor_kind: String,
    /// The actor's metadata.
    pub actor: Value,
    /// The event.
    pub event: String,
    /// The event's metadata.
    pub metadata: Value,
    /// Client address.
    pub address: Option<String>,
    /// Client's `User-Agent`.
    pub user_agent: Option<String>,
    /// Kind of client.
    pub user_agent_kind: String,
}

/// What is asked for. Every part that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// In this project.
    pub project: Option<ProjectId>,
    /// In this environment (slug).
    pub environment: Option<String>,
    /// In this folder.
    pub secret_path: Option<String>,
    /// About this secret.
    pub secret_key: Option<String>,
    /// By this type of actor.
    pub actor_kind: Option<String>,
    /// By this actor.
    pub actor: Option<Uuid>,
    /// One of these events.
    pub events: Vec<String>,
    /// By this kind of client.
    pub user_agent_kind: Option<String>,
    /// With all of these details (name and value of a key of the top level; one of its values, if it is a list).
    pub metadata: Vec<(String, String)>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Entries to skip.
    pub offset: u64,
    /// Most entries.
    pub limit: u64,
}

impl From<audit_log::Model> for AuditRecord {
    fn from(row: audit_log::Model) -> Self {
        Self {
            id: AuditEntryId(row.id),
            at: Timestamp::new(row.at),
            org: OrgId(row.org_id),
            project: row.project_id.map(ProjectId),
            actor_kind: row.actor_kind,
            actor: row.actor,
            event: row.event,
            metadata: row.metadata,
            address: row.address,
            user_agent: row.user_agent,
            user_agent_kind: row.user_agent_kind,
        }
    }
}

/// Stands around each detail of [`searchable`]; no detail contains it.
const EDGE: char = '\u{1f}';

/// A detail as it stands in [`searchable`].
fn detail(name: &str, value: &str) -> String {
    // PostgreSQL stores no NUL, and the edges must be unmistakable.
    let clean = |text: &str| text.replace(char::is_control, " ");
    format!("{EDGE}{}={}{EDGE}", clean(name), clean(value))
}

/// The details of an entry as text, so that they can be searched without looking into JSON, which each engine does in its own way.
fn searchable(metadata: &Value) -> String {
    fn plain(value: &Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
    let mut text = String::new();
    for (name, value) in metadata.as_object().into_iter().flatten() {
        let values = match value {
            Value::Array(list) => list.iter().filter_map(plain).collect(),
            other => plain(other).into_iter().collect::<Vec<_>>(),
        };
        for value in values {
            text.push_str(&detail(name, &value));
        }
    }
    text
}

fn row(entry: &AuditEntry) -> audit_log::ActiveModel {
    let text = |name: &str| entry.metadata.get(name).and_then(Value::as_str).map(str::to_owned);
    audit_log::ActiveModel {
        id: Set(entry.id.0),
        at: Set(entry.at.utc()),
        org_id: Set(entry.org.0),
        project_id: Set(entry.project.map(|id| id.0)),
        actor_kind: Set(entry.actor.kind().to_owned()),
        actor_id: Set(entry.actor.id()),
        actor: Set(entry.actor.metadata()),
        event: Set(entry.event.to_owned()),
        metadata: Set(entry.metadata.clone()),
        address: Set(entry.origin.address.map(|address| address.to_string())),
        user_agent: Set(entry.origin.user_agent.clone()),
        user_agent_kind: Set(entry.origin.user_agent_kind().to_owned()),
        environment: Set(text("environment")),
        secret_path: Set(text("secretPath")),
        secret_key: Set(text("secretKey")),
        searchable: Set(searchable(&entry.metadata)),
    }
}

impl Session {
    /// How many entries of a project fall into each of these spans (the first instant belongs to it, the last does not): one query.
    pub async fn count_audit(&self, org: OrgId, project: ProjectId, spans: &[(Timestamp, Timestamp)]) -> Result<Vec<u64>, StoreError> {
        use audit_log::Column;
        let mut all = Query::select();
        for (from, until) in spans {
            let one = Query::select()
                .expr(Expr::col(Column::Id).count())
                .from(audit_log::Entity)
                .and_where(Column::OrgId.eq(org.0))
                .and_where(Column::ProjectId.eq(project.0))
                .and_where(Column::At.gte(from.utc()))
                .and_where(Column::At.lt(until.utc()))
                .take();
            all.expr(SimpleExpr::SubQuery(None, Box::new(one.into())));
        }
        let row = self.query_one(&all).await?;
        let row = row.ok_or(StoreError::inconsistent("audit_log", "id"))?;
        (0..spans.len())
            .map(|index| {
                let count: i64 = row.try_get_by_index(index)?;
                Ok(u64::try_from(count).unwrap_or(0))
            })
            .collect()
    }

    /// Entries of the organization that satisfy the filter, newest first.
    pub async fn list_audit(&self, org: OrgId, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
        use audit_log::Column;
        let mut query = audit_log::Entity::find().filter(Column::OrgId.eq(org.0));
        if let Some(project) = filter.project {
            query = query.filter(Column::ProjectId.eq(project.0));
        }
        for (column, value) in [
            (Column::Environment, &filter.environment),
            (Column::SecretPath, &filter.secret_path),
            (Column::SecretKey, &filter.secret_key),
            (Column::ActorKind, &filter.actor_kind),
            (Column::UserAgentKind, &filter.user_agent_kind),
        ] {
            if let Some(value) = value {
                query = query.filter(column.eq(value.as_str()));
            }
        }
        if let Some(actor) = filter.actor {
            query = query.filter(Column::ActorId.eq(actor));
        }
        if !filter.events.is_empty() {
            query = query.filter(Column::Event.is_in(filter.events.iter().map(String::as_str)));
        }
        for (name, value) in &filter.metadata {
            // Neither engine's `LIKE` compares like the other's; a text that loses something when the detail is cut out has it.
            let without = Func::cust("REPLACE").args([Expr::col(Column::Searchable), Expr::val(detail(name, value)), Expr::val("")]);
            query = query.filter(Expr::from(without).ne(Expr::col(Column::Searchable)));
        }
        if let Some(from) = filter.from {
            query = query.filter(Column::At.gte(from.utc()));
        }
        if let Some(until) = filter.until {
            query = query.filter(Column::At.lt(until.utc()));
        }
        let rows = query
            .order_by_desc(Column::At)
            .order_by_desc(Column::Id)
            .offset(filter.offset)
            .limit(filter.limit)
            .all(self)
            .await?;
        Ok(rows.into_iter().map(AuditRecord::from).collect())
    }
}

impl Tx {
    /// Appends entries.
    pub async fn insert_audit(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        // Both engines limit the parameters of a statement (SQLite: 32,766).
        for part in entries.chunks(500) {
            audit_log::Entity::insert_many(part.iter().map(row))
                .exec_without_returning(&**self)
                .await?;
        }
        Ok(())
    }

    /// Removes at most `limit` entries that are older than `before`: of the project, or, without one, those whose project does not
    /// say how long they are kept (is gone, or there is none). Answers how many were removed.
    pub async fn remove_audit(&self, project: Option<ProjectId>, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        use audit_log::Column;
        let mut old = Query::select();
        old.column(Column::Id)
            .from(audit_log::Entity)
            .and_where(Column::At.lt(before.utc()))
            .limit(limit);
        match project {
            Some(project) => {
                old.and_where(Column::ProjectId.eq(project.0));
            }
            None => {
                let apart = Query::select()
                    .column(projects::Column::Id)
                    .from(projects::Entity)
                    .and_where(projects::Column::AuditRetentionDays.is_not_null())
                    .take();
                let elsewhere = Column::ProjectId.not_in_subquery(apart);
                old.cond_where(Condition::any().add(Column::ProjectId.is_null()).add(elsewhere));
            }
        }
        let result = audit_log::Entity::delete_many()
            .filter(Column::Id.in_subquery(old))
            .exec(&**self)
            .await?;
        Ok(result.rows_affected)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn details_are_searched_whole() {
        let text = searchable(&json!({
            "name": "a=b\u{1f}c", "count": 2, "on": true, "nothing": null, "ids": ["x", "y"], "deep": { "name": "z" },
        }));
        for (name, value) in [
            ("name", "a=b\u{1f}c"),
            ("name", "a=b c"),
            ("count", "2"),
            ("on", "true"),
            ("ids", "x"),
            ("ids", "y"),
        ] {
            assert!(text.contains(&detail(name, value)), "{name}={value}");
        }
        for (name, value) in [
            ("name", "a=b"),
            ("name", "c"),
            ("nothing", "null"),
            ("count", "22"),
            ("deep", "z"),
            ("ame", "a=b c"),
        ] {
            assert!(!text.contains(&detail(name, value)), "{name}={value}");
        }
    }
}
