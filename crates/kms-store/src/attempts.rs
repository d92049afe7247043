//! Attempts of rotations: the engine's queue of work, and its memory of markers.

use kms_core::ids::{AttemptId, ConnectionId, IssuedKeyId, OrgId, ProjectId, RotationId};
use kms_core::rotation::machine::{Attempt, Phase, Trigger};
use kms_core::seal::Sealed;
use kms_core::time::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use crate::entity::rotation_attempts;
use crate::lease::{Claimed, Lease, Queue};
use crate::{Session, StoreError, Tx};

/// An attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    /// Its id.
    pub id: AttemptId,
    /// The organization.
    pub org: OrgId,
    /// The project.
    pub project: ProjectId,
    /// The rotation; it may be gone, or not exist yet.
    pub rotation: RotationId,
    /// The connection; it may be gone.
    pub connection: ConnectionId,
    /// Slug of the rotation's type.
    pub kind: String,
    /// Where it stands.
    pub state: Attempt,
    /// The marker in the key's name.
    pub marker: String,
    /// Parameters of the issue.
    pub parameters: Value,
    /// When the intent became durable.
    pub intended_at: Option<Timestamp>,
    /// Until when inventories look for the marker.
    pub watch_until: Option<Timestamp>,
    /// Whether a key may exist that nobody knows.
    pub unsettled: bool,
    /// The key that was made.
    pub key: Option<IssuedKeyId>,
    /// What is needed to reach the provider, should the connection be gone.
    pub sealed_reach: Option<Sealed>,
    /// What went wrong, fit for people.
    pub message: Option<String>,
    /// Who asked, as the audit log shows it: `{type, metadata}`.
    pub actor: Value,
    /// When it was planned.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

const TABLE: &str = "rotation_attempts";
const QUEUE: Queue = Queue {
    table: TABLE,
    id: "id",
    due: "due_at",
    open: Some("open"),
};

const TRIGGERS: [(Trigger, &str); 3] = [
    (Trigger::Creation, "creation"),
    (Trigger::Manual, "manual"),
    (Trigger::Scheduled, "scheduled"),
];
const PHASES: [(Phase, &str); 6] = [
    (Phase::Planned, "planned"),
    (Phase::Creating, "creating"),
    (Phase::Uncertain, "uncertain"),
    (Phase::Created, "created"),
    (Phase::Published, "published"),
    (Phase::Failed, "failed"),
];

fn word<T: PartialEq + Copy>(table: &[(T, &'static str)], value: T) -> String {
    table
        .iter()
        .find(|(known, _)| *known == value)
        .map_or("", |(_, word)| word)
        .to_owned()
}

fn from_word<T: Copy>(table: &[(T, &'static str)], word: &str, column: &'static str) -> Result<T, StoreError> {
    table
        .iter()
        .find(|(_, known)| *known == word)
        .map(|(value, _)| *value)
        .ok_or(StoreError::inconsistent(TABLE, column))
}

impl TryFrom<rotation_attempts::Model> for AttemptRecord {
    type Error = StoreError;
    fn try_from(row: rotation_attempts::Model) -> Result<Self, StoreError> {
        let count = |value: i32, column| u32::try_from(value).map_err(|_negative| StoreError::inconsistent(TABLE, column));
        Ok(Self {
            id: AttemptId(row.id),
            org: OrgId(row.org_id),
            project: ProjectId(row.project_id),
            rotation: RotationId(row.rotation_id),
            connection: ConnectionId(row.connection_id),
            kind: row.kind,
            state: Attempt {
                trigger: from_word(&TRIGGERS, &row.trigger, "trigger")?,
                phase: from_word(&PHASES, &row.phase, "phase")?,
                since: Timestamp::new(row.since),
                number: count(row.number, "number")?,
                repeats: count(row.repeats, "repeats")?,
                due_at: Timestamp::new(row.due_at),
            },
            marker: row.marker,
            parameters: row.parameters,
            intended_at: row.intended_at.map(Timestamp::new),
            watch_until: row.watch_until.map(Timestamp::new),
            unsettled: row.unsettled,
            key: row.key_id.map(IssuedKeyId),
            sealed_reach: row.sealed_reach.map(Sealed::from_bytes),
            message: row.message,
            actor: row.actor,
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        })
    }
}

fn row(attempt: &AttemptRecord, lease: Option<Lease>, fence: i64) -> rotation_attempts::ActiveModel {
    let state = attempt.state;
    let count = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    rotation_attempts::ActiveModel {
        id: Set(attempt.id.0),
        org_id: Set(attempt.org.0),
        project_id: Set(attempt.project.0),
        rotation_id: Set(attempt.rotation.0),
        connection_id: Set(attempt.connection.0),
        kind: Set(attempt.kind.clone()),
        trigger: Set(word(&TRIGGERS, state.trigger)),
        phase: Set(word(&PHASES, state.phase)),
        since: Set(state.since.utc()),
        number: Set(count(state.number)),
        repeats: Set(count(state.repeats)),
        due_at: Set(state.due_at.utc()),
        open: Set(!state.phase.is_final()),
        marker: Set(attempt.marker.clone()),
        parameters: Set(attempt.parameters.clone()),
        intended_at: Set(attempt.intended_at.map(Timestamp::utc)),
        watch_until: Set(attempt.watch_until.map(Timestamp::utc)),
        unsettled: Set(attempt.unsettled),
        key_id: Set(attempt.key.map(|id| id.0)),
        sealed_reach: Set(attempt.sealed_reach.as_ref().map(|sealed| sealed.as_bytes().to_vec())),
        message: Set(attempt.message.clone()),
        actor: Set(attempt.actor.clone()),
        lease_holder: Set(lease.map(|lease| lease.holder.0)),
        lease_until: Set(lease.map(|lease| lease.until.utc())),
        fence: Set(fence),
        created_at: Set(attempt.created_at.utc()),
        updated_at: Set(attempt.updated_at.utc()),
    }
}

impl Session {
    /// An attempt.
    pub async fn find_attempt(&self, id: AttemptId) -> Result<Option<AttemptRecord>, StoreError> {
        rotation_attempts::Entity::find_by_id(id.0)
            .one(self)
            .await?
            .map(AttemptRecord::try_from)
            .transpose()
    }

    /// The attempt of a rotation that is under way, if one is.
    pub async fn find_open_attempt(&self, rotation: RotationId) -> Result<Option<AttemptRecord>, StoreError> {
        let row = rotation_attempts::Entity::find()
            .filter(rotation_attempts::Column::RotationId.eq(rotation.0))
            .filter(rotation_attempts::Column::Open.eq(true))
            .one(self)
            .await?;
        row.map(AttemptRecord::try_from).transpose()
    }

    /// The latest attempts of a rotation, newest first.
    pub async fn list_attempts(&self, rotation: RotationId, limit: u64) -> Result<Vec<AttemptRecord>, StoreError> {
        let rows = rotation_attempts::Entity::find()
            .filter(rotation_attempts::Column::RotationId.eq(rotation.0))
            .order_by_desc(rotation_attempts::Column::CreatedAt)
            .order_by_desc(rotation_attempts::Column::Id)
            .limit(limit)
            .all(self)
            .await?;
        rows.into_iter().map(AttemptRecord::try_from).collect()
    }

    /// The attempts of that connection with these markers.
    pub async fn list_attempts_by_marker(&self, connection: ConnectionId, markers: &[String]) -> Result<Vec<AttemptRecord>, StoreError> {
        let mut found = Vec::new();
        for part in markers.chunks(10_000) {
            let rows = rotation_attempts::Entity::find()
                .filter(rotation_attempts::Column::ConnectionId.eq(connection.0))
                .filter(rotation_attempts::Column::Marker.is_in(part.iter().map(String::as_str)))
                .all(self)
                .await?;
            for row in rows {
                found.push(AttemptRecord::try_from(row)?);
            }
        }
        Ok(found)
    }

    /// How long markers of the connection are watched, and whether one of them is unsettled.
    pub async fn watch_of(&self, connection: ConnectionId, now: Timestamp) -> Result<Option<Watch>, StoreError> {
        let watched = rotation_attempts::Entity::find()
            .filter(rotation_attempts::Column::ConnectionId.eq(connection.0))
            .filter(rotation_attempts::Column::WatchUntil.gt(now.utc()));
        let Some(last) = watched
            .clone()
            .order_by_desc(rotation_attempts::Column::WatchUntil)
            .one(self)
            .await?
        else {
            return Ok(None);
        };
        let unsettled = watched
            .clone()
            .filter(rotation_attempts::Column::Unsettled.eq(true))
            .one(self)
            .await?
            .is_some();
        let latest = watched
            .order_by_desc(rotation_attempts::Column::IntendedAt)
            .one(self)
            .await?
            .and_then(|row| row.intended_at);
        Ok(last.watch_until.map(|until| Watch {
            until: Timestamp::new(until),
            unsettled,
            latest_intent: latest.map(Timestamp::new),
        }))
    }

    /// When the next attempt can go on, if one is under way.
    pub async fn next_attempt_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        QUEUE.next_due(self, now).await
    }
}

/// What is watched at a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// The last instant at which a marker is looked for.
    pub until: Timestamp,
    /// Whether a key may exist that nobody knows.
    pub unsettled: bool,
    /// When the latest of the watched requests left.
    pub latest_intent: Option<Timestamp>,
}

impl Tx {
    /// Adds an attempt, claimed by `lease` (fence 1) or free. Refused by `uq_rotation_attempts_open` if one of the same rotation is
    /// under way.
    pub async fn insert_attempt(&self, attempt: &AttemptRecord, lease: Option<Lease>) -> Result<Claimed<AttemptRecord>, StoreError> {
        rotation_attempts::Entity::insert(row(attempt, lease, 1))
            .exec_without_returning(&**self)
            .await?;
        Ok(Claimed {
            record: attempt.clone(),
            fence: 1,
        })
    }

    /// Claims attempts that can go on and that nobody works on.
    pub async fn claim_attempts(
        &self,
        now: Timestamp,
        lease: Lease,
        limit: u64,
        not_of: &[ConnectionId],
    ) -> Result<Vec<Claimed<AttemptRecord>>, StoreError> {
        let not_of: Vec<Uuid> = not_of.iter().map(|id| id.0).collect();
        let ids = QUEUE.claim(self, now, lease, limit, &not_of).await?;
        let rows = rotation_attempts::Entity::find()
            .filter(rotation_attempts::Column::Id.is_in(ids))
            .all(&**self)
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Claimed {
                    fence: row.fence,
                    record: AttemptRecord::try_from(row)?,
                })
            })
            .collect()
    }

    /// Writes a claimed attempt back and keeps the claim until `until`, or ends it. [`StoreError::Fenced`] if the claim was lost.
    pub async fn save_attempt(&self, attempt: &AttemptRecord, fence: i64, keep: Option<Lease>) -> Result<(), StoreError> {
        let result = rotation_attempts::Entity::update_many()
            .set(row(attempt, keep, fence))
            .filter(rotation_attempts::Column::Id.eq(attempt.id.0))
            .filter(rotation_attempts::Column::Fence.eq(fence))
            .exec(&**self)
            .await?;
        if result.rows_affected == 1 {
            Ok(())
        } else {
            Err(StoreError::Fenced)
        }
    }

    /// Prolongs a claim. [`StoreError::Fenced`] if it was lost.
    pub async fn renew_attempt(&self, id: AttemptId, fence: i64, until: Timestamp) -> Result<(), StoreError> {
        QUEUE.renew(self, id.0, fence, until).await
    }

    /// An attempt that may be ended by others than its holder (its rotation is being deleted), locked.
    pub async fn lock_open_attempt(&self, rotation: RotationId) -> Result<Option<Claimed<AttemptRecord>>, StoreError> {
        let row = rotation_attempts::Entity::find()
            .filter(rotation_attempts::Column::RotationId.eq(rotation.0))
            .filter(rotation_attempts::Column::Open.eq(true))
            .lock_exclusive()
            .one(&**self)
            .await?;
        row.map(|row| {
            Ok(Claimed {
                fence: row.fence,
                record: AttemptRecord::try_from(row)?,
            })
        })
        .transpose()
    }

    /// The markers whose settling time is over: no longer unsettled.
    pub async fn settle_markers(&self, connection: ConnectionId, intended_before: Timestamp) -> Result<u64, StoreError> {
        let result = rotation_attempts::Entity::update_many()
            .col_expr(rotation_attempts::Column::Unsettled, sea_orm::sea_query::Expr::value(false))
            .filter(rotation_attempts::Column::ConnectionId.eq(connection.0))
            .filter(rotation_attempts::Column::Unsettled.eq(true))
            .filter(rotation_attempts::Column::Open.eq(false))
            .filter(rotation_attempts::Column::IntendedAt.lt(intended_before.utc()))
            .exec(&**self)
            .await?;
        Ok(result.rows_affected)
    }

    /// Voids all claims of an earlier process (SQLite only).
    pub async fn void_attempt_leases(&self) -> Result<(), StoreError> {
        QUEUE.void(self).await
    }
}
