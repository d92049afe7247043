//! How a simulator is set up: accounts, choices for behaviour that is only assumed, propagation.

use std::collections::HashSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::distribution::Distribution;
use crate::error::SimError;
use crate::faults::FaultRule;
use crate::key_text::{DIGITS, KeyText};
use crate::money::Usd;
use crate::time::ClockMode;

/// Events kept in memory unless [`SimConfig::event_capacity`] says otherwise.
pub const DEFAULT_EVENT_CAPACITY: usize = 200_000;

/// Everything that is fixed when a simulator starts.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Address of the server; port 0 takes a free one. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// The accounts. Default: one, named `default`, with a generated management key.
    pub accounts: Vec<AccountConfig>,
    /// Makes key texts, ids and all draws repeat. `None`: the operating system's randomness.
    pub seed: Option<u64>,
    /// First hex digits of every key text, so that scans for leaks can tell simulated keys from real ones.
    /// Lowercase hex, at most 32 digits.
    pub key_marker: Option<String>,
    /// Bearer that `/_sim` asks for; none if `None`.
    pub admin_token: Option<String>,
    /// Choices for assumed behaviour.
    pub compat: Compat,
    /// Delays between a change and its effect.
    pub propagation: Propagation,
    /// Where the state is kept over a restart. Used by [`crate::Simulator`], not by [`crate::SimCore`].
    pub state_file: Option<PathBuf>,
    /// Fault rules from the start.
    pub faults: Vec<FaultRule>,
    /// Allows an address that is not loopback.
    pub allow_remote: bool,
    /// How the clock starts.
    pub clock: ClockMode,
    /// How many events are kept; older ones are forgotten.
    pub event_capacity: usize,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            accounts: vec![AccountConfig::default()],
            seed: None,
            key_marker: None,
            admin_token: None,
            compat: Compat::default(),
            propagation: Propagation::default(),
            state_file: None,
            faults: Vec::new(),
            allow_remote: false,
            clock: ClockMode::Real,
            event_capacity: DEFAULT_EVENT_CAPACITY,
        }
    }
}

impl SimConfig {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`SimError::Config`] with a sentence that names the setting.
    pub fn validate(&self) -> Result<(), SimError> {
        let refuse = |message: String| Err(SimError::Config(message));
        if !self.listen.ip().is_loopback() && !self.allow_remote {
            return refuse(format!(
                "listen: {} is not a loopback address; allow-remote is needed for that",
                self.listen.ip()
            ));
        }
        if self.key_marker.as_deref().is_some_and(|marker| !is_marker(marker)) {
            return refuse("key-marker: at most 32 lowercase hex digits".to_owned());
        }
        if self.admin_token.as_deref().is_some_and(str::is_empty) {
            return refuse("admin-token: is empty".to_owned());
        }
        if self.accounts.is_empty() {
            return refuse("accounts: at least one is needed".to_owned());
        }
        let mut names = HashSet::new();
        let mut keys = HashSet::new();
        for account in &self.accounts {
            if account.name.is_empty() || !names.insert(&account.name) {
                return refuse("accounts: every account needs a name of its own".to_owned());
            }
            if account.credits.is_negative() {
                return refuse(format!("credits of account {}: must not be negative", account.name));
            }
            for key in &account.management_keys {
                if !is_credential(key.expose()) {
                    return refuse(format!(
                        "provisioning-key of account {}: visible ASCII characters without blanks, at least 8",
                        account.name
                    ));
                }
                if !keys.insert(key.hash()) {
                    return refuse(format!("provisioning-key of account {}: given twice", account.name));
                }
            }
            let mut slugs = HashSet::from([DEFAULT_WORKSPACE]);
            for slug in &account.workspaces {
                if !is_slug(slug) {
                    return refuse(format!(
                        "workspace of account {}: lowercase letters, digits and dashes",
                        account.name
                    ));
                }
                if slug != DEFAULT_WORKSPACE && !slugs.insert(slug) {
                    return refuse(format!("workspace of account {}: {slug} is given twice", account.name));
                }
            }
        }
        for rule in &self.faults {
            rule.validate().map_err(|error| SimError::Config(format!("faults: {error}")))?;
        }
        Ok(())
    }
}

/// Slug of the workspace every account has.
pub(crate) const DEFAULT_WORKSPACE: &str = "default";

pub(crate) fn is_marker(text: &str) -> bool {
    text.len() <= DIGITS / 2 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// What can be sent as a bearer.
pub(crate) fn is_credential(text: &str) -> bool {
    text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_slug(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-'))
}

/// One account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// Name in the control surface, rules and counters.
    pub name: String,
    /// Accepted management keys. Empty: one is generated.
    #[serde(default)]
    pub management_keys: Vec<KeyText>,
    /// Purchased credits.
    #[serde(default = "default_credits")]
    pub credits: Usd,
    /// Slugs of workspaces beside `default`.
    #[serde(default)]
    pub workspaces: Vec<String>,
    /// Id of the member who creates keys. `None`: one derived from the seed.
    #[serde(default)]
    pub user_id: Option<String>,
    /// Id of the organization; `None` for a personal account.
    #[serde(default)]
    pub organization_id: Option<String>,
    /// Provider credentials of the customer (BYOK).
    #[serde(default)]
    pub byok: Vec<ByokConfig>,
}

fn default_credits() -> Usd {
    Usd::dollars(100)
}

impl Default for AccountConfig {
    fn default() -> Self {
        Self::named("default")
    }
}

impl AccountConfig {
    /// An account with 100 USD of credits and a generated management key.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            management_keys: Vec::new(),
            credits: default_credits(),
            workspaces: Vec::new(),
            user_id: None,
            organization_id: None,
            byok: Vec::new(),
        }
    }
}

/// A provider credential of the customer. Its own secret is never kept: only the masked label exists.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByokConfig {
    /// Provider, the part of a model's id before the slash: `openai`.
    pub provider: String,
    /// Name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// Slug of the workspace it belongs to; `None` for the default one.
    #[serde(default)]
    pub workspace: Option<String>,
}

/// A setting of `--compat` that does not exist, or a value it does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCompat(String);

macro_rules! choice {
    ($(#[$meta:meta])* $name:ident { $(#[$first_meta:meta])* $first:ident = $first_text:literal, $(#[$second_meta:meta])* $second:ident = $second_text:literal $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $(#[$first_meta])*
            #[default]
            #[serde(rename = $first_text)]
            $first,
            $(#[$second_meta])*
            #[serde(rename = $second_text)]
            $second,
        }

        impl FromStr for $name {
            type Err = InvalidCompat;

            fn from_str(text: &str) -> Result<Self, InvalidCompat> {
                match text {
                    $first_text => Ok(Self::$first),
                    $second_text => Ok(Self::$second),
                    _ => Err(InvalidCompat(format!("one of {} and {}", $first_text, $second_text))),
                }
            }
        }
    };
}

choice! {
    /// Status for an inference key on GET `/keys` and on GET and DELETE `/keys/{hash}`.
    ListForbidden {
        /// 403.
        Forbidden = "403",
        /// 401.
        Unauthorized = "401",
    }
}
choice! {
    /// Status for a management key on `/chat/completions`.
    ManagementOnInference {
        /// 401.
        Unauthorized = "401",
        /// 403.
        Forbidden = "403",
    }
}
choice! {
    /// Status for a completion with a key whose cap is spent.
    OverLimit {
        /// 403.
        Forbidden = "403",
        /// 402 with `metadata.limit_source`.
        PaymentRequired = "402",
    }
}
choice! {
    /// What an expired key is told.
    ExpiredMessage {
        /// The same as an unknown key.
        UserNotFound = "user_not_found",
        /// That it has expired.
        KeyExpired = "key_expired",
    }
}
choice! {
    /// Status for deleting a key that does not exist.
    DeleteMissing {
        /// 404.
        NotFound = "404",
        /// 200, as if it had been there.
        Deleted = "200",
    }
}
choice! {
    /// What a negative limit in a create or update gets.
    NegativeLimit {
        /// 400.
        Refused = "400",
        /// Success.
        Accepted = "201",
    }
}
choice! {
    /// What `expires_at` in the past gets.
    PastExpiry {
        /// 400.
        Refused = "400",
        /// 201 with a key that is dead from the start.
        Accepted = "201",
    }
}
choice! {
    /// Lowest `limit_remaining`.
    RemainingFloor {
        /// Zero.
        Zero = "zero",
        /// Overspending shows as a negative amount.
        Negative = "negative",
    }
}
choice! {
    /// Trailing characters of a label.
    LabelStyle {
        /// Three.
        Three = "3",
        /// Four.
        Four = "4",
    }
}
choice! {
    /// How timestamps are written.
    TimestampStyle {
        /// Milliseconds and `Z`.
        Z = "z",
        /// Microseconds and `+00:00`.
        Offset = "offset",
    }
}

/// Choices where the contract is assumed. The default is the first value of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compat {
    /// Inference key on reading and deleting keys.
    pub list_forbidden: ListForbidden,
    /// Management key on completions.
    pub mgmt_on_inference: ManagementOnInference,
    /// Completion over the cap.
    pub over_limit: OverLimit,
    /// Message for an expired key.
    pub expired_message: ExpiredMessage,
    /// Delete of a missing key.
    pub delete_missing: DeleteMissing,
    /// Negative limits.
    pub negative_limit: NegativeLimit,
    /// Expiry in the past.
    pub past_expiry: PastExpiry,
    /// Floor of `limit_remaining`.
    pub remaining_floor: RemainingFloor,
    /// Labels.
    pub label: LabelStyle,
    /// Timestamps.
    pub timestamps: TimestampStyle,
    /// Longest life of a key in days; keys without expiry or beyond it get 401.
    pub max_lifetime_days: Option<u32>,
    /// Most live keys an account may hold; a create beyond it gets 403.
    pub max_keys: Option<u32>,
}

impl Compat {
    /// Sets one choice by its name, as `--compat NAME=VALUE` does. `none` clears a number.
    ///
    /// # Errors
    /// The name or the value does not exist.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), InvalidCompat> {
        fn read<T: FromStr<Err = InvalidCompat>>(name: &str, value: &str) -> Result<T, InvalidCompat> {
            value
                .parse()
                .map_err(|InvalidCompat(choices)| InvalidCompat(format!("compat {name}: {choices}")))
        }
        let number = || match value {
            "none" => Ok(None),
            digits => digits
                .parse()
                .map(Some)
                .map_err(|_not_a_number| InvalidCompat(format!("compat {name}: a whole number, or none"))),
        };
        match name {
            "list_forbidden" => self.list_forbidden = read(name, value)?,
            "mgmt_on_inference" => self.mgmt_on_inference = read(name, value)?,
            "over_limit" => self.over_limit = read(name, value)?,
            "expired_message" => self.expired_message = read(name, value)?,
            "delete_missing" => self.delete_missing = read(name, value)?,
            "negative_limit" => self.negative_limit = read(name, value)?,
            "past_expiry" => self.past_expiry = read(name, value)?,
            "remaining_floor" => self.remaining_floor = read(name, value)?,
            "label" => self.label = read(name, value)?,
            "timestamps" => self.timestamps = read(name, value)?,
            "max_lifetime_days" => self.max_lifetime_days = number()?,
            "max_keys" => self.max_keys = number()?,
            _ => return Err(InvalidCompat(format!("compat {name}: no such choice"))),
        }
        Ok(())
    }
}

/// Delays of one group of keys. `None` leaves the wider setting in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delays {
    /// A new or re-enabled key is refused with 401 until it has passed.
    #[serde(rename = "visible_delay", skip_serializing_if = "Option::is_none")]
    pub visible: Option<Distribution>,
    /// A deleted or disabled key keeps working until it has passed.
    #[serde(rename = "revoke_delay", skip_serializing_if = "Option::is_none")]
    pub revoke: Option<Distribution>,
    /// Creates and deletes appear in the listing only after it.
    #[serde(rename = "list_delay", skip_serializing_if = "Option::is_none")]
    pub list: Option<Distribution>,
    /// Creates and deletes appear to a read by hash only after it.
    #[serde(rename = "get_delay", skip_serializing_if = "Option::is_none")]
    pub get: Option<Distribution>,
    /// Counters and `last_used_at` lag by it.
    #[serde(rename = "usage_delay", skip_serializing_if = "Option::is_none")]
    pub usage: Option<Distribution>,
}

/// Delays between a change and its effect: for all keys, and for keys whose name has a prefix.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Propagation {
    /// For all keys.
    #[serde(rename = "all")]
    pub global: Delays,
    /// For keys whose name begins with a text. The longest matching prefix that sets a delay decides.
    pub prefixes: Vec<PrefixDelays>,
}

/// Delays for keys whose name begins with `name_prefix`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrefixDelays {
    /// The beginning of the name.
    pub name_prefix: String,
    /// Their delays.
    #[serde(default)]
    pub delays: Delays,
}

/// Which delay is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DelayKind {
    Visible,
    Revoke,
    List,
    Get,
    Usage,
}

impl Delays {
    fn of(&self, kind: DelayKind) -> Option<&Distribution> {
        match kind {
            DelayKind::Visible => self.visible.as_ref(),
            DelayKind::Revoke => self.revoke.as_ref(),
            DelayKind::List => self.list.as_ref(),
            DelayKind::Get => self.get.as_ref(),
            DelayKind::Usage => self.usage.as_ref(),
        }
    }
}

impl Propagation {
    /// The distribution in force for a key of this name; `None` is no delay.
    pub(crate) fn delay(&self, kind: DelayKind, name: &str) -> Option<&Distribution> {
        self.prefixes
            .iter()
            .filter(|prefix| name.starts_with(&prefix.name_prefix))
            .filter_map(|prefix| Some((prefix.name_prefix.len(), prefix.delays.of(kind)?)))
            .max_by_key(|(length, _)| *length)
            .map(|(_, delay)| delay)
            .or(self.global.of(kind))
            .filter(|delay| !delay.is_zero())
    }
}

/// The file of `--config`: several accounts in one instance.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigFile {
    pub(crate) accounts: Vec<AccountConfig>,
}

impl fmt::Debug for ConfigFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ConfigFile").field("accounts", &self.accounts).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn compat_choices_are_set_by_name() {
        let mut compat = Compat::default();
        compat.set("over_limit", "402").unwrap();
        compat.set("max_keys", "3").unwrap();
        assert_eq!(compat.over_limit, OverLimit::PaymentRequired);
        assert_eq!(compat.max_keys, Some(3));
        compat.set("max_keys", "none").unwrap();
        assert_eq!(compat.max_keys, None);
        assert!(compat.set("over_limit", "404").is_err());
        assert!(compat.set("colour", "blue").is_err());
        assert!(compat.set("max_keys", "many").is_err());
    }

    #[test]
    fn the_longest_prefix_decides() {
        let propagation: Propagation = serde_json::from_str(
            r#"{"all": {"visible_delay": 10, "revoke_delay": 5},
                "prefixes": [{"name_prefix": "prod/", "delays": {"visible_delay": 20}},
                             {"name_prefix": "prod/eu/", "delays": {"visible_delay": 0}}]}"#,
        )
        .unwrap();
        let visible = |name| propagation.delay(DelayKind::Visible, name).cloned();
        assert_eq!(visible("dev/a"), Some(Distribution::Fixed(10.0)));
        assert_eq!(visible("prod/a"), Some(Distribution::Fixed(20.0)));
        assert_eq!(visible("prod/eu/a"), None);
        assert_eq!(propagation.delay(DelayKind::Revoke, "prod/a"), Some(&Distribution::Fixed(5.0)));
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let refused = |change: fn(&mut SimConfig)| {
            let mut config = SimConfig::default();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert!(refused(|config| config.listen = "0.0.0.0:0".parse().unwrap()).contains("listen"));
        assert!(refused(|config| config.key_marker = Some("XYZ".to_owned())).contains("key-marker"));
        assert!(refused(|config| config.accounts.clear()).contains("accounts"));
        assert!(refused(|config| config.accounts.push(AccountConfig::default())).contains("name"));
        let twice = refused(|config| {
            if let Some(account) = config.accounts.first_mut() {
                account.management_keys = vec!["sk-or-v1-EXAMPLE".into(), "sk-or-v1-EXAMPLE".into()];
            }
        });
        assert!(twice.contains("given twice") && !twice.contains("EXAMPLE"));
        assert!(SimConfig::default().validate().is_ok());
    }
}
