//! Deleting rotations, and what becomes of their keys (`secret-rotations.md` §9).

use kms_core::ids::{FolderId, IssuedKeyId, ProjectId, RotationId};
use kms_core::permission::project;
use kms_core::rotation::ledger::KeyState;
use kms_core::rotation::machine::{self, Context, Observation};
use kms_providers::outcome::CallError;
use kms_store::Tx;
use kms_store::issued_keys::KeyRecord;
use kms_store::rotations::RotationRecord;
use serde_json::json;

use super::executor::{find_own_key, made_with};
use super::{Rotation, already_running};
use crate::actor::Actor;
use crate::audit::Event;
use crate::{App, Error};

/// What goes with a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removal {
    /// Its secrets are deleted; otherwise they stay as ordinary ones.
    pub delete_secrets: bool,
    /// Its keys are revoked; otherwise they stay alive and are never touched again.
    pub revoke_keys: bool,
}

/// What becomes of the keys of a rotation that goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Owed,
    Released,
}

impl App {
    /// Deletes a rotation. Answers it as it was.
    ///
    /// With `revoke_keys` the inactive key is deleted at the provider first. If the provider refuses that, nothing was changed and
    /// the rotation stays; once it has gone out, the deletion is finished and what remains are debts.
    pub async fn delete_rotation(&self, actor: &Actor, kind: &str, id: RotationId, removal: Removal) -> Result<Rotation, Error> {
        let session = self.store().read();
        let (rotation, _scope) = self.permitted(&session, actor, kind, id, project::ROTATION_DELETE).await?;
        let fate = if removal.revoke_keys { Fate::Owed } else { Fate::Released };
        if removal.revoke_keys {
            if session.find_open_attempt(id).await?.is_some_and(|attempt| attempt.unsettled) {
                return Err(already_running());
            }
            self.revoke_first(&rotation.record).await?;
        }
        let tx = self.store().write().await?;
        let (_again, _scope) = self.permitted(&tx, actor, kind, id, project::ROTATION_DELETE).await?;
        let record = tx
            .lock_rotation(actor.org, id)
            .await?
            .ok_or_else(|| Error::not_found(format!("no rotation with the id {id}")))?;
        tx.lock_folder(record.folder).await?;
        if removal.delete_secrets {
            self.remove_mapped_secrets(&tx, &record).await?;
        } else {
            self.release_mapped_secrets(&tx, &record).await?;
        }
        self.retire(&tx, &record, fate).await?;
        let metadata = json!({
            "rotationId": id, "type": kind, "deleteSecrets": removal.delete_secrets, "revokeGeneratedCredentials": removal.revoke_keys,
            "environment": rotation.environment.slug, "secretPath": rotation.folder.path.as_str(),
        });
        tx.insert_audit(&[self.entry(actor, Event::in_project("delete-secret-rotation", record.project, metadata))])
            .await?;
        tx.commit().await?;
        self.nudge();
        Ok(rotation)
    }

    /// Sends the first deletion: of the key that is not served, or of the only one. An error means that certainly none was carried
    /// out.
    async fn revoke_first(&self, rotation: &RotationRecord) -> Result<(), Error> {
        let Some(id) = rotation.previous_key().or(rotation.active_key()) else {
            return Ok(());
        };
        let session = self.store().read();
        let Some(key) = session.find_key(id).await? else {
            return Ok(());
        };
        let rotator = self.rotator(&key.kind)?;
        let reaches = self
            .all_reaches(&session, key.org, key.connection, key.id.0, key.sealed_reach.as_ref())
            .await?;
        let Some(reach) = made_with(reaches, key.credentials_revision).into_iter().next() else {
            return Err(Error::bad_request(
                "the keys cannot be revoked: there are no credentials to reach the provider with",
            ));
        };
        match self
            .call(key.connection, None, async |outbound| {
                rotator.revoke(&outbound, &reach.access, &key.handle).await
            })
            .await
        {
            // It may have been carried out: the deletion is finished, and the debt sees to the rest.
            Some(Ok(_) | Err(CallError::Unavailable { .. })) => Ok(()),
            Some(Err(error)) => Err(Error::bad_request(format!(
                "the keys could not be revoked, nothing was changed: {error}. Delete without revoking, or try again later"
            ))),
            None => Err(Error::Unavailable {
                cause: "stopping".to_owned(),
            }),
        }
    }

    /// Ends a locked rotation: its open attempt, its keys, its row.
    async fn retire(&self, tx: &Tx, rotation: &RotationRecord, fate: Fate) -> Result<(), Error> {
        let now = self.now();
        if let Some(claimed) = tx.lock_open_attempt(rotation.id).await? {
            let mut attempt = claimed.record;
            // A request that may be on its way is not ended here: its execution finds nothing to publish into and discards the key.
            if !attempt.unsettled {
                let cx = Context {
                    now,
                    policy: &self.settings().policy,
                    jitter: 0,
                };
                let holder = machine::Holder {
                    caller_waits: false,
                    intent_is_mine: false,
                };
                let transition = machine::observe(&attempt.state, holder, Observation::GivenUp, &cx).map_err(Error::internal)?;
                if transition.discard_key {
                    let mut key = find_own_key(tx, &attempt).await?;
                    key.owe(now);
                    tx.update_key(&key).await?;
                }
                attempt.state = transition.attempt;
                attempt.message = Some("the rotation was deleted".to_owned());
                attempt.updated_at = now;
                tx.save_attempt(&attempt, claimed.fence, None).await?;
            }
        }
        for id in rotation.slots.into_iter().flatten() {
            self.settle(tx, id, fate).await?;
        }
        tx.remove_rotation(rotation.org, rotation.id).await?;
        Ok(())
    }

    async fn settle(&self, tx: &Tx, id: IssuedKeyId, fate: Fate) -> Result<(), Error> {
        let now = self.now();
        let Some(mut key): Option<KeyRecord> = tx.find_key(id).await? else {
            return Ok(());
        };
        match fate {
            Fate::Owed => key.owe(now),
            Fate::Released => {
                key.state = KeyState::Released;
                key.ended_at = Some(now);
                // Nothing will be done with it any more; what is not kept cannot leak.
                key.sealed_text = None;
                key.sealed_reach = None;
            }
        }
        key.updated_at = now;
        tx.update_key(&key).await?;
        Ok(())
    }

    /// Ends the rotations in folders that are about to be deleted, in the transaction that deletes them: their keys become debts.
    /// Their secrets are removed too, so that nothing stands in the way of the deletion.
    pub(crate) async fn retire_rotations_within(&self, tx: &Tx, project: ProjectId, folders: &[FolderId]) -> Result<(), Error> {
        for found in tx.list_rotations_in(project, folders).await? {
            let Some(rotation) = tx.lock_rotation(found.org, found.id).await? else {
                continue;
            };
            self.remove_mapped_secrets(tx, &rotation).await?;
            self.retire(tx, &rotation, Fate::Owed).await?;
        }
        self.nudge();
        Ok(())
    }
}
