//! The engine's numbers (`rotation.md` §§3–4). All are settings, so that tests are quick.

use std::time::Duration;

/// Time limits and counts of the rotation engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Time limit of one provider call.
    pub call_deadline: Duration,
    /// Time that somebody who waits for an answer is given (create, rotate now).
    pub answer_budget: Duration,
    /// How long a claim on a row is valid without renewal. Longer than `call_deadline`.
    pub lease: Duration,
    /// How long a key whose creation was not answered is looked for before the attempt counts as swept. Listings can lag.
    pub settling: Duration,
    /// Pause between two sweeps.
    pub sweep_pause: Duration,
    /// How long the marker of an unanswered creation is looked for after that.
    pub watch: Duration,
    /// How long a new key may be refused before it is given up.
    pub propagation: Duration,
    /// How long an unreachable provider may keep a created key from being verified before it is given up.
    pub outage_patience: Duration,
    /// First pause between two tries of a verification; doubles up to eight times itself.
    pub verify_pause: Duration,
    /// Attempts of one scheduled run, the first included.
    pub attempts: u32,
    /// First pause between two attempts of a scheduled run; doubles up to `retry_cap`.
    pub retry_base: Duration,
    /// Longest pause between two attempts of a scheduled run.
    pub retry_cap: Duration,
    /// First pause between two tries to pay a revocation debt; doubles up to `debt_cap`.
    pub debt_base: Duration,
    /// Longest pause between two tries to pay a revocation debt.
    pub debt_cap: Duration,
    /// How long a deleted key may still be accepted before that is an alarm.
    pub revocation_alarm: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            call_deadline: Duration::from_secs(15),
            answer_budget: Duration::from_secs(75),
            lease: Duration::from_secs(30),
            settling: Duration::from_secs(60),
            sweep_pause: Duration::from_secs(5),
            watch: Duration::from_secs(24 * 3600),
            propagation: Duration::from_secs(60),
            outage_patience: Duration::from_secs(15 * 60),
            verify_pause: Duration::from_millis(500),
            attempts: 6,
            retry_base: Duration::from_secs(30),
            retry_cap: Duration::from_secs(3600),
            debt_base: Duration::from_secs(5),
            debt_cap: Duration::from_secs(3600),
            revocation_alarm: Duration::from_secs(120),
        }
    }
}

/// `base · 2^(tries − 1)`, at most `cap`, plus up to a quarter of itself by `jitter` (a number in `0..=u32::MAX`).
pub fn back_off(base: Duration, cap: Duration, tries: u32, jitter: u32) -> Duration {
    let pause = base.saturating_mul(1_u32 << tries.saturating_sub(1).min(16)).min(cap);
    pause + (pause / 4).mul_f64(f64::from(jitter) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_and_stays_below_its_cap() {
        let (base, cap) = (Duration::from_secs(30), Duration::from_secs(3600));
        assert_eq!(back_off(base, cap, 1, 0), Duration::from_secs(30));
        assert_eq!(back_off(base, cap, 3, 0), Duration::from_secs(120));
        assert_eq!(back_off(base, cap, 40, 0), cap);
        assert_eq!(back_off(base, cap, 40, u32::MAX), cap + cap / 4);
    }
}
