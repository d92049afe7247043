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
use crate::secrets::{Place, PlaceSelector};
use crate::{App, Error};

/// A folder with its environment.
#[derive(Debug, Clone)]
pub struct Folder {
    /// The folder.
    pub record: FolderRecord,
    /// Its environment.
    pub environment: EnvironmentRecord,
}

/// A change of a folder.
#[derive(Debug, Clone)]
pub struct FolderChange {
    /// Which: by its name in the folder that it is in, else by its id.
    pub folder: String,
    /// Slug of its environment.
    pub environment: String,
    /// Path of the folder that it is in.
    pub path: SecretPath,
    /// Its name from now on.
    pub name: FolderName,
    /// What it is for; stays if absent.
    pub description: Option<String>,
}

fn missing(what: &str) -> Error {
    Error::not_found(format!("no folder \"{what}\" here"))
}

/// The folder that a folder is in, as conditions of roles name it; the root is in itself.
fn parent_of(path: &SecretPath) -> SecretPath {
    path.split_last().map_or_else(SecretPath::root, |(parent, _)| parent)
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
        self.lock_tree(&tx, &environment).await?;
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
                "environment": environment.slug, "folderId": record.id, "folderName": record.name, "folderPath": record.path.as_str(),
                "secretPath": place.path.as_str(),
            });
            tx.insert_audit(&[self.entry(actor, Event::in_project("create-folder", scope.project().id, metadata))])
                .await?;
        }
        tx.commit().await?;
        Ok(Folder { record, environment })
    }

    /// From here to the commit nobody else changes the tree of the environment's folders.
    async fn lock_tree(&self, tx: &Tx, environment: &EnvironmentRecord) -> Result<(), Error> {
        if tx.lock_environment(environment.id).await? {
            Ok(())
        } else {
            Err(Error::not_found(format!(
                "the environment \"{}\" was deleted meanwhile",
                environment.slug
            )))
        }
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
        tx.insert_folder(&record).await?;
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
                let parent = parent_of(&folder.path);
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
        let parent = parent_of(&record.path);
        scope.require(project::FOLDERS_READ, &Resource::at(&environment.slug, parent.as_str()))?;
        Ok(Folder { record, environment })
    }

    /// A folder by its path.
    pub async fn get_folder_by_path(&self, actor: &Actor, place: &PlaceSelector) -> Result<Folder, Error> {
        let session = self.store().read();
        let found = self.find_place_for(&session, actor, place).await?;
        let parent = parent_of(&found.folder.path);
        found
            .scope
            .require(project::FOLDERS_READ, &Resource::at(&found.environment.slug, parent.as_str()))?;
        Ok(Folder {
            record: found.folder,
            environment: found.environment,
        })
    }

    /// The folder of that name in a folder, else the one of that id in its environment.
    async fn in_folder(&self, tx: &Tx, place: &Place, id_or_name: &str) -> Result<FolderRecord, Error> {
        if let Ok(name) = FolderName::parse(id_or_name) {
            let path = place.folder.path.join(name.as_str());
            if let Some(found) = tx.find_folder(place.environment.id, &path).await? {
                return Ok(found);
            }
        }
        let Ok(id) = id_or_name.parse::<FolderId>() else {
            return Err(missing(id_or_name));
        };
        tx.find_folder_by_id(place.scope.project().id, id)
            .await?
            .filter(|folder| folder.environment == place.environment.id)
            .ok_or_else(|| missing(id_or_name))
    }

    /// The folder that is in a folder, under the lock of the environment's tree, and the path that it is in.
    async fn lock_child(
        &self,
        tx: &Tx,
        actor: &Actor,
        selector: &PlaceSelector,
        id_or_name: &str,
    ) -> Result<(Place, FolderRecord, SecretPath), Error> {
        let seen = self.find_place_for(tx, actor, selector).await?;
        self.lock_tree(tx, &seen.environment).await?;
        // Looked up again under the lock: paths may have changed meanwhile.
        let place = self.find_place_for(tx, actor, selector).await?;
        let record = self.in_folder(tx, &place, id_or_name).await?;
        let (parent, _name) = record
            .path
            .split_last()
            .ok_or_else(|| Error::bad_request("the root folder of an environment stays as it is"))?;
        Ok((place, record, parent))
    }

    /// Renames a folder; everything below it moves along.
    pub async fn update_folder(&self, actor: &Actor, project: &ProjectSelector, change: FolderChange) -> Result<Folder, Error> {
        let mut changed = self.update_folders(actor, project, vec![change]).await?;
        changed.pop().ok_or_else(|| Error::internal("a changed folder was lost"))
    }

    /// Renames several folders, one after the other, all or none.
    pub async fn update_folders(&self, actor: &Actor, project: &ProjectSelector, changes: Vec<FolderChange>) -> Result<Vec<Folder>, Error> {
        let tx = self.store().write().await?;
        let mut changed = Vec::with_capacity(changes.len());
        let mut entries = Vec::with_capacity(changes.len());
        for change in changes {
            let (folder, event) = self.rename(&tx, actor, project, change).await?;
            changed.push(folder);
            entries.push(self.entry(actor, event));
        }
        tx.insert_audit(&entries).await?;
        tx.commit().await?;
        Ok(changed)
    }

    async fn rename(&self, tx: &Tx, actor: &Actor, project: &ProjectSelector, change: FolderChange) -> Result<(Folder, Event), Error> {
        let selector = PlaceSelector {
            project: project.clone(),
            environment: change.environment,
            path: change.path,
        };
        let (place, mut record, parent) = self.lock_child(tx, actor, &selector, &change.folder).await?;
        place
            .scope
            .require(project::FOLDERS_EDIT, &Resource::at(&place.environment.slug, parent.as_str()))?;
        let (old_path, new_path) = (record.path.clone(), parent.join(change.name.as_str()));
        let old_name = std::mem::replace(&mut record.name, change.name.as_str().to_owned());
        let taken = || Error::bad_request(format!("a folder named \"{}\" exists already in {parent}", change.name));
        if new_path != old_path {
            if tx.find_folder(place.environment.id, &new_path).await?.is_some() {
                return Err(taken());
            }
            for mut below in tx.list_folders_below(place.environment.id, &old_path).await? {
                let rest = below.path.as_str().get(old_path.as_str().len()..).unwrap_or_default();
                below.path = SecretPath::from_stored(format!("{new_path}{rest}"));
                tx.update_folder(&below).await?;
            }
        }
        record.path = new_path;
        record.version = record.version.saturating_add(1);
        record.description = change.description.or(record.description);
        record.updated_at = self.now();
        on_constraint(tx.update_folder(&record).await, "uq_folders_path", taken)?;
        let metadata = json!({
            "environment": place.environment.slug, "folderId": record.id, "oldFolderName": old_name, "newFolderName": record.name,
            "folderPath": record.path.as_str(), "secretPath": parent.as_str(),
        });
        let event = Event::in_project("update-folder", record.project, metadata);
        let folder = Folder {
            record,
            environment: place.environment,
        };
        Ok((folder, event))
    }

    /// Deletes a folder with everything below it. Keys of rotations in it are revoked.
    pub async fn delete_folder(&self, actor: &Actor, selector: &PlaceSelector, id_or_name: &str) -> Result<Folder, Error> {
        let tx = self.store().write().await?;
        let (place, record, parent) = self.lock_child(&tx, actor, selector, id_or_name).await?;
        place
            .scope
            .require(project::FOLDERS_DELETE, &Resource::at(&place.environment.slug, parent.as_str()))?;
        let mut folders = vec![record.id];
        folders.extend(
            tx.list_folders_below(place.environment.id, &record.path)
                .await?
                .into_iter()
                .map(|folder| folder.id),
        );
        self.empty_folders(&tx, record.project, &folders).await?;
        tx.remove_folder(record.project, record.id).await?;
        let metadata = json!({
            "environment": place.environment.slug, "folderId": record.id, "folderName": record.name, "folderPath": record.path.as_str(),
            "secretPath": parent.as_str(),
        });
        tx.insert_audit(&[self.entry(actor, Event::in_project("delete-folder", record.project, metadata))])
            .await?;
        tx.commit().await?;
        Ok(Folder {
            record,
            environment: place.environment,
        })
    }

    /// Makes folders ready for deletion: their rotations end, and nothing new comes into them.
    async fn empty_folders(&self, tx: &Tx, project: ProjectId, folders: &[FolderId]) -> Result<(), Error> {
        // Rotations are locked before their folder everywhere; so first those that are known, and after the folders' locks those
        // that came meanwhile.
        self.retire_rotations_within(tx, project, folders).await?;
        tx.lock_folders(folders).await?;
        self.retire_rotations_within(tx, project, folders).await
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
        self.lock_tree(&tx, &environment).await?;
        let folders: Vec<FolderId> = tx.list_folders_of_environment(id).await?;
        self.empty_folders(&tx, project_id, &folders).await?;
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
            self.lock_tree(&tx, environment).await?;
            folders.extend(tx.list_folders_of_environment(environment.id).await?);
        }
        self.empty_folders(&tx, record.id, &folders).await?;
        tx.remove_project(record.org, record.id).await?;
        let metadata = json!({ "name": record.name, "slug": record.slug });
        tx.insert_audit(&[self.entry(actor, Event::in_project("delete-project", record.id, metadata))])
            .await?;
        tx.commit().await?;
        self.forget_data_keys(KeyScope::Project(record.id));
        Ok(Project { record, environments })
    }
}
