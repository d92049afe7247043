//! What goes into the control surface and what comes out.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use crate::faults::gate::{OutageMode, RateLimit};
use crate::key_text::{KeyHash, KeyText};
use crate::money::Usd;

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

/// A change of a field that can be empty. In JSON: left out, null, or the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// Leave it.
    #[default]
    Keep,
    /// Empty it.
    Clear,
    /// Set it.
    To(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A field that is left out never gets here; it takes the default.
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Clear, Self::To))
    }
}

impl<T> Change<T> {
    /// Applies the change to a field.
    pub(crate) fn apply<U>(self, field: &mut Option<U>, convert: impl FnOnce(T) -> U) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::To(value) => *field = Some(convert(value)),
        }
    }
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
    /// End of validity.
    pub expires_at: Change<DateTime<Utc>>,
    /// Whether the key is refused, at once.
    pub disabled: Option<bool>,
    /// Time of the last use.
    pub last_used_at: Change<DateTime<Utc>>,
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
    pub mode: OutageMode,
}
