//! Time as an argument. Everything inside is UTC.

use std::fmt::{self, Debug};
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant, in UTC, to the microsecond (what both database engines keep).
///
/// On the wire it has milliseconds and `Z`: `2026-01-12T08:15:30.120Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

/// The text was no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// The start of the Unix epoch.
    pub const EPOCH: Self = Self(DateTime::UNIX_EPOCH);

    /// Cuts `time` to the microsecond.
    pub fn new(time: DateTime<Utc>) -> Self {
        Self(time.trunc_subsecs(6))
    }

    /// The instant as chrono's type.
    pub fn utc(self) -> DateTime<Utc> {
        self.0
    }

    /// Seconds since the Unix epoch (the unit of JWT claims).
    pub fn unix_seconds(self) -> i64 {
        self.0.timestamp()
    }

    /// Milliseconds since the Unix epoch.
    pub fn unix_millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// The instant `seconds` after the Unix epoch; the epoch itself where that is not representable.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::UNIX_EPOCH))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        (self.0 - earlier.0).to_std().unwrap_or(Duration::ZERO)
    }
}

/// Reads a span as people write it: a whole number and a unit (`45s`, `30m`, `1h`, `7d`, `2w`, `1y`; also in words, `2 hours`).
/// A year has 365 days and a quarter. `None` if it is no span, is zero, or is longer than 100 years.
pub fn parse_span(text: &str) -> Option<Duration> {
    const DAY: u64 = 24 * 3600;
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit_seconds = match unit.trim() {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7 * DAY,
        "y" | "yr" | "yrs" | "year" | "years" => DAY * 1461 / 4,
        _ => return None,
    };
    let seconds = number.parse::<u64>().ok()?.checked_mul(unit_seconds)?;
    (1..=100 * 366 * DAY).contains(&seconds).then(|| Duration::from_secs(seconds))
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    /// Saturates at the end of representable time.
    fn add(self, duration: Duration) -> Timestamp {
        let delta = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        Self::new(self.0.checked_add_signed(delta).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;
    /// Saturates at the start of representable time.
    fn sub(self, duration: Duration) -> Timestamp {
        let delta = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        Self::new(self.0.checked_sub_signed(delta).unwrap_or(DateTime::<Utc>::MIN_UTC))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        DateTime::parse_from_rfc3339(text)
            .map(|time| Self::new(time.to_utc()))
            .map_err(|_malformed| InvalidTimestamp)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where the present instant comes from.
pub trait Clock: Debug + Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::new(Utc::now())
    }
}

#[cfg(feature = "testing")]
mod manual {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::{Clock, Timestamp};

    /// A clock that stands still until a test moves it.
    #[derive(Debug)]
    pub struct ManualClock(Mutex<Timestamp>);

    impl ManualClock {
        /// A clock that shows `start`.
        pub fn new(start: Timestamp) -> Self {
            Self(Mutex::new(start))
        }

        /// Moves the clock forward.
        pub fn advance(&self, by: Duration) {
            let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *now = *now + by;
        }

        /// Sets the clock; it may go backwards, as a machine's clock may.
        pub fn set(&self, to: Timestamp) {
            *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = to;
        }
    }

    impl Clock for ManualClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}

#[cfg(feature = "testing")]
pub use manual::ManualClock;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_has_milliseconds_and_z() {
        let time: Timestamp = "2026-01-12T09:15:30.1204567+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-12T08:15:30.120Z");
        assert_eq!(format!("{time:?}"), "2026-01-12T08:15:30.120456Z");
        assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-01-12T08:15:30.120Z\"");
    }

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("45s", 45),
            ("30m", 1800),
            ("1h", 3600),
            (" 2 Hours ", 7200),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("1y", 31_557_600),
        ] {
            assert_eq!(parse_span(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "1",
            "h",
            "0h",
            "-1h",
            "1.5h",
            "1 fortnight",
            "1000y",
            "99999999999999999999s",
            "18446744073709551615w",
            "1h 2m",
            "1ü",
        ] {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let far = Timestamp::EPOCH + Duration::from_secs(u64::MAX);
        assert!(far > Timestamp::EPOCH);
        assert_eq!(Timestamp::EPOCH.since(far), Duration::ZERO);
        assert!(Timestamp::EPOCH - Duration::from_secs(u64::MAX) < Timestamp::EPOCH);
    }
}
