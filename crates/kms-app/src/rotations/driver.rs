//! Background work: due rotations, attempts to resume, debts, inventories.
//!
//! The database is the queue: rows with a due time and a lease. Each task is activated by a timer and by a nudge, takes no input, can
//! be repeated without harm and tells how it went. Tests call [`App::run_until_idle`].

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kms_core::audit::AuditActor;
use kms_core::ids::ConnectionId;
use kms_core::rotation::machine::Trigger;
use kms_core::time::Timestamp;
use kms_store::Tx;
use kms_store::inventories::InventoryRecord;
use kms_store::issued_keys::KeyRecord;
use kms_store::lease::Claimed;
use kms_store::rotations::RotationRecord;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::attempt::{Failure, Held, Run};
use crate::{App, Error};

/// How a background task is doing, for the dashboard and the metrics.
#[derive(Debug, Clone, Default)]
pub struct TaskStatus {
    /// When it last looked for work.
    pub last_run_at: Option<Timestamp>,
    /// Pieces of work begun so far.
    pub begun: u64,
    /// Why its last look failed.
    pub last_error: Option<String>,
}

/// How the background work is doing.
#[derive(Debug, Clone, Default)]
pub struct DriverStatus {
    /// Rotations that are due.
    pub due_rotations: TaskStatus,
    /// Attempts that go on after a pause or a crash.
    pub attempts: TaskStatus,
    /// Keys to be revoked.
    pub revocations: TaskStatus,
    /// Inventories.
    pub inventories: TaskStatus,
}

/// State of the background work.
#[derive(Debug, Default)]
pub(crate) struct Driver {
    nudge: Notify,
    status: Mutex<DriverStatus>,
    /// Pieces of work under way on this node, by connection: a connection with many due rotations must not keep others waiting.
    under_way: Mutex<HashMap<ConnectionId, usize>>,
}

/// A claimed piece of work.
enum Work {
    Attempt(Box<Held>),
    Debt(Box<Claimed<KeyRecord>>),
    Inventory(Box<Claimed<InventoryRecord>>),
}

impl Work {
    fn connection(&self) -> ConnectionId {
        match self {
            Self::Attempt(held) => held.record.connection,
            Self::Debt(key) => key.record.connection,
            Self::Inventory(inventory) => inventory.record.connection,
        }
    }
}

/// Counts a piece of work as under way until dropped.
struct UnderWay {
    app: App,
    connection: ConnectionId,
}

impl UnderWay {
    fn begin(app: &App, connection: ConnectionId) -> Self {
        let mut counts = app.0.driver.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(connection).or_insert(0) += 1;
        drop(counts);
        Self {
            app: app.clone(),
            connection,
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut counts = self.app.0.driver.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.connection) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.connection);
            }
        }
    }
}

/// Rows claimed in one transaction.
const BATCH: u64 = 64;
/// Longest sleep: another node may have made work and died.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// Shortest sleep between two looks.
const SHORTEST_SLEEP: Duration = Duration::from_millis(20);

impl App {
    /// Wakes the background work up.
    pub(crate) fn nudge(&self) {
        self.0.driver.nudge.notify_one();
    }

    /// How the background work is doing.
    pub fn driver_status(&self) -> DriverStatus {
        self.0.driver.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells all background work to stop after the step in hand.
    pub fn stop(&self) {
        self.0.stop.cancel();
    }

    /// Connections that have enough under way on this node.
    fn saturated(&self) -> Vec<ConnectionId> {
        let most = usize::try_from(self.settings().connection_limits.concurrent)
            .unwrap_or(usize::MAX)
            .saturating_mul(2);
        let counts = self.0.driver.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .filter(|(_, count)| **count >= most)
            .map(|(connection, _)| *connection)
            .collect()
    }

    fn noted<T>(&self, task: impl Fn(&mut DriverStatus) -> &mut TaskStatus, result: Result<Vec<T>, Error>) -> Vec<T> {
        let mut status = self.0.driver.status.lock().unwrap_or_else(PoisonError::into_inner);
        let task = task(&mut status);
        task.last_run_at = Some(self.now());
        match result {
            Ok(work) => {
                task.begun += u64::try_from(work.len()).unwrap_or(0);
                task.last_error = None;
                work
            }
            Err(error) => {
                let text = match &error {
                    Error::Unavailable { cause } | Error::Internal { cause } => cause.clone(),
                    other => other.to_string(),
                };
                // Once, not at every look.
                if task.last_error.as_deref() != Some(&text) {
                    tracing::error!(error = text, "app.background.failed");
                }
                task.last_error = Some(text);
                Vec::new()
            }
        }
    }

    /// Claims up to `room` pieces of work.
    async fn claim_work(&self, room: usize) -> Vec<Work> {
        let limit = |work: &[Work]| u64::try_from(room.saturating_sub(work.len())).unwrap_or(0).min(BATCH);
        let mut work = Vec::new();
        // What was begun comes before what is new; a debt is a key that should not be alive.
        let debts = self.noted(|status| &mut status.revocations, self.claim_debts(limit(&work)).await);
        work.extend(debts.into_iter().map(|debt| Work::Debt(Box::new(debt))));
        let resumed = self.noted(|status| &mut status.attempts, self.claim_attempts(limit(&work)).await);
        work.extend(resumed.into_iter().map(|held| Work::Attempt(Box::new(held))));
        let inventories = self.noted(|status| &mut status.inventories, self.claim_inventories(limit(&work)).await);
        work.extend(inventories.into_iter().map(|inventory| Work::Inventory(Box::new(inventory))));
        let due = self.noted(|status| &mut status.due_rotations, self.claim_due_rotations(limit(&work)).await);
        work.extend(due.into_iter().map(|held| Work::Attempt(Box::new(held))));
        work
    }

    async fn claim_debts(&self, limit: u64) -> Result<Vec<Claimed<KeyRecord>>, Error> {
        if limit == 0
            || self
                .store()
                .read()
                .next_debt_due(self.now())
                .await?
                .is_none_or(|due| due > self.now())
        {
            return Ok(Vec::new());
        }
        // Two calls of a full deadline each, and the wait for a turn.
        let mut lease = self.lease();
        lease.until = lease.until + self.settings().policy.lease;
        let tx = self.store().write().await?;
        let claimed = tx.claim_debts(self.now(), lease, limit, &self.saturated()).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    async fn claim_attempts(&self, limit: u64) -> Result<Vec<Held>, Error> {
        if limit == 0
            || self
                .store()
                .read()
                .next_attempt_due(self.now())
                .await?
                .is_none_or(|due| due > self.now())
        {
            return Ok(Vec::new());
        }
        let lease = self.lease();
        let tx = self.store().write().await?;
        let claimed = tx.claim_attempts(self.now(), lease, limit, &self.saturated()).await?;
        tx.commit().await?;
        Ok(claimed.into_iter().map(|claimed| Held::claimed(claimed, lease)).collect())
    }

    async fn claim_inventories(&self, limit: u64) -> Result<Vec<Claimed<InventoryRecord>>, Error> {
        if limit == 0
            || self
                .store()
                .read()
                .next_inventory_due(self.now())
                .await?
                .is_none_or(|due| due > self.now())
        {
            return Ok(Vec::new());
        }
        // A listing has many pages.
        let mut lease = self.lease();
        lease.until = lease.until + self.settings().policy.lease * 10;
        let tx = self.store().write().await?;
        let claimed = tx.claim_inventories(self.now(), lease, limit.min(16)).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    /// Begins the runs of due rotations. That auto-rotation is still on, and that no run is under way, is checked in the same
    /// transaction.
    async fn claim_due_rotations(&self, limit: u64) -> Result<Vec<Held>, Error> {
        if limit == 0 || self.store().read().next_rotation_due().await?.is_none_or(|due| due > self.now()) {
            return Ok(Vec::new());
        }
        let tx = self.store().write().await?;
        let mut begun = Vec::new();
        let mut of_connection: HashMap<ConnectionId, usize> = HashMap::new();
        let most = usize::try_from(self.settings().connection_limits.concurrent)
            .unwrap_or(usize::MAX)
            .saturating_mul(2);
        for rotation in tx.lock_due_rotations(self.now(), limit, &self.saturated()).await? {
            let count = of_connection.entry(rotation.connection).or_insert(0);
            if *count >= most {
                continue;
            }
            *count += 1;
            match self.begin_scheduled(&tx, &rotation).await {
                Ok(held) => begun.push(held),
                Err(Failure::App(error @ Error::Internal { .. })) => {
                    // One damaged row must not keep the others from running.
                    tracing::error!(rotation = %rotation.id, ?error, "app.rotation.cannot_begin");
                }
                Err(failure) => return Err(failure.into_app()),
            }
        }
        tx.commit().await?;
        Ok(begun)
    }

    async fn begin_scheduled(&self, tx: &Tx, rotation: &RotationRecord) -> Result<Held, Failure> {
        let run = Run {
            org: rotation.org,
            project: rotation.project,
            rotation: rotation.id,
            connection: rotation.connection,
            kind: rotation.kind.clone(),
            parameters: rotation.parameters.clone(),
            trigger: Trigger::Scheduled,
            actor: AuditActor::Platform,
        };
        self.plan_run(tx, run).await
    }

    async fn perform(&self, work: Work) {
        match work {
            Work::Attempt(held) => self.run_in_background(*held).await,
            Work::Debt(claimed) => {
                let id = claimed.record.id;
                if let Err(error) = self.pay(*claimed).await {
                    tracing::warn!(key = %id, ?error, "app.key.revocation_step_failed");
                }
            }
            Work::Inventory(claimed) => {
                let connection = claimed.record.connection;
                if let Err(error) = self.take_inventory(*claimed).await {
                    tracing::warn!(%connection, ?error, "app.inventory.step_failed");
                }
            }
        }
    }

    /// The background work of this node, until [`App::stop`]. Waits for what is in hand.
    pub async fn run_background(&self) {
        let stop = self.0.stop.clone();
        let mut hands: JoinSet<()> = JoinSet::new();
        while !stop.is_cancelled() {
            while hands.try_join_next().is_some() {}
            let room = self.settings().concurrency.saturating_sub(hands.len());
            let work = if room == 0 { Vec::new() } else { self.claim_work(room).await };
            let idle = work.is_empty();
            for piece in work {
                let under_way = UnderWay::begin(self, piece.connection());
                let app = self.clone();
                hands.spawn(async move {
                    app.perform(piece).await;
                    drop(under_way);
                    // There may be more of this connection, or the next step of this attempt.
                    app.nudge();
                });
            }
            if idle {
                let pause = self.time_to_next_work().await;
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.0.driver.nudge.notified() => {}
                    () = stop.cancelled() => {}
                }
            }
        }
        while hands.join_next().await.is_some() {}
    }

    async fn time_to_next_work(&self) -> Duration {
        let now = self.now();
        let session = self.store().read();
        let due = [
            session.next_debt_due(now).await,
            session.next_attempt_due(now).await,
            session.next_inventory_due(now).await,
            session.next_rotation_due().await,
        ];
        let earliest = due.into_iter().filter_map(|due| due.ok().flatten()).min();
        earliest
            .map_or(LONGEST_SLEEP, |due| due.since(now))
            .clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
    }

    /// Does everything that is due now, one piece after the other. For tests.
    #[cfg(feature = "testing")]
    pub async fn run_until_idle(&self) {
        loop {
            let work = self.claim_work(self.settings().concurrency).await;
            if work.is_empty() {
                return;
            }
            for piece in work {
                self.perform(piece).await;
            }
        }
    }

    /// When the background work next has something to do. For tests that move the clock.
    #[cfg(feature = "testing")]
    pub async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let now = self.now();
        let session = self.store().read();
        let due = [
            session.next_debt_due(now).await?,
            session.next_attempt_due(now).await?,
            session.next_inventory_due(now).await?,
            session.next_rotation_due().await?,
        ];
        Ok(due.into_iter().flatten().min())
    }

    /// Ends the claims of an earlier process, where this one owns the database.
    pub(crate) async fn void_leases(&self) -> Result<(), Error> {
        if !self.store().is_exclusive() {
            return Ok(());
        }
        let tx = self.store().write().await?;
        tx.void_attempt_leases().await?;
        tx.void_debt_leases().await?;
        tx.void_inventory_leases().await?;
        tx.commit().await?;
        Ok(())
    }
}
