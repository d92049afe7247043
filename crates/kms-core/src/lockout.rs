//! Lockout after failed logins: how many are let through, and for how long none is.

use std::time::Duration;

use crate::time::Timestamp;

/// When a login is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockoutPolicy {
    /// This many failures in a row lock.
    pub threshold: u32,
    /// For so long.
    pub duration: Duration,
    /// After so long without a failure, counting begins anew.
    pub reset: Duration,
}

/// The failures of a login so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// In a row.
    pub count: u32,
    /// The last of them.
    pub last_at: Option<Timestamp>,
    /// Set while the login is locked, and afterwards until the next failure.
    pub locked_until: Option<Timestamp>,
}

impl Failures {
    /// How long the login stays locked; none if it is not.
    pub fn locked_for(&self, now: Timestamp) -> Option<Duration> {
        self.locked_until.filter(|end| now < *end).map(|end| end.since(now))
    }

    /// One failure more, at `now`, when the login was not locked.
    #[must_use]
    pub fn with_failure(self, policy: LockoutPolicy, now: Timestamp) -> Self {
        // What led to an earlier lock was paid for by it.
        let begins_anew = self.locked_until.is_some() || self.last_at.is_none_or(|last| now.since(last) >= policy.reset);
        let count = if begins_anew { 1 } else { self.count.saturating_add(1) };
        Self {
            count,
            last_at: Some(now),
            locked_until: (count >= policy.threshold).then(|| now + policy.duration),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: LockoutPolicy = LockoutPolicy {
        threshold: 3,
        duration: Duration::from_secs(300),
        reset: Duration::from_secs(30),
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH + Duration::from_secs(seconds)
    }

    fn fail_at(times: &[u64]) -> Failures {
        times
            .iter()
            .fold(Failures::default(), |failures, time| failures.with_failure(POLICY, at(*time)))
    }

    #[test]
    fn the_third_failure_in_a_row_locks_for_the_whole_duration() {
        assert_eq!(fail_at(&[0, 29]).locked_for(at(29)), None);
        let locked = fail_at(&[0, 29, 58]);
        assert_eq!(locked.locked_for(at(58)), Some(Duration::from_secs(300)));
        assert_eq!(locked.locked_for(at(357)), Some(Duration::from_secs(1)));
        assert_eq!(locked.locked_for(at(358)), None);
    }

    #[test]
    fn a_pause_begins_the_count_anew() {
        assert_eq!(fail_at(&[0, 1, 31]).count, 1);
        assert_eq!(fail_at(&[0, 1, 30]).count, 3);
    }

    #[test]
    fn after_a_lock_the_count_begins_anew() {
        assert_eq!(fail_at(&[0, 1, 2, 302]).count, 1);
    }

    proptest! {
        #[test]
        fn no_more_failures_than_the_threshold_fit_between_two_locks(pauses in proptest::collection::vec(0_u64..400, 1..60)) {
            let mut failures = Failures::default();
            let mut now = 0;
            let mut let_through = 0;
            for pause in pauses {
                now += pause;
                if failures.locked_for(at(now)).is_some() {
                    let_through = 0;
                    continue;
                }
                if pause >= 30 {
                    let_through = 0;
                }
                failures = failures.with_failure(POLICY, at(now));
                let_through += 1;
                prop_assert!(let_through <= 3);
                prop_assert!(let_through < 3 || failures.locked_for(at(now)).is_some());
                if failures.locked_for(at(now)).is_some() {
                    let_through = 0;
                }
            }
        }
    }
}
