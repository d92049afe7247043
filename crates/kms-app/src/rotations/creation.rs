//! Creating a rotation: the first key goes the same way as any other; the rotation and its secrets come into being with its
//! publication. If it cannot be finished in time, or the process dies, the key is discarded and nothing was created.

use std::collections::{BTreeMap, BTreeSet};

use kms_core::ids::{ConnectionId, ProjectId, RotationId};
use kms_core::names::{EnvironmentSlug, ResourceName, SecretPath};
use kms_core::permission::{Resource, project};
use kms_core::rotation::Status;
use kms_core::rotation::machine::Trigger;
use kms_core::rotation::schedule::RotateAt;
use kms_store::Session;
use kms_store::rotations::RotationRecord;
use kms_store::secrets::VersionAuthor;
use serde_json::{Value, json};

use super::attempt::{Failure, Run};
use super::executor::Outcome;
use super::mapping::{require_distinct, require_free};
use super::publish::author;
use super::{Rotation, already_running};
use crate::access::project_scope;
use crate::actor::Actor;
use crate::audit::Event;
use crate::{App, Error, FieldIssue};

/// What a new rotation is given.
#[derive(Debug, Clone)]
pub struct NewRotation {
    /// Slug of its type.
    pub kind: String,
    /// Its name.
    pub name: ResourceName,
    /// What it is for.
    pub description: Option<String>,
    /// Its project.
    pub project: ProjectId,
    /// The connection it issues through.
    pub connection: ConnectionId,
    /// The environment of the mapped secrets.
    pub environment: EnvironmentSlug,
    /// Their folder.
    pub path: SecretPath,
    /// Whether it runs by itself.
    pub auto_rotation: bool,
    /// Days between two runs.
    pub interval_days: u16,
    /// When on that day.
    pub rotate_at: RotateAt,
    /// Parameters of the issue, as they were given.
    pub parameters: Value,
    /// Field of the credential → name of the secret, as it was given.
    pub mapping: Value,
}

/// A creation under way.
pub(crate) struct Creation {
    pub(crate) rotation: RotationRecord,
    pub(crate) path: SecretPath,
    pub(crate) environment: EnvironmentSlug,
    pub(crate) actor: Actor,
}

impl Creation {
    pub(crate) fn name_taken(&self) -> Error {
        Error::bad_request(format!(
            "a rotation named \"{}\" exists already in {}",
            self.rotation.name, self.path
        ))
    }

    pub(crate) fn author(&self) -> VersionAuthor {
        author(&self.actor.audit_actor())
    }

    pub(crate) fn event(&self) -> Event {
        let rotation = &self.rotation;
        let metadata = json!({
            "rotationId": rotation.id, "type": rotation.kind, "name": rotation.name, "description": rotation.description,
            "connectionId": rotation.connection, "environment": self.environment.as_str(), "secretPath": self.path.as_str(),
            "isAutoRotationEnabled": rotation.auto_rotation, "rotationInterval": rotation.interval_days, "rotateAtUtc": rotation.rotate_at,
            "parameters": rotation.parameters, "secretsMapping": rotation.mapping,
        });
        Event::in_project("create-secret-rotation", rotation.project, metadata)
    }
}

/// Reads parameters and mapping, collecting the problems of both.
pub(super) fn read_forms(
    app: &App,
    kind: &str,
    parameters: Option<&Value>,
    mapping: Option<&Value>,
) -> Result<(Option<Value>, Option<BTreeMap<String, String>>), Error> {
    let rotator = app.rotator(kind)?;
    let mut issues: Vec<FieldIssue> = Vec::new();
    let mut below = |field: &str, found: Vec<FieldIssue>| {
        issues.extend(found.into_iter().map(|mut issue| {
            issue.path.insert(0, field.to_owned());
            issue
        }));
    };
    let parameters = parameters.and_then(|given| rotator.read_parameters(given).map_err(|found| below("parameters", found)).ok());
    let mapping = mapping.and_then(|given| rotator.read_mapping(given).map_err(|found| below("secretsMapping", found)).ok());
    if issues.is_empty() {
        Ok((parameters, mapping))
    } else {
        Err(Error::Invalid { issues })
    }
}

impl App {
    /// Creates a rotation: issues the first key, and makes the rotation and its secrets once the key was seen to work.
    ///
    /// The checks stand in the contract's order (`secret-rotations.md` §4.2); nothing is issued before all of them have passed.
    pub async fn create_rotation(&self, actor: &Actor, new: NewRotation) -> Result<Rotation, Error> {
        let (parameters, mapping) = read_forms(self, &new.kind, Some(&new.parameters), Some(&new.mapping))?;
        let now = self.now();
        let tx = self.store().write().await?;
        let scope = project_scope(&tx, actor, new.project, now).await.map_err(|error| match error {
            // An unknown project is a violated rule here, not a missing page.
            Error::NotFound { message } => Error::bad_request(message),
            other => other,
        })?;
        let connection_text = new.connection.to_string();
        let place = Resource::at(new.environment.as_str(), new.path.as_str()).through(&connection_text);
        scope.require(project::ROTATION_CREATE, &place)?;
        let (_environment, folder) = super::find_place(&tx, new.project, &new.environment, &new.path).await?;
        let app_slug = self.rotator(&new.kind)?.rotation_type().app;
        self.usable_connection(&tx, actor, &scope, new.connection, app_slug).await?;
        let creation = Creation {
            rotation: RotationRecord {
                id: RotationId::random(self.entropy()),
                org: actor.org,
                project: new.project,
                folder: folder.id,
                connection: new.connection,
                name: new.name.as_str().to_owned(),
                description: new.description,
                kind: new.kind,
                parameters: parameters.unwrap_or_default(),
                mapping: mapping.unwrap_or_default(),
                auto_rotation: new.auto_rotation,
                interval_days: new.interval_days,
                rotate_at: new.rotate_at,
                active_slot: 0,
                slots: [None, None],
                status: Status::Success,
                last_attempted_at: now,
                last_rotated_at: now,
                next_at: None,
                last_manual: true,
                last_job: None,
                sealed_message: None,
                revision: 1,
                created_at: now,
                updated_at: now,
            },
            path: new.path,
            environment: new.environment,
            actor: actor.clone(),
        };
        self.check_creation(&tx, &creation).await?;
        let rotation = &creation.rotation;
        let run = Run {
            org: rotation.org,
            project: rotation.project,
            rotation: rotation.id,
            connection: rotation.connection,
            kind: rotation.kind.clone(),
            parameters: rotation.parameters.clone(),
            trigger: Trigger::Creation,
            actor: actor.audit_actor(),
        };
        let held = self.plan_run(&tx, run).await.map_err(Failure::into_app)?;
        tx.commit().await?;

        let id = rotation.id;
        let app = self.clone();
        // A task of its own: a caller that hangs up must not stop the run between two steps.
        let outcome = tokio::spawn(async move { app.run_for_caller(held, Some(creation)).await })
            .await
            .map_err(Error::internal)??;
        match outcome {
            Outcome::Published => {
                self.nudge();
                let session = self.store().read();
                let record = session
                    .find_rotation(actor.org, id)
                    .await?
                    .ok_or_else(|| Error::internal("a created rotation is missing"))?;
                self.show(&session, record).await
            }
            Outcome::Failed {
                refusal: Some(refusal), ..
            } => Err(refusal),
            Outcome::Failed { message, refusal: None } => Err(Error::bad_request(message)),
            Outcome::Continued => Err(already_running()),
        }
    }

    /// The checks that stand before the issue and again in the transaction that publishes: name, mapping, secrets.
    pub(super) async fn check_creation(&self, session: &Session, creation: &Creation) -> Result<(), Error> {
        let rotation = &creation.rotation;
        if session.find_folder_by_id(rotation.project, rotation.folder).await?.is_none() {
            return Err(Error::bad_request(format!("the folder {} was deleted meanwhile", creation.path)));
        }
        if session.find_rotation_by_name(rotation.folder, &rotation.name).await?.is_some() {
            return Err(creation.name_taken());
        }
        require_distinct(&rotation.mapping)?;
        let names: BTreeSet<&str> = rotation.mapping.values().map(String::as_str).collect();
        require_free(session, rotation.folder, creation.path.as_str(), &names).await
    }
}
