//! Distributions of waiting times, in milliseconds.

use std::f64::consts::TAU;
use std::str::FromStr;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Deserializer, Serialize};

use crate::random::unit;

/// Longest wait a draw can give: one week.
const LONGEST_MS: f64 = 7.0 * 86_400_000.0;
/// The 99th percentile of the standard normal distribution.
const Z99: f64 = 2.326_347_874_040_841;

/// A distribution of waiting times, in milliseconds. Draws below zero count as zero, draws above one week
/// as one week.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Always the same.
    Fixed(f64),
    /// Evenly between the two.
    Uniform([f64; 2]),
    /// Normal.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        sd: f64,
    },
    /// Log-normal, as latencies of real services are.
    Lognormal {
        /// Median.
        median: f64,
        /// 99th percentile.
        p99: f64,
    },
    /// One of several values, each with its weight in front.
    Choice(Vec<(f64, f64)>),
}

impl Default for Distribution {
    fn default() -> Self {
        Self::Fixed(0.0)
    }
}

/// Why a distribution is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a distribution is a number of milliseconds, or {{\"fixed\": ms}}, {{\"uniform\": [low, high]}}, {{\"normal\": {{\"mean\": ms, \"sd\": ms}}}}, {{\"lognormal\": {{\"median\": ms, \"p99\": ms}}}} or {{\"choice\": [[weight, ms], ...]}}"
)]
pub struct InvalidDistribution;

impl Distribution {
    /// Always this many milliseconds.
    pub fn fixed_ms(ms: u32) -> Self {
        Self::Fixed(f64::from(ms))
    }

    /// Whether every draw is zero.
    pub(crate) fn is_zero(&self) -> bool {
        matches!(self, Self::Fixed(ms) if *ms <= 0.0)
    }

    fn valid(&self) -> bool {
        let amount = |ms: &f64| ms.is_finite() && *ms >= 0.0;
        match self {
            Self::Fixed(ms) => amount(ms),
            Self::Uniform([low, high]) => amount(low) && amount(high) && low <= high,
            Self::Normal { mean, sd } => amount(mean) && amount(sd),
            Self::Lognormal { median, p99 } => amount(median) && amount(p99) && *median > 0.0 && p99 >= median,
            Self::Choice(choices) => {
                choices.iter().all(|(weight, ms)| amount(weight) && amount(ms))
                    && choices.iter().map(|(weight, _)| weight).sum::<f64>() > 0.0
            }
        }
    }

    /// Draws a wait. `Fixed` consumes no randomness.
    pub(crate) fn draw(&self, generator: &mut ChaCha8Rng) -> Duration {
        let ms = match self {
            Self::Fixed(ms) => *ms,
            Self::Uniform([low, high]) => low + (high - low) * unit(generator),
            Self::Normal { mean, sd } => mean + sd * normal(generator),
            Self::Lognormal { median, p99 } => median * ((p99 / median).ln() / Z99 * normal(generator)).exp(),
            Self::Choice(choices) => {
                let total: f64 = choices.iter().map(|(weight, _)| weight).sum();
                let mut left = unit(generator) * total;
                let chosen = choices.iter().find(|(weight, _)| {
                    left -= weight;
                    left < 0.0
                });
                chosen.or(choices.last()).map_or(0.0, |(_, ms)| *ms)
            }
        };
        let ms = if ms.is_finite() { ms.clamp(0.0, LONGEST_MS) } else { 0.0 };
        Duration::from_secs_f64(ms / 1000.0)
    }
}

/// A standard normal draw (Box and Muller).
fn normal(generator: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - unit(generator)).ln()).sqrt();
    radius * (TAU * unit(generator)).cos()
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Tagged {
    Fixed(f64),
    Uniform([f64; 2]),
    Normal { mean: f64, sd: f64 },
    Lognormal { median: f64, p99: f64 },
    Choice(Vec<(f64, f64)>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    Number(f64),
    Tagged(Tagged),
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let refuse = || serde::de::Error::custom(InvalidDistribution);
        let distribution = match Given::deserialize(deserializer).map_err(|_shape| refuse())? {
            Given::Number(ms) | Given::Tagged(Tagged::Fixed(ms)) => Self::Fixed(ms),
            Given::Tagged(Tagged::Uniform(range)) => Self::Uniform(range),
            Given::Tagged(Tagged::Normal { mean, sd }) => Self::Normal { mean, sd },
            Given::Tagged(Tagged::Lognormal { median, p99 }) => Self::Lognormal { median, p99 },
            Given::Tagged(Tagged::Choice(choices)) => Self::Choice(choices),
        };
        if distribution.valid() { Ok(distribution) } else { Err(refuse()) }
    }
}

impl FromStr for Distribution {
    type Err = InvalidDistribution;

    /// JSON, as on the control surface: `250` or `{"uniform": [20, 80]}`.
    fn from_str(text: &str) -> Result<Self, InvalidDistribution> {
        serde_json::from_str(text).map_err(|_shape| InvalidDistribution)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use rand::SeedableRng;

    use super::*;

    fn sorted_draws(text: &str) -> Vec<Duration> {
        let distribution: Distribution = text.parse().unwrap();
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        let mut draws: Vec<_> = (0..10_000).map(|_| distribution.draw(&mut generator)).collect();
        draws.sort_unstable();
        draws
    }

    fn percentile(draws: &[Duration], percent: usize) -> f64 {
        draws.get(draws.len() * percent / 100).unwrap().as_secs_f64() * 1000.0
    }

    #[test]
    fn draws_follow_their_parameters() {
        let draws = sorted_draws(r#"{"lognormal": {"median": 300, "p99": 4000}}"#);
        assert!((280.0..320.0).contains(&percentile(&draws, 50)));
        assert!((3200.0..4800.0).contains(&percentile(&draws, 99)));
        let draws = sorted_draws(r#"{"uniform": [20, 80]}"#);
        assert!((20.0..=80.0).contains(&percentile(&draws, 0)));
        assert!((47.0..53.0).contains(&percentile(&draws, 50)));
        let draws = sorted_draws(r#"{"normal": {"mean": 80, "sd": 20}}"#);
        assert!((78.0..82.0).contains(&percentile(&draws, 50)));
        let draws = sorted_draws(r#"{"choice": [[0.95, 50], [0.05, 6000]]}"#);
        assert!((percentile(&draws, 90) - 50.0).abs() < 0.1);
        assert!((percentile(&draws, 98) - 6000.0).abs() < 0.1);
        assert_eq!(sorted_draws("50").last(), Some(&Duration::from_millis(50)));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "-1",
            r#"{"fixed": -1}"#,
            r#"{"uniform": [80, 20]}"#,
            r#"{"uniform": [1]}"#,
            r#"{"lognormal": {"median": 0, "p99": 5}}"#,
            r#"{"lognormal": {"median": 10, "p99": 5}}"#,
            r#"{"choice": []}"#,
            r#"{"fixed": 1, "uniform": [1, 2]}"#,
            r#""50""#,
            "",
        ] {
            assert_eq!(text.parse::<Distribution>(), Err(InvalidDistribution), "{text}");
        }
    }
}
