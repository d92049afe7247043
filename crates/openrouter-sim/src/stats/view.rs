//! The snapshot that `GET /_sim/stats` returns.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{AuthFailure, AuthGroup, CompletionCounts, CredentialKind, Tally};
use crate::key_text::KeyHash;
use crate::state::World;
use crate::state::account::Account;
use crate::state::key::{Handover, Key};
use crate::time::Moment;

/// One consistent snapshot of all counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatsView {
    /// Simulated time of the snapshot, RFC 3339.
    pub time: String,
    /// API keys by the management view.
    pub keys: KeyStats,
    /// Requests below `/api/v1`.
    pub requests: RequestStats,
    /// Changes made whose reply was lost, by endpoint.
    pub effects_without_reply: BTreeMap<String, u64>,
    /// Failed authentications by true reason.
    pub auth_failures: AuthFailureStats,
    /// Completions by result.
    pub completions: CompletionStats,
    /// Requests with a key after its deletion.
    pub uses_after_delete: LateUseStats,
    /// Milliseconds from create to the first accepted request, by hash.
    pub first_use_ms: BTreeMap<KeyHash, i64>,
    /// Firings by fault rule.
    pub faults: BTreeMap<u64, u64>,
}

/// API keys: in total, for each account, and for each prefix asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyStats {
    /// All accounts.
    #[serde(flatten)]
    pub total: KeyCounts,
    /// By account name.
    pub by_account: BTreeMap<String, KeyCounts>,
    /// By name prefix, over all accounts.
    pub by_prefix: BTreeMap<String, KeyCounts>,
}

/// Counts of API keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyCounts {
    /// Not deleted.
    pub live: u64,
    /// Live, neither disabled nor expired.
    pub enabled: u64,
    /// Live and disabled.
    pub disabled: u64,
    /// Live and expired.
    pub expired: u64,
    /// Ever made.
    pub created_total: u64,
    /// Ever deleted.
    pub deleted_total: u64,
    /// Most live keys at one time.
    pub peak_live: u64,
    /// Live keys whose create reply did not reach the client.
    pub undelivered: u64,
}

/// Requests below `/api/v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestStats {
    /// All of `counts`.
    pub total: u64,
    /// Under way at the moment.
    pub in_flight: u64,
    /// Most under way at one time.
    pub max_in_flight: u64,
    /// By endpoint, method, status and kind of credential.
    pub counts: Vec<RequestCount>,
    /// By label of the management key.
    pub by_management_key: BTreeMap<String, u64>,
}

/// Requests that have endpoint, method, status and kind of credential in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestCount {
    /// Endpoint name as in fault rules; `other` for an unknown path.
    pub endpoint: String,
    /// HTTP method.
    pub method: String,
    /// Status; `None` if a rule let the client go without an answer.
    pub status: Option<u16>,
    /// Kind of credential.
    pub credential: CredentialKind,
    /// How many.
    pub count: u64,
}

/// Counts by true reason.
pub type ReasonCounts = BTreeMap<AuthFailure, u64>;

/// Failed authentications: in total and by group of endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthFailureStats {
    /// All groups.
    #[serde(flatten)]
    pub total: ReasonCounts,
    /// On completions.
    pub completions: ReasonCounts,
    /// On `/key`.
    pub key: ReasonCounts,
    /// On management calls.
    pub management: ReasonCounts,
}

/// A count with its first and last time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TallyView {
    /// How many.
    pub count: u64,
    /// Simulated time of the first, RFC 3339.
    pub first: Option<String>,
    /// Simulated time of the last, RFC 3339.
    pub last: Option<String>,
}

/// Completions of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyCompletions {
    /// Answered.
    pub ok: TallyView,
    /// Refused because of the credential.
    pub refused_auth: TallyView,
    /// Refused because a cap or budget is spent.
    pub refused_limit: TallyView,
    /// Refused because the account's credits are spent.
    pub refused_credits: TallyView,
    /// Hit by a fault rule.
    pub fault: TallyView,
}

/// Completions by result: in total and by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CompletionStats {
    /// Answered.
    pub ok: u64,
    /// Refused because of the credential.
    pub refused_auth: u64,
    /// Refused because a cap or budget is spent.
    pub refused_limit: u64,
    /// Refused because the account's credits are spent.
    pub refused_credits: u64,
    /// Hit by a fault rule, an outage or a rate limit.
    pub fault: u64,
    /// By hash, known keys only.
    pub by_key: BTreeMap<KeyHash, KeyCompletions>,
}

/// Requests with a key after its deletion. Questions to `/key` are probes, not uses: they are how a client
/// checks that a key is dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LateUse {
    /// Requests other than `/key`.
    pub count: u64,
    /// Largest distance from the deletion, in milliseconds.
    pub max_ms: u64,
    /// Requests to `/key`.
    pub probes: u64,
    /// Largest distance of a probe, in milliseconds.
    pub max_probe_ms: u64,
}

/// Requests with deleted keys: in total and by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LateUseStats {
    /// All keys.
    #[serde(flatten)]
    pub total: LateUse,
    /// By hash.
    pub by_key: BTreeMap<KeyHash, LateUse>,
}

impl StatsView {
    /// Takes the snapshot; `prefixes` get counts of their own.
    pub(crate) fn of(world: &World, prefixes: &[String]) -> Self {
        let now = world.clock.now();
        let mut keys = KeyStats {
            total: KeyCounts {
                peak_live: world.peak_live(),
                ..KeyCounts::default()
            },
            ..KeyStats::default()
        };
        let mut first_use_ms = BTreeMap::new();
        let mut late = LateUseStats::default();
        let mut by_key = BTreeMap::new();
        let mut by_management_key = BTreeMap::new();
        for account in &world.accounts {
            let counts = KeyCounts {
                peak_live: account.peak_live,
                ..count(account.keys.iter(), now)
            };
            keys.total.add(counts);
            keys.by_account.insert(account.name.clone(), counts);
            for key in &account.keys {
                if let Some(used) = key.first_use {
                    first_use_ms.insert(key.hash, used.millis_since(key.created_at));
                }
                late.add(key);
                if key.completions.any() {
                    by_key.insert(key.hash, KeyCompletions::of(&key.completions));
                }
            }
            for key in &account.management {
                *by_management_key.entry(key.label.clone()).or_default() += key.requests;
            }
        }
        for prefix in prefixes {
            keys.by_prefix.insert(prefix.clone(), count_prefix(&world.accounts, prefix, now));
        }
        let counts: Vec<RequestCount> = world
            .stats
            .requests()
            .into_iter()
            .map(|(key, count)| RequestCount {
                endpoint: key.endpoint,
                method: key.method,
                status: key.status,
                credential: key.credential,
                count,
            })
            .collect();
        let completions = &world.stats.completions;
        Self {
            time: now.plain(),
            keys,
            requests: RequestStats {
                total: counts.iter().map(|entry| entry.count).sum(),
                in_flight: world.stats.in_flight,
                max_in_flight: world.stats.max_in_flight,
                counts,
                by_management_key,
            },
            effects_without_reply: world.stats.effects_without_reply.clone(),
            auth_failures: AuthFailureStats::of(&world.stats.auth_failures),
            completions: CompletionStats {
                ok: completions.ok.count,
                refused_auth: completions.refused_auth.count,
                refused_limit: completions.refused_limit.count,
                refused_credits: completions.refused_credits.count,
                fault: completions.fault.count,
                by_key,
            },
            uses_after_delete: late,
            first_use_ms,
            faults: world.stats.faults.clone(),
        }
    }

    /// Requests that match all of what is given; for assertions.
    pub fn requests_with(&self, endpoint: &str, status: Option<u16>) -> u64 {
        self.requests
            .counts
            .iter()
            .filter(|entry| entry.endpoint == endpoint && entry.status == status)
            .map(|entry| entry.count)
            .sum()
    }
}

impl KeyCounts {
    /// Adds everything but the peak, which does not add up.
    fn add(&mut self, other: Self) {
        self.live += other.live;
        self.enabled += other.enabled;
        self.disabled += other.disabled;
        self.expired += other.expired;
        self.created_total += other.created_total;
        self.deleted_total += other.deleted_total;
        self.undelivered += other.undelivered;
    }
}

fn count<'a>(keys: impl Iterator<Item = &'a Key>, now: Moment) -> KeyCounts {
    let mut counts = KeyCounts::default();
    for key in keys {
        counts.created_total += 1;
        if !key.live() {
            counts.deleted_total += 1;
            continue;
        }
        counts.live += 1;
        let expired = key.expired(now);
        counts.disabled += u64::from(key.disabled);
        counts.expired += u64::from(expired);
        counts.enabled += u64::from(!key.disabled && !expired);
        counts.undelivered += u64::from(key.handover == Handover::Lost);
    }
    counts
}

/// Counts for keys whose name has a prefix. The peak follows renames: a key counts while its name fits.
fn count_prefix(accounts: &[Account], prefix: &str, now: Moment) -> KeyCounts {
    let keys = || accounts.iter().flat_map(|account| &account.keys);
    let counts = count(keys().filter(|key| key.name.starts_with(prefix)), now);
    let mut changes: Vec<(u64, i64)> = Vec::new();
    for key in keys() {
        let mut start = key.created_order;
        let end = key.deletion.map(|deletion| deletion.order);
        let names = key.former_names.iter().map(|(until, name)| (Some(*until), name));
        for (until, name) in names.chain([(end, &key.name)]) {
            if name.starts_with(prefix) {
                changes.push((start, 1));
                if let Some(until) = until {
                    changes.push((until, -1));
                }
            }
            start = until.unwrap_or(start);
        }
    }
    changes.sort_unstable();
    let mut live: i64 = 0;
    let mut peak: i64 = 0;
    for (_, change) in changes {
        live += change;
        peak = peak.max(live);
    }
    KeyCounts {
        peak_live: u64::try_from(peak).unwrap_or(0),
        ..counts
    }
}

impl LateUseStats {
    fn add(&mut self, key: &Key) {
        let late = LateUse {
            count: key.late_uses.count,
            max_ms: key.late_uses.max_ms,
            probes: key.late_uses.probes,
            max_probe_ms: key.late_uses.max_probe_ms,
        };
        if late == LateUse::default() {
            return;
        }
        self.total.count += late.count;
        self.total.max_ms = self.total.max_ms.max(late.max_ms);
        self.total.probes += late.probes;
        self.total.max_probe_ms = self.total.max_probe_ms.max(late.max_probe_ms);
        self.by_key.insert(key.hash, late);
    }
}

impl TallyView {
    fn of(tally: Tally) -> Self {
        Self {
            count: tally.count,
            first: tally.first.map(Moment::plain),
            last: tally.last.map(Moment::plain),
        }
    }
}

impl KeyCompletions {
    fn of(counts: &CompletionCounts) -> Self {
        Self {
            ok: TallyView::of(counts.ok),
            refused_auth: TallyView::of(counts.refused_auth),
            refused_limit: TallyView::of(counts.refused_limit),
            refused_credits: TallyView::of(counts.refused_credits),
            fault: TallyView::of(counts.fault),
        }
    }
}

impl AuthFailureStats {
    fn of(counts: &BTreeMap<(AuthGroup, AuthFailure), u64>) -> Self {
        let of_groups = |groups: &[AuthGroup]| {
            let count = |reason| groups.iter().filter_map(|group| counts.get(&(*group, reason))).sum();
            AuthFailure::ALL.into_iter().map(|reason| (reason, count(reason))).collect()
        };
        Self {
            total: of_groups(&AuthGroup::ALL),
            completions: of_groups(&[AuthGroup::Completions]),
            key: of_groups(&[AuthGroup::Key]),
            management: of_groups(&[AuthGroup::Management]),
        }
    }
}
