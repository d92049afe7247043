//! Counters for assertions: what is counted while requests run. The snapshot is in [`view`].

pub(crate) mod view;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Moment;

/// What kind of credential a request carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// None.
    Missing,
    /// Something that belongs to nobody.
    Unknown,
    /// A management key, also a revoked one.
    Management,
    /// An API key, also a deleted one.
    Inference,
}

/// The true reason of a failed authentication; the client is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthFailure {
    /// No credential.
    Missing,
    /// A credential that is no single bearer.
    Malformed,
    /// Nobody's key.
    Unknown,
    /// A deleted key or a revoked management key.
    Deleted,
    /// A disabled key.
    Disabled,
    /// An expired key.
    Expired,
    /// A key that is still on its way to the authentication view.
    NotYetVisible,
    /// A valid key of the wrong kind.
    WrongKind,
    /// A key that lives longer than the account allows.
    Policy,
}

impl AuthFailure {
    pub(crate) const ALL: [Self; 9] = [
        Self::Missing,
        Self::Malformed,
        Self::Unknown,
        Self::Deleted,
        Self::Disabled,
        Self::Expired,
        Self::NotYetVisible,
        Self::WrongKind,
        Self::Policy,
    ];
}

/// Groups of endpoints whose failed authentications are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthGroup {
    /// `/chat/completions`.
    Completions,
    /// `/key`.
    Key,
    /// Everything that needs a management key.
    Management,
}

impl AuthGroup {
    pub(crate) const ALL: [Self; 3] = [Self::Completions, Self::Key, Self::Management];
}

/// How a completion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompletionResult {
    Ok,
    RefusedAuth,
    RefusedLimit,
    RefusedCredits,
    Fault,
}

/// A count with its first and last time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) first: Option<Moment>,
    pub(crate) last: Option<Moment>,
}

impl Tally {
    fn add(&mut self, now: Moment) {
        self.count += 1;
        self.first.get_or_insert(now);
        self.last = Some(now);
    }
}

/// Completions by result.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompletionCounts {
    pub(crate) ok: Tally,
    pub(crate) refused_auth: Tally,
    pub(crate) refused_limit: Tally,
    pub(crate) refused_credits: Tally,
    pub(crate) fault: Tally,
}

impl CompletionCounts {
    pub(crate) fn add(&mut self, result: CompletionResult, now: Moment) {
        match result {
            CompletionResult::Ok => self.ok.add(now),
            CompletionResult::RefusedAuth => self.refused_auth.add(now),
            CompletionResult::RefusedLimit => self.refused_limit.add(now),
            CompletionResult::RefusedCredits => self.refused_credits.add(now),
            CompletionResult::Fault => self.fault.add(now),
        }
    }

    pub(crate) fn any(&self) -> bool {
        [self.ok, self.refused_auth, self.refused_limit, self.refused_credits, self.fault]
            .iter()
            .any(|tally| tally.count > 0)
    }
}

/// What requests are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestKey {
    pub(crate) endpoint: String,
    pub(crate) method: String,
    pub(crate) status: Option<u16>,
    pub(crate) credential: CredentialKind,
}

/// A key as it is counted, without allocation.
type CountedBy = (&'static str, &'static str, Option<u16>, CredentialKind);

/// The running counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    requests: BTreeMap<CountedBy, u64>,
    /// Counts of a former process, from the state file.
    restored: BTreeMap<RequestKey, u64>,
    pub(crate) in_flight: u64,
    pub(crate) max_in_flight: u64,
    pub(crate) effects_without_reply: BTreeMap<String, u64>,
    pub(crate) auth_failures: BTreeMap<(AuthGroup, AuthFailure), u64>,
    pub(crate) completions: CompletionCounts,
    pub(crate) faults: BTreeMap<u64, u64>,
}

impl Stats {
    /// Counters to zero. Requests that are under way stay counted as such.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            in_flight: self.in_flight,
            max_in_flight: self.in_flight,
            ..Self::default()
        };
    }

    pub(crate) fn begin_request(&mut self) {
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
    }

    pub(crate) fn end_request(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    pub(crate) fn count_request(&mut self, endpoint: &'static str, method: &'static str, status: Option<u16>, credential: CredentialKind) {
        *self.requests.entry((endpoint, method, status, credential)).or_default() += 1;
    }

    pub(crate) fn count_lost_effect(&mut self, endpoint: &str) {
        if let Some(count) = self.effects_without_reply.get_mut(endpoint) {
            *count += 1;
        } else {
            self.effects_without_reply.insert(endpoint.to_owned(), 1);
        }
    }

    pub(crate) fn count_auth_failure(&mut self, group: AuthGroup, reason: AuthFailure) {
        *self.auth_failures.entry((group, reason)).or_default() += 1;
    }

    /// All request counts, in order.
    pub(crate) fn requests(&self) -> BTreeMap<RequestKey, u64> {
        let mut all = self.restored.clone();
        for ((endpoint, method, status, credential), count) in &self.requests {
            let key = RequestKey {
                endpoint: (*endpoint).to_owned(),
                method: (*method).to_owned(),
                status: *status,
                credential: *credential,
            };
            *all.entry(key).or_default() += count;
        }
        all
    }

    pub(crate) fn restore_requests(&mut self, requests: BTreeMap<RequestKey, u64>) {
        self.restored = requests;
    }
}
