//! What a key has spent: ever, and in the present day, week and month.

use serde::{Deserialize, Serialize};

use crate::money::{Usd, exact};
use crate::time::Moment;

/// The interval after which a cap begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Interval {
    Daily,
    Weekly,
    Monthly,
}

impl Interval {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "daily" => Some(Self::Daily),
            "weekly" => Some(Self::Weekly),
            "monthly" => Some(Self::Monthly),
            _ => None,
        }
    }

    /// Number of the interval that `now` lies in.
    fn number(self, now: Moment) -> i64 {
        match self {
            Self::Daily => now.day(),
            Self::Weekly => now.week(),
            Self::Monthly => now.month(),
        }
    }

    /// When the interval that `now` lies in ends.
    pub(crate) fn ends(self, now: Moment) -> Moment {
        match self {
            Self::Daily => now.next_day(),
            Self::Weekly => now.next_week(),
            Self::Monthly => now.next_month(),
        }
    }
}

/// Spending inside one numbered interval.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    number: i64,
    #[serde(with = "exact")]
    amount: Usd,
}

/// Spending of one kind (credits or BYOK) of one key.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Usage {
    #[serde(with = "exact")]
    pub(crate) total: Usd,
    day: Window,
    week: Window,
    month: Window,
}

impl Usage {
    fn window(&mut self, interval: Interval) -> &mut Window {
        match interval {
            Interval::Daily => &mut self.day,
            Interval::Weekly => &mut self.week,
            Interval::Monthly => &mut self.month,
        }
    }

    /// Adds what was spent at `at`. A window that has moved on meanwhile is not touched by a late record.
    pub(crate) fn add(&mut self, at: Moment, amount: Usd) {
        self.total += amount;
        for interval in [Interval::Daily, Interval::Weekly, Interval::Monthly] {
            let number = interval.number(at);
            let window = self.window(interval);
            if number > window.number {
                *window = Window { number, amount };
            } else if number == window.number {
                window.amount += amount;
            }
        }
    }

    /// Overwrites one window, or the total if `interval` is `None`.
    pub(crate) fn set(&mut self, interval: Option<Interval>, now: Moment, amount: Usd) {
        match interval {
            None => self.total = amount,
            Some(interval) => {
                *self.window(interval) = Window {
                    number: interval.number(now),
                    amount,
                }
            }
        }
    }

    /// Spending in the interval `now` lies in, or ever.
    pub(crate) fn within(&self, interval: Option<Interval>, now: Moment) -> Usd {
        let (window, number) = match interval {
            None => return self.total,
            Some(interval @ Interval::Daily) => (&self.day, interval.number(now)),
            Some(interval @ Interval::Weekly) => (&self.week, interval.number(now)),
            Some(interval @ Interval::Monthly) => (&self.month, interval.number(now)),
        };
        if window.number == number { window.amount } else { Usd::ZERO }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use chrono::{DateTime, Utc};

    use super::*;

    fn at(text: &str) -> Moment {
        Moment::from_utc(text.parse::<DateTime<Utc>>().unwrap())
    }

    #[test]
    fn windows_return_to_zero_and_the_total_stays() {
        let mut usage = Usage::default();
        let sunday = at("2026-05-31T23:59:59Z");
        usage.add(sunday, Usd::dollars(3));
        let monday = at("2026-06-01T00:00:00Z");
        for interval in [Interval::Daily, Interval::Weekly, Interval::Monthly] {
            assert_eq!(usage.within(Some(interval), sunday), Usd::dollars(3));
            assert_eq!(usage.within(Some(interval), monday), Usd::ZERO);
            assert_eq!(interval.ends(sunday), monday);
        }
        assert_eq!(usage.within(None, monday), Usd::dollars(3));
        usage.add(monday, Usd::dollars(1));
        assert_eq!(usage.within(Some(Interval::Weekly), monday), Usd::dollars(1));
        assert_eq!(usage.total, Usd::dollars(4));
    }

    #[test]
    fn a_late_record_does_not_disturb_the_window_that_followed() {
        let mut usage = Usage::default();
        usage.add(at("2026-06-02T10:00:00Z"), Usd::dollars(1));
        usage.add(at("2026-06-01T10:00:00Z"), Usd::dollars(5));
        let now = at("2026-06-02T11:00:00Z");
        assert_eq!(usage.within(Some(Interval::Daily), now), Usd::dollars(1));
        assert_eq!(usage.within(Some(Interval::Weekly), now), Usd::dollars(6));
    }
}
