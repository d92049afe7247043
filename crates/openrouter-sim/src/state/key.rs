//! One API key: what the management endpoints show, and what authentication sees.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::usage::{Interval, Usage};
use crate::config::{Compat, RemainingFloor};
use crate::key_text::KeyHash;
use crate::money::{Usd, exact};
use crate::stats::{AuthFailure, CompletionCounts};
use crate::time::Moment;

/// A state the authentication view can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    Accepted,
    Disabled,
    Deleted,
}

/// The changes that are on their way to the authentication view. A later change that arrives earlier wins:
/// the service is taken to be "last writer wins".
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct AuthView(Vec<(Moment, Standing)>);

impl AuthView {
    /// Records a change made at `now` that arrives after `delay`.
    pub(crate) fn change(&mut self, now: Moment, delay: Duration, standing: Standing) {
        if delay.is_zero() {
            self.0.clear();
        }
        self.0.push((now.arrival(delay), standing));
    }

    /// Whether the key is let in, and if not, the true reason.
    fn check(&self, now: Moment) -> Result<(), AuthFailure> {
        let arrived = self
            .0
            .iter()
            .rev()
            .find(|(arrival, _)| *arrival <= now)
            .map(|(_, standing)| *standing);
        let latest = self.0.last().map(|(_, standing)| *standing);
        match (arrived, latest) {
            (Some(Standing::Accepted), _) => Ok(()),
            (_, Some(Standing::Accepted)) => Err(AuthFailure::NotYetVisible),
            (Some(Standing::Deleted), _) | (None, Some(Standing::Deleted)) => Err(AuthFailure::Deleted),
            (Some(Standing::Disabled) | None, _) => Err(AuthFailure::Disabled),
        }
    }
}

/// What became of the reply that carried the plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Handover {
    Pending,
    Delivered,
    Lost,
    /// Made through the control surface.
    Foreign,
}

/// That a key was deleted, and who still sees it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deletion {
    pub(crate) at: Moment,
    /// Number of the change that deleted it.
    pub(crate) order: u64,
    /// Reads by hash find the key before this.
    pub(crate) found_until: Moment,
}

/// A cost that the counters do not show yet.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lagging {
    arrival: Moment,
    used_at: Moment,
    #[serde(with = "exact")]
    credits: Usd,
    #[serde(with = "exact")]
    byok: Usd,
}

/// Requests made with a key after its deletion.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LateUses {
    pub(crate) count: u64,
    pub(crate) max_ms: u64,
    pub(crate) probes: u64,
    pub(crate) max_probe_ms: u64,
}

/// An API key, live or deleted. Only hash and mask of its text are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    /// Place in the account, in order of creation.
    pub(crate) slot: usize,
    pub(crate) hash: KeyHash,
    pub(crate) label: String,
    pub(crate) name: String,
    pub(crate) disabled: bool,
    #[serde(with = "exact::option")]
    pub(crate) limit: Option<Usd>,
    pub(crate) limit_reset: Option<Interval>,
    pub(crate) include_byok_in_limit: bool,
    /// Place of its workspace in the account.
    pub(crate) workspace: usize,
    pub(crate) created_at: Moment,
    pub(crate) updated_at: Option<Moment>,
    pub(crate) expires_at: Option<Moment>,
    pub(crate) creator_user_id: Option<String>,
    pub(crate) auth: AuthView,
    /// Reads by hash find the key from here on.
    pub(crate) found_from: Moment,
    pub(crate) deletion: Option<Deletion>,
    /// Number of the change that created it.
    pub(crate) created_order: u64,
    /// Former names, each with the number of the change that replaced it.
    pub(crate) former_names: Vec<(u64, String)>,
    /// Place of its guardrail in the account.
    pub(crate) guardrail: Option<usize>,
    pub(crate) handover: Handover,

    /// Spent, as enforcement sees it.
    pub(crate) spent: Usage,
    pub(crate) spent_byok: Usage,
    /// Spent, as the counters show it.
    pub(crate) shown: Usage,
    pub(crate) shown_byok: Usage,
    pub(crate) last_used_at: Option<Moment>,
    pub(crate) lagging: VecDeque<Lagging>,

    pub(crate) first_use: Option<Moment>,
    pub(crate) late_uses: LateUses,
    pub(crate) completions: CompletionCounts,
}

impl Key {
    /// Whether it exists for the management endpoints, delays of listing and reading aside.
    pub(crate) fn live(&self) -> bool {
        self.deletion.is_none()
    }

    pub(crate) fn expired(&self, now: Moment) -> bool {
        self.expires_at.is_some_and(|expiry| expiry <= now)
    }

    /// Whether GET `/keys/{hash}` finds it.
    pub(crate) fn found(&self, now: Moment) -> bool {
        self.found_from <= now && self.deletion.is_none_or(|deletion| now < deletion.found_until)
    }

    /// Whether authentication accepts it, and if not, the true reason.
    pub(crate) fn authenticate(&self, now: Moment, compat: &Compat) -> Result<(), AuthFailure> {
        self.auth.check(now)?;
        if self.expired(now) {
            return Err(AuthFailure::Expired);
        }
        if let Some(days) = compat.max_lifetime_days {
            let longest = self.created_at.plus(Duration::from_secs(u64::from(days) * 86_400));
            if self.expires_at.is_none_or(|expiry| expiry > longest) {
                return Err(AuthFailure::Policy);
            }
        }
        Ok(())
    }

    /// Records a completion. The counters show it after `delay`.
    pub(crate) fn charge(&mut self, now: Moment, credits: Usd, byok: Usd, delay: Duration) {
        self.spent.add(now, credits);
        self.spent_byok.add(now, byok);
        self.lagging.push_back(Lagging {
            arrival: now.arrival(delay),
            used_at: now,
            credits,
            byok,
        });
        self.settle(now);
    }

    /// Moves costs whose delay has passed into the counters.
    pub(crate) fn settle(&mut self, now: Moment) {
        if self.lagging.iter().all(|lagging| lagging.arrival > now) {
            return;
        }
        let mut rest = VecDeque::new();
        for lagging in std::mem::take(&mut self.lagging) {
            if lagging.arrival > now {
                rest.push_back(lagging);
                continue;
            }
            self.shown.add(lagging.used_at, lagging.credits);
            self.shown_byok.add(lagging.used_at, lagging.byok);
            self.last_used_at = self.last_used_at.max(Some(lagging.used_at));
        }
        self.lagging = rest;
    }

    /// Spending that counts against the cap, as enforcement sees it.
    pub(crate) fn spent_in(&self, interval: Option<Interval>, with_byok: bool, now: Moment) -> Usd {
        window(&self.spent, &self.spent_byok, interval, with_byok, now)
    }

    /// The same as the counters show it.
    pub(crate) fn shown_in(&self, interval: Option<Interval>, with_byok: bool, now: Moment) -> Usd {
        window(&self.shown, &self.shown_byok, interval, with_byok, now)
    }

    /// What is left of the cap in the present window; `None` without a cap.
    pub(crate) fn limit_remaining(&self, now: Moment, compat: &Compat) -> Option<Usd> {
        let spent = self.shown_in(self.limit_reset, self.include_byok_in_limit, now);
        self.limit.map(|limit| floor(limit - spent, compat))
    }
}

/// Applies the chosen floor to a remaining amount.
pub(crate) fn floor(remaining: Usd, compat: &Compat) -> Usd {
    match compat.remaining_floor {
        RemainingFloor::Zero => remaining.max(Usd::ZERO),
        RemainingFloor::Negative => remaining,
    }
}

fn window(credits: &Usage, byok: &Usage, interval: Option<Interval>, with_byok: bool, now: Moment) -> Usd {
    let spent = credits.within(interval, now);
    if with_byok { spent + byok.within(interval, now) } else { spent }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn second(second: u64) -> Moment {
        Moment::from_utc(chrono::DateTime::UNIX_EPOCH).plus(Duration::from_secs(1_000_000 + second))
    }

    #[test]
    fn a_change_arrives_after_its_delay() {
        let mut view = AuthView::default();
        view.change(second(0), Duration::from_secs(5), Standing::Accepted);
        assert_eq!(view.check(second(4)), Err(AuthFailure::NotYetVisible));
        assert_eq!(view.check(second(5)), Ok(()));
        view.change(second(10), Duration::from_secs(30), Standing::Deleted);
        assert_eq!(view.check(second(39)), Ok(()));
        assert_eq!(view.check(second(40)), Err(AuthFailure::Deleted));
    }

    #[test]
    fn enabling_again_overtakes_a_slow_disabling() {
        let mut view = AuthView::default();
        view.change(second(0), Duration::ZERO, Standing::Accepted);
        view.change(second(10), Duration::from_secs(30), Standing::Disabled);
        view.change(second(20), Duration::from_secs(2), Standing::Accepted);
        for at in 10..60 {
            assert_eq!(view.check(second(at)), Ok(()), "second {at}");
        }
    }

    #[test]
    fn a_re_enabled_key_is_refused_for_its_own_reason() {
        let mut view = AuthView::default();
        view.change(second(0), Duration::ZERO, Standing::Disabled);
        assert_eq!(view.check(second(1)), Err(AuthFailure::Disabled));
        view.change(second(2), Duration::from_secs(5), Standing::Accepted);
        assert_eq!(view.check(second(3)), Err(AuthFailure::NotYetVisible));
        assert_eq!(view.check(second(7)), Ok(()));
    }

    #[test]
    fn a_change_without_delay_survives_a_clock_set_back() {
        let mut view = AuthView::default();
        view.change(second(100), Duration::ZERO, Standing::Accepted);
        assert_eq!(view.check(second(1)), Ok(()));
    }
}
