//! Named sets of rules, for demos.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::gate::RateLimit;
use super::{Action, FaultRule, When};
use crate::config::{Delays, Propagation};
use crate::distribution::Distribution;

/// A named set of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The next create succeeds, its reply is lost by a 500.
    LostCreate,
    /// 5 % 5xx before the effect, 2 % after, 1 % resets.
    Flaky,
    /// Log-normal latency, median 300 ms, 99th percentile 4 s.
    Slow,
    /// 2 requests a second for each management key, 5 at once.
    RateLimited,
    /// Latency of half a second to three, a fifth 503, some HTML from the edge, some silence.
    Brownout,
    /// New keys after 5 s, revocation after 30 s, listing after 10 s.
    Eventual,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 6] = [
        Self::LostCreate,
        Self::Flaky,
        Self::Slow,
        Self::RateLimited,
        Self::Brownout,
        Self::Eventual,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LostCreate => "lost-create",
            Self::Flaky => "flaky",
            Self::Slow => "slow",
            Self::RateLimited => "rate-limited",
            Self::Brownout => "brownout",
            Self::Eventual => "eventual",
        }
    }

    /// The rules it adds.
    pub fn rules(self) -> Vec<FaultRule> {
        let status = |status, body: &str| Action::Status {
            status,
            body: body.to_owned(),
            headers: std::collections::BTreeMap::new(),
        };
        match self {
            Self::LostCreate => {
                vec![FaultRule::on("keys.create", status(500, "json")).when(When::AfterEffect).times(1)]
            }
            // A later rule sees only what the earlier ones let pass; the shares are close enough to the
            // absolute ones that nobody can tell.
            Self::Flaky => vec![
                FaultRule::on("any", status(500, "json")).when(When::BeforeEffect).probability(0.02),
                FaultRule::on("any", status(502, "html")).when(When::BeforeEffect).probability(0.02),
                FaultRule::on("any", status(503, "json")).when(When::BeforeEffect).probability(0.01),
                FaultRule::on("any", status(500, "json")).when(When::AfterEffect).probability(0.02),
                FaultRule::on("any", Action::Reset).when(When::AfterEffect).probability(0.01),
            ],
            Self::Slow => vec![FaultRule::on(
                "any",
                Action::Latency {
                    ms: Distribution::Lognormal {
                        median: 300.0,
                        p99: 4000.0,
                    },
                    then: None,
                },
            )],
            Self::Brownout => {
                let pause = Distribution::Uniform([500.0, 3000.0]);
                let unavailable = Action::Status {
                    status: 503,
                    body: "json".to_owned(),
                    headers: [("Retry-After".to_owned(), "2".to_owned())].into(),
                };
                let late = |action| Action::Latency {
                    ms: pause.clone(),
                    then: Some(Box::new(action)),
                };
                vec![
                    FaultRule::on("any", late(unavailable)).probability(0.2),
                    FaultRule::on("any", late(status(524, "html"))).probability(0.05),
                    FaultRule::on("any", Action::Hang { max_ms: Some(30_000) }).probability(0.02),
                    FaultRule::on(
                        "any",
                        Action::Latency {
                            ms: pause.clone(),
                            then: None,
                        },
                    ),
                ]
            }
            Self::RateLimited | Self::Eventual => Vec::new(),
        }
    }

    /// The rate limit it sets.
    pub fn rate_limit(self) -> Option<RateLimit> {
        (self == Self::RateLimited).then_some(RateLimit { per_second: 2.0, burst: 5 })
    }

    /// The propagation it sets.
    pub fn propagation(self) -> Option<Propagation> {
        let global = Delays {
            visible: Some(Distribution::fixed_ms(5_000)),
            revoke: Some(Distribution::fixed_ms(30_000)),
            list: Some(Distribution::fixed_ms(10_000)),
            ..Delays::default()
        };
        (self == Self::Eventual).then(|| Propagation {
            global,
            prefixes: Vec::new(),
        })
    }
}

/// No preset of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a preset is one of lost-create, flaky, slow, rate-limited, brownout and eventual")]
pub struct UnknownPreset;

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        Self::ALL.into_iter().find(|preset| preset.name() == name).ok_or(UnknownPreset)
    }
}
