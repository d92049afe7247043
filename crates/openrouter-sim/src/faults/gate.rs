//! What stands before the rules: a global outage, and a rate limit for each management key.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::key_text::KeyHash;
use crate::time::Moment;

/// How an outage shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutageMode {
    /// 503 with the error shape.
    #[default]
    #[serde(rename = "503")]
    Unavailable,
    /// TCP resets.
    #[serde(rename = "reset")]
    Reset,
    /// No replies.
    #[serde(rename = "hang")]
    Hang,
}

/// An outage of everything below `/api/v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// Milliseconds of simulated time from now until it ends; 0 ends one that is under way.
    pub until_ms: u64,
    /// How it shows.
    #[serde(default)]
    pub mode: OutageMode,
}

/// A token bucket for each management key.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Tokens that come back in a second of simulated time.
    pub per_second: f64,
    /// Tokens of a full bucket, at least 1.
    pub burst: u32,
}

impl RateLimit {
    /// Whether the numbers make sense.
    pub(crate) fn valid(&self) -> bool {
        self.per_second.is_finite() && self.per_second > 0.0 && self.burst > 0
    }
}

/// The refusal of an empty bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limited {
    pub(crate) retry_after_s: u64,
    pub(crate) limit: u64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Moment,
}

/// Outage and rate limit.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    outage: Option<(Moment, OutageMode)>,
    rate_limit: Option<RateLimit>,
    buckets: HashMap<KeyHash, Bucket>,
}

impl Gate {
    pub(crate) fn set_outage(&mut self, outage: Option<(Moment, OutageMode)>) {
        self.outage = outage;
    }

    pub(crate) fn outage(&self, now: Moment) -> Option<(Moment, OutageMode)> {
        self.outage.filter(|(until, _)| now < *until)
    }

    pub(crate) fn set_rate_limit(&mut self, limit: Option<RateLimit>) {
        self.rate_limit = limit;
        self.buckets.clear();
    }

    pub(crate) fn rate_limit(&self) -> Option<RateLimit> {
        self.rate_limit
    }

    /// Takes a token of a management key.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number of seconds is positive and clamped"
    )]
    pub(crate) fn take(&mut self, key: KeyHash, now: Moment) -> Result<(), Limited> {
        let Some(limit) = self.rate_limit else {
            return Ok(());
        };
        let full = f64::from(limit.burst);
        let bucket = self.buckets.entry(key).or_insert(Bucket {
            tokens: full,
            filled_at: now,
        });
        let gained = now.since(bucket.filled_at).as_secs_f64() * limit.per_second;
        *bucket = Bucket {
            tokens: (bucket.tokens + gained).min(full),
            filled_at: now,
        };
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let wait = ((1.0 - bucket.tokens) / limit.per_second).ceil().clamp(1.0, 86_400.0);
        Err(Limited {
            retry_after_s: wait as u64,
            limit: u64::from(limit.burst),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_by_the_clock() {
        let start = Moment::from_utc(chrono::DateTime::UNIX_EPOCH);
        let mut gate = Gate::default();
        let key = KeyHash::of("sk-or-v1-EXAMPLE");
        assert_eq!(gate.take(key, start), Ok(()));
        gate.set_rate_limit(Some(RateLimit { per_second: 0.5, burst: 2 }));
        assert_eq!(gate.take(key, start), Ok(()));
        assert_eq!(gate.take(key, start), Ok(()));
        assert_eq!(
            gate.take(key, start),
            Err(Limited {
                retry_after_s: 2,
                limit: 2
            })
        );
        assert_eq!(gate.take(KeyHash::of("another"), start), Ok(()));
        let later = start.plus(Duration::from_secs(2));
        assert_eq!(gate.take(key, later), Ok(()));
        assert_eq!(
            gate.take(key, later),
            Err(Limited {
                retry_after_s: 2,
                limit: 2
            })
        );
    }
}
