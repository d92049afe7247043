//! Writing and listing the audit log.
//!
//! An entry about a change stands in the transaction of the change ([`App::entry`], then `tx.insert_audit`). Entries about reads are
//! durable before the answer too, but many share one commit ([`App::record_read`]).

use std::collections::HashMap;
use std::time::Duration;

use kms_core::audit::{AuditActor, AuditEntry, Origin};
use kms_core::ids::{AuditEntryId, OrgId, ProjectId};
use kms_core::permission::{Resource, org, project};
use kms_core::time::Timestamp;
use kms_store::audit::{AuditFilter, AuditRecord};
use kms_store::projects::ProjectRecord;
use kms_store::{Store, StoreError};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::access::{org_scope, project_scope};
use crate::actor::Actor;
use crate::{App, Error};

/// What happened, as the contract names it, and its details.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) name: &'static str,
    pub(crate) project: Option<ProjectId>,
    pub(crate) metadata: Value,
}

impl Event {
    /// An event of the organization.
    pub(crate) fn in_org(name: &'static str, metadata: Value) -> Self {
        Self {
            name,
            project: None,
            metadata,
        }
    }

    /// An event of a project.
    pub(crate) fn in_project(name: &'static str, project: ProjectId, metadata: Value) -> Self {
        Self {
            name,
            project: Some(project),
            metadata,
        }
    }
}

impl App {
    /// The audit entry for what `actor` does now.
    pub(crate) fn entry(&self, actor: &Actor, event: Event) -> AuditEntry {
        self.entry_of(actor.org, actor.audit_actor(), actor.origin.clone(), event)
    }

    /// The audit entry for what anybody does now.
    pub(crate) fn entry_of(&self, org: OrgId, actor: AuditActor, origin: Origin, event: Event) -> AuditEntry {
        AuditEntry {
            id: AuditEntryId::random(self.entropy()),
            at: self.now(),
            org,
            project: event.project,
            actor,
            origin,
            event: event.name,
            metadata: event.metadata,
        }
    }

    /// Records a read durably. If the log cannot be written, the read does not happen.
    pub(crate) async fn record_read(&self, actor: &Actor, event: Event) -> Result<(), Error> {
        let entry = self.entry(actor, event);
        self.0.audit.append(entry).await
    }

    /// Entries of the organization, or of one project of it, newest first.
    pub async fn list_audit_logs(&self, actor: &Actor, filter: &AuditFilter) -> Result<Vec<AuditLog>, Error> {
        let session = self.store().read();
        match filter.project {
            Some(id) => {
                project_scope(&session, actor, id, self.now())
                    .await?
                    .require(project::AUDIT_LOGS_READ, &Resource::ANY)?;
            }
            None => org_scope(&session, actor).await?.require(org::AUDIT_LOGS_READ, &Resource::ANY)?,
        }
        let projects: HashMap<ProjectId, ProjectRecord> = session
            .list_projects(actor.org)
            .await?
            .into_iter()
            .map(|project| (project.id, project))
            .collect();
        let records = session.list_audit(actor.org, filter).await?;
        Ok(records
            .into_iter()
            .map(|record| {
                let project = record.project.and_then(|id| projects.get(&id));
                let days = project
                    .and_then(|project| project.audit_retention_days)
                    .or(self.settings().audit_retention_days);
                AuditLog {
                    project_name: project.map(|project| project.name.clone()),
                    expires_at: days.map(|days| record.at + span(days)),
                    record,
                }
            })
            .collect())
    }

    /// How many entries a project has of each of the last `days` days in UTC, oldest first; the last is today.
    pub async fn project_activity(&self, actor: &Actor, project_id: ProjectId, days: u32) -> Result<Vec<(Timestamp, u64)>, Error> {
        let session = self.store().read();
        project_scope(&session, actor, project_id, self.now())
            .await?
            .require(project::AUDIT_LOGS_READ, &Resource::ANY)?;
        let day = span(1);
        let seconds = self.now().unix_seconds();
        let midnight = Timestamp::from_unix_seconds(seconds - seconds.rem_euclid(24 * 3600));
        let spans: Vec<_> = (0..days)
            .rev()
            .map(|back| midnight - day * back)
            .map(|from| (from, from + day))
            .collect();
        let counts = session.count_audit(actor.org, project_id, &spans).await?;
        Ok(spans.into_iter().map(|(from, _)| from).zip(counts).collect())
    }

    /// Notes that the entries of a filter leave the system as a file. Each part of them is then listed as usual.
    pub async fn record_audit_export(&self, actor: &Actor, filter: &AuditFilter) -> Result<(), Error> {
        let metadata =
            serde_json::json!({ "events": filter.events, "actorType": filter.actor_kind, "from": filter.from, "until": filter.until });
        let event = Event {
            name: "export-audit-logs",
            project: filter.project,
            metadata,
        };
        self.record_read(actor, event).await
    }

    /// Removes audit entries whose time is over, some thousand at a time. Answers how many; call again until it is none.
    pub async fn remove_expired_audit_logs(&self) -> Result<u64, Error> {
        const AT_ONCE: u64 = 2000;
        let now = self.now();
        let retentions = self.store().read().list_audit_retentions().await?;
        let tx = self.store().write().await?;
        let mut removed = 0;
        for (project, days) in retentions {
            if removed < AT_ONCE {
                removed += tx.remove_audit(Some(project), now - span(days), AT_ONCE - removed).await?;
            }
        }
        if let Some(days) = self.settings().audit_retention_days
            && removed < AT_ONCE
        {
            removed += tx.remove_audit(None, now - span(days), AT_ONCE - removed).await?;
        }
        tx.commit().await?;
        Ok(removed)
    }
}

fn span(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 24 * 3600)
}

/// An entry as it is listed.
#[derive(Debug, Clone)]
pub struct AuditLog {
    /// The entry.
    pub record: AuditRecord,
    /// Name of its project, if it has one that still exists.
    pub project_name: Option<String>,
    /// When it may be removed; never if none.
    pub expires_at: Option<Timestamp>,
}

type Answer = oneshot::Sender<Result<(), Shared>>;

/// Collects entries about reads and writes those that have come together in one transaction.
pub(crate) struct ReadLog(mpsc::Sender<(AuditEntry, Answer)>);

impl ReadLog {
    /// Entries that may wait; beyond that, readers wait.
    const QUEUE: usize = 4096;
    /// Entries in one transaction.
    const BATCH: usize = 1000;

    pub(crate) fn start(store: Store) -> Self {
        let (sender, mut receiver) = mpsc::channel::<(AuditEntry, Answer)>(Self::QUEUE);
        tokio::spawn(async move {
            let mut waiting = Vec::with_capacity(Self::BATCH);
            while receiver.recv_many(&mut waiting, Self::BATCH).await > 0 {
                let (entries, answers): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
                let result = write(&store, &entries).await.map_err(|error| Shared::from(&error));
                for answer in answers {
                    // A reader that has gone away does not want to know.
                    drop(answer.send(result.clone()));
                }
            }
        });
        Self(sender)
    }

    async fn append(&self, entry: AuditEntry) -> Result<(), Error> {
        let (sender, receiver) = oneshot::channel();
        let closed = || Error::Unavailable {
            cause: "the audit log is closed".to_owned(),
        };
        self.0.send((entry, sender)).await.map_err(|_closed| closed())?;
        match receiver.await {
            Ok(result) => result.map_err(Error::from),
            Err(_gone) => Err(closed()),
        }
    }
}

/// A store error that several readers get.
#[derive(Debug, Clone)]
enum Shared {
    Unavailable(String),
    Internal(String),
}

impl From<&StoreError> for Shared {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => Self::Unavailable(cause.clone()),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<Shared> for Error {
    fn from(error: Shared) -> Self {
        match error {
            Shared::Unavailable(cause) => Self::Unavailable { cause },
            Shared::Internal(cause) => Self::Internal { cause },
        }
    }
}

async fn write(store: &Store, entries: &[AuditEntry]) -> Result<(), StoreError> {
    let tx = store.write().await?;
    tx.insert_audit(entries).await?;
    tx.commit().await
}

/// Longest window of time that one listing covers.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(93 * 24 * 3600);
