//! The control surface as direct calls. `/_sim` ([`crate::server`]) offers the same over HTTP.
//!
//! Nothing here ever shows a key text, except to the caller who has just made a key.

mod accounts;
mod types;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike, Utc};

use crate::config::{Compat, Propagation};
use crate::core::Inner;
use crate::events::EventPage;
use crate::faults::gate::{Outage, RateLimit};
use crate::faults::presets::Preset;
use crate::faults::{FaultRule, RuleView};
use crate::key_text::KeyText;
use crate::state::World;
use crate::stats::view::StatsView;
use crate::time::{ClockView, Moment};

pub use types::{Change, ForeignKey, GateView, KeyChange, KeyState, MadeKey, OrphanQuery, Orphans, OutageView};

/// Why a control call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// There is no such rule, key or account.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The input does not make sense; the sentence names the field.
    #[error("{0}")]
    Invalid(String),
}

/// All of `/_sim` as direct calls.
pub struct Control {
    inner: Arc<Inner>,
    management_key: KeyText,
    admin_token: Option<String>,
}

impl fmt::Debug for Control {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Control")
    }
}

impl Control {
    pub(crate) fn new(inner: Arc<Inner>, management_key: KeyText, admin_token: Option<String>) -> Self {
        Self {
            inner,
            management_key,
            admin_token,
        }
    }

    /// Another handle on the same simulator.
    pub(crate) fn share(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            management_key: self.management_key.clone(),
            admin_token: self.admin_token.clone(),
        }
    }

    /// Text of the first management key of the first account.
    pub fn management_key(&self) -> &KeyText {
        &self.management_key
    }

    pub(crate) fn admin_token(&self) -> Option<&str> {
        self.admin_token.as_deref()
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.inner.lock());
        self.inner.changed.notify_one();
        result
    }

    /// Adds a fault rule at the end; returns its id.
    ///
    /// # Errors
    /// The rule is malformed.
    pub fn add_fault(&self, rule: FaultRule) -> Result<u64, ControlError> {
        self.change(|world| world.rules.add(rule))
            .map_err(|error| ControlError::Invalid(error.to_string()))
    }

    /// All rules in order.
    pub fn faults(&self) -> Vec<RuleView> {
        self.inner.lock().rules.view()
    }

    /// Removes a rule. Its firings stay counted.
    ///
    /// # Errors
    /// There is no such rule.
    pub fn remove_fault(&self, id: u64) -> Result<(), ControlError> {
        if self.change(|world| world.rules.remove(id)) {
            Ok(())
        } else {
            Err(ControlError::NotFound("rule"))
        }
    }

    /// Removes all rules, the outage and the rate limit.
    pub fn clear_faults(&self) {
        self.change(|world| {
            world.rules.clear();
            world.gate.set_outage(None);
            world.gate.set_rate_limit(None);
        });
    }

    /// Begins an outage of everything below `/api/v1`, in place of one under way; `until_ms` 0 ends it.
    pub fn outage(&self, outage: Outage) {
        self.change(|world| {
            let until = world.clock.now().plus(Duration::from_millis(outage.until_ms));
            world.gate.set_outage((outage.until_ms > 0).then_some((until, outage.mode)));
        });
    }

    /// Sets or lifts the rate limit of each management key.
    ///
    /// # Errors
    /// The numbers are not greater than zero.
    pub fn rate_limit(&self, limit: Option<RateLimit>) -> Result<(), ControlError> {
        if limit.is_some_and(|limit| !limit.valid()) {
            return Err(ControlError::Invalid("per_second and burst: greater than 0".to_owned()));
        }
        self.change(|world| world.gate.set_rate_limit(limit));
        Ok(())
    }

    /// Outage and rate limit in force.
    pub fn gate(&self) -> GateView {
        let world = self.inner.lock();
        let outage = world.gate.outage(world.clock.now());
        GateView {
            outage: outage.map(|(until, mode)| OutageView {
                until: until.plain(),
                mode,
            }),
            rate_limit: world.gate.rate_limit(),
        }
    }

    /// Adds a preset to what is in force; returns the ids of its rules.
    pub fn preset(&self, preset: Preset) -> Vec<u64> {
        self.change(|world| {
            if let Some(propagation) = preset.propagation() {
                world.propagation = propagation;
            }
            if let Some(limit) = preset.rate_limit() {
                world.gate.set_rate_limit(Some(limit));
            }
            preset.rules().into_iter().filter_map(|rule| world.rules.add(rule).ok()).collect()
        })
    }

    /// The delays in force.
    pub fn propagation(&self) -> Propagation {
        self.inner.lock().propagation.clone()
    }

    /// Replaces all delays. Changes already on their way keep theirs.
    pub fn set_propagation(&self, propagation: Propagation) {
        self.change(|world| world.propagation = propagation);
    }

    /// The choices in force.
    pub fn compat(&self) -> Compat {
        self.inner.lock().compat.clone()
    }

    /// Replaces all choices.
    pub fn set_compat(&self, compat: Compat) {
        self.change(|world| world.compat = compat);
    }

    /// Simulated time.
    pub fn now(&self) -> DateTime<Utc> {
        self.inner.lock().clock.now().to_utc()
    }

    /// The clock as `/_sim/clock` shows it.
    pub fn clock(&self) -> ClockView {
        self.inner.lock().clock.view()
    }

    /// Sets the clock; it goes on running if it runs.
    ///
    /// # Errors
    /// The year is not between 1970 and 9998.
    pub fn set_clock(&self, to: DateTime<Utc>) -> Result<(), ControlError> {
        if !(1970..=9998).contains(&to.year()) {
            return Err(ControlError::Invalid("set: a year between 1970 and 9998".to_owned()));
        }
        self.change(|world| world.clock.set(Moment::from_utc(to)));
        Ok(())
    }

    /// Moves the clock forward.
    ///
    /// # Errors
    /// It would pass the year 9998.
    pub fn advance(&self, by: Duration) -> Result<(), ControlError> {
        self.change(|world| {
            if world.clock.now().plus(by).to_utc().year() > 9998 {
                return Err(ControlError::Invalid("advance_ms: passes the year 9998".to_owned()));
            }
            world.clock.advance(by);
            Ok(())
        })
    }

    /// Stops the clock.
    pub fn freeze(&self) {
        self.change(|world| world.clock.freeze());
    }

    /// Lets the clock run on from where it stands.
    pub fn unfreeze(&self) {
        self.change(|world| world.clock.run());
    }

    /// One consistent snapshot of all counters.
    pub fn stats(&self) -> StatsView {
        self.stats_with(&[])
    }

    /// The same with counts of their own for name prefixes.
    pub fn stats_with(&self, prefixes: &[String]) -> StatsView {
        StatsView::of(&self.inner.lock(), prefixes)
    }

    /// Events after a sequence number; 0 for all that are kept.
    pub fn events(&self, after: u64) -> EventPage {
        self.inner.lock().events.after(after)
    }

    /// The same, waiting for news up to `wait` of real time if there are none. Needs a tokio runtime.
    pub async fn wait_events(&self, after: u64, wait: Duration) -> EventPage {
        let deadline = tokio::time::Instant::now() + wait.min(Duration::from_hours(24));
        loop {
            let (page, mut news) = {
                let world = self.inner.lock();
                (world.events.after(after), world.events.subscribe())
            };
            if !page.events.is_empty() || tokio::time::timeout_at(deadline, news.changed()).await.is_err() {
                return page;
            }
        }
    }

    /// Clears keys, counters, rules and clock; seeds and settings of the start stay. Key texts do not repeat.
    pub fn reset(&self) {
        self.change(World::reset);
    }
}
