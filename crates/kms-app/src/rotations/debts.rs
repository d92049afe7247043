//! Paying revocation debts. Nothing but the provider's refusal of the key ends one.

use kms_core::rotation::ledger::{self, DebtObservation, DebtStep, DebtTransition, KeyState};
use kms_providers::outcome::Confirmation;
use kms_store::StoreError;
use kms_store::issued_keys::KeyRecord;
use kms_store::lease::Claimed;

use super::executor::{made_with, retry_after};
use crate::{App, Error};

impl App {
    /// Works on a claimed debt: deletes the key, asks whether it is dead, records what was seen.
    pub(crate) async fn pay(&self, claimed: Claimed<KeyRecord>) -> Result<(), Error> {
        let mut key = claimed.record;
        let Some(debt) = key.debt else {
            return Ok(());
        };
        if matches!(ledger::decide(&debt, self.now()), DebtStep::Wait(_)) {
            return Ok(());
        }
        let (observation, error) = self.delete_and_confirm(&key).await?;
        let now = self.now();
        match ledger::observe(&debt, observation, now, &self.settings().policy, self.jitter()) {
            DebtTransition::Paid => {
                key.state = KeyState::Revoked;
                key.debt = None;
                key.ended_at = Some(now);
                key.last_error = None;
                // Dead keys are not kept.
                key.sealed_text = None;
                key.sealed_reach = None;
                metrics::counter!("kms_keys_revoked_total").increment(1);
            }
            DebtTransition::Open { debt, alarm } => {
                key.debt = Some(debt);
                key.last_error = error;
                if alarm {
                    tracing::error!(
                        key = %key.id, handle = key.handle, connection = %key.connection,
                        "app.key.survives_revocation: the provider still accepts a key that it says is deleted; \
                         was the connection given credentials of another account?"
                    );
                    metrics::counter!("kms_revocation_alarms_total").increment(1);
                }
            }
        }
        key.updated_at = now;
        let tx = self.store().write().await?;
        match tx.save_debt(&key, claimed.fence).await {
            Ok(()) => {
                tx.commit().await?;
                self.announce(key.project);
            }
            // Somebody else has it now.
            Err(StoreError::Fenced) => {}
            Err(other) => return Err(other.into()),
        }
        Ok(())
    }

    /// Deletes a key with every credential that may reach its account, and asks whether it is dead.
    pub(crate) async fn delete_and_confirm(&self, key: &KeyRecord) -> Result<(DebtObservation, Option<String>), Error> {
        let rotator = self.rotator(&key.kind)?;
        let session = self.store().read();
        let reaches = self
            .all_reaches(&session, key.org, key.connection, key.id.0, key.sealed_reach.as_ref())
            .await?;
        let text = self.open_key_text(&session, key).await?;
        let mut last = (
            DebtObservation::CallFailed { retry_after: None },
            Some("there are no credentials to reach the provider with".to_owned()),
        );
        for reach in made_with(reaches, key.credentials_revision) {
            let deleted = self
                .call(key.connection, None, async |outbound| {
                    rotator.revoke(&outbound, &reach.access, &key.handle).await
                })
                .await;
            match deleted {
                None => return Ok((DebtObservation::CallFailed { retry_after: None }, None)),
                Some(Err(error)) => {
                    last = (
                        DebtObservation::CallFailed {
                            retry_after: retry_after(&error),
                        },
                        Some(error.to_string()),
                    );
                    continue;
                }
                Some(Ok(_)) => {}
            }
            let confirmed = self
                .call(key.connection, None, async |outbound| {
                    rotator.confirm_revoked(&outbound, &reach.access, &key.handle, text.as_ref()).await
                })
                .await;
            last = match confirmed {
                Some(Ok(Confirmation::Dead)) => return Ok((DebtObservation::Dead, None)),
                Some(Ok(Confirmation::StillAccepted)) => (
                    DebtObservation::StillAccepted,
                    Some("the key is still accepted after its deletion".to_owned()),
                ),
                Some(Err(error)) => (
                    DebtObservation::SentUnconfirmed {
                        retry_after: retry_after(&error),
                    },
                    Some(error.to_string()),
                ),
                None => return Ok((DebtObservation::SentUnconfirmed { retry_after: None }, None)),
            };
        }
        Ok(last)
    }
}
