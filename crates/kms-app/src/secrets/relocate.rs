//! Moving secrets to another folder of their project. Id, value and history stay.

use std::collections::BTreeSet;

use kms_core::ids::SecretId;
use kms_core::names::SecretPath;
use kms_core::permission::{Resource, project};
use serde_json::json;

use super::place::PlaceSelector;
use crate::actor::Actor;
use crate::audit::Event;
use crate::error::on_constraint;
use crate::projects::ProjectSelector;
use crate::{App, Error};

/// What is moved, and where to.
#[derive(Debug, Clone)]
pub struct Relocation {
    /// The project.
    pub project: ProjectSelector,
    /// From where: slug of the environment, and folder.
    pub source: (String, SecretPath),
    /// Where to.
    pub destination: (String, SecretPath),
    /// Which secrets.
    pub secrets: Vec<SecretId>,
    /// Whether they replace secrets of the same names.
    pub overwrite: bool,
}

/// What a move has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relocated {
    /// Something has left the source.
    pub source: bool,
    /// Something has come to the destination.
    pub destination: bool,
}

impl App {
    /// Moves secrets, all or none. The mover must be able to read them: elsewhere other people may.
    pub async fn move_secrets(&self, actor: &Actor, relocation: &Relocation) -> Result<Relocated, Error> {
        let tx = self.store().write().await?;
        let selector = |(environment, path): &(String, SecretPath)| PlaceSelector {
            project: relocation.project.clone(),
            environment: environment.clone(),
            path: path.clone(),
        };
        let source = self.find_place_for(&tx, actor, &selector(&relocation.source)).await?;
        let destination = self.find_place_for(&tx, actor, &selector(&relocation.destination)).await?;
        if source.folder.id == destination.folder.id {
            return Err(Error::bad_request(
                "the secrets are there already: source and destination are the same",
            ));
        }
        if !tx.lock_folders(&[source.folder.id, destination.folder.id]).await? {
            return Err(Error::not_found("the folder was deleted meanwhile"));
        }
        let wanted: BTreeSet<SecretId> = relocation.secrets.iter().copied().collect();
        let moving: Vec<_> = tx
            .list_secrets(source.folder.id)
            .await?
            .into_iter()
            .filter(|record| wanted.contains(&record.id))
            .collect();
        if let Some(absent) = wanted.iter().find(|id| !moving.iter().any(|record| record.id == **id)) {
            return Err(Error::not_found(format!(
                "no secret with the id {absent} in {}",
                source.folder.path
            )));
        }
        let present = tx.list_secrets(destination.folder.id).await?;
        let mut in_the_way = Vec::new();
        for record in &moving {
            let from = Resource::at(&source.environment.slug, source.folder.path.as_str()).named(&record.key);
            let to = Resource::at(&destination.environment.slug, destination.folder.path.as_str()).named(&record.key);
            source.scope.require(project::SECRETS_READ_VALUE, &from)?;
            source.scope.require(project::SECRETS_DELETE, &from)?;
            source.scope.require(project::SECRETS_CREATE, &to)?;
            if record.rotation.is_some() {
                return Err(Error::bad_request(format!(
                    "Cannot move rotated secret: {} belongs to a secret rotation; move that instead",
                    record.key
                )));
            }
            if let Some(other) = present.iter().find(|other| other.key == record.key) {
                if relocation.overwrite {
                    source.scope.require(project::SECRETS_EDIT, &to)?;
                }
                in_the_way.push(other);
            }
        }
        if let Some(rotated) = in_the_way.iter().find(|other| other.rotation.is_some()) {
            return Err(Error::bad_request(format!(
                "Cannot update rotated secret: {} of the destination belongs to a secret rotation",
                rotated.key
            )));
        }
        if !relocation.overwrite && !in_the_way.is_empty() {
            let names: Vec<&str> = in_the_way.iter().map(|other| other.key.as_str()).collect();
            return Err(Error::bad_request(format!(
                "the destination has secrets of the same names: {}. Set shouldOverwrite to replace them",
                names.join(", ")
            )));
        }
        for other in in_the_way {
            tx.remove_secret(other.project, other.id).await?;
        }
        let mut names = Vec::with_capacity(moving.len());
        for mut record in moving {
            record.folder = destination.folder.id;
            record.updated_at = self.now();
            on_constraint(tx.relocate_secret(&record).await, "uq_secrets_key", || {
                Error::bad_request(format!("the destination has a secret named {} already", record.key))
            })?;
            names.push(record.key);
        }
        let moved = Relocated {
            source: !names.is_empty(),
            destination: !names.is_empty(),
        };
        let metadata = json!({
            "environment": source.environment.slug, "secretPath": source.folder.path.as_str(),
            "destinationEnvironment": destination.environment.slug, "destinationSecretPath": destination.folder.path.as_str(),
            "secretIds": wanted, "secretKeys": names,
        });
        let event = Event::in_project("move-secrets", source.scope.project().id, metadata);
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(moved)
    }
}
