//! One account: its management keys, workspaces, API keys, guardrails and provider credentials.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::key::Key;
use super::usage::Interval;
use crate::key_text::KeyHash;
use crate::money::{Usd, exact};
use crate::time::Moment;

/// Keys on one page of the listing.
pub(crate) const PAGE: usize = 100;
/// Completed days that `/activity` shows.
pub(crate) const ACTIVITY_DAYS: i64 = 30;

/// Where a management key came from; those of the configuration come back with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    Configured,
    Added,
}

/// A management key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManagementKey {
    pub(crate) hash: KeyHash,
    pub(crate) label: String,
    pub(crate) origin: Origin,
    pub(crate) revoked_at: Option<Moment>,
    /// Requests made with it.
    pub(crate) requests: u64,
}

/// What the listing needs to know of a key; kept apart from the key so that a deep page stays cheap.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    pub(crate) disabled: bool,
    pub(crate) expires_at: Option<Moment>,
    pub(crate) from: Moment,
    pub(crate) until: Option<Moment>,
}

/// Which keys a listing shows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ListFilter {
    pub(crate) include_disabled: bool,
    pub(crate) include_expired: bool,
}

impl Listed {
    fn shown(&self, filter: ListFilter, now: Moment) -> bool {
        self.from <= now
            && self.until.is_none_or(|until| now < until)
            && (filter.include_disabled || !self.disabled)
            && (filter.include_expired || self.expires_at.is_none_or(|expiry| expiry > now))
    }
}

/// A container of keys.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    pub(crate) id: Uuid,
    pub(crate) slug: String,
    pub(crate) created_at: Moment,
    pub(crate) default_guardrail_id: Uuid,
    /// Keys by creation time, then by order of creation; read backwards.
    pub(crate) listing: BTreeMap<(Moment, usize), Listed>,
    /// Deleted keys that the listing still shows, by the moment at which it drops them.
    pub(crate) leaving: BTreeMap<(Moment, usize), Moment>,
}

impl Workspace {
    pub(crate) fn new(id: Uuid, slug: String, default_guardrail_id: Uuid, created_at: Moment) -> Self {
        Self {
            id,
            slug,
            created_at,
            default_guardrail_id,
            listing: BTreeMap::new(),
            leaving: BTreeMap::new(),
        }
    }

    /// Places of the keys on the page that begins after `offset` matching keys, newest first.
    pub(crate) fn page(&mut self, filter: ListFilter, offset: usize, now: Moment) -> Vec<usize> {
        while let Some(entry) = self.leaving.first_entry() {
            let (until, slot) = *entry.key();
            if until > now {
                break;
            }
            let created_at = entry.remove();
            self.listing.remove(&(created_at, slot));
        }
        self.listing
            .iter()
            .rev()
            .filter(|(_, listed)| listed.shown(filter, now))
            .skip(offset)
            .take(PAGE)
            .map(|((_, slot), _)| *slot)
            .collect()
    }
}

/// A policy that keys can be assigned to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guardrail {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) workspace: usize,
    #[serde(with = "exact::option")]
    pub(crate) limit: Option<Usd>,
    pub(crate) reset_interval: Option<Interval>,
    pub(crate) include_byok: bool,
    pub(crate) allowed_models: Option<Vec<String>>,
    pub(crate) allowed_providers: Option<Vec<String>>,
    pub(crate) created_at: Moment,
    /// Assigned keys by place, in order of assignment.
    pub(crate) assignments: Vec<Assignment>,
}

/// That a key is under a guardrail.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assignment {
    pub(crate) id: Uuid,
    pub(crate) slot: usize,
    pub(crate) created_at: Moment,
}

/// A provider credential of the customer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Byok {
    pub(crate) id: Uuid,
    pub(crate) provider: String,
    pub(crate) name: Option<String>,
    pub(crate) workspace: usize,
    pub(crate) created_at: Moment,
    pub(crate) allowed_api_key_hashes: Option<Vec<KeyHash>>,
}

/// What one key did with one model on one day.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DayUse {
    #[serde(with = "exact")]
    pub(crate) usage: Usd,
    #[serde(with = "exact")]
    pub(crate) byok: Usd,
    pub(crate) requests: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
}

/// Key of the activity table: day, place of the model in the catalogue, key, workspace at the time.
pub(crate) type DayUseKey = (i64, usize, usize, usize);

/// One account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) credits: Usd,
    pub(crate) user_id: String,
    pub(crate) organization_id: Option<String>,
    pub(crate) management: Vec<ManagementKey>,
    pub(crate) workspaces: Vec<Workspace>,
    pub(crate) keys: Vec<Key>,
    pub(crate) guardrails: Vec<Guardrail>,
    pub(crate) byok: Vec<Byok>,
    /// Spent by all keys, deleted ones included, as enforcement sees it.
    pub(crate) spent: Usd,
    /// The same as the counters show it.
    shown: Usd,
    lagging: BTreeMap<Moment, Usd>,
    pub(crate) live: u64,
    pub(crate) peak_live: u64,
    /// Day and number of requests to `:free` models.
    pub(crate) free_requests: (i64, u64),
    pub(crate) activity: BTreeMap<DayUseKey, DayUse>,
}

impl Account {
    pub(crate) fn new(name: String, credits: Usd, user_id: String, organization_id: Option<String>) -> Self {
        Self {
            name,
            credits,
            user_id,
            organization_id,
            management: Vec::new(),
            workspaces: Vec::new(),
            keys: Vec::new(),
            guardrails: Vec::new(),
            byok: Vec::new(),
            spent: Usd::ZERO,
            shown: Usd::ZERO,
            lagging: BTreeMap::new(),
            live: 0,
            peak_live: 0,
            free_requests: (0, 0),
            activity: BTreeMap::new(),
        }
    }

    /// Adds a key and puts it into the listing after `list_delay`.
    pub(crate) fn insert(&mut self, key: Key, list_delay: Duration) {
        let listed = Listed {
            disabled: key.disabled,
            expires_at: key.expires_at,
            from: key.created_at.arrival(list_delay),
            until: None,
        };
        if let Some(workspace) = self.workspaces.get_mut(key.workspace) {
            workspace.listing.insert((key.created_at, key.slot), listed);
        }
        self.keys.push(key);
        self.live += 1;
        self.peak_live = self.peak_live.max(self.live);
    }

    /// Brings the listing in line with a changed key; `former` is the workspace it was in.
    pub(crate) fn relist(&mut self, slot: usize, former: usize) {
        let Some(key) = self.keys.get(slot) else {
            return;
        };
        let place = (key.created_at, slot);
        let listed = self
            .workspaces
            .get_mut(former)
            .and_then(|workspace| workspace.listing.remove(&place));
        let Some(mut listed) = listed else { return };
        listed.disabled = key.disabled;
        listed.expires_at = key.expires_at;
        if let Some(workspace) = self.workspaces.get_mut(key.workspace) {
            workspace.listing.insert(place, listed);
        }
    }

    /// Takes a deleted key out of the listing after `list_delay`.
    pub(crate) fn unlist(&mut self, slot: usize, now: Moment, list_delay: Duration) {
        let Some(key) = self.keys.get(slot) else {
            return;
        };
        let place = (key.created_at, slot);
        if let Some(workspace) = self.workspaces.get_mut(key.workspace) {
            if list_delay.is_zero() {
                workspace.listing.remove(&place);
            } else if let Some(listed) = workspace.listing.get_mut(&place) {
                let until = now.plus(list_delay);
                listed.until = Some(until);
                workspace.leaving.insert((until, slot), key.created_at);
            }
        }
        self.live = self.live.saturating_sub(1);
    }

    pub(crate) fn workspace_by_id(&self, id: Uuid) -> Option<usize> {
        self.workspaces.iter().position(|workspace| workspace.id == id)
    }

    pub(crate) fn guardrail_by_id(&self, id: Uuid) -> Option<usize> {
        self.guardrails.iter().position(|guardrail| guardrail.id == id)
    }

    /// Records a cost of the account; the counters show it after `delay`.
    pub(crate) fn charge(&mut self, now: Moment, amount: Usd, delay: Duration) {
        self.spent += amount;
        if delay.is_zero() {
            self.shown += amount;
        } else {
            *self.lagging.entry(now.plus(delay)).or_default() += amount;
        }
    }

    /// Changes both totals at once, for usage set from outside.
    pub(crate) fn adjust(&mut self, by: Usd) {
        self.spent += by;
        self.shown += by;
    }

    /// The total that `/credits` shows.
    pub(crate) fn total_usage(&mut self, now: Moment) -> Usd {
        while let Some(entry) = self.lagging.first_entry() {
            if *entry.key() > now {
                break;
            }
            self.shown += entry.remove();
        }
        self.shown
    }

    /// Everything spent is shown at once; used when a state is loaded.
    pub(crate) fn restore_spent(&mut self, spent: Usd) {
        self.spent = spent;
        self.shown = spent;
        self.lagging.clear();
    }

    /// Adds to the activity of a day and forgets days that are no longer shown.
    pub(crate) fn record_activity(&mut self, key: DayUseKey, used: DayUse) {
        let oldest = key.0 - ACTIVITY_DAYS - 1;
        while self.activity.first_key_value().is_some_and(|((day, ..), _)| *day < oldest) {
            self.activity.pop_first();
        }
        let entry = self.activity.entry(key).or_default();
        entry.usage += used.usage;
        entry.byok += used.byok;
        entry.requests += used.requests;
        entry.prompt_tokens += used.prompt_tokens;
        entry.completion_tokens += used.completion_tokens;
    }

    /// Requests to `:free` models on the day of `now`.
    pub(crate) fn free_requests_on(&self, now: Moment) -> u64 {
        let (day, count) = self.free_requests;
        if day == now.day() { count } else { 0 }
    }
}
