//! Reading, changing, running and moving rotations.

use std::collections::{BTreeSet, HashMap};

use kms_core::ids::{ProjectId, RotationId};
use kms_core::names::{EnvironmentSlug, ResourceName, SecretPath};
use kms_core::permission::{Permission, Resource, project};
use kms_core::rotation::machine::Trigger;
use kms_core::rotation::schedule::RotateAt;
use kms_core::secret::SecretString;
use kms_providers::declaration::RotationType;
use kms_providers::outcome::Verification;
use kms_providers::rotator::Spending;
use kms_store::attempts::AttemptRecord;
use kms_store::issued_keys::KeyRecord;
use kms_store::{Session, Tx};
use serde_json::{Value, json};

use super::attempt::{Failure, Run};
use super::creation::read_forms;
use super::executor::Outcome;
use super::mapping::{require_distinct, require_free};
use super::publish::author;
use super::{Rotation, already_running, find_place};
use crate::access::{ProjectScope, project_scope};
use crate::actor::Actor;
use crate::audit::Event;
use crate::error::on_constraint;
use crate::{App, Error};

/// Changes of a rotation; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct RotationChanges {
    /// Its name.
    pub name: Option<ResourceName>,
    /// What it is for; `Some(None)` clears it.
    pub description: Option<Option<String>>,
    /// Whether it runs by itself.
    pub auto_rotation: Option<bool>,
    /// Days between two runs.
    pub interval_days: Option<u16>,
    /// When on that day.
    pub rotate_at: Option<RotateAt>,
    /// Parameters of the next issue, whole.
    pub parameters: Option<Value>,
    /// The mapping, whole.
    pub mapping: Option<Value>,
}

/// Both slots in clear.
#[derive(Debug)]
pub struct GeneratedCredentials {
    /// The rotation.
    pub rotation: RotationId,
    /// Slug of its type.
    pub kind: String,
    /// Which slot is served.
    pub active_slot: usize,
    /// The credentials, each a JSON object's text, in slot order.
    pub credentials: Vec<SecretString>,
}

/// Where a rotation is moved to.
#[derive(Debug, Clone)]
pub struct Moved {
    /// The destination's environment.
    pub environment: EnvironmentSlug,
    /// The destination's folder.
    pub path: SecretPath,
    /// Whether secrets with the mapped names there are replaced.
    pub overwrite: bool,
}

/// A type of rotation that is offered.
#[derive(Debug, Clone)]
pub struct RotationTypeOption {
    /// Display name.
    pub name: &'static str,
    /// Slug.
    pub kind: &'static str,
    /// Slug of the app its connections belong to.
    pub connection: &'static str,
    /// Suggested secret name by field.
    pub mapping: Vec<(&'static str, &'static str)>,
}

/// What a key has spent, or why that is not known.
#[derive(Debug, Clone)]
pub struct KeySpending {
    /// The key.
    pub key: KeyRecord,
    /// What it has spent; else a text for people.
    pub spending: Result<Spending, String>,
}

impl App {
    /// The types of rotation, by display name.
    pub fn rotation_options(&self) -> Vec<RotationTypeOption> {
        self.registry()
            .rotation_types()
            .into_iter()
            .map(|rotator| {
                let kind = rotator.rotation_type();
                RotationTypeOption {
                    name: kind.name,
                    kind: kind.slug,
                    connection: kind.app,
                    mapping: kind.mapping.iter().map(|field| (field.name, field.default_secret)).collect(),
                }
            })
            .collect()
    }

    /// What a type of rotation asks for.
    pub fn rotation_type(&self, kind: &str) -> Option<&'static RotationType> {
        self.registry().rotation_type(kind).map(|rotator| rotator.rotation_type())
    }

    /// Every problem with parameters and a mapping for a type of rotation, with paths from the request's body.
    pub fn check_rotation_forms(&self, kind: &str, parameters: Option<&Value>, mapping: Option<&Value>) -> Result<(), Error> {
        read_forms(self, kind, parameters, mapping).map(|_read| ())
    }

    /// How many rotations of each project have failed, for those projects of the organization that have any.
    pub async fn failed_rotations(&self, actor: &Actor) -> Result<HashMap<ProjectId, usize>, Error> {
        Ok(self.store().read().count_failed_rotations(actor.org).await?.into_iter().collect())
    }

    /// Whether `kind` is a type of rotation.
    pub fn knows_rotation_type(&self, kind: &str) -> bool {
        self.registry().rotation_type(kind).is_some()
    }

    /// A rotation of the wanted type, with the actor's scope, after the permission was checked.
    pub(super) async fn permitted(
        &self,
        session: &Session,
        actor: &Actor,
        kind: &str,
        id: RotationId,
        needed: Permission,
    ) -> Result<(Rotation, ProjectScope), Error> {
        let unknown = || {
            let name = self
                .registry()
                .rotation_type(kind)
                .map_or(kind, |rotator| rotator.rotation_type().name);
            Error::not_found(format!("no {name} rotation with the id {id}"))
        };
        let record = session.find_rotation(actor.org, id).await?.ok_or_else(unknown)?;
        let scope = project_scope(session, actor, record.project, self.now()).await?;
        let rotation = self.show(session, record).await?;
        let connection = rotation.record.connection.to_string();
        scope.require(
            needed,
            &Resource::at(&rotation.environment.slug, rotation.folder.path.as_str()).through(&connection),
        )?;
        if rotation.record.kind != kind {
            return Err(Error::bad_request(format!(
                "the rotation {id} is of the type {}, not {kind}",
                rotation.record.kind
            )));
        }
        Ok((rotation, scope))
    }

    /// The rotations of a project that the actor may see, by name; of one type or all.
    pub async fn list_rotations(&self, actor: &Actor, project_id: ProjectId, kind: Option<&str>) -> Result<Vec<Rotation>, Error> {
        let session = self.store().read();
        let scope = project_scope(&session, actor, project_id, self.now()).await?;
        scope.require_somewhere(project::ROTATION_READ)?;
        let mut rotations = Vec::new();
        for record in session.list_rotations(project_id).await? {
            if kind.is_some_and(|kind| kind != record.kind) {
                continue;
            }
            let rotation = self.show(&session, record).await?;
            let connection = rotation.record.connection.to_string();
            let place = Resource::at(&rotation.environment.slug, rotation.folder.path.as_str()).through(&connection);
            if scope.allows(project::ROTATION_READ, &place) {
                rotations.push(rotation);
            }
        }
        let ids: Vec<RotationId> = rotations.iter().map(|rotation| rotation.record.id).collect();
        let event = Event::in_project(
            "get-secret-rotations",
            project_id,
            json!({ "type": kind, "count": ids.len(), "rotationIds": ids }),
        );
        self.record_read(actor, event).await?;
        Ok(rotations)
    }

    /// One rotation.
    pub async fn get_rotation(&self, actor: &Actor, kind: &str, id: RotationId) -> Result<Rotation, Error> {
        let session = self.store().read();
        let (rotation, _scope) = self.permitted(&session, actor, kind, id, project::ROTATION_READ).await?;
        self.record_read(actor, read_event("get-secret-rotation", &rotation)).await?;
        Ok(rotation)
    }

    /// One rotation, whatever its type.
    pub async fn get_rotation_of_any_type(&self, actor: &Actor, id: RotationId) -> Result<Rotation, Error> {
        let found = self.store().read().find_rotation(actor.org, id).await?;
        let kind = found
            .map(|record| record.kind)
            .ok_or_else(|| Error::not_found(format!("no rotation with the id {id}")))?;
        self.get_rotation(actor, &kind, id).await
    }

    /// The rotation of that name in a folder.
    pub async fn get_rotation_by_name(
        &self,
        actor: &Actor,
        kind: &str,
        name: &str,
        project_id: ProjectId,
        environment: &EnvironmentSlug,
        path: &SecretPath,
    ) -> Result<Rotation, Error> {
        let session = self.store().read();
        let scope = project_scope(&session, actor, project_id, self.now()).await?;
        scope.require_somewhere(project::ROTATION_READ)?;
        let (_environment, folder) = find_place(&session, project_id, environment, path).await?;
        let found = session.find_rotation_by_name(folder.id, name.trim()).await?;
        let record = found.ok_or_else(|| Error::not_found(format!("no rotation named \"{name}\" in {path}")))?;
        let (rotation, _scope) = self.permitted(&session, actor, kind, record.id, project::ROTATION_READ).await?;
        self.record_read(actor, read_event("get-secret-rotation", &rotation)).await?;
        Ok(rotation)
    }

    /// The credentials of both slots, in clear.
    pub async fn generated_credentials(&self, actor: &Actor, kind: &str, id: RotationId) -> Result<GeneratedCredentials, Error> {
        let session = self.store().read();
        let (rotation, _scope) = self
            .permitted(&session, actor, kind, id, project::ROTATION_READ_CREDENTIALS)
            .await?;
        self.record_read(actor, read_event("get-secret-rotation-generated-credentials", &rotation))
            .await?;
        let mut credentials = Vec::new();
        for key in rotation.record.slots.into_iter().flatten() {
            let key = session
                .find_key(key)
                .await?
                .ok_or_else(|| Error::internal("a slot's key is not in the ledger"))?;
            credentials.push(
                self.open_key_text(&session, &key)
                    .await?
                    .ok_or_else(|| Error::internal("a slot's key has no text"))?,
            );
        }
        Ok(GeneratedCredentials {
            rotation: id,
            kind: rotation.record.kind,
            active_slot: rotation.record.active_slot,
            credentials,
        })
    }

    /// The keys and the latest attempts of a rotation: its history.
    pub async fn rotation_history(&self, actor: &Actor, kind: &str, id: RotationId) -> Result<(Vec<KeyRecord>, Vec<AttemptRecord>), Error> {
        let session = self.store().read();
        let (rotation, _scope) = self.permitted(&session, actor, kind, id, project::ROTATION_READ).await?;
        Ok((
            session.list_keys(rotation.record.id).await?,
            session.list_attempts(rotation.record.id, 50).await?,
        ))
    }

    /// Changes a rotation. New parameters act from the next issue on; a changed mapping renames the secrets in place.
    pub async fn update_rotation(&self, actor: &Actor, kind: &str, id: RotationId, changes: RotationChanges) -> Result<Rotation, Error> {
        let tx = self.store().write().await?;
        let (found, _scope) = self.permitted(&tx, actor, kind, id, project::ROTATION_EDIT).await?;
        let (parameters, mapping) = read_forms(self, kind, changes.parameters.as_ref(), changes.mapping.as_ref())?;
        let mut record = tx
            .lock_rotation(actor.org, id)
            .await?
            .ok_or_else(|| Error::not_found(format!("no rotation with the id {id}")))?;
        let path = found.folder.path.as_str();
        let noted = json!({
            "rotationId": id, "type": kind, "name": changes.name.as_ref().map(ResourceName::as_str), "description": changes.description,
            "isAutoRotationEnabled": changes.auto_rotation, "rotationInterval": changes.interval_days, "rotateAtUtc": changes.rotate_at,
            "parameters": parameters, "secretsMapping": mapping, "environment": found.environment.slug, "secretPath": path,
        });
        if let Some(mapping) = mapping
            && mapping != record.mapping
        {
            tx.lock_folder(record.folder).await?;
            require_distinct(&mapping)?;
            let own: BTreeSet<&str> = record.mapping.values().map(String::as_str).collect();
            let new: BTreeSet<&str> = mapping.values().map(String::as_str).filter(|name| !own.contains(name)).collect();
            require_free(&tx, record.folder, path, &new).await?;
            self.rename_mapped_secrets(&tx, &record, &mapping, &author(&actor.audit_actor()))
                .await?;
            record.mapping = mapping;
        }
        record.name = changes.name.map_or(record.name, |name| name.as_str().to_owned());
        record.description = changes.description.unwrap_or(record.description);
        record.auto_rotation = changes.auto_rotation.unwrap_or(record.auto_rotation);
        record.interval_days = changes.interval_days.unwrap_or(record.interval_days);
        record.rotate_at = changes.rotate_at.unwrap_or(record.rotate_at);
        record.parameters = parameters.unwrap_or(record.parameters);
        record.next_at = self.next_rotation_at(&record);
        record.updated_at = self.now();
        on_constraint(tx.update_rotation(&record).await, "uq_secret_rotations_name", || {
            Error::bad_request(format!("a rotation named \"{}\" exists already in {path}", record.name))
        })?;
        tx.insert_audit(&[self.entry(actor, Event::in_project("update-secret-rotation", record.project, noted))])
            .await?;
        tx.commit().await?;
        self.nudge();
        self.fresh(actor, id).await
    }

    async fn fresh(&self, actor: &Actor, id: RotationId) -> Result<Rotation, Error> {
        let session = self.store().read();
        let record = session
            .find_rotation(actor.org, id)
            .await?
            .ok_or_else(|| Error::not_found(format!("no rotation with the id {id}")))?;
        self.show(&session, record).await
    }

    /// Rotates now, and answers when a new key is served or the run has failed.
    pub async fn rotate_now(&self, actor: &Actor, kind: &str, id: RotationId) -> Result<Rotation, Error> {
        let tx = self.store().write().await?;
        let (found, _scope) = self.permitted(&tx, actor, kind, id, project::ROTATION_ROTATE).await?;
        let rotation = found.record;
        let run = Run {
            org: rotation.org,
            project: rotation.project,
            rotation: rotation.id,
            connection: rotation.connection,
            kind: rotation.kind,
            parameters: rotation.parameters,
            trigger: Trigger::Manual,
            actor: actor.audit_actor(),
        };
        let held = match self.plan_run(&tx, run).await {
            Ok(held) => held,
            Err(failure) if failure.is_constraint("uq_rotation_attempts_open") => return Err(already_running()),
            Err(failure) => return Err(Failure::into_app(failure)),
        };
        tx.commit().await?;
        let app = self.clone();
        // A task of its own: a caller that hangs up must not stop the run between two steps.
        let outcome = tokio::spawn(async move { app.run_for_caller(held, None).await })
            .await
            .map_err(Error::internal)??;
        match outcome {
            Outcome::Published => self.fresh(actor, id).await,
            Outcome::Failed { message, .. } => Err(Error::Failed { message }),
            Outcome::Continued => Err(already_running()),
        }
    }

    /// Asks the provider whether the served credential works. Changes nothing.
    pub async fn check_rotation(&self, actor: &Actor, kind: &str, id: RotationId) -> Result<(), Error> {
        let session = self.store().read();
        let (rotation, _scope) = self.permitted(&session, actor, kind, id, project::ROTATION_ROTATE).await?;
        let key = match rotation.record.active_key() {
            Some(key) => session.find_key(key).await?,
            None => None,
        };
        let key = key.ok_or_else(|| Error::internal("a rotation has no active key"))?;
        let credential = self
            .open_key_text(&session, &key)
            .await?
            .ok_or_else(|| Error::internal("a slot's key has no text"))?;
        self.record_read(actor, read_event("check-secret-rotation-credentials", &rotation))
            .await?;
        let rotator = self.rotator(kind)?;
        match self
            .call(rotation.record.connection, None, async |outbound| {
                rotator.check(&outbound, &credential).await
            })
            .await
        {
            Some(Ok(Verification::Works)) => Ok(()),
            Some(Ok(Verification::NotYet(reason) | Verification::Differs(reason))) => {
                Err(Error::bad_request(format!("the active credential does not work: {reason}")))
            }
            Some(Err(error)) => Err(Error::bad_request(format!("the active credential could not be checked: {error}"))),
            None => Err(Error::Unavailable {
                cause: "stopping".to_owned(),
            }),
        }
    }

    /// What the keys of a rotation that are in use have spent, newest first: asked of the provider, each with its own answer. None where
    /// the provider does not tell.
    pub async fn rotation_spending(&self, actor: &Actor, kind: &str, id: RotationId) -> Result<Vec<KeySpending>, Error> {
        let session = self.store().read();
        let (rotation, _scope) = self.permitted(&session, actor, kind, id, project::ROTATION_READ).await?;
        let rotator = self.rotator(kind)?;
        let mut all = Vec::new();
        for key in [rotation.record.active_key(), rotation.record.previous_key()].into_iter().flatten() {
            let Some(key) = session.find_key(key).await? else {
                continue;
            };
            let Some(credential) = self.open_key_text(&session, &key).await? else {
                continue;
            };
            let asked = self
                .call(rotation.record.connection, None, async |outbound| {
                    rotator.spending(&outbound, &credential).await
                })
                .await;
            let spending = match asked {
                Some(Ok(None)) => continue,
                Some(Ok(Some(spending))) => Ok(spending),
                Some(Err(error)) => Err(error.to_string()),
                None => Err("the server is stopping".to_owned()),
            };
            all.push(KeySpending { key, spending });
        }
        Ok(all)
    }

    /// Moves a rotation with its secrets to another folder. Nothing is rotated.
    pub async fn move_rotation(&self, actor: &Actor, kind: &str, id: RotationId, to: Moved) -> Result<Rotation, Error> {
        let tx = self.store().write().await?;
        let (found, scope) = self.permitted(&tx, actor, kind, id, project::ROTATION_DELETE).await?;
        let connection = found.record.connection.to_string();
        scope.require(
            project::ROTATION_CREATE,
            &Resource::at(to.environment.as_str(), to.path.as_str()).through(&connection),
        )?;
        let (environment, folder) = find_place(&tx, found.record.project, &to.environment, &to.path).await?;
        let mut record = tx
            .lock_rotation(actor.org, id)
            .await?
            .ok_or_else(|| Error::not_found(format!("no rotation with the id {id}")))?;
        if folder.id == record.folder {
            return Err(Error::bad_request("the rotation is in this folder already"));
        }
        tx.lock_folder(folder.id).await?;
        self.clear_destination(&tx, &scope, &record, &folder, &environment.slug, to.overwrite)
            .await?;
        for mut secret in tx.list_secrets_of_rotation(id).await? {
            secret.folder = folder.id;
            secret.updated_at = self.now();
            tx.relocate_secret(&secret).await?;
        }
        record.folder = folder.id;
        record.updated_at = self.now();
        on_constraint(tx.update_rotation(&record).await, "uq_secret_rotations_name", || {
            Error::bad_request(format!("a rotation named \"{}\" exists already in {}", record.name, folder.path))
        })?;
        let metadata = json!({
            "rotationId": id, "type": kind, "environment": found.environment.slug, "secretPath": found.folder.path.as_str(),
            "destinationEnvironment": environment.slug, "destinationSecretPath": folder.path.as_str(),
        });
        tx.insert_audit(&[self.entry(actor, Event::in_project("move-secret-rotation", record.project, metadata))])
            .await?;
        tx.commit().await?;
        self.fresh(actor, id).await
    }

    /// Makes room for the mapped secrets in the destination of a move, or refuses.
    async fn clear_destination(
        &self,
        tx: &Tx,
        scope: &ProjectScope,
        record: &kms_store::rotations::RotationRecord,
        folder: &kms_store::folders::FolderRecord,
        environment: &str,
        overwrite: bool,
    ) -> Result<(), Error> {
        if !overwrite {
            let names: BTreeSet<&str> = record.mapping.values().map(String::as_str).collect();
            return require_free(tx, folder.id, folder.path.as_str(), &names).await;
        }
        for name in record.mapping.values() {
            let Some(secret) = tx.find_secret(folder.id, name).await? else {
                continue;
            };
            if secret.rotation.is_some() {
                return Err(Error::bad_request(format!(
                    "the secret {name} in {} belongs to another rotation",
                    folder.path
                )));
            }
            scope.require(
                project::SECRETS_DELETE,
                &Resource::at(environment, folder.path.as_str()).named(name),
            )?;
            tx.remove_secret(record.project, secret.id).await?;
        }
        Ok(())
    }
}

fn read_event(name: &'static str, rotation: &Rotation) -> Event {
    let record = &rotation.record;
    let metadata = json!({
        "rotationId": record.id, "type": record.kind, "secretPath": rotation.folder.path.as_str(), "environment": rotation.environment.slug,
    });
    Event::in_project(name, record.project, metadata)
}
