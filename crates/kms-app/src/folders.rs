//! Folders (`core-api.md` §8).

use kms_core::ids::{EnvironmentId, FolderId, ProjectId};
use kms_core::names::{FolderName, SecretPath};
use kms_core::permission::{Resource, project};
use kms_core::seal::KeyScope;
use kms_store::Tx;
use kms_store::folders::FolderRecord;
use kms_store::projects::EnvironmentRecord;
use serde_json::json;

use crate::access::{ProjectScope, project_scope};
use crate::actor::Actor;
use crate::audit::Event;
use crate::environments::unknown as unknown_environment;
use crate::error::on_constraint;
use crate::projects::{Project, ProjectSelector};
use crate::secrets::PlaceSelector;
use crate::{App, Error};

/// A folder with its environment.
#[derive(Debug, Clone)]
pub struct Folder {
    /// The folder.
    pub record: FolderRecord,
    /// Its environment.
    pub environment: EnvironmentRecord,
}

fn missing(what: &str) -> Error {
    Error::not_found(format!("no folder \"{what}\" here"))
}

impl App {
    /// Makes a folder at a path, and the folders above it that are missing. One that exists is answered as it is.
    pub async fn create_folder(
        &self,
        actor: &Actor,
        place: &PlaceSelector,
        name: &FolderName,
        description: Option<String>,
    ) -> Result<Folder, Error> {
        let tx = self.store().write().await?;
        let scope = self.select_project(&tx, actor, &place.project).await?;
        let environment = self.environment_of(&tx, &scope, &place.environment).await?;
        scope.require(project::FOLDERS_CREATE, &Resource::at(&environment.slug, place.path.as_str()))?;
        let mut parent = tx
            .find_folder(environment.id, &SecretPath::root())
            .await?
            .ok_or_else(|| Error::internal("an environment has no root folder"))?;
        for segment in place.path.segments() {
            let name = FolderName::parse(segment).map_err(|error| Error::invalid("path", error.code, error.message))?;
            parent = self.child(&tx, &scope, &environment, &parent, &name, None).await?.0;
        }
        let (record, made) = self.child(&tx, &scope, &environment, &parent, name, description).await?;
        if made {
            let metadata = json!({
                "environment": environment.slug, "folderId": record.id, "folderName": record.name, "folderPath": place.path.as_str(),
                "secretPath": place.path.as_str(),
            });
            tx.insert_audit(&[self.entry(actor, Event::in_project("create-folder", scope.project().id, metadata))])
                .await?;
        }
        tx.commit().await?;
        Ok(Folder { record, environment })
    }

    async fn environment_of(&self, session: &kms_store::Session, scope: &ProjectScope, slug: &str) -> Result<EnvironmentRecord, Error> {
        session
            .find_environment(scope.project().id, slug)
            .await?
            .ok_or_else(|| Error::not_found(format!("no environment \"{slug}\" in this project")))
    }

    /// The folder of that name in `parent`, made if it is missing.
    async fn child(
        &self,
        tx: &Tx,
        scope: &ProjectScope,
        environment: &EnvironmentRecord,
        parent: &FolderRecord,
        name: &FolderName,
        description: Option<String>,
    ) -> Result<(FolderRecord, bool), Error> {
        let path = parent.path.join(name.as_str());
        if let Some(found) = tx.find_folder(environment.id, &path).await? {
            return Ok((found, false));
        }
        scope.require(project::FOLDERS_CREATE, &Resource::at(&environment.slug, parent.path.as_str()))?;
        let now = self.now();
        let record = FolderRecord {
            id: FolderId::random(self.entropy()),
            project: scope.project().id,
            environment: environment.id,
            parent: Some(parent.id),
            name: name.as_str().to_owned(),
            path,
            version: 1,
            description,
            created_at: now,
            updated_at: now,
        };
        on_constraint(tx.insert_folder(&record).await, "uq_folders_path", || {
            Error::bad_request(format!(
                "the folder {} was made by somebody else at the same moment; try again",
                record.path
            ))
        })?;
        Ok((record, true))
    }

    /// The folders in a folder, or all below it. None if the path does not exist.
    pub async fn list_folders(&self, actor: &Actor, place: &PlaceSelector, recursive: bool) -> Result<Vec<FolderRecord>, Error> {
        let session = self.store().read();
        let scope = self.select_project(&session, actor, &place.project).await?;
        let environment = self.environment_of(&session, &scope, &place.environment).await?;
        scope.require_somewhere(project::FOLDERS_READ)?;
        let Some(folder) = session.find_folder(environment.id, &place.path).await? else {
            return Ok(Vec::new());
        };
        let found = if recursive {
            session.list_folders_below(environment.id, &folder.path).await?
        } else {
            session.list_folders_in(folder.id).await?
        };
        Ok(found
            .into_iter()
            .filter(|folder| {
                let parent = folder.path.split_last().map_or_else(SecretPath::root, |(parent, _)| parent);
                scope.allows(project::FOLDERS_READ, &Resource::at(&environment.slug, parent.as_str()))
            })
            .collect())
    }

    /// A folder by its id.
    pub async fn get_folder(&self, actor: &Actor, id: FolderId) -> Result<Folder, Error> {
        let session = self.store().read();
        let unknown = || Error::not_found(format!("no folder with the id {id}"));
        let record = session.find_folder_anywhere(id).await?.ok_or_else(unknown)?;
        let scope = project_scope(&session, actor, record.project, self.now())
            .await
            .map_err(|error| match error {
                Error::NotFound { .. } => unknown(),
                other => other,
            })?;
        let environment = session.find_environment_by_id(record.environment).await?.ok_or_else(unknown)?;
        scope.require(project::FOLDERS_READ, &Resource::at(&environment.slug, record.path.as_str()))?;
        Ok(Folder { record, environment })
    }

    /// A folder by its path.
    pub async fn get_folder_by_path(&self, actor: &Actor, place: &PlaceSelector) -> Result<Folder, Error> {
        let session = self.store().read();
        let found = self.find_place_for(&session, actor, place).await?;
        found.scope.require(
            project::FOLDERS_READ,
            &Resource::at(&found.environment.slug, found.folder.path.as_str()),
        )?;
        Ok(Folder {
            record: found.folder,
            environment: found.environment,
        })
    }

    /// The folder of that name, else of that id, in a folder.
    async fn in_folder(&self, tx: &Tx, place: &crate::secrets::Place, id_or_name: &str) -> Result<FolderRecord, Error> {
        let by_name = tx.find_folder(place.environment.id, &place.folder.path.join(id_or_name)).await?;
        if let Some(found) = by_name.filter(|_| !id_or_name.is_empty()) {
            return Ok(found);
        }
        let Ok(id) = id_or_name.parse::<FolderId>() else {
            return Err(missing(id_or_name));
        };
        tx.find_folder_by_id(place.scope.project().id, id)
            .await?
            .filter(|folder| folder.environment == place.environment.id && folder.parent.is_some())
            .ok_or_else(|| missing(id_or_name))
    }

    /// Renames a folder; everything below it moves along.
    pub async fn update_folder(
        &self,
        actor: &Actor,
        place: &PlaceSelector,
        id_or_name: &str,
        name: &FolderName,
        description: Option<String>,
    ) -> Result<Folder, Error> {
        let tx = self.store().write().await?;
        let found = self.find_place_for(&tx, actor, place).await?;
        let mut record = self.in_folder(&tx, &found, id_or_name).await?;
        let (parent, _old) = record
            .path
            .split_last()
            .ok_or_else(|| Error::bad_request("the root folder cannot be renamed"))?;
        found
            .scope
            .require(project::FOLDERS_EDIT, &Resource::at(&found.environment.slug, parent.as_str()))?;
        let old_path = record.path.clone();
        let new_path = parent.join(name.as_str());
        let old_name = record.name.clone();
        if new_path != old_path {
            if tx.find_folder(found.environment.id, &new_path).await?.is_some() {
                return Err(Error::bad_request(format!("a folder named \"{name}\" exists already in {parent}")));
            }
            for mut below in tx.list_folders_below(found.environment.id, &old_path).await? {
                let rest = below.path.as_str().get(old_path.as_str().len()..).unwrap_or_default().to_owned();
                below.path = SecretPath::from_stored(format!("{new_path}{rest}"));
                tx.update_folder(&below).await?;
            }
        }
        record.name = name.as_str().to_owned();
        record.path = new_path;
        record.version = record.version.saturating_add(1);
        record.description = description.or(record.description);
        record.updated_at = self.now();
        on_constraint(tx.update_folder(&record).await, "uq_folders_path", || {
            Error::bad_request(format!("a folder named \"{name}\" exists already in {parent}"))
        })?;
        let metadata = json!({
            "environment": found.environment.slug, "folderId": record.id, "oldFolderName": old_name, "newFolderName": record.name,
            "folderPath": record.path.as_str(), "secretPath": parent.as_str(),
        });
        tx.insert_audit(&[self.entry(actor, Event::in_project("update-folder", record.project, metadata))])
            .await?;
        tx.commit().await?;
        Ok(Folder {
            record,
            environment: found.environment,
        })
    }

    /// Deletes a folder with everything below it. Keys of rotations in it are revoked.
    pub async fn delete_folder(&self, actor: &Actor, place: &PlaceSelector, id_or_name: &str) -> Result<Folder, Error> {
        let tx = self.store().write().await?;
        let found = self.find_place_for(&tx, actor, place).await?;
        let record = self.in_folder(&tx, &found, id_or_name).await?;
        let (parent, _name) = record
            .path
            .split_last()
            .ok_or_else(|| Error::bad_request("the root folder cannot be deleted"))?;
        found
            .scope
            .require(project::FOLDERS_DELETE, &Resource::at(&found.environment.slug, parent.as_str()))?;
        let mut folders = vec![record.id];
        folders.extend(
            tx.list_folders_below(found.environment.id, &record.path)
                .await?
                .into_iter()
                .map(|folder| folder.id),
        );
        self.retire_rotations_within(&tx, record.project, &folders).await?;
        tx.remove_folder(record.project, record.id).await?;
        let metadata = json!({
            "environment": found.environment.slug, "folderId": record.id, "folderName": record.name, "folderPath": record.path.as_str(),
            "secretPath": parent.as_str(),
        });
        tx.insert_audit(&[self.entry(actor, Event::in_project("delete-folder", record.project, metadata))])
            .await?;
        tx.commit().await?;
        Ok(Folder {
            record,
            environment: found.environment,
        })
    }

    /// Deletes an environment with everything in it. Keys of rotations in it are revoked.
    pub async fn delete_environment(&self, actor: &Actor, project_id: ProjectId, id: EnvironmentId) -> Result<EnvironmentRecord, Error> {
        let tx = self.store().write().await?;
        let scope = project_scope(&tx, actor, project_id, self.now()).await?;
        scope.require(project::ENVIRONMENTS_DELETE, &Resource::ANY)?;
        let all = tx.list_environments(project_id).await?;
        let environment = all
            .iter()
            .find(|environment| environment.id == id)
            .cloned()
            .ok_or_else(|| unknown_environment(id))?;
        let folders: Vec<FolderId> = tx.list_folders_of_environment(id).await?;
        self.retire_rotations_within(&tx, project_id, &folders).await?;
        tx.remove_environment(project_id, id).await?;
        for (position, mut other) in (1_u32..).zip(all.into_iter().filter(|other| other.id != id)) {
            if other.position != position {
                other.position = position;
                tx.update_environment(&other).await?;
            }
        }
        let metadata = json!({ "environmentId": id, "name": environment.name, "slug": environment.slug, "environment": environment.slug });
        tx.insert_audit(&[self.entry(actor, Event::in_project("delete-environment", project_id, metadata))])
            .await?;
        tx.commit().await?;
        Ok(environment)
    }

    /// Deletes a project with everything in it. Keys of rotations in it are revoked.
    pub async fn delete_project(&self, actor: &Actor, selector: &ProjectSelector) -> Result<Project, Error> {
        let tx = self.store().write().await?;
        let scope = self.select_project(&tx, actor, selector).await?;
        scope.require(project::PROJECT_DELETE, &Resource::ANY)?;
        let record = scope.project().clone();
        if record.delete_protection {
            return Err(Error::forbidden(
                "the project is protected from deletion; take the protection off first",
            ));
        }
        let environments = tx.list_environments(record.id).await?;
        let mut folders = Vec::new();
        for environment in &environments {
            folders.extend(tx.list_folders_of_environment(environment.id).await?);
        }
        self.retire_rotations_within(&tx, record.id, &folders).await?;
        tx.remove_project(record.org, record.id).await?;
        let metadata = json!({ "name": record.name, "slug": record.slug });
        tx.insert_audit(&[self.entry(actor, Event::in_project("delete-project", record.id, metadata))])
            .await?;
        tx.commit().await?;
        self.forget_data_keys(KeyScope::Project(record.id));
        Ok(Project { record, environments })
    }
}
