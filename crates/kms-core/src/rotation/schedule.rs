//! When the next rotation is due (`secret-rotations.md` §14.1).

use chrono::{DurationRound, NaiveTime, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A time of day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateAt {
    /// 0 to 23.
    pub hours: u8,
    /// 0 to 59.
    pub minutes: u8,
}

/// What a day of the interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// A day.
    #[default]
    Days,
    /// A minute; `minutes` of the time of day count as seconds, hours are ignored. For trying things out
    /// (`KMS_ROTATION_DEV_MODE`).
    DevelopmentMinutes,
}

/// What the next due time depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Days between two rotations, 1 to 3650.
    pub interval_days: u16,
    /// When on that day.
    pub rotate_at: RotateAt,
    /// What a day is.
    pub pace: Pace,
}

impl Schedule {
    fn unit(&self) -> TimeDelta {
        match self.pace {
            Pace::Days => TimeDelta::days(1),
            Pace::DevelopmentMinutes => TimeDelta::minutes(1),
        }
    }

    /// The point of the unit that contains `time` at which rotations happen.
    fn slot_of(&self, time: Timestamp) -> chrono::DateTime<Utc> {
        let start = time.utc().duration_trunc(self.unit()).unwrap_or(time.utc());
        let offset = match self.pace {
            Pace::Days => TimeDelta::minutes(i64::from(self.rotate_at.hours) * 60 + i64::from(self.rotate_at.minutes)),
            Pace::DevelopmentMinutes => TimeDelta::seconds(i64::from(self.rotate_at.minutes)),
        };
        start + offset
    }

    /// After a success at `last`: the slot of that day plus the interval, and one day more if a person set it off at or after the
    /// slot, so that a full interval passes.
    pub fn after_success(&self, last: Timestamp, by_hand: bool) -> Timestamp {
        let slot = self.slot_of(last);
        let late = by_hand && last.utc() >= slot;
        Timestamp::new(slot + self.unit() * (i32::from(self.interval_days) + i32::from(late)))
    }

    /// After a final failure at `now`: the slot of the following day.
    pub fn after_failure(&self, now: Timestamp) -> Timestamp {
        Timestamp::new(self.slot_of(now) + self.unit())
    }
}

impl RotateAt {
    /// From a time of day (seconds are dropped).
    pub fn from_time(time: NaiveTime) -> Self {
        Self {
            hours: u8::try_from(time.hour()).unwrap_or(0),
            minutes: u8::try_from(time.minute()).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn schedule() -> Schedule {
        Schedule {
            interval_days: 30,
            rotate_at: RotateAt { hours: 3, minutes: 30 },
            pace: Pace::Days,
        }
    }

    // The examples of the contract.
    #[rstest]
    #[case("2026-01-12T08:20:00Z", true, "2026-02-12T03:30:00.000Z")]
    #[case("2026-01-12T02:00:00Z", true, "2026-02-11T03:30:00.000Z")]
    #[case("2026-02-12T03:30:05Z", false, "2026-03-14T03:30:00.000Z")]
    #[case("2026-01-12T03:30:00Z", true, "2026-02-12T03:30:00.000Z")]
    fn the_next_due_time(#[case] last: &str, #[case] by_hand: bool, #[case] next: &str) {
        assert_eq!(schedule().after_success(last.parse().unwrap(), by_hand).to_string(), next);
    }

    #[test]
    fn a_failure_is_tried_again_the_next_day() {
        let now = "2026-01-12T08:20:00Z".parse().unwrap();
        assert_eq!(schedule().after_failure(now).to_string(), "2026-01-13T03:30:00.000Z");
    }

    #[test]
    fn in_development_a_day_is_a_minute() {
        let schedule = Schedule {
            interval_days: 2,
            rotate_at: RotateAt { hours: 9, minutes: 15 },
            pace: Pace::DevelopmentMinutes,
        };
        let last = "2026-01-12T08:20:40Z".parse().unwrap();
        assert_eq!(schedule.after_success(last, true).to_string(), "2026-01-12T08:23:15.000Z");
        assert_eq!(schedule.after_success(last, false).to_string(), "2026-01-12T08:22:15.000Z");
    }

    proptest! {
        #[test]
        fn by_hand_a_full_interval_passes(seconds in 0_i64..4_000_000_000, days in 1_u16..=3650, hours in 0_u8..24, minutes in 0_u8..60) {
            let schedule = Schedule { interval_days: days, rotate_at: RotateAt { hours, minutes }, pace: Pace::Days };
            let last = Timestamp::from_unix_seconds(seconds);
            let next = schedule.after_success(last, true);
            let full = TimeDelta::days(i64::from(days));
            prop_assert!(next.utc() - last.utc() >= full);
            prop_assert!(next.utc() - last.utc() <= full + TimeDelta::days(1));
            prop_assert_eq!((next.utc().hour(), next.utc().minute(), next.utc().second()), (u32::from(hours), u32::from(minutes), 0));
            prop_assert!(schedule.after_failure(last) > last - std::time::Duration::from_secs(1));
        }
    }
}
