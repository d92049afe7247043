//! Places of secrets: an environment and a folder of a project, as requests name them.

use kms_core::names::SecretPath;
use kms_store::folders::FolderRecord;
use kms_store::projects::EnvironmentRecord;
use kms_store::{Session, Tx};

use crate::access::ProjectScope;
use crate::actor::Actor;
use crate::projects::ProjectSelector;
use crate::{App, Error};

/// A place that a request names.
#[derive(Debug, Clone)]
pub struct PlaceSelector {
    /// The project.
    pub project: ProjectSelector,
    /// Slug of the environment.
    pub environment: String,
    /// Path of the folder.
    pub path: SecretPath,
}

/// A place that exists.
pub(crate) struct Place {
    pub(crate) scope: ProjectScope,
    pub(crate) environment: EnvironmentRecord,
    pub(crate) folder: FolderRecord,
}

impl App {
    /// The project's scope, and environment and folder as far as they exist.
    pub(crate) async fn look_for(
        &self,
        session: &Session,
        actor: &Actor,
        selector: &PlaceSelector,
    ) -> Result<(ProjectScope, Option<(EnvironmentRecord, Option<FolderRecord>)>), Error> {
        let scope = self.select_project(session, actor, &selector.project).await?;
        let Some(environment) = session.find_environment(scope.project().id, &selector.environment).await? else {
            return Ok((scope, None));
        };
        let folder = session.find_folder(environment.id, &selector.path).await?;
        Ok((scope, Some((environment, folder))))
    }

    /// The place, or "not found".
    pub(crate) async fn find_place_for(&self, session: &Session, actor: &Actor, selector: &PlaceSelector) -> Result<Place, Error> {
        match self.look_for(session, actor, selector).await? {
            (scope, Some((environment, Some(folder)))) => Ok(Place {
                scope,
                environment,
                folder,
            }),
            (_, Some((_, None))) => Err(missing_folder(selector)),
            (_, None) => Err(missing_environment(&selector.environment)),
        }
    }

    /// [`App::find_place_for`], and the lock of the folder: what is read of its secrets afterwards stays so until the commit.
    pub(crate) async fn lock_place(&self, tx: &Tx, actor: &Actor, selector: &PlaceSelector) -> Result<Place, Error> {
        let place = self.find_place_for(tx, actor, selector).await?;
        if tx.lock_folder(place.folder.id).await? {
            Ok(place)
        } else {
            Err(missing_folder(selector))
        }
    }
}

pub(crate) fn missing_environment(slug: &str) -> Error {
    Error::not_found(format!("no environment \"{slug}\" in this project"))
}

pub(crate) fn missing_folder(selector: &PlaceSelector) -> Error {
    Error::not_found(format!(
        "no folder {} in the environment \"{}\"",
        selector.path, selector.environment
    ))
}
