//! Secret Rotations.

use std::collections::BTreeMap;

use kms_core::ids::{ConnectionId, FolderId, IssuedKeyId, OrgId, ProjectId, RotationId};
use kms_core::rotation::Status;
use kms_core::rotation::schedule::RotateAt;
use kms_core::seal::Sealed;
use kms_core::time::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use crate::entity::{rotation_attempts, secret_rotations};
use crate::{Session, StoreError, Tx};

/// A rotation.
#[derive(Debug, Clone, PartialEq)]
pub struct RotationRecord {
    /// Its id.
    pub id: RotationId,
    /// Its organization.
    pub org: OrgId,
    /// Its project.
    pub project: ProjectId,
    /// The folder of the mapped secrets.
    pub folder: FolderId,
    /// The connection it issues through.
    pub connection: ConnectionId,
    /// Its name, unique in the folder.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Slug of its type.
    pub kind: String,
    /// Parameters of the next issue.
    pub parameters: Value,
    /// Field of the credential → name of the secret.
    pub mapping: BTreeMap<String, String>,
    /// Whether it runs by itself.
    pub auto_rotation: bool,
    /// Days between two runs.
    pub interval_days: u16,
    /// When on that day.
    pub rotate_at: RotateAt,
    /// Which slot is served, 0 or 1.
    pub active_slot: usize,
    /// The keys of both slots.
    pub slots: [Option<IssuedKeyId>; 2],
    /// How the last finished run ended.
    pub status: Status,
    /// When that was.
    pub last_attempted_at: Timestamp,
    /// When a key was last published.
    pub last_rotated_at: Timestamp,
    /// When the next run is due; none if it does not run by itself.
    pub next_at: Option<Timestamp>,
    /// Whether the last run was set off by hand (creation counts).
    pub last_manual: bool,
    /// Id of the last scheduled run's attempt.
    pub last_job: Option<String>,
    /// Why the last run failed.
    pub sealed_message: Option<Sealed>,
    /// Grows with each write.
    pub revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl RotationRecord {
    /// The key that is served.
    pub fn active_key(&self) -> Option<IssuedKeyId> {
        self.slots.get(self.active_slot).copied().flatten()
    }

    /// The slot that the next key goes into.
    pub fn inactive_slot(&self) -> usize {
        1 - self.active_slot.min(1)
    }

    /// The key that was replaced and is still valid.
    pub fn previous_key(&self) -> Option<IssuedKeyId> {
        self.slots.get(self.inactive_slot()).copied().flatten()
    }
}

const TABLE: &str = "secret_rotations";

impl TryFrom<secret_rotations::Model> for RotationRecord {
    type Error = StoreError;
    fn try_from(row: secret_rotations::Model) -> Result<Self, StoreError> {
        let small = |value: i32, column| u8::try_from(value).map_err(|_range| StoreError::inconsistent(TABLE, column));
        Ok(Self {
            id: RotationId(row.id),
            org: OrgId(row.org_id),
            project: ProjectId(row.project_id),
            folder: FolderId(row.folder_id),
            connection: ConnectionId(row.connection_id),
            name: row.name,
            description: row.description,
            kind: row.kind,
            parameters: row.parameters,
            mapping: serde_json::from_value(row.mapping).map_err(|_shape| StoreError::inconsistent(TABLE, "mapping"))?,
            auto_rotation: row.auto_rotation,
            interval_days: u16::try_from(row.interval_days).map_err(|_range| StoreError::inconsistent(TABLE, "interval_days"))?,
            rotate_at: RotateAt {
                hours: small(row.rotate_at_hours, "rotate_at_hours")?,
                minutes: small(row.rotate_at_minutes, "rotate_at_minutes")?,
            },
            active_slot: usize::from(small(row.active_slot, "active_slot")?),
            slots: [row.slot0_key.map(IssuedKeyId), row.slot1_key.map(IssuedKeyId)],
            status: match row.status.as_str() {
                "success" => Status::Success,
                "failed" => Status::Failed,
                _ => return Err(StoreError::inconsistent(TABLE, "status")),
            },
            last_attempted_at: Timestamp::new(row.last_attempted_at),
            last_rotated_at: Timestamp::new(row.last_rotated_at),
            next_at: row.next_at.map(Timestamp::new),
            last_manual: row.last_manual,
            last_job: row.last_job,
            sealed_message: row.sealed_message.map(Sealed::from_bytes),
            revision: row.revision,
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        })
    }
}

impl From<&RotationRecord> for secret_rotations::ActiveModel {
    fn from(rotation: &RotationRecord) -> Self {
        let [slot0, slot1] = rotation.slots;
        Self {
            id: Set(rotation.id.0),
            org_id: Set(rotation.org.0),
            project_id: Set(rotation.project.0),
            folder_id: Set(rotation.folder.0),
            connection_id: Set(rotation.connection.0),
            name: Set(rotation.name.clone()),
            description: Set(rotation.description.clone()),
            kind: Set(rotation.kind.clone()),
            parameters: Set(rotation.parameters.clone()),
            mapping: Set(serde_json::json!(rotation.mapping)),
            auto_rotation: Set(rotation.auto_rotation),
            interval_days: Set(i32::from(rotation.interval_days)),
            rotate_at_hours: Set(i32::from(rotation.rotate_at.hours)),
            rotate_at_minutes: Set(i32::from(rotation.rotate_at.minutes)),
            active_slot: Set(i32::try_from(rotation.active_slot).unwrap_or(0)),
            slot0_key: Set(slot0.map(|id| id.0)),
            slot1_key: Set(slot1.map(|id| id.0)),
            status: Set(rotation.status.as_str().to_owned()),
            last_attempted_at: Set(rotation.last_attempted_at.utc()),
            last_rotated_at: Set(rotation.last_rotated_at.utc()),
            next_at: Set(rotation.next_at.map(Timestamp::utc)),
            last_manual: Set(rotation.last_manual),
            last_job: Set(rotation.last_job.clone()),
            sealed_message: Set(rotation.sealed_message.as_ref().map(|sealed| sealed.as_bytes().to_vec())),
            revision: Set(rotation.revision),
            created_at: Set(rotation.created_at.utc()),
            updated_at: Set(rotation.updated_at.utc()),
        }
    }
}

fn records(rows: Vec<secret_rotations::Model>) -> Result<Vec<RotationRecord>, StoreError> {
    rows.into_iter().map(RotationRecord::try_from).collect()
}

impl Session {
    /// A rotation of the organization.
    pub async fn find_rotation(&self, org: OrgId, id: RotationId) -> Result<Option<RotationRecord>, StoreError> {
        let row = secret_rotations::Entity::find_by_id(id.0)
            .filter(secret_rotations::Column::OrgId.eq(org.0))
            .one(self)
            .await?;
        row.map(RotationRecord::try_from).transpose()
    }

    /// The rotation of that name in a folder.
    pub async fn find_rotation_by_name(&self, folder: FolderId, name: &str) -> Result<Option<RotationRecord>, StoreError> {
        let row = secret_rotations::Entity::find()
            .filter(secret_rotations::Column::FolderId.eq(folder.0))
            .filter(secret_rotations::Column::Name.eq(name))
            .one(self)
            .await?;
        row.map(RotationRecord::try_from).transpose()
    }

    /// The rotations of a project, by name.
    pub async fn list_rotations(&self, project: ProjectId) -> Result<Vec<RotationRecord>, StoreError> {
        records(
            secret_rotations::Entity::find()
                .filter(secret_rotations::Column::ProjectId.eq(project.0))
                .order_by_asc(secret_rotations::Column::Name)
                .order_by_asc(secret_rotations::Column::Id)
                .all(self)
                .await?,
        )
    }

    /// The rotations in folders of a project.
    pub async fn list_rotations_in(&self, project: ProjectId, folders: &[FolderId]) -> Result<Vec<RotationRecord>, StoreError> {
        let mut found = Vec::new();
        for part in folders.chunks(10_000) {
            found.extend(records(
                secret_rotations::Entity::find()
                    .filter(secret_rotations::Column::ProjectId.eq(project.0))
                    .filter(secret_rotations::Column::FolderId.is_in(part.iter().map(|id| id.0)))
                    .order_by_asc(secret_rotations::Column::Id)
                    .all(self)
                    .await?,
            )?);
        }
        Ok(found)
    }
}

/// The rotations that have an attempt under way.
fn under_way() -> sea_orm::sea_query::SelectStatement {
    Query::select()
        .column(rotation_attempts::Column::RotationId)
        .from(rotation_attempts::Entity)
        .and_where(Expr::col(rotation_attempts::Column::Open).eq(true))
        .take()
}

impl Tx {
    /// Adds a rotation. Refused by `uq_secret_rotations_name` if the name is taken in the folder.
    pub async fn insert_rotation(&self, rotation: &RotationRecord) -> Result<(), StoreError> {
        secret_rotations::Entity::insert(secret_rotations::ActiveModel::from(rotation))
            .exec_without_returning(&**self)
            .await?;
        Ok(())
    }

    /// A rotation, locked until the end of the transaction: nobody else changes it meanwhile.
    pub async fn lock_rotation(&self, org: OrgId, id: RotationId) -> Result<Option<RotationRecord>, StoreError> {
        let row = secret_rotations::Entity::find_by_id(id.0)
            .filter(secret_rotations::Column::OrgId.eq(org.0))
            .lock_exclusive()
            .one(&**self)
            .await?;
        row.map(RotationRecord::try_from).transpose()
    }

    /// Writes a locked rotation back. Refused by `uq_secret_rotations_name` if the name is taken in the folder.
    pub async fn update_rotation(&self, rotation: &RotationRecord) -> Result<(), StoreError> {
        let mut row = secret_rotations::ActiveModel::from(rotation);
        row.revision = Set(rotation.revision + 1);
        let result = secret_rotations::Entity::update_many()
            .set(row)
            .filter(secret_rotations::Column::Id.eq(rotation.id.0))
            .filter(secret_rotations::Column::Revision.eq(rotation.revision))
            .exec(&**self)
            .await?;
        if result.rows_affected == 1 {
            Ok(())
        } else {
            Err(StoreError::Fenced)
        }
    }

    /// Removes a rotation. What its keys become is decided before.
    pub async fn remove_rotation(&self, org: OrgId, id: RotationId) -> Result<(), StoreError> {
        secret_rotations::Entity::delete_many()
            .filter(secret_rotations::Column::Id.eq(id.0))
            .filter(secret_rotations::Column::OrgId.eq(org.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Rotations that are due and have no attempt under way, the longest due first, locked; those of `not_of` are left out.
    pub async fn lock_due_rotations(&self, now: Timestamp, limit: u64, not_of: &[ConnectionId]) -> Result<Vec<RotationRecord>, StoreError> {
        let mut query = secret_rotations::Entity::find()
            .filter(secret_rotations::Column::AutoRotation.eq(true))
            .filter(secret_rotations::Column::NextAt.lte(now.utc()))
            .filter(secret_rotations::Column::Id.not_in_subquery(under_way()));
        if !not_of.is_empty() {
            query = query.filter(secret_rotations::Column::ConnectionId.is_not_in(not_of.iter().map(|id| id.0)));
        }
        records(
            query
                .order_by_asc(secret_rotations::Column::NextAt)
                .limit(limit)
                .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
                .all(&**self)
                .await?,
        )
    }
}

impl Session {
    /// When the next rotation is due that runs by itself and has no attempt under way.
    pub async fn next_rotation_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = secret_rotations::Entity::find()
            .filter(secret_rotations::Column::AutoRotation.eq(true))
            .filter(secret_rotations::Column::NextAt.is_not_null())
            .filter(secret_rotations::Column::Id.not_in_subquery(under_way()))
            .order_by_asc(secret_rotations::Column::NextAt)
            .one(self)
            .await?;
        Ok(row.and_then(|row| row.next_at).map(Timestamp::new))
    }

    /// A number that changes with every write of one of the project's rotations: each write adds one to its row's revision.
    pub async fn revision_of_rotations(&self, project: ProjectId) -> Result<i64, StoreError> {
        let revisions: Vec<i64> = secret_rotations::Entity::find()
            .select_only()
            .column(secret_rotations::Column::Revision)
            .filter(secret_rotations::Column::ProjectId.eq(project.0))
            .into_tuple()
            .all(self)
            .await?;
        let count = i64::try_from(revisions.len()).unwrap_or(i64::MAX);
        Ok(revisions.into_iter().fold(count, i64::wrapping_add))
    }

    /// Projects of the organization with rotations whose last run failed, and how many.
    pub async fn count_failed_rotations(&self, org: OrgId) -> Result<Vec<(ProjectId, usize)>, StoreError> {
        let rows: Vec<(Uuid, i64)> = secret_rotations::Entity::find()
            .select_only()
            .column(secret_rotations::Column::ProjectId)
            .column_as(secret_rotations::Column::Id.count(), "failed")
            .filter(secret_rotations::Column::OrgId.eq(org.0))
            .filter(secret_rotations::Column::Status.eq("failed"))
            .group_by(secret_rotations::Column::ProjectId)
            .into_tuple()
            .all(self)
            .await?;
        Ok(rows
            .into_iter()
            .map(|(project, failed)| (ProjectId(project), usize::try_from(failed).unwrap_or(0)))
            .collect())
    }

    /// Rotations that are due and have not been worked off, and rotations whose last run failed.
    pub async fn count_rotations_in_trouble(&self, now: Timestamp) -> Result<(u64, u64), StoreError> {
        use sea_orm::PaginatorTrait;
        let overdue = secret_rotations::Entity::find()
            .filter(secret_rotations::Column::AutoRotation.eq(true))
            .filter(secret_rotations::Column::NextAt.lte(now.utc()))
            .count(self)
            .await?;
        let failed = secret_rotations::Entity::find()
            .filter(secret_rotations::Column::Status.eq("failed"))
            .count(self)
            .await?;
        Ok((overdue, failed))
    }
}
