//! Publication and failure of a run: what stands in the one transaction that ends it (`rotation.md` I5).

use kms_core::audit::{AuditActor, Origin};
use kms_core::rotation::Status;
use kms_core::rotation::ledger::KeyState;
use kms_core::rotation::machine::Trigger;
use kms_core::rotation::schedule::Schedule;
use kms_core::seal::{KeyScope, Purpose, SealContext, Sealed};
use kms_core::secret::SecretString;
use kms_core::time::Timestamp;
use kms_store::attempts::AttemptRecord;
use kms_store::rotations::RotationRecord;
use kms_store::secrets::VersionAuthor;
use kms_store::{Session, Tx};
use serde_json::json;

use super::attempt::{Held, actor_from_json};
use super::creation::Creation;
use super::executor::{find_own_key, is_manual};
use crate::audit::Event;
use crate::{App, Error};

/// What the attempt's end is told to the audit log.
struct Told<'a> {
    status: &'static str,
    message: Option<&'a str>,
}

impl App {
    /// The schedule of a rotation.
    pub(crate) fn schedule(&self, rotation: &RotationRecord) -> Schedule {
        Schedule {
            interval_days: rotation.interval_days,
            rotate_at: rotation.rotate_at,
            pace: self.settings().pace,
        }
    }

    /// When a rotation is next due, from its stored state (`secret-rotations.md` §14.1).
    pub(crate) fn next_rotation_at(&self, rotation: &RotationRecord) -> Option<Timestamp> {
        let schedule = self.schedule(rotation);
        rotation.auto_rotation.then(|| match rotation.status {
            Status::Success => schedule.after_success(rotation.last_rotated_at, rotation.last_manual),
            Status::Failed => schedule.after_failure(self.now()),
        })
    }

    /// Publishes the key of a rotation that exists. False if the rotation is gone.
    pub(super) async fn publish_next(&self, tx: &Tx, held: &Held, credential: &SecretString) -> Result<bool, Error> {
        let attempt = &held.record;
        let now = self.now();
        let Some(mut rotation) = tx.lock_rotation(attempt.org, attempt.rotation).await? else {
            return Ok(false);
        };
        let actor = actor_from_json(&attempt.actor);
        self.write_mapped_secrets(tx, &rotation, credential, &author(&actor)).await?;

        let mut new = find_own_key(tx, attempt).await?;
        new.state = KeyState::Active;
        new.published_at = Some(now);
        new.updated_at = now;
        tx.update_key(&new).await?;
        if let Some(id) = rotation.active_key()
            && let Some(mut previous) = tx.find_key(id).await?
        {
            previous.state = KeyState::StillValid;
            previous.replaced_at = Some(now);
            previous.updated_at = now;
            tx.update_key(&previous).await?;
        }
        let inactive = rotation.inactive_slot();
        if let Some(id) = rotation.previous_key()
            && let Some(mut oldest) = tx.find_key(id).await?
        {
            oldest.owe(now);
            tx.update_key(&oldest).await?;
        }
        if let Some(slot) = rotation.slots.get_mut(inactive) {
            *slot = Some(new.id);
        }
        rotation.active_slot = inactive;
        rotation.status = Status::Success;
        rotation.last_rotated_at = now;
        rotation.last_attempted_at = now;
        rotation.last_manual = is_manual(attempt.state.trigger);
        rotation.last_job = job_of(attempt);
        rotation.sealed_message = None;
        rotation.updated_at = now;
        rotation.next_at = self.next_rotation_at(&rotation);
        tx.update_rotation(&rotation).await?;
        self.tell(
            tx,
            attempt,
            &rotation,
            actor,
            &Told {
                status: "success",
                message: None,
            },
        )
        .await?;
        Ok(true)
    }

    /// Publishes the first key: the rotation and its secrets come into being with it.
    pub(super) async fn publish_first(&self, tx: &Tx, held: &Held, credential: &SecretString, creation: &Creation) -> Result<bool, Error> {
        let now = self.now();
        self.check_creation(tx, creation).await?;
        let mut key = find_own_key(tx, &held.record).await?;
        key.state = KeyState::Active;
        key.published_at = Some(now);
        key.updated_at = now;
        let mut rotation = RotationRecord {
            slots: [Some(key.id), None],
            active_slot: 0,
            last_rotated_at: now,
            last_attempted_at: now,
            created_at: now,
            updated_at: now,
            ..creation.rotation.clone()
        };
        rotation.next_at = self.next_rotation_at(&rotation);
        crate::error::on_constraint(tx.insert_rotation(&rotation).await, "uq_secret_rotations_name", || {
            creation.name_taken()
        })?;
        self.insert_mapped_secrets(tx, creation, credential).await?;
        tx.update_key(&key).await?;
        tx.insert_audit(&[self.entry(&creation.actor, creation.event())]).await?;
        Ok(true)
    }

    /// Records a failed attempt: told to the audit log, and, if the run is over, to the rotation.
    pub(super) async fn record_failed_attempt(&self, tx: &Tx, attempt: &AttemptRecord, goes_on: bool) -> Result<(), Error> {
        if attempt.state.trigger == Trigger::Creation {
            return Ok(());
        }
        let now = self.now();
        let Some(mut rotation) = tx.lock_rotation(attempt.org, attempt.rotation).await? else {
            return Ok(());
        };
        let message = if goes_on {
            "the attempt failed and will be retried"
        } else {
            rotation.status = Status::Failed;
            rotation.last_attempted_at = now;
            rotation.last_job = job_of(attempt);
            rotation.sealed_message = match &attempt.message {
                Some(message) => Some(self.seal_message(tx, &rotation, message).await?),
                None => None,
            };
            rotation.next_at = self.next_rotation_at(&rotation);
            rotation.updated_at = now;
            tx.update_rotation(&rotation).await?;
            tracing::warn!(rotation = %rotation.id, project = %rotation.project, "app.rotation.failed");
            "see the status of the rotation"
        };
        let actor = actor_from_json(&attempt.actor);
        self.tell(
            tx,
            attempt,
            &rotation,
            actor,
            &Told {
                status: "failed",
                message: Some(message),
            },
        )
        .await
    }

    async fn tell(
        &self,
        tx: &Tx,
        attempt: &AttemptRecord,
        rotation: &RotationRecord,
        actor: AuditActor,
        told: &Told<'_>,
    ) -> Result<(), Error> {
        let metadata = json!({
            "rotationId": rotation.id, "type": rotation.kind, "connectionId": rotation.connection, "folderId": rotation.folder,
            "parameters": rotation.parameters, "secretsMapping": rotation.mapping, "status": told.status,
            "occurredAt": self.now(), "message": told.message, "jobId": job_of(attempt), "attemptId": attempt.id,
        });
        let event = Event::in_project("secret-rotation-rotate-secrets", rotation.project, metadata);
        tx.insert_audit(&[self.entry_of(rotation.org, actor, Origin::default(), event)])
            .await?;
        Ok(())
    }

    async fn seal_message(&self, session: &Session, rotation: &RotationRecord, message: &str) -> Result<Sealed, Error> {
        let keys = self.data_keys(session, KeyScope::Project(rotation.project)).await?;
        Ok(keys.seal_text(message_context(rotation), &SecretString::new(message), self.entropy()))
    }

    /// Why the last run of a rotation failed.
    pub(crate) async fn open_message(&self, session: &Session, rotation: &RotationRecord) -> Result<Option<String>, Error> {
        let Some(sealed) = &rotation.sealed_message else {
            return Ok(None);
        };
        let keys = self.data_keys(session, KeyScope::Project(rotation.project)).await?;
        Ok(Some(keys.open_text(message_context(rotation), sealed)?.expose().to_owned()))
    }
}

fn message_context(rotation: &RotationRecord) -> SealContext {
    SealContext {
        purpose: Purpose::RotationMessage,
        scope: KeyScope::Project(rotation.project),
        row: rotation.id.0,
        version: 0,
    }
}

/// The job's id of a scheduled run; none for a run by hand.
fn job_of(attempt: &AttemptRecord) -> Option<String> {
    (attempt.state.trigger == Trigger::Scheduled).then(|| attempt.id.to_string())
}

/// Who stands in the history of a secret's versions.
pub(super) fn author(actor: &AuditActor) -> VersionAuthor {
    let name = match actor {
        AuditActor::User { email, .. } => Some(email.clone()),
        AuditActor::Identity { name, .. } => Some(name.clone()),
        AuditActor::Platform | AuditActor::Unknown => None,
    };
    VersionAuthor {
        kind: actor.kind().to_owned(),
        id: actor.id(),
        name,
    }
}
