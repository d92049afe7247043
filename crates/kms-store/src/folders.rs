//! Folders of an environment. The root is a folder too.

use kms_core::ids::{EnvironmentId, FolderId, ProjectId};
use kms_core::names::SecretPath;
use kms_core::time::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};

use crate::entity::{environments, folders};
use crate::{Session, StoreError, Tx};

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderRecord {
    /// Its id.
    pub id: FolderId,
    /// Its project.
    pub project: ProjectId,
    /// Its environment.
    pub environment: EnvironmentId,
    /// The folder it is in; none for the root.
    pub parent: Option<FolderId>,
    /// Its name; `root` for the root.
    pub name: String,
    /// Its absolute path.
    pub path: SecretPath,
    /// Grows with each change of the folder itself.
    pub version: u32,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl TryFrom<folders::Model> for FolderRecord {
    type Error = StoreError;
    fn try_from(row: folders::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: FolderId(row.id),
            project: ProjectId(row.project_id),
            environment: EnvironmentId(row.environment_id),
            parent: row.parent_id.map(FolderId),
            name: row.name,
            path: SecretPath::from_stored(row.path),
            version: u32::try_from(row.version).map_err(|_negative| StoreError::inconsistent("folders", "version"))?,
            description: row.description,
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        })
    }
}

impl From<&FolderRecord> for folders::ActiveModel {
    fn from(folder: &FolderRecord) -> Self {
        Self {
            id: Set(folder.id.0),
            project_id: Set(folder.project.0),
            environment_id: Set(folder.environment.0),
            parent_id: Set(folder.parent.map(|id| id.0)),
            name: Set(folder.name.clone()),
            path: Set(folder.path.as_str().to_owned()),
            version: Set(i32::try_from(folder.version).unwrap_or(i32::MAX)),
            description: Set(folder.description.clone()),
            created_at: Set(folder.created_at.utc()),
            updated_at: Set(folder.updated_at.utc()),
        }
    }
}

impl Session {
    /// The folder at a path of an environment.
    pub async fn find_folder(&self, environment: EnvironmentId, path: &SecretPath) -> Result<Option<FolderRecord>, StoreError> {
        let row = folders::Entity::find()
            .filter(folders::Column::EnvironmentId.eq(environment.0))
            .filter(folders::Column::Path.eq(path.as_str()))
            .one(self)
            .await?;
        row.map(FolderRecord::try_from).transpose()
    }

    /// A folder of the project, by its id.
    pub async fn find_folder_by_id(&self, project: ProjectId, id: FolderId) -> Result<Option<FolderRecord>, StoreError> {
        let row = folders::Entity::find_by_id(id.0)
            .filter(folders::Column::ProjectId.eq(project.0))
            .one(self)
            .await?;
        row.map(FolderRecord::try_from).transpose()
    }

    /// The folders at these places, as far as they exist.
    pub async fn find_folders(&self, places: &[(EnvironmentId, SecretPath)]) -> Result<Vec<FolderRecord>, StoreError> {
        let mut found = Vec::new();
        // SQLite nests conditions at most 1,000 deep.
        for part in places.chunks(200) {
            let mut any = Condition::any();
            for (environment, path) in part {
                any = any.add(
                    Condition::all()
                        .add(folders::Column::EnvironmentId.eq(environment.0))
                        .add(folders::Column::Path.eq(path.as_str())),
                );
            }
            for row in folders::Entity::find().filter(any).all(self).await? {
                found.push(FolderRecord::try_from(row)?);
            }
        }
        Ok(found)
    }

    /// A folder by its id, whichever project it is in. The caller checks the project that it names.
    pub async fn find_folder_anywhere(&self, id: FolderId) -> Result<Option<FolderRecord>, StoreError> {
        folders::Entity::find_by_id(id.0)
            .one(self)
            .await?
            .map(FolderRecord::try_from)
            .transpose()
    }

    /// The folders in a folder, by name.
    pub async fn list_folders_in(&self, parent: FolderId) -> Result<Vec<FolderRecord>, StoreError> {
        let rows = folders::Entity::find()
            .filter(folders::Column::ParentId.eq(parent.0))
            .all(self)
            .await?;
        let mut found = rows.into_iter().map(FolderRecord::try_from).collect::<Result<Vec<_>, _>>()?;
        // Not left to the database: the engines' collations differ.
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// All folders below a path, by path; not the one at the path itself.
    pub async fn list_folders_below(&self, environment: EnvironmentId, path: &SecretPath) -> Result<Vec<FolderRecord>, StoreError> {
        let rows = folders::Entity::find()
            .filter(folders::Column::EnvironmentId.eq(environment.0))
            .all(self)
            .await?;
        let mut found = rows.into_iter().map(FolderRecord::try_from).collect::<Result<Vec<_>, _>>()?;
        // Compared here: collations of the engines differ, and a path may hold what LIKE gives a meaning.
        found.retain(|folder| folder.path != *path && folder.path.is_within(path));
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// All folders of a project.
    pub async fn list_folders_of_project(&self, project: ProjectId) -> Result<Vec<FolderRecord>, StoreError> {
        let rows = folders::Entity::find()
            .filter(folders::Column::ProjectId.eq(project.0))
            .all(self)
            .await?;
        rows.into_iter().map(FolderRecord::try_from).collect()
    }

    /// The ids of all folders of an environment.
    pub async fn list_folders_of_environment(&self, environment: EnvironmentId) -> Result<Vec<FolderId>, StoreError> {
        let rows = folders::Entity::find()
            .filter(folders::Column::EnvironmentId.eq(environment.0))
            .all(self)
            .await?;
        Ok(rows.into_iter().map(|row| FolderId(row.id)).collect())
    }
}

impl Tx {
    /// Keeps everybody else from changing the tree of an environment's folders, until the end of the transaction. False if the
    /// environment is gone.
    ///
    /// Taken before any folder's own lock ([`Tx::lock_folder`]), never after.
    pub async fn lock_environment(&self, environment: EnvironmentId) -> Result<bool, StoreError> {
        let found = environments::Entity::find_by_id(environment.0)
            .lock_exclusive()
            .one(&**self)
            .await?;
        Ok(found.is_some())
    }

    /// Writes a folder back. Refused by `uq_folders_path` if there is one at its path.
    pub async fn update_folder(&self, folder: &FolderRecord) -> Result<(), StoreError> {
        folders::Entity::update_many()
            .set(folders::ActiveModel::from(folder))
            .filter(folders::Column::Id.eq(folder.id.0))
            .filter(folders::Column::ProjectId.eq(folder.project.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Removes a folder with everything below it. Its rotations must have been removed before.
    pub async fn remove_folder(&self, project: ProjectId, id: FolderId) -> Result<(), StoreError> {
        folders::Entity::delete_many()
            .filter(folders::Column::Id.eq(id.0))
            .filter(folders::Column::ProjectId.eq(project.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Adds a folder. Refused by `uq_folders_path` if there is one at its path.
    pub async fn insert_folder(&self, folder: &FolderRecord) -> Result<(), StoreError> {
        folders::Entity::insert(folders::ActiveModel::from(folder))
            .exec_without_returning(&**self)
            .await?;
        Ok(())
    }
}
