//! Secrets and their versions.
//!
//! A value is sealed for its secret and its version, so every change of a row carries value and comment sealed anew.

use kms_core::ids::{FolderId, ProjectId, RotationId, SecretId};
use kms_core::seal::Sealed;
use kms_core::time::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use crate::entity::{folders, secret_versions, secrets};
use crate::text::contains;
use crate::{Session, StoreError, Tx};

/// A secret.
#[derive(Debug, Clone, PartialEq)]
pub struct SecretRecord {
    /// Its id.
    pub id: SecretId,
    /// Its project.
    pub project: ProjectId,
    /// Its folder.
    pub folder: FolderId,
    /// Its name, unique in the folder.
    pub key: String,
    /// Its value.
    pub sealed_value: Sealed,
    /// Its comment; none if empty.
    pub sealed_comment: Option<Sealed>,
    /// Its metadata: an array of `{key, value, isEncrypted?}`.
    pub metadata: Value,
    /// Grows by one with each change, from 1.
    pub version: u32,
    /// For clients that write it into files.
    pub skip_multiline_encoding: Option<bool>,
    /// What to remind of.
    pub reminder_note: Option<String>,
    /// How often to remind.
    pub reminder_repeat_days: Option<u32>,
    /// The rotation it belongs to.
    pub rotation: Option<RotationId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPlace {
    /// Its id.
    pub id: SecretId,
    /// Its project.
    pub project: ProjectId,
    /// Its folder.
    pub folder: FolderId,
    /// Its name.
    pub key: String,
}

/// An earlier or the present version of a secret.
#[derive(Debug, Clone, PartialEq)]
pub struct SecretVersionRecord {
    /// Of which secret.
    pub secret: SecretId,
    /// Which version.
    pub version: u32,
    /// The name then.
    pub key: String,
    /// The value then.
    pub sealed_value: Sealed,
    /// The comment then.
    pub sealed_comment: Option<Sealed>,
    /// The metadata then.
    pub metadata: Value,
    /// The setting then.
    pub skip_multiline_encoding: Option<bool>,
    /// Who made it.
    pub author: VersionAuthor,
    /// When.
    pub created_at: Timestamp,
}

/// Who made a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionAuthor {
    /// `user`, `identity` or `platform`.
    pub kind: String,
    /// Their id.
    pub id: Option<Uuid>,
    /// Their name then.
    pub name: Option<String>,
}

fn unsigned(value: i32, table: &'static str, column: &'static str) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_negative| StoreError::inconsistent(table, column))
}

fn signed(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

impl TryFrom<secrets::Model> for SecretRecord {
    type Error = StoreError;
    fn try_from(row: secrets::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: SecretId(row.id),
            project: ProjectId(row.project_id),
            folder: FolderId(row.folder_id),
            key: row.key,
            sealed_value: Sealed::from_bytes(row.sealed_value),
            sealed_comment: row.sealed_comment.map(Sealed::from_bytes),
            metadata: row.metadata,
            version: unsigned(row.version, "secrets", "version")?,
            skip_multiline_encoding: row.skip_multiline_encoding,
            reminder_note: row.reminder_note,
            reminder_repeat_days: row
                .reminder_repeat_days
                .map(|days| unsigned(days, "secrets", "reminder_repeat_days"))
                .transpose()?,
            rotation: row.rotation_id.map(RotationId),
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        })
    }
}

fn row(secret: &SecretRecord) -> secrets::ActiveModel {
    secrets::ActiveModel {
        id: Set(secret.id.0),
        project_id: Set(secret.project.0),
        folder_id: Set(secret.folder.0),
        key: Set(secret.key.clone()),
        sealed_value: Set(secret.sealed_value.as_bytes().to_vec()),
        sealed_comment: Set(secret.sealed_comment.as_ref().map(|sealed| sealed.as_bytes().to_vec())),
        metadata: Set(secret.metadata.clone()),
        version: Set(signed(secret.version)),
        skip_multiline_encoding: Set(secret.skip_multiline_encoding),
        reminder_note: Set(secret.reminder_note.clone()),
        reminder_repeat_days: Set(secret.reminder_repeat_days.map(signed)),
        rotation_id: Set(secret.rotation.map(|id| id.0)),
        created_at: Set(secret.created_at.utc()),
        updated_at: Set(secret.updated_at.utc()),
    }
}

impl TryFrom<secret_versions::Model> for SecretVersionRecord {
    type Error = StoreError;
    fn try_from(row: secret_versions::Model) -> Result<Self, StoreError> {
        Ok(Self {
            secret: SecretId(row.secret_id),
            version: unsigned(row.version, "secret_versions", "version")?,
            key: row.key,
            sealed_value: Sealed::from_bytes(row.sealed_value),
            sealed_comment: row.sealed_comment.map(Sealed::from_bytes),
            metadata: row.metadata,
            skip_multiline_encoding: row.skip_multiline_encoding,
            author: VersionAuthor {
                kind: row.actor_kind,
                id: row.actor_id,
                name: row.actor_name,
            },
            created_at: Timestamp::new(row.created_at),
        })
    }
}

/// Values in one `in (…)`: both engines allow over 30,000 parameters.
const IN_ONE_QUERY: usize = 10_000;

/// Sorts as every list is sorted. Not left to the database: the engines' collations differ.
fn by_name(found: &mut [SecretRecord]) {
    found.sort_by(|a, b| a.key.cmp(&b.key).then(a.id.cmp(&b.id)));
}

fn records(rows: Vec<secrets::Model>) -> Result<Vec<SecretRecord>, StoreError> {
    rows.into_iter().map(SecretRecord::try_from).collect()
}

impl Session {
    /// The secret of that name in a folder.
    pub async fn find_secret(&self, folder: FolderId, key: &str) -> Result<Option<SecretRecord>, StoreError> {
        // PostgreSQL refuses a NUL in any text, even to look for.
        if key.contains('\0') {
            return Ok(None);
        }
        let row = secrets::Entity::find()
            .filter(secrets::Column::FolderId.eq(folder.0))
            .filter(secrets::Column::Key.eq(key))
            .one(self)
            .await?;
        row.map(SecretRecord::try_from).transpose()
    }

    /// A secret by its id. The caller checks the project that it names.
    pub async fn find_secret_by_id(&self, id: SecretId) -> Result<Option<SecretRecord>, StoreError> {
        secrets::Entity::find_by_id(id.0)
            .one(self)
            .await?
            .map(SecretRecord::try_from)
            .transpose()
    }

    /// The secrets of a folder, by name.
    pub async fn list_secrets(&self, folder: FolderId) -> Result<Vec<SecretRecord>, StoreError> {
        self.list_secrets_of_folders(&[folder]).await
    }

    /// The secrets of several folders, by name.
    pub async fn list_secrets_of_folders(&self, folders: &[FolderId]) -> Result<Vec<SecretRecord>, StoreError> {
        let mut found = Vec::new();
        for part in folders.chunks(IN_ONE_QUERY) {
            found.extend(records(
                secrets::Entity::find()
                    .filter(secrets::Column::FolderId.is_in(part.iter().map(|id| id.0)))
                    .all(self)
                    .await?,
            )?);
        }
        by_name(&mut found);
        Ok(found)
    }

    /// The folder and the name of those secrets of the folders that have one of the names.
    pub async fn list_secret_names(&self, folders: &[FolderId], names: &[String]) -> Result<Vec<(FolderId, String)>, StoreError> {
        let mut found = Vec::new();
        for part in folders.chunks(IN_ONE_QUERY) {
            for some in names.chunks(IN_ONE_QUERY) {
                let rows: Vec<(Uuid, String)> = secrets::Entity::find()
                    .select_only()
                    .column(secrets::Column::FolderId)
                    .column(secrets::Column::Key)
                    .filter(secrets::Column::FolderId.is_in(part.iter().map(|id| id.0)))
                    .filter(secrets::Column::Key.is_in(some.iter().map(String::as_str)))
                    .into_tuple()
                    .all(self)
                    .await?;
                found.extend(rows.into_iter().map(|(folder, key)| (FolderId(folder), key)));
            }
        }
        Ok(found)
    }

    /// Where secrets of these projects are whose name contains `text`, in any case: at most `limit`, in no order. Their values are not
    /// read.
    pub async fn find_secrets_named(&self, projects: &[ProjectId], text: &str, limit: u64) -> Result<Vec<SecretPlace>, StoreError> {
        // PostgreSQL refuses a NUL in any text, even to look for.
        if text.contains('\0') {
            return Ok(Vec::new());
        }
        let rows: Vec<(Uuid, Uuid, Uuid, String)> = secrets::Entity::find()
            .select_only()
            .column(secrets::Column::Id)
            .column(secrets::Column::ProjectId)
            .column(secrets::Column::FolderId)
            .column(secrets::Column::Key)
            .filter(secrets::Column::ProjectId.is_in(projects.iter().map(|id| id.0)))
            .filter(contains(Expr::col((secrets::Entity, secrets::Column::Key)), text))
            .limit(limit)
            .into_tuple()
            .all(self)
            .await?;
        Ok(rows
            .into_iter()
            .map(|(id, project, folder, key)| SecretPlace {
                id: SecretId(id),
                project: ProjectId(project),
                folder: FolderId(folder),
                key,
            })
            .collect())
    }

    /// All secrets of a project.
    pub async fn list_secrets_of_project(&self, project: ProjectId) -> Result<Vec<SecretRecord>, StoreError> {
        records(
            secrets::Entity::find()
                .filter(secrets::Column::ProjectId.eq(project.0))
                .all(self)
                .await?,
        )
    }

    /// The secrets that a rotation owns, by name.
    pub async fn list_secrets_of_rotation(&self, rotation: RotationId) -> Result<Vec<SecretRecord>, StoreError> {
        let mut found = records(
            secrets::Entity::find()
                .filter(secrets::Column::RotationId.eq(rotation.0))
                .all(self)
                .await?,
        )?;
        by_name(&mut found);
        Ok(found)
    }

    /// One version of a secret.
    pub async fn find_secret_version(&self, secret: SecretId, version: u32) -> Result<Option<SecretVersionRecord>, StoreError> {
        let row = secret_versions::Entity::find()
            .filter(secret_versions::Column::SecretId.eq(secret.0))
            .filter(secret_versions::Column::Version.eq(signed(version)))
            .one(self)
            .await?;
        row.map(SecretVersionRecord::try_from).transpose()
    }

    /// The kept versions of a secret, newest first.
    pub async fn list_secret_versions(&self, secret: SecretId, offset: u64, limit: u64) -> Result<Vec<SecretVersionRecord>, StoreError> {
        let rows = secret_versions::Entity::find()
            .filter(secret_versions::Column::SecretId.eq(secret.0))
            .order_by_desc(secret_versions::Column::Version)
            .offset(offset)
            .limit(limit)
            .all(self)
            .await?;
        rows.into_iter().map(SecretVersionRecord::try_from).collect()
    }
}

impl Tx {
    /// Keeps everybody else from changing what stands in a folder, until the end of the transaction. False if it is gone.
    pub async fn lock_folder(&self, folder: FolderId) -> Result<bool, StoreError> {
        Ok(folders::Entity::find_by_id(folder.0).lock_exclusive().one(&**self).await?.is_some())
    }

    /// [`Tx::lock_folder`] for several, in one order for everybody, so that nobody waits in a circle. False if one is gone.
    pub async fn lock_folders(&self, folders: &[FolderId]) -> Result<bool, StoreError> {
        let mut ordered = folders.to_vec();
        ordered.sort_unstable();
        ordered.dedup();
        let mut all = true;
        for folder in ordered {
            all &= self.lock_folder(folder).await?;
        }
        Ok(all)
    }

    async fn insert_version(&self, secret: &SecretRecord, author: &VersionAuthor) -> Result<(), StoreError> {
        // One row for each secret and version, so its id follows from theirs.
        let id = version_row_id(secret.id, secret.version);
        let row = secret_versions::ActiveModel {
            id: Set(id),
            secret_id: Set(secret.id.0),
            version: Set(signed(secret.version)),
            key: Set(secret.key.clone()),
            sealed_value: Set(secret.sealed_value.as_bytes().to_vec()),
            sealed_comment: Set(secret.sealed_comment.as_ref().map(|sealed| sealed.as_bytes().to_vec())),
            metadata: Set(secret.metadata.clone()),
            skip_multiline_encoding: Set(secret.skip_multiline_encoding),
            actor_kind: Set(author.kind.clone()),
            actor_id: Set(author.id),
            actor_name: Set(author.name.clone()),
            created_at: Set(secret.updated_at.utc()),
        };
        secret_versions::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(())
    }

    /// Adds a secret with its first version. Refused by `uq_secrets_key` if the name is taken in the folder.
    pub async fn insert_secret(&self, secret: &SecretRecord, author: &VersionAuthor) -> Result<(), StoreError> {
        secrets::Entity::insert(row(secret)).exec_without_returning(&**self).await?;
        self.insert_version(secret, author).await
    }

    /// Writes a secret back under its new version, and appends the version. Refused by `uq_secrets_key` if the name is taken, and
    /// by [`StoreError::Fenced`] if it is not the successor of what is stored.
    pub async fn update_secret(&self, secret: &SecretRecord, author: &VersionAuthor) -> Result<(), StoreError> {
        let result = secrets::Entity::update_many()
            .set(row(secret))
            .filter(secrets::Column::Id.eq(secret.id.0))
            .filter(secrets::Column::ProjectId.eq(secret.project.0))
            .filter(secrets::Column::Version.eq(signed(secret.version.saturating_sub(1))))
            .exec(&**self)
            .await?;
        if result.rows_affected != 1 {
            return Err(StoreError::Fenced);
        }
        self.insert_version(secret, author).await
    }

    /// Puts a secret into another folder; nothing else changes. Refused by `uq_secrets_key` if the name is taken there.
    pub async fn relocate_secret(&self, secret: &SecretRecord) -> Result<(), StoreError> {
        secrets::Entity::update_many()
            .col_expr(secrets::Column::FolderId, Expr::value(secret.folder.0))
            .col_expr(secrets::Column::UpdatedAt, Expr::value(secret.updated_at.utc()))
            .filter(secrets::Column::Id.eq(secret.id.0))
            .filter(secrets::Column::ProjectId.eq(secret.project.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Removes versions beyond the newest `keep`.
    pub async fn prune_secret_versions(&self, secret: SecretId, newest: u32, keep: u32) -> Result<(), StoreError> {
        secret_versions::Entity::delete_many()
            .filter(secret_versions::Column::SecretId.eq(secret.0))
            .filter(Expr::col(secret_versions::Column::Version).lte(signed(newest.saturating_sub(Ord::max(keep, 1)))))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Removes a secret with its versions.
    pub async fn remove_secret(&self, project: ProjectId, id: SecretId) -> Result<(), StoreError> {
        secrets::Entity::delete_many()
            .filter(secrets::Column::Id.eq(id.0))
            .filter(secrets::Column::ProjectId.eq(project.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// The secrets of a rotation become ordinary ones.
    pub async fn release_secrets_of_rotation(&self, project: ProjectId, rotation: RotationId) -> Result<(), StoreError> {
        secrets::Entity::update_many()
            .col_expr(secrets::Column::RotationId, Expr::value(Option::<Uuid>::None))
            .filter(secrets::Column::ProjectId.eq(project.0))
            .filter(secrets::Column::RotationId.eq(rotation.0))
            .exec(&**self)
            .await?;
        Ok(())
    }
}

/// The id of a version's row: the secret's id with the version mixed in.
fn version_row_id(secret: SecretId, version: u32) -> Uuid {
    let (high, low) = secret.0.as_u64_pair();
    Uuid::from_u64_pair(high, low ^ u64::from(version).rotate_left(24))
}
