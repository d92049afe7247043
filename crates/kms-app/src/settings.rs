//! Plain values that the binary has parsed.

use std::time::Duration;

use kms_core::rotation::Policy;
use kms_core::rotation::schedule::Pace;

/// Settings of the application.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The rotation engine's numbers.
    pub policy: Policy,
    /// What a day of a rotation interval is.
    pub pace: Pace,
    /// Limits of each connection.
    pub connection_limits: ConnectionLimits,
    /// Rotations and debts that this node works on at the same time.
    pub concurrency: usize,
    /// Pause between two regular inventories of a connection's account.
    pub inventory_interval: Duration,
    /// Life of a person's access token.
    pub user_token_ttl: Duration,
    /// Life of a person's session without use.
    pub session_ttl: Duration,
    /// The address people use, for links; without trailing slash.
    pub public_url: Option<String>,
    /// How many days audit entries are kept where a project does not say otherwise; for ever if none.
    pub audit_retention_days: Option<u32>,
}

/// Limits of requests to one connection's provider, over all nodes (`rotation.md` §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Requests at the same time.
    pub concurrent: u32,
    /// Requests a second.
    pub per_second: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            pace: Pace::Days,
            connection_limits: ConnectionLimits {
                concurrent: 3,
                per_second: 5,
            },
            concurrency: 256,
            inventory_interval: Duration::from_secs(6 * 3600),
            user_token_ttl: Duration::from_secs(24 * 3600),
            session_ttl: Duration::from_secs(30 * 24 * 3600),
            public_url: None,
            audit_retention_days: None,
        }
    }
}
