//! Limits of requests to one connection's provider, over all nodes (`rotation.md` §4): so many at once, so many a second, and a
//! pause for the whole connection after a 429.
//!
//! Where this process owns the database the limits are kept in memory; where nodes share it, in the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kms_core::ids::{ConnectionId, random_uuid};
use kms_core::time::Timestamp;
use kms_providers::rotator::{Gate, GateClosed};
use kms_store::connection_limits::Turn;
use tokio_util::sync::CancellationToken;

use crate::App;

/// Limits in memory.
#[derive(Debug, Default)]
pub(crate) struct LocalLimits(Mutex<HashMap<ConnectionId, Local>>);

#[derive(Debug)]
struct Local {
    calls: u32,
    next_free_at: Timestamp,
    paused_until: Timestamp,
}

/// Connections beyond this many are forgotten when they are idle.
const REMEMBERED: usize = 4096;

impl LocalLimits {
    fn with<T>(&self, connection: ConnectionId, now: Timestamp, f: impl FnOnce(&mut Local) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > REMEMBERED {
            all.retain(|_, limits| limits.calls > 0 || limits.next_free_at > now || limits.paused_until > now);
        }
        let limits = all.entry(connection).or_insert(Local {
            calls: 0,
            next_free_at: now,
            paused_until: now,
        });
        f(limits)
    }
}

/// A call that has entered. Leaves when dropped.
pub(crate) struct Entered {
    app: App,
    connection: ConnectionId,
    /// The call's row, where the limits are in the database.
    shared: Option<uuid::Uuid>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        match self.shared {
            None => self.app.0.limits.with(self.connection, self.app.now(), |limits| {
                limits.calls = limits.calls.saturating_sub(1);
            }),
            Some(call) => {
                let app = self.app.clone();
                // If it cannot be removed now, it expires.
                tokio::spawn(async move {
                    if let Ok(tx) = app.store().write().await
                        && tx.leave_call(call).await.is_ok()
                    {
                        drop(tx.commit().await);
                    }
                });
            }
        }
    }
}

impl App {
    /// Waits until one more call of the connection may be under way. None if the work must stop meanwhile.
    pub(crate) async fn enter(&self, connection: ConnectionId, stop: &CancellationToken) -> Option<Entered> {
        let pause = Duration::from_millis(20);
        loop {
            if stop.is_cancelled() {
                return None;
            }
            if let Some(entered) = self.try_enter(connection).await {
                return Some(entered);
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return None,
            }
        }
    }

    async fn try_enter(&self, connection: ConnectionId) -> Option<Entered> {
        let concurrent = self.settings().connection_limits.concurrent;
        let now = self.now();
        let shared = if self.store().is_exclusive() {
            let free = self.0.limits.with(connection, now, |limits| {
                let free = limits.calls < concurrent;
                limits.calls += u32::from(free);
                free
            });
            if !free {
                return None;
            }
            None
        } else {
            let call = random_uuid(self.entropy());
            // Sweeps make many requests in one call.
            let expires_at = now + self.settings().policy.lease * 4;
            let tx = self.store().write().await.ok()?;
            if !tx.enter_call(connection, call, now, expires_at, concurrent).await.ok()? {
                return None;
            }
            tx.commit().await.ok()?;
            Some(call)
        };
        Some(Entered {
            app: self.clone(),
            connection,
            shared,
        })
    }

    async fn take_turn(&self, connection: ConnectionId) -> Turn {
        let spacing = Duration::from_secs(1) / self.settings().connection_limits.per_second.max(1);
        let now = self.now();
        if self.store().is_exclusive() {
            return self.0.limits.with(connection, now, |limits| {
                if limits.paused_until > now {
                    return Turn::AskAgain(limits.paused_until);
                }
                let turn = limits.next_free_at.max(now);
                limits.next_free_at = turn + spacing;
                Turn::At(turn)
            });
        }
        let shared = async {
            let tx = self.store().write().await?;
            let turn = tx.take_turn(connection, now, spacing).await?;
            tx.commit().await?;
            Ok::<_, kms_store::StoreError>(turn)
        };
        // Without the database the work cannot be recorded either; it stops at its next step.
        shared.await.unwrap_or(Turn::AskAgain(now + Duration::from_secs(1)))
    }
}

/// The gate of one connection's calls.
pub(crate) struct ConnectionGate<'a> {
    pub(crate) app: &'a App,
    pub(crate) connection: ConnectionId,
    pub(crate) stop: &'a CancellationToken,
    /// No request leaves after this instant: the claim on the row would not outlast it.
    pub(crate) until: Option<Timestamp>,
}

impl ConnectionGate<'_> {
    /// Sleeps until `instant`, by the clock. False if the work must stop.
    async fn sleep_until(&self, instant: Timestamp) -> bool {
        let pause = instant.since(self.app.now());
        if pause.is_zero() {
            return !self.stop.is_cancelled();
        }
        tokio::select! {
            () = self.app.0.sleeper.sleep(pause) => true,
            () = self.stop.cancelled() => false,
        }
    }
}

#[async_trait]
impl Gate for ConnectionGate<'_> {
    async fn pass(&self) -> Result<(), GateClosed> {
        loop {
            let (instant, ours) = match self.app.take_turn(self.connection).await {
                Turn::At(instant) => (instant, true),
                Turn::AskAgain(instant) => (instant, false),
            };
            if self.until.is_some_and(|until| instant >= until) || !self.sleep_until(instant).await {
                return Err(GateClosed);
            }
            if ours {
                return Ok(());
            }
        }
    }

    async fn slow_down(&self, pause: Duration) {
        // A provider's wish is honoured within reason.
        let until = self.app.now() + pause.min(Duration::from_secs(3600));
        if self.app.store().is_exclusive() {
            let now = self.app.now();
            self.app
                .0
                .limits
                .with(self.connection, now, |limits| limits.paused_until = limits.paused_until.max(until));
            return;
        }
        if let Ok(tx) = self.app.store().write().await
            && tx.pause_connection(self.connection, until).await.is_ok()
        {
            // If it cannot be recorded, the next 429 tries again.
            drop(tx.commit().await);
        }
    }

    async fn rest(&self, pause: Duration) {
        self.sleep_until(self.app.now() + pause).await;
    }
}

/// How the engine waits. A simulation moves its clock instead.
#[async_trait]
pub trait Sleeper: Send + Sync {
    /// Waits for that long.
    async fn sleep(&self, pause: Duration);
}

/// Waits in real time.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealSleeper;

#[async_trait]
impl Sleeper for RealSleeper {
    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

/// Shared ownership of a sleeper.
pub(crate) type SharedSleeper = Arc<dyn Sleeper>;
