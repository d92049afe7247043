//! Inventories: the keys of a connection's account, compared with the ledger.
//!
//! One inventory serves all markers that are watched at a connection: those of requests that were never answered, and those of
//! requests that were, since a request can have been carried out twice on its way. A key that carries the marker of an attempt of
//! ours and that the ledger does not know was never seen by anybody: it becomes a debt. A marker of this installation that the
//! database does not know (a restored or copied database) is reported and left alone.

use std::collections::BTreeMap;

use kms_providers::outcome::CallError;
use kms_providers::rotator::{Found, SweepScope};
use kms_store::StoreError;
use kms_store::inventories::InventoryRecord;
use kms_store::lease::Claimed;

use super::executor::retry_after;
use crate::{App, Error};

impl App {
    /// Takes a claimed inventory.
    pub(crate) async fn take_inventory(&self, claimed: Claimed<InventoryRecord>) -> Result<(), Error> {
        let mut inventory = claimed.record;
        let fence = claimed.fence;
        let policy = &self.settings().policy;
        let rotator = self.rotator(&inventory.kind)?;
        let connection = inventory.connection;
        let started = self.now();
        let session = self.store().read();
        let reaches = self
            .all_reaches(&session, inventory.org, connection, connection.0, Some(&inventory.sealed_reach))
            .await?;
        let mut found: Vec<(Found, i64)> = Vec::new();
        let mut failed: Option<CallError> = None;
        for reach in &reaches {
            let swept = self
                .call(connection, None, async |outbound| {
                    rotator.sweep(&outbound, &reach.access, SweepScope::Everywhere).await
                })
                .await;
            match swept {
                None => return Ok(()),
                Some(Ok(keys)) => found.extend(keys.into_iter().map(|key| (key, reach.revision))),
                Some(Err(error)) => failed = Some(error),
            }
        }
        found.retain(|(key, _)| key.marker.installation() == self.0.installation);

        let now = self.now();
        let tx = self.store().write().await?;
        // Locked before the markers are read: an intent that is being recorded now is either seen here or sees the new due time.
        let Some(locked) = tx.lock_inventory(connection).await? else {
            return Ok(());
        };
        inventory.strays_found = locked.strays_found;
        let markers: Vec<String> = found.iter().map(|(key, _)| key.marker.to_string()).collect();
        let attempts: BTreeMap<String, _> = tx
            .list_attempts_by_marker(connection, &markers)
            .await?
            .into_iter()
            .map(|attempt| (attempt.marker.clone(), attempt))
            .collect();
        let mut unknown = 0_i64;
        let mut strays = 0_usize;
        for (key, revision) in found {
            match attempts.get(&key.marker.to_string()) {
                None => unknown += 1,
                // The request is still under way; its own execution enters what it makes.
                Some(attempt) if attempt.unsettled && !attempt.state.phase.is_final() => {}
                Some(attempt) => strays += self.enter_strays(&tx, attempt, &[(key, revision)]).await?,
            }
        }
        if unknown > 0 && unknown != inventory.unknown_markers {
            tracing::warn!(connection = %connection, count = unknown, "app.inventory.unknown_markers: keys carry this installation's mark, but the database does not know them; they are left alone");
        }
        inventory.unknown_markers = unknown;
        inventory.strays_found += i64::try_from(strays).unwrap_or(0);
        inventory.updated_at = now;
        inventory.last_error = failed.as_ref().map(ToString::to_string);
        if let Some(error) = &failed {
            inventory.tries = inventory.tries.saturating_add(1);
            let pause = kms_core::rotation::policy::back_off(policy.sweep_pause, policy.retry_cap, inventory.tries, self.jitter());
            inventory.due_at = now + pause.max(retry_after(error).unwrap_or_default());
        } else {
            inventory.tries = 0;
            inventory.last_at = Some(now);
            // Whatever left before the settling time has shown itself in this listing.
            tx.settle_markers(connection, started - policy.settling).await?;
        }
        let watch = tx.watch_of(connection, now).await?;
        let gone = tx.find_connection(inventory.org, connection).await?.is_none();
        if failed.is_none() {
            inventory.due_at = match watch {
                Some(watch) if watch.unsettled => now + policy.sweep_pause,
                Some(watch) => {
                    let settled = watch.latest_intent.map(|intent| intent + policy.call_deadline + policy.settling);
                    match settled {
                        Some(settled) if settled > started => settled,
                        _ => now + self.settings().inventory_interval,
                    }
                }
                None => now + self.settings().inventory_interval,
            };
        }
        let nothing_left = gone && watch.is_none();
        let saved = if nothing_left {
            tx.remove_inventory(connection, fence).await
        } else {
            tx.save_inventory(&inventory, fence).await
        };
        match saved {
            Ok(()) => tx.commit().await?,
            Err(StoreError::Fenced) => return Ok(()),
            Err(other) => return Err(other.into()),
        }
        if strays > 0 {
            metrics::counter!("kms_orphans_found_total").increment(u64::try_from(strays).unwrap_or(0));
            self.nudge();
        }
        Ok(())
    }
}
