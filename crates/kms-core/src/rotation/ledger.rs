//! The ledger: the life of each key that was issued at a provider, and the debt to revoke it (`rotation.md` §3, *revocation*).
//!
//! A key that is to go is a debt until the provider itself refuses it. Nothing else ends the debt: not a deletion that was answered
//! with success, and not the deletion of what the key belonged to.

use std::time::Duration;

use super::policy::{Policy, back_off};
use crate::time::Timestamp;

/// Where a key of the ledger stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Stored, not published: nobody else has it.
    Unpublished,
    /// What Hanzo KMS serves.
    Active,
    /// Replaced, still valid until the next rotation.
    StillValid,
    /// To be revoked: a debt.
    AwaitingRevocation,
    /// The provider refuses it. Final.
    Revoked,
    /// Its rotation was deleted without revoking: never touched again. Final.
    Released,
}

impl KeyState {
    /// The word in the database and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unpublished => "unpublished",
            Self::Active => "active",
            Self::StillValid => "still-valid",
            Self::AwaitingRevocation => "awaiting-revocation",
            Self::Revoked => "revoked",
            Self::Released => "released",
        }
    }

    /// The state of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::Unpublished,
            Self::Active,
            Self::StillValid,
            Self::AwaitingRevocation,
            Self::Revoked,
            Self::Released,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
    }
}

/// A revocation debt, as far as decisions depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debt {
    /// When the provider first answered the deletion with success or "no such key".
    pub sent_at: Option<Timestamp>,
    /// Steps that did not lead on.
    pub tries: u32,
    /// No step before this instant.
    pub due_at: Timestamp,
    /// The key was still accepted long after its deletion: a person should look.
    pub alarmed: bool,
}

/// What to do next about a debt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebtStep {
    /// Delete the key, then ask whether it is dead.
    Delete,
    /// Nothing before that instant.
    Wait(Timestamp),
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebtObservation {
    /// The deletion was answered with success or "no such key", and the key is dead.
    Dead,
    /// The deletion was answered likewise, but the key is still accepted.
    StillAccepted,
    /// The deletion was answered likewise; whether the key is dead could not be asked.
    SentUnconfirmed {
        /// The provider's wish.
        retry_after: Option<Duration>,
    },
    /// The deletion was not answered.
    CallFailed {
        /// The provider's wish.
        retry_after: Option<Duration>,
    },
}

/// What is to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebtTransition {
    /// The debt is paid: the key is [`KeyState::Revoked`].
    Paid,
    /// The debt stays open.
    Open {
        /// Its next stored state.
        debt: Debt,
        /// The alarm is raised now, for the first time.
        alarm: bool,
    },
}

/// The next step of `debt`. A deletion can be repeated without harm, so every try begins with one: a deletion that was reported and
/// not carried out is repeated too.
pub fn decide(debt: &Debt, now: Timestamp) -> DebtStep {
    if now < debt.due_at {
        DebtStep::Wait(debt.due_at)
    } else {
        DebtStep::Delete
    }
}

/// What follows from `observation`. `jitter` is a random number that spreads retries.
pub fn observe(debt: &Debt, observation: DebtObservation, now: Timestamp, policy: &Policy, jitter: u32) -> DebtTransition {
    let later = |sent_at: Option<Timestamp>, retry_after: Option<Duration>, alarm: bool| {
        let tries = debt.tries.saturating_add(1);
        let pause = back_off(policy.debt_base, policy.debt_cap, tries, jitter).max(retry_after.unwrap_or_default());
        DebtTransition::Open {
            debt: Debt {
                sent_at,
                tries,
                due_at: now + pause,
                alarmed: debt.alarmed || alarm,
            },
            alarm: alarm && !debt.alarmed,
        }
    };
    let sent_at = Some(debt.sent_at.unwrap_or(now));
    match observation {
        DebtObservation::Dead => DebtTransition::Paid,
        DebtObservation::StillAccepted => {
            let overdue = debt.sent_at.is_some_and(|sent| now.since(sent) >= policy.revocation_alarm);
            later(sent_at, None, overdue)
        }
        DebtObservation::SentUnconfirmed { retry_after } => later(sent_at, retry_after, false),
        DebtObservation::CallFailed { retry_after } => later(debt.sent_at, retry_after, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Timestamp {
        "2026-01-12T03:30:00Z".parse().unwrap()
    }

    fn new_debt() -> Debt {
        Debt {
            sent_at: None,
            tries: 0,
            due_at: start(),
            alarmed: false,
        }
    }

    #[test]
    fn only_a_refused_key_pays_the_debt() {
        let policy = Policy::default();
        for observation in [
            DebtObservation::StillAccepted,
            DebtObservation::SentUnconfirmed { retry_after: None },
            DebtObservation::CallFailed { retry_after: None },
        ] {
            for tries in [0, 1, 1000] {
                let debt = Debt { tries, ..new_debt() };
                assert!(matches!(
                    observe(&debt, observation, start(), &policy, 7),
                    DebtTransition::Open { .. }
                ));
            }
        }
        assert_eq!(
            observe(&new_debt(), DebtObservation::Dead, start(), &policy, 7),
            DebtTransition::Paid
        );
    }

    #[test]
    fn the_alarm_is_raised_once_and_not_while_a_deletion_may_still_spread() {
        let policy = Policy::default();
        let mut debt = new_debt();
        let mut alarms = Vec::new();
        let mut now = start();
        while now.since(start()) < Duration::from_secs(1200) {
            match observe(&debt, DebtObservation::StillAccepted, now, &policy, 0) {
                DebtTransition::Open { debt: next, alarm } => {
                    if alarm {
                        alarms.push(now.since(start()));
                    }
                    debt = next;
                    now = next.due_at;
                }
                DebtTransition::Paid => panic!("not paid"),
            }
        }
        assert_eq!(alarms.len(), 1);
        assert!(alarms[0] >= policy.revocation_alarm);
    }

    #[test]
    fn pauses_grow_to_their_cap_and_honour_the_provider() {
        let policy = Policy::default();
        let wish = Duration::from_secs(7200);
        let DebtTransition::Open { debt, .. } = observe(
            &new_debt(),
            DebtObservation::CallFailed { retry_after: Some(wish) },
            start(),
            &policy,
            0,
        ) else {
            panic!("open")
        };
        assert_eq!(debt.due_at, start() + wish);
        assert_eq!(decide(&debt, start()), DebtStep::Wait(debt.due_at));
        assert_eq!(decide(&debt, debt.due_at), DebtStep::Delete);
    }

    #[test]
    fn the_words_of_the_states_come_back() {
        for word in ["unpublished", "active", "still-valid", "awaiting-revocation", "revoked", "released"] {
            assert_eq!(KeyState::from_word(word).unwrap().as_str(), word);
        }
        assert_eq!(KeyState::from_word("gone"), None);
    }
}
