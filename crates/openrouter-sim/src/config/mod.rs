//! How a simulator is set up: accounts, choices for behaviour that is only assumed, propagation.

mod compat;
mod propagation;

use std::collections::HashSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use crate::error::SimError;
use crate::faults::FaultRule;
use crate::key_text::{DIGITS, KeyText};
use crate::money::Usd;
use crate::time::ClockMode;

pub use compat::{
    Compat, DeleteMissing, ExpiredMessage, InvalidCompat, LabelStyle, ListForbidden, ManagementOnInference, NegativeLimit, OverLimit,
    PastExpiry, RemainingFloor, TimestampStyle,
};
pub(crate) use propagation::DelayKind;
pub use propagation::{Delays, PrefixDelays, Propagation};

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
