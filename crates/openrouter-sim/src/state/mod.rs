//! The state of one simulator, behind one lock: each request is one atomic step.
//!
//! Two views are kept apart. The management view is the plain fields of [`key::Key`] and changes at once;
//! the authentication view ([`key::AuthView`]), the listing ([`account::Listed`]) and the counters
//! (`Key::lagging`) follow after delays that are drawn when the change is made.

pub(crate) mod account;
pub(crate) mod key;
pub(crate) mod persist;
pub(crate) mod usage;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use account::{Account, Assignment, Byok, ManagementKey, Origin, Workspace};
use key::{AuthView, Deletion, Handover, Key, LateUses, Standing};
use usage::{Interval, Usage};

use crate::config::{AccountConfig, Compat, DEFAULT_WORKSPACE, DelayKind, Propagation, SimConfig, is_credential};
use crate::events::EventLog;
use crate::faults::Rules;
use crate::faults::gate::Gate;
use crate::key_text::{self, KeyHash, KeyText};
use crate::money::Usd;
use crate::random::Random;
use crate::stats::{CompletionCounts, Stats};
use crate::time::{Moment, SimClock};

/// Where an API key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRef {
    pub(crate) account: usize,
    pub(crate) slot: usize,
}

/// What a credential's hash belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Management { account: usize, index: usize },
    Inference(KeyRef),
}

/// Whether a change passes through the propagation delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    Delayed,
    AtOnce,
}

/// A key that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewKey {
    pub(crate) name: String,
    pub(crate) limit: Option<Usd>,
    pub(crate) limit_reset: Option<Interval>,
    pub(crate) include_byok_in_limit: bool,
    pub(crate) expires_at: Option<Moment>,
    pub(crate) creator_user_id: Option<String>,
    pub(crate) workspace: usize,
}

/// A key that is drawn but not yet part of the account.
pub(crate) struct Draft {
    pub(crate) text: KeyText,
    pub(crate) key: Key,
    list_delay: Duration,
}

/// Everything one simulator knows.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: SimClock,
    pub(crate) random: Random,
    pub(crate) compat: Compat,
    pub(crate) propagation: Propagation,
    pub(crate) accounts: Vec<Account>,
    holders: HashMap<KeyHash, Holder>,
    /// Number of the latest create, delete or rename.
    changes: u64,
    live: u64,
    peak_live: u64,
    pub(crate) rules: Rules,
    pub(crate) gate: Gate,
    pub(crate) stats: Stats,
    pub(crate) events: EventLog,
    /// Number of resets.
    age: u64,
    /// What the configuration asked for; a reset returns to it.
    config: SimConfig,
}

impl World {
    /// A fresh world. Parts of the configuration that [`SimConfig::validate`] would refuse are left out.
    pub(crate) fn new(config: SimConfig) -> (Self, KeyText) {
        let marker = config
            .key_marker
            .clone()
            .filter(|marker| crate::config::is_marker(marker))
            .unwrap_or_default();
        let mut world = Self {
            clock: SimClock::new(config.clock),
            random: Random::new(config.seed, marker),
            compat: config.compat.clone(),
            propagation: config.propagation.clone(),
            accounts: Vec::with_capacity(config.accounts.len()),
            holders: HashMap::new(),
            changes: 0,
            live: 0,
            peak_live: 0,
            rules: Rules::new(config.faults.iter().filter(|rule| rule.validate().is_ok()).cloned()),
            gate: Gate::default(),
            stats: Stats::default(),
            events: EventLog::new(config.event_capacity),
            age: 0,
            config,
        };
        let mut first = None;
        for account in world.config.accounts.clone() {
            let key = world.open_account(&account);
            first.get_or_insert(key);
        }
        let first = first.unwrap_or_else(|| world.random.management_key());
        (world, first)
    }

    /// Adds an account of the configuration; returns its first management key.
    fn open_account(&mut self, config: &AccountConfig) -> KeyText {
        let now = self.clock.now();
        let user_id = config.user_id.clone().unwrap_or_else(|| format!("user_{}", self.random.id()));
        let index = self.accounts.len();
        let mut account = Account::new(config.name.clone(), config.credits, user_id, config.organization_id.clone());
        let others = config
            .workspaces
            .iter()
            .map(String::as_str)
            .filter(|slug| *slug != DEFAULT_WORKSPACE);
        for slug in std::iter::once(DEFAULT_WORKSPACE).chain(others) {
            let id = self.random.uuid();
            let guardrail = self.random.uuid();
            account.workspaces.push(Workspace::new(id, slug.to_owned(), guardrail, now));
        }
        for byok in &config.byok {
            let slug = byok.workspace.as_deref().unwrap_or(DEFAULT_WORKSPACE);
            let workspace = account.workspaces.iter().position(|workspace| workspace.slug == slug).unwrap_or(0);
            account.byok.push(Byok {
                id: self.random.uuid(),
                provider: byok.provider.clone(),
                name: byok.name.clone(),
                workspace,
                created_at: now,
                allowed_api_key_hashes: None,
            });
        }
        self.accounts.push(account);
        let mut texts: Vec<KeyText> = config
            .management_keys
            .iter()
            .filter(|text| is_credential(text.expose()))
            .cloned()
            .collect();
        if texts.is_empty() {
            texts.push(self.random.management_key());
        }
        for text in &texts {
            self.add_management_key(index, text, Origin::Configured);
        }
        texts.into_iter().next().unwrap_or_else(|| KeyText::new(String::new()))
    }

    /// Accepts a management key. `false` if its text is already in use.
    pub(crate) fn add_management_key(&mut self, account: usize, text: &KeyText, origin: Origin) -> bool {
        let hash = text.hash();
        let Some(target) = self.accounts.get_mut(account) else {
            return false;
        };
        if self.holders.contains_key(&hash) {
            return false;
        }
        let label = key_text::label(text.expose(), self.compat.label);
        self.holders.insert(
            hash,
            Holder::Management {
                account,
                index: target.management.len(),
            },
        );
        target.management.push(ManagementKey {
            hash,
            label,
            origin,
            revoked_at: None,
            requests: 0,
        });
        true
    }

    /// Back to the start: no keys, counters, rules; the clock as configured. Settings of the configuration
    /// are in force again, management keys and workspaces keep their ids, and key texts do not repeat.
    pub(crate) fn reset(&mut self) {
        self.age += 1;
        self.clock.reset();
        self.random.rewind_draws();
        self.compat = self.config.compat.clone();
        self.propagation = self.config.propagation.clone();
        self.holders.clear();
        self.changes = 0;
        self.live = 0;
        self.peak_live = 0;
        self.rules
            .reset(self.config.faults.iter().filter(|rule| rule.validate().is_ok()).cloned());
        self.gate = Gate::default();
        self.stats.reset();
        self.events.clear();
        for (index, account) in self.accounts.iter_mut().enumerate() {
            let mut fresh = Account::new(
                account.name.clone(),
                account.credits,
                account.user_id.clone(),
                account.organization_id.clone(),
            );
            fresh.workspaces = std::mem::take(&mut account.workspaces);
            for workspace in &mut fresh.workspaces {
                workspace.listing.clear();
                workspace.leaving.clear();
            }
            fresh.byok = std::mem::take(&mut account.byok);
            for byok in &mut fresh.byok {
                byok.allowed_api_key_hashes = None;
            }
            for key in std::mem::take(&mut account.management) {
                if key.origin == Origin::Configured {
                    self.holders.insert(
                        key.hash,
                        Holder::Management {
                            account: index,
                            index: fresh.management.len(),
                        },
                    );
                    fresh.management.push(ManagementKey {
                        revoked_at: None,
                        requests: 0,
                        ..key
                    });
                }
            }
            *account = fresh;
        }
    }

    pub(crate) fn holder(&self, hash: KeyHash) -> Option<Holder> {
        self.holders.get(&hash).copied()
    }

    /// Number of resets so far.
    pub(crate) fn age(&self) -> u64 {
        self.age
    }

    pub(crate) fn key(&self, at: KeyRef) -> Option<&Key> {
        self.accounts.get(at.account)?.keys.get(at.slot)
    }

    pub(crate) fn key_mut(&mut self, at: KeyRef) -> Option<&mut Key> {
        self.accounts.get_mut(at.account)?.keys.get_mut(at.slot)
    }

    /// The key of an account with this hash, deleted or not.
    pub(crate) fn key_of(&self, account: usize, hash: KeyHash) -> Option<KeyRef> {
        match self.holder(hash) {
            Some(Holder::Inference(at)) if at.account == account => Some(at),
            _ => None,
        }
    }

    pub(crate) fn account_named(&self, name: &str) -> Option<usize> {
        self.accounts.iter().position(|account| account.name == name)
    }

    pub(crate) fn peak_live(&self) -> u64 {
        self.peak_live
    }

    /// Draws a propagation delay for a key of this name.
    pub(crate) fn delay(&mut self, kind: DelayKind, name: &str) -> Duration {
        self.propagation
            .delay(kind, name)
            .map_or(Duration::ZERO, |delay| delay.draw(&mut self.random.delays))
    }

    fn spread(&mut self, spread: Spread, kind: DelayKind, name: &str) -> Duration {
        match spread {
            Spread::Delayed => self.delay(kind, name),
            Spread::AtOnce => Duration::ZERO,
        }
    }

    /// Draws text and delays of a new key without making it.
    pub(crate) fn draft(&mut self, account: usize, new: NewKey, now: Moment, spread: Spread) -> Draft {
        let mut text = self.random.key();
        // Only a loaded state or a hand-given management key could collide.
        while self.holders.contains_key(&text.hash()) {
            text = self.random.key();
        }
        let mut auth = AuthView::default();
        auth.change(now, self.spread(spread, DelayKind::Visible, &new.name), Standing::Accepted);
        let list_delay = self.spread(spread, DelayKind::List, &new.name);
        let found_from = now.arrival(self.spread(spread, DelayKind::Get, &new.name));
        let account = self.accounts.get(account);
        let key = Key {
            slot: account.map_or(0, |account| account.keys.len()),
            hash: text.hash(),
            label: key_text::label(text.expose(), self.compat.label),
            name: new.name,
            disabled: false,
            limit: new.limit,
            limit_reset: new.limit_reset,
            include_byok_in_limit: new.include_byok_in_limit,
            workspace: new.workspace,
            created_at: now,
            updated_at: None,
            expires_at: new.expires_at,
            creator_user_id: new.creator_user_id.or_else(|| account.map(|account| account.user_id.clone())),
            auth,
            found_from,
            deletion: None,
            created_order: self.changes + 1,
            former_names: Vec::new(),
            guardrail: None,
            handover: Handover::Pending,
            spent: Usage::default(),
            spent_byok: Usage::default(),
            shown: Usage::default(),
            shown_byok: Usage::default(),
            last_used_at: None,
            lagging: VecDeque::new(),
            first_use: None,
            late_uses: LateUses::default(),
            completions: CompletionCounts::default(),
        };
        Draft { text, key, list_delay }
    }

    /// Makes a drafted key.
    pub(crate) fn commit(&mut self, account: usize, draft: Draft, handover: Handover) -> Option<KeyRef> {
        let target = self.accounts.get_mut(account)?;
        let at = KeyRef {
            account,
            slot: target.keys.len(),
        };
        self.changes += 1;
        let key = Key {
            slot: at.slot,
            created_order: self.changes,
            handover,
            ..draft.key
        };
        self.holders.insert(key.hash, Holder::Inference(at));
        target.insert(key, draft.list_delay);
        self.live += 1;
        self.peak_live = self.peak_live.max(self.live);
        Some(at)
    }

    /// Changes whether a key is disabled, in both views.
    pub(crate) fn set_disabled(&mut self, key: &mut Key, disabled: bool, now: Moment, spread: Spread) {
        if key.disabled == disabled {
            return;
        }
        key.disabled = disabled;
        if disabled {
            let delay = self.spread(spread, DelayKind::Revoke, &key.name);
            key.auth.change(now, delay, Standing::Disabled);
        } else {
            let delay = self.spread(spread, DelayKind::Visible, &key.name);
            key.auth.change(now, delay, Standing::Accepted);
        }
    }

    /// Puts a changed copy of a key in its place.
    pub(crate) fn replace(&mut self, at: KeyRef, mut key: Key) {
        let Some(account) = self.accounts.get_mut(at.account) else {
            return;
        };
        let Some(place) = account.keys.get_mut(at.slot) else {
            return;
        };
        if place.name != key.name {
            self.changes += 1;
            key.former_names.push((self.changes, std::mem::take(&mut place.name)));
        }
        let former = place.workspace;
        *place = key;
        account.relist(at.slot, former);
    }

    /// Deletes a live key; `false` if it was already gone.
    pub(crate) fn delete(&mut self, at: KeyRef, now: Moment, spread: Spread) -> bool {
        let Some(name) = self.key(at).filter(|key| key.live()).map(|key| key.name.clone()) else {
            return false;
        };
        let revoke_delay = self.spread(spread, DelayKind::Revoke, &name);
        let list_delay = self.spread(spread, DelayKind::List, &name);
        let get_delay = self.spread(spread, DelayKind::Get, &name);
        self.changes += 1;
        let order = self.changes;
        let Some(account) = self.accounts.get_mut(at.account) else {
            return false;
        };
        let Some(key) = account.keys.get_mut(at.slot) else {
            return false;
        };
        key.auth.change(now, revoke_delay, Standing::Deleted);
        key.deletion = Some(Deletion {
            at: now,
            order,
            found_until: now.arrival(get_delay),
        });
        let hash = key.hash;
        if let Some(guardrail) = key.guardrail.take().and_then(|index| account.guardrails.get_mut(index)) {
            guardrail.assignments.retain(|assignment| assignment.slot != at.slot);
        }
        for byok in &mut account.byok {
            // An allowlist never becomes empty: that would read as "nobody", which the service does not know.
            if let Some(hashes) = byok.allowed_api_key_hashes.as_mut().filter(|hashes| hashes.len() > 1) {
                hashes.retain(|allowed| *allowed != hash);
            }
        }
        account.unlist(at.slot, now, list_delay);
        self.live = self.live.saturating_sub(1);
        true
    }

    /// Puts a key under a guardrail, in place of the one it had; `None` takes it away.
    pub(crate) fn assign(&mut self, at: KeyRef, guardrail: Option<usize>, now: Moment) {
        let id = self.random.uuid();
        let Some(account) = self.accounts.get_mut(at.account) else {
            return;
        };
        let Some(key) = account.keys.get_mut(at.slot) else {
            return;
        };
        if key.guardrail == guardrail {
            return;
        }
        let former = std::mem::replace(&mut key.guardrail, guardrail);
        if let Some(former) = former.and_then(|index| account.guardrails.get_mut(index)) {
            former.assignments.retain(|assignment| assignment.slot != at.slot);
        }
        if let Some(target) = guardrail.and_then(|index| account.guardrails.get_mut(index)) {
            target.assignments.push(Assignment {
                id,
                slot: at.slot,
                created_at: now,
            });
        }
    }
}
