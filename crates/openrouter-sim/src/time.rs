//! The simulated clock.
//!
//! Every decision that depends on time (expiry, windows, propagation, outages, rate limits) reads this
//! clock and no other. It runs with the system's time until it is frozen, set or moved.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, TimeZone, Utc};
use serde::{Deserialize, Serialize};

use crate::config::TimestampStyle;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A point in simulated time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Moment(i64);

impl Moment {
    /// Before every other moment: "has been so from the start", also after the clock was set back.
    pub(crate) const ALWAYS: Self = Self(i64::MIN);

    pub(crate) fn from_utc(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros())
    }

    pub(crate) fn to_utc(self) -> DateTime<Utc> {
        Utc.timestamp_micros(self.0).single().unwrap_or(if self.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the simulator has a clock of its own, and this is where it looks"
    )]
    fn from_system() -> Self {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(micros(elapsed))
    }

    /// The moment `wait` later; saturates at the end of time.
    pub(crate) fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(micros(wait)))
    }

    /// When a change made now and delayed by `wait` arrives. Without a delay it has "always" arrived, so
    /// that setting the clock back does not undo it.
    pub(crate) fn arrival(self, wait: Duration) -> Self {
        if wait.is_zero() { Self::ALWAYS } else { self.plus(wait) }
    }

    /// Time from `earlier` to `self`; zero if `earlier` is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whole milliseconds from `earlier` to `self`, negative if `earlier` is later.
    pub(crate) fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).div_euclid(1000)
    }

    pub(crate) fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    pub(crate) fn unix_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Number of the UTC day.
    pub(crate) fn day(self) -> i64 {
        self.0.div_euclid(MICROS_PER_DAY)
    }

    /// Number of the week, Monday to Sunday. Day 0 was a Thursday.
    pub(crate) fn week(self) -> i64 {
        (self.day() + 3).div_euclid(7)
    }

    /// Number of the month, counted from the year 0.
    pub(crate) fn month(self) -> i64 {
        let date = self.to_utc();
        i64::from(date.year()) * 12 + i64::from(date.month0())
    }

    /// Start of the day after this one.
    pub(crate) fn next_day(self) -> Self {
        Self((self.day() + 1) * MICROS_PER_DAY)
    }

    /// Start of the next Monday.
    pub(crate) fn next_week(self) -> Self {
        Self(((self.week() + 1) * 7 - 3) * MICROS_PER_DAY)
    }

    /// Start of the first day of the next month.
    pub(crate) fn next_month(self) -> Self {
        let next = self.month() + 1;
        let start = i32::try_from(next.div_euclid(12)).ok().and_then(|year| {
            let month = u32::try_from(next.rem_euclid(12)).ok()? + 1;
            NaiveDate::from_ymd_opt(year, month, 1)?.and_hms_opt(0, 0, 0)
        });
        start.map_or(self, |start| Self::from_utc(start.and_utc()))
    }

    /// As the service writes timestamps.
    pub(crate) fn wire(self, style: TimestampStyle) -> String {
        match style {
            TimestampStyle::Z => self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true),
            TimestampStyle::Offset => self.to_utc().to_rfc3339_opts(SecondsFormat::Micros, false),
        }
    }

    /// As the control surface writes timestamps, whatever the service's style is.
    pub(crate) fn plain(self) -> String {
        self.wire(TimestampStyle::Z)
    }
}

/// The date of a day number, as `YYYY-MM-DD`.
pub(crate) fn date_of_day(day: i64) -> String {
    let start = Moment(day.saturating_mul(MICROS_PER_DAY)).to_utc();
    start.format("%Y-%m-%d").to_string()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// How the clock starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockMode {
    /// Runs with the system's clock.
    #[default]
    Real,
    /// Stands still at `start` until [`crate::Control`] moves it. Recorded real times equal simulated ones,
    /// so that a run repeats exactly.
    Manual {
        /// The first moment.
        start: DateTime<Utc>,
    },
}

/// What `GET /_sim/clock` shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClockView {
    /// Simulated time, RFC 3339.
    pub now: String,
    /// Whether the clock stands still.
    pub frozen: bool,
    /// Milliseconds by which simulated time is ahead of the system's.
    pub offset_ms: i64,
}

/// The clock itself; guarded by the lock of the world it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct SimClock {
    mode: ClockMode,
    offset: i64,
    frozen: Option<Moment>,
}

/// A clock setting that survives a restart.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ClockSetting {
    offset: i64,
    frozen: Option<Moment>,
}

impl SimClock {
    pub(crate) fn new(mode: ClockMode) -> Self {
        let frozen = match mode {
            ClockMode::Real => None,
            ClockMode::Manual { start } => Some(Moment::from_utc(start)),
        };
        Self { mode, offset: 0, frozen }
    }

    pub(crate) fn now(&self) -> Moment {
        self.frozen
            .unwrap_or_else(|| Moment(Moment::from_system().0.saturating_add(self.offset)))
    }

    /// The system's time; in manual mode the simulated one, since nothing else would repeat.
    pub(crate) fn real_now(&self) -> Moment {
        match self.mode {
            ClockMode::Real => Moment::from_system(),
            ClockMode::Manual { .. } => self.now(),
        }
    }

    pub(crate) fn freeze(&mut self) {
        self.frozen = Some(self.now());
    }

    pub(crate) fn run(&mut self) {
        if let Some(at) = self.frozen.take() {
            self.offset = at.0.saturating_sub(Moment::from_system().0);
        }
    }

    pub(crate) fn set(&mut self, to: Moment) {
        if self.frozen.is_some() {
            self.frozen = Some(to);
        } else {
            self.offset = to.0.saturating_sub(Moment::from_system().0);
        }
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.set(self.now().plus(by));
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.mode);
    }

    pub(crate) fn view(&self) -> ClockView {
        let now = self.now();
        ClockView {
            now: now.plain(),
            frozen: self.frozen.is_some(),
            offset_ms: now.millis_since(self.real_now()),
        }
    }

    pub(crate) fn setting(&self) -> ClockSetting {
        ClockSetting {
            offset: self.offset,
            frozen: self.frozen,
        }
    }

    pub(crate) fn restore(&mut self, setting: ClockSetting) {
        self.offset = setting.offset;
        self.frozen = setting.frozen;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::from_utc(text.parse::<DateTime<Utc>>().unwrap())
    }

    #[test]
    fn weeks_begin_on_monday() {
        let sunday = at("2026-11-22T23:59:59.999Z");
        let monday = at("2026-11-23T00:00:00Z");
        assert_eq!(sunday.week() + 1, monday.week());
        assert_eq!(sunday.next_week(), monday);
        assert_eq!(monday.next_week(), at("2026-11-30T00:00:00Z"));
    }

    #[test]
    fn months_roll_over_the_year() {
        let december = at("2026-12-31T23:59:59Z");
        assert_eq!(december.next_month(), at("2027-01-01T00:00:00Z"));
        assert_eq!(december.month() + 1, at("2027-01-01T00:00:00Z").month());
        assert_eq!(december.next_day(), at("2027-01-01T00:00:00Z"));
    }

    #[test]
    fn both_styles_of_timestamps() {
        let moment = at("2026-02-19T20:52:27.363244Z");
        assert_eq!(moment.wire(TimestampStyle::Z), "2026-02-19T20:52:27.363Z");
        assert_eq!(moment.wire(TimestampStyle::Offset), "2026-02-19T20:52:27.363244+00:00");
    }

    #[test]
    fn a_frozen_clock_moves_only_when_told() {
        let start = "2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let mut clock = SimClock::new(ClockMode::Manual { start });
        assert_eq!(clock.now(), at("2026-01-01T00:00:00Z"));
        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.now(), at("2026-01-01T00:00:01.500Z"));
        clock.set(at("2025-01-01T00:00:00Z"));
        assert_eq!(clock.real_now(), at("2025-01-01T00:00:00Z"));
        clock.reset();
        assert_eq!(clock.now(), at("2026-01-01T00:00:00Z"));
    }
}
