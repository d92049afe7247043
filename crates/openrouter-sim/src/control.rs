//! The control surface as direct calls. `/_sim` ([`crate::server`]) offers the same over HTTP.
//!
//! Nothing here ever shows a key text, except to the caller who has just made a key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::config::{ByokConfig, Compat, Propagation, is_credential};
use crate::core::Inner;
use crate::events::EventPage;
use crate::faults::gate::{Outage, RateLimit};
use crate::faults::presets::Preset;
use crate::faults::{FaultRule, RuleView};
use crate::key_text::{KeyHash, KeyText};
use crate::money::Usd;
use crate::state::account::{Byok, Origin};
use crate::state::key::{Handover, Key};
use crate::state::usage::{Interval, Usage};
use crate::state::{Holder, KeyRef, NewKey, Spread, World};
use crate::stats::view::StatsView;
use crate::time::{ClockView, Moment};

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

/// A key that was made through the control surface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeKey {
    /// Its plaintext.
    pub key: KeyText,
    /// Its hash.
    pub hash: KeyHash,
    /// Its mask.
    pub label: String,
}

/// A key that somebody else makes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForeignKey {
    /// Account; the first one if `None`.
    pub account: Option<String>,
    /// Name; `foreign` if `None`.
    pub name: Option<String>,
    /// Slug of the workspace; the default one if `None`.
    pub workspace: Option<String>,
    /// Cap in US dollars.
    pub limit: Option<Usd>,
    /// End of validity.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What is to change about a key behind everybody's back. `None` leaves a field as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyChange {
    /// Spending in credits. Sets the total and, unless given themselves, all windows.
    pub usage: Option<Usd>,
    /// Spending of the present day.
    pub usage_daily: Option<Usd>,
    /// Spending of the present week.
    pub usage_weekly: Option<Usd>,
    /// Spending of the present month.
    pub usage_monthly: Option<Usd>,
    /// BYOK spending; the windows follow.
    pub byok_usage: Option<Usd>,
    /// End of validity; `Some(None)` takes it away.
    #[serde(deserialize_with = "present")]
    pub expires_at: Option<Option<DateTime<Utc>>>,
    /// Whether the key is refused, at once.
    pub disabled: Option<bool>,
    /// Time of the last use; `Some(None)` takes it away.
    #[serde(deserialize_with = "present")]
    pub last_used_at: Option<Option<DateTime<Utc>>>,
}

/// A field that is there, be it null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A key as the control surface shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyState {
    /// Its hash.
    pub hash: KeyHash,
    /// Its mask.
    pub label: String,
    /// Its name.
    pub name: String,
    /// Account it belongs to.
    pub account: String,
    /// Slug of its workspace.
    pub workspace: String,
    /// Whether it is disabled.
    pub disabled: bool,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub expires_at: Option<String>,
    /// RFC 3339; `None` while it lives.
    pub deleted_at: Option<String>,
    /// Whether the reply with its plaintext was lost.
    pub undelivered: bool,
    /// Whether authentication accepts it at the moment.
    pub accepted: bool,
    /// Spent in credits, as enforcement sees it.
    pub usage: Usd,
}

/// What the caller of `orphans` knows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrphanQuery {
    /// Hashes the caller knows.
    pub known_hashes: Vec<KeyHash>,
    /// Beginning of the names it is responsible for; empty for all.
    #[serde(default)]
    pub name_prefix: String,
    /// Only this account.
    #[serde(default)]
    pub account: Option<String>,
}

/// Where the caller's knowledge and the state differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Orphans {
    /// Live keys with the prefix that the caller does not know, oldest first.
    pub orphans: Vec<KeyState>,
    /// Known hashes of keys that do not exist (any more).
    pub ghosts: Vec<KeyHash>,
}

/// What stands before the rules at the moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateView {
    /// End of the outage, RFC 3339, and its mode.
    pub outage: Option<OutageView>,
    /// The rate limit.
    pub rate_limit: Option<RateLimit>,
}

/// An outage under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutageView {
    /// Its end in simulated time, RFC 3339.
    pub until: String,
    /// How it shows.
    pub mode: crate::faults::gate::OutageMode,
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
        let deadline = tokio::time::Instant::now() + wait.min(Duration::from_secs(86_400));
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

    /// Compares the caller's knowledge with the state.
    ///
    /// # Errors
    /// There is no such account.
    pub fn orphans(&self, query: &OrphanQuery) -> Result<Orphans, ControlError> {
        let world = self.inner.lock();
        let only = account_of(&world, query.account.as_deref())?;
        let now = world.clock.now();
        let known: std::collections::HashSet<KeyHash> = query.known_hashes.iter().copied().collect();
        let mut orphans = Vec::new();
        for (place, account) in world.accounts.iter().enumerate() {
            if query.account.is_some() && only != place {
                continue;
            }
            for key in &account.keys {
                if key.live() && key.name.starts_with(&query.name_prefix) && !known.contains(&key.hash) {
                    orphans.push(key_state(&world, place, key, now));
                }
            }
        }
        let exists = |hash: &KeyHash| match world.holder(*hash) {
            Some(Holder::Inference(at)) => (query.account.is_none() || at.account == only) && world.key(at).is_some_and(Key::live),
            _ => false,
        };
        let ghosts = query.known_hashes.iter().copied().filter(|hash| !exists(hash)).collect();
        Ok(Orphans { orphans, ghosts })
    }

    /// A key as it is, deleted or not.
    ///
    /// # Errors
    /// There has never been such a key.
    pub fn key(&self, hash: KeyHash) -> Result<KeyState, ControlError> {
        let world = self.inner.lock();
        let at = inference(&world, hash)?;
        let key = world.key(at).ok_or(ControlError::NotFound("key"))?;
        Ok(key_state(&world, at.account, key, world.clock.now()))
    }

    /// Changes a key behind everybody's back, at once and without touching `updated_at`.
    ///
    /// # Errors
    /// There is no such live key.
    pub fn set_key(&self, hash: KeyHash, change: &KeyChange) -> Result<(), ControlError> {
        self.change(|world| {
            let now = world.clock.now();
            let at = inference(world, hash)?;
            let mut key = world
                .key(at)
                .filter(|key| key.live())
                .cloned()
                .ok_or(ControlError::NotFound("key"))?;
            // What lags is shown from here on; a late record would disturb the numbers that are set.
            key.lagging.clear();
            key.shown = key.spent;
            key.shown_byok = key.spent_byok;
            let before = key.spent.total;
            let windows = [
                (Interval::Daily, change.usage_daily),
                (Interval::Weekly, change.usage_weekly),
                (Interval::Monthly, change.usage_monthly),
            ];
            for usage in [&mut key.spent, &mut key.shown] {
                set_usage(usage, change.usage, now);
                for (interval, amount) in windows {
                    if let Some(amount) = amount {
                        usage.set(Some(interval), now, amount);
                    }
                }
            }
            for usage in [&mut key.spent_byok, &mut key.shown_byok] {
                set_usage(usage, change.byok_usage, now);
            }
            let added = key.spent.total - before;
            if let Some(expires_at) = change.expires_at {
                key.expires_at = expires_at.map(Moment::from_utc);
            }
            if let Some(last_used_at) = change.last_used_at {
                key.last_used_at = last_used_at.map(Moment::from_utc);
            }
            if let Some(disabled) = change.disabled {
                world.set_disabled(&mut key, disabled, now, Spread::AtOnce);
            }
            world.replace(at, key);
            if let Some(account) = world.accounts.get_mut(at.account) {
                account.adjust(added);
            }
            Ok(())
        })
    }

    /// Deletes a key behind everybody's back, at once in every view.
    ///
    /// # Errors
    /// There is no such live key.
    pub fn delete_key(&self, hash: KeyHash) -> Result<(), ControlError> {
        self.change(|world| {
            let at = inference(world, hash)?;
            let now = world.clock.now();
            if world.delete(at, now, Spread::AtOnce) {
                Ok(())
            } else {
                Err(ControlError::NotFound("key"))
            }
        })
    }

    /// Makes a key that nobody at the caller's side knows of. It is visible at once.
    ///
    /// # Errors
    /// There is no such account or workspace.
    pub fn create_foreign_key(&self, key: ForeignKey) -> Result<MadeKey, ControlError> {
        self.change(|world| {
            let place = account_of(world, key.account.as_deref())?;
            let account = world.accounts.get(place).ok_or(ControlError::NotFound("account"))?;
            let workspace = match &key.workspace {
                None => 0,
                Some(slug) => {
                    let workspace = account.workspaces.iter().position(|workspace| workspace.slug == *slug);
                    workspace.ok_or(ControlError::NotFound("workspace"))?
                }
            };
            let new = NewKey {
                name: key.name.unwrap_or_else(|| "foreign".to_owned()),
                limit: key.limit,
                limit_reset: None,
                include_byok_in_limit: false,
                expires_at: key.expires_at.map(Moment::from_utc),
                creator_user_id: None,
                workspace,
            };
            let now = world.clock.now();
            let draft = world.draft(place, new, now, Spread::AtOnce);
            let made = MadeKey {
                key: draft.text.clone(),
                hash: draft.key.hash,
                label: draft.key.label.clone(),
            };
            world.commit(place, draft, Handover::Foreign);
            Ok(made)
        })
    }

    /// Accepts a further management key: the given text, or a generated one.
    ///
    /// # Errors
    /// There is no such account, or the text cannot be a credential or is in use.
    pub fn add_provisioning_key(&self, account: Option<&str>, text: Option<KeyText>) -> Result<MadeKey, ControlError> {
        self.change(|world| {
            let place = account_of(world, account)?;
            let text = text.unwrap_or_else(|| world.random.management_key());
            if !is_credential(text.expose()) {
                let message = "key: visible ASCII characters without blanks, at least 8";
                return Err(ControlError::Invalid(message.to_owned()));
            }
            if !world.add_management_key(place, &text, Origin::Added) {
                return Err(ControlError::Invalid("key: is in use".to_owned()));
            }
            let label = crate::key_text::label(text.expose(), world.compat.label);
            Ok(MadeKey {
                hash: text.hash(),
                key: text,
                label,
            })
        })
    }

    /// Revokes a management key at once.
    ///
    /// # Errors
    /// There is no such management key in force.
    pub fn revoke_provisioning_key(&self, hash: KeyHash) -> Result<(), ControlError> {
        self.change(|world| {
            let now = world.clock.now();
            let Some(Holder::Management { account, index }) = world.holder(hash) else {
                return Err(ControlError::NotFound("provisioning key"));
            };
            let key = world
                .accounts
                .get_mut(account)
                .and_then(|account| account.management.get_mut(index));
            let key = key
                .filter(|key| key.revoked_at.is_none())
                .ok_or(ControlError::NotFound("provisioning key"))?;
            key.revoked_at = Some(now);
            Ok(())
        })
    }

    /// Sets the purchased credits of an account.
    ///
    /// # Errors
    /// There is no such account.
    pub fn set_credits(&self, account: Option<&str>, credits: Usd) -> Result<(), ControlError> {
        self.change(|world| {
            let place = account_of(world, account)?;
            if let Some(account) = world.accounts.get_mut(place) {
                account.credits = credits;
            }
            Ok(())
        })
    }

    /// Adds a provider credential (BYOK) to an account; returns its id.
    ///
    /// # Errors
    /// There is no such account or workspace.
    pub fn add_byok(&self, account: Option<&str>, byok: ByokConfig) -> Result<Uuid, ControlError> {
        self.change(|world| {
            let place = account_of(world, account)?;
            let id = world.random.uuid();
            let created_at = world.clock.now();
            let account = world.accounts.get_mut(place).ok_or(ControlError::NotFound("account"))?;
            let slug = byok.workspace.as_deref().unwrap_or(crate::config::DEFAULT_WORKSPACE);
            let workspace = account.workspaces.iter().position(|workspace| workspace.slug == slug);
            let workspace = workspace.ok_or(ControlError::NotFound("workspace"))?;
            account.byok.push(Byok {
                id,
                provider: byok.provider,
                name: byok.name,
                workspace,
                created_at,
                allowed_api_key_hashes: None,
            });
            Ok(id)
        })
    }

    /// Clears keys, counters, rules and clock; seeds and settings of the start stay. Key texts do not repeat.
    pub fn reset(&self) {
        self.change(World::reset);
    }
}

fn set_usage(usage: &mut Usage, amount: Option<Usd>, now: Moment) {
    let Some(amount) = amount else { return };
    for interval in [None, Some(Interval::Daily), Some(Interval::Weekly), Some(Interval::Monthly)] {
        usage.set(interval, now, amount);
    }
}

fn account_of(world: &World, name: Option<&str>) -> Result<usize, ControlError> {
    match name {
        None => Ok(0),
        Some(name) => world.account_named(name).ok_or(ControlError::NotFound("account")),
    }
}

fn inference(world: &World, hash: KeyHash) -> Result<KeyRef, ControlError> {
    match world.holder(hash) {
        Some(Holder::Inference(at)) => Ok(at),
        _ => Err(ControlError::NotFound("key")),
    }
}

fn key_state(world: &World, place: usize, key: &Key, now: Moment) -> KeyState {
    let account = world.accounts.get(place);
    let workspace = account.and_then(|account| account.workspaces.get(key.workspace));
    KeyState {
        hash: key.hash,
        label: key.label.clone(),
        name: key.name.clone(),
        account: account.map(|account| account.name.clone()).unwrap_or_default(),
        workspace: workspace.map(|workspace| workspace.slug.clone()).unwrap_or_default(),
        disabled: key.disabled,
        created_at: key.created_at.plain(),
        expires_at: key.expires_at.map(Moment::plain),
        deleted_at: key.deletion.map(|deletion| deletion.at.plain()),
        undelivered: key.handover == Handover::Lost,
        accepted: key.authenticate(now, &world.compat).is_ok(),
        usage: key.spent.total,
    }
}
