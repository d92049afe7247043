//! The attempt as a state machine (`rotation.md` §3).
//!
//! ```text
//! planned ──► creating ──► created ──► published
//!                │ reply lost, crash     │ refused, differs
//!                ▼                       ▼
//!            uncertain ──► failed      failed (its key becomes a revocation debt)
//! ```
//!
//! [`decide`] names the next step from the stored state; the executor performs it and hands what it saw to [`observe`], which gives
//! the next stored state and what must be recorded with it. The ordinary run, the run resumed after a crash and the retry are these
//! two functions; nothing else decides.
//!
//! One attempt has one marker. When an attempt has failed and the run may go on, a successor with a marker of its own is planned in
//! the same transaction.

use std::time::Duration;

use super::policy::{Policy, back_off};
use crate::time::Timestamp;

/// What set a run off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// The rotation is being created: there is nothing to publish into without the caller.
    Creation,
    /// A person or machine asked for it and waits for the answer.
    Manual,
    /// It was due.
    Scheduled,
}

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing was sent under this marker.
    Planned,
    /// The intent is durable: the request is about to leave, on its way, or its answer was never recorded.
    Creating,
    /// Whether a key was made is not known.
    Uncertain,
    /// The key is stored, sealed. Nobody else has it.
    Created,
    /// The key is what Hanzo KMS serves. Final.
    Published,
    /// The attempt is over; what it made is a debt. Final.
    Failed,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 6] = [
        Self::Planned,
        Self::Creating,
        Self::Uncertain,
        Self::Created,
        Self::Published,
        Self::Failed,
    ];

    /// Whether nothing further happens.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Published | Self::Failed)
    }
}

/// The stored state of an attempt, as far as decisions depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// What set the run off.
    pub trigger: Trigger,
    /// Where it stands.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
    /// Number of this attempt within its run, from 1.
    pub number: u32,
    /// Steps of the present phase that did not lead on (sweeps without a find, refused verifications).
    pub repeats: u32,
    /// No step before this instant.
    pub due_at: Timestamp,
}

impl Attempt {
    /// The first attempt of a run.
    pub fn planned(trigger: Trigger, now: Timestamp) -> Self {
        Self {
            trigger,
            phase: Phase::Planned,
            since: now,
            number: 1,
            repeats: 0,
            due_at: now,
        }
    }

    fn enter(self, phase: Phase, now: Timestamp) -> Self {
        Self {
            phase,
            since: now,
            repeats: 0,
            due_at: now,
            ..self
        }
    }

    fn again(self, pause: Duration, now: Timestamp) -> Self {
        Self {
            repeats: self.repeats.saturating_add(1),
            due_at: now + pause,
            ..self
        }
    }
}

/// On whose behalf the executor holds the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Somebody waits for the answer of this run.
    pub caller_waits: bool,
    /// The intent of this attempt was written by this very execution, and its request has not been sent yet. Never true for a
    /// state that was read back: then a request may be on its way.
    pub intent_is_mine: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Record durably that a request is about to leave.
    Intend,
    /// Send the one request that creates the key.
    Issue,
    /// Record that the outcome of the request is unknown.
    Doubt,
    /// List the keys at the provider and look for the marker.
    Sweep,
    /// Try the new key; if it works, publish it.
    Verify,
    /// Give the attempt up, and discard its key if it has one.
    Abandon,
    /// Nothing before that instant.
    Wait(Timestamp),
    /// The attempt is over.
    End,
}

/// What the executor saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// The intent is durable.
    Intended,
    /// The provider gave a key.
    Issued,
    /// No request reached the provider, or it answered 429: no key.
    NotSent {
        /// The provider's wish.
        retry_after: Option<Duration>,
    },
    /// The provider refused: no key.
    Refused,
    /// Whether there is a key is not known.
    Unclear,
    /// The sweep found keys with the marker; they are recorded as debts together with this observation.
    SweptFound,
    /// The sweep found none.
    SweptClean,
    /// The provider could not be asked.
    CallFailed {
        /// The provider's wish.
        retry_after: Option<Duration>,
    },
    /// The new key is refused so far.
    NotYetAccepted,
    /// The new key is not what was asked for.
    Differs,
    /// The key was verified and published, in one transaction.
    Published,
    /// The key was verified but there is nothing to publish it into any more (rotation, secret or folder deleted).
    NothingToPublishInto,
    /// The time in which the caller is answered is over, or the attempt must stop for another reason.
    GivenUp,
}

/// An attempt that follows a failed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Successor {
    /// Its number within the run.
    pub number: u32,
    /// When it may start.
    pub due_at: Timestamp,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The key is published: the run succeeded.
    Published,
    /// This attempt failed; another follows.
    Continued(Successor),
    /// The run has finally failed.
    Failed,
}

/// What is to be recorded, in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The next stored state.
    pub attempt: Attempt,
    /// The attempt's key becomes a revocation debt.
    pub discard_key: bool,
    /// Set if the attempt is over.
    pub ending: Option<Ending>,
}

/// The observation does not belong to the attempt's phase: a defect of the caller, nothing was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{observation:?} cannot be observed in phase {phase:?}")]
pub struct IllegalObservation {
    /// The phase.
    pub phase: Phase,
    /// What was said to have been seen.
    pub observation: Observation,
}

/// The next step of `attempt`.
pub fn decide(attempt: &Attempt, holder: Holder, now: Timestamp) -> Step {
    let caller_gone = !holder.caller_waits;
    match attempt.phase {
        Phase::Published | Phase::Failed => Step::End,
        // A creation whose caller is gone has nothing to publish into; a manual run that had not begun is not begun for nobody.
        Phase::Planned if caller_gone && attempt.trigger != Trigger::Scheduled => Step::Abandon,
        Phase::Created if caller_gone && attempt.trigger == Trigger::Creation => Step::Abandon,
        Phase::Creating if !holder.intent_is_mine => Step::Doubt,
        _ if now < attempt.due_at => Step::Wait(attempt.due_at),
        Phase::Planned => Step::Intend,
        Phase::Creating => Step::Issue,
        Phase::Uncertain => Step::Sweep,
        Phase::Created => Step::Verify,
    }
}

/// Why an attempt failed, as far as the run's future depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// The provider or the key was not as it should be; asking again later may help.
    Ordinary { retry_after: Option<Duration> },
    /// The outcome was unknown and has been cleared up: the run simply goes on.
    Swept,
    /// The run must end: its caller was answered, or its target is gone.
    Stopped,
}

/// What follows from `observation`. `jitter` is a random number that spreads retries.
pub fn observe(attempt: &Attempt, holder: Holder, observation: Observation, cx: &Context<'_>) -> Result<Transition, IllegalObservation> {
    use {Observation as O, Phase as P};
    let (now, policy) = (cx.now, cx.policy);
    let stay = |attempt: Attempt| {
        Ok(Transition {
            attempt,
            discard_key: false,
            ending: None,
        })
    };
    let fail = |failure: Failure| Ok(failed(attempt, holder, failure, cx));
    match (attempt.phase, observation) {
        (P::Planned, O::Intended) => stay(attempt.enter(P::Creating, now)),
        (P::Creating, O::Issued) => stay(attempt.enter(P::Created, now)),
        (P::Creating, O::NotSent { retry_after }) => {
            if attempt.trigger == Trigger::Scheduled && attempt.number < policy.attempts {
                // No key was made under this marker, so it can be used again.
                let pause = pause_before(attempt.number, retry_after, cx);
                let number = attempt.number + 1;
                stay(Attempt {
                    number,
                    due_at: now + pause,
                    ..attempt.enter(P::Planned, now)
                })
            } else {
                fail(Failure::Ordinary { retry_after })
            }
        }
        (P::Creating, O::Refused) => fail(Failure::Ordinary { retry_after: None }),
        (P::Creating, O::Unclear) => stay(attempt.enter(P::Uncertain, now)),
        (P::Uncertain, O::SweptFound) => fail(Failure::Swept),
        (P::Uncertain, O::SweptClean) => {
            if now.since(attempt.since) >= policy.settling {
                fail(Failure::Swept)
            } else {
                // The last sweep is made when the settling time has passed, not before.
                let settled = attempt.since + policy.settling;
                let next = (now + policy.sweep_pause).min(settled).max(now);
                stay(Attempt {
                    due_at: next,
                    ..attempt.again(Duration::ZERO, now)
                })
            }
        }
        (P::Uncertain, O::CallFailed { retry_after }) => {
            let pause = back_off(policy.sweep_pause, policy.retry_cap, attempt.repeats + 1, cx.jitter);
            stay(attempt.again(pause.max(retry_after.unwrap_or_default()), now))
        }
        (P::Created, O::NotYetAccepted) => {
            if now.since(attempt.since) >= policy.propagation {
                fail(Failure::Ordinary { retry_after: None })
            } else {
                stay(attempt.again(verify_pause(attempt, cx), now))
            }
        }
        (P::Created, O::CallFailed { retry_after }) => {
            if now.since(attempt.since) >= policy.outage_patience {
                fail(Failure::Ordinary { retry_after })
            } else {
                stay(attempt.again(verify_pause(attempt, cx).max(retry_after.unwrap_or_default()), now))
            }
        }
        (P::Created, O::Differs) => fail(Failure::Ordinary { retry_after: None }),
        (P::Created, O::Published) => Ok(Transition {
            attempt: attempt.enter(P::Published, now),
            discard_key: false,
            ending: Some(Ending::Published),
        }),
        (P::Created, O::NothingToPublishInto) | (P::Planned | P::Creating | P::Uncertain | P::Created, O::GivenUp) => {
            fail(Failure::Stopped)
        }
        (phase, observation) => Err(IllegalObservation { phase, observation }),
    }
}

/// What [`observe`] takes besides the attempt.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The present instant.
    pub now: Timestamp,
    /// The engine's numbers.
    pub policy: &'a Policy,
    /// A random number.
    pub jitter: u32,
}

fn pause_before(number: u32, retry_after: Option<Duration>, cx: &Context<'_>) -> Duration {
    back_off(cx.policy.retry_base, cx.policy.retry_cap, number, cx.jitter).max(retry_after.unwrap_or_default())
}

fn verify_pause(attempt: &Attempt, cx: &Context<'_>) -> Duration {
    back_off(cx.policy.verify_pause, cx.policy.verify_pause * 8, attempt.repeats + 1, cx.jitter)
}

fn failed(attempt: &Attempt, holder: Holder, failure: Failure, cx: &Context<'_>) -> Transition {
    let left = attempt.number < cx.policy.attempts;
    let may_go_on = match (attempt.trigger, failure) {
        (_, Failure::Stopped) => false,
        // A person gets the answer; a lost reply that was cleared up is no answer yet.
        (Trigger::Creation | Trigger::Manual, Failure::Ordinary { .. }) => false,
        (Trigger::Creation | Trigger::Manual, Failure::Swept) => left && holder.caller_waits,
        (Trigger::Scheduled, _) => left,
    };
    let ending = if may_go_on {
        let pause = match failure {
            Failure::Ordinary { retry_after } => pause_before(attempt.number, retry_after, cx),
            Failure::Swept | Failure::Stopped => Duration::ZERO,
        };
        Ending::Continued(Successor {
            number: attempt.number + 1,
            due_at: cx.now + pause,
        })
    } else {
        Ending::Failed
    };
    Transition {
        attempt: attempt.enter(Phase::Failed, cx.now),
        discard_key: attempt.phase == Phase::Created,
        ending: Some(ending),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIGGERS: [Trigger; 3] = [Trigger::Creation, Trigger::Manual, Trigger::Scheduled];
    const OBSERVATIONS: [Observation; 13] = [
        Observation::Intended,
        Observation::Issued,
        Observation::NotSent {
            retry_after: Some(Duration::from_secs(90)),
        },
        Observation::Refused,
        Observation::Unclear,
        Observation::SweptFound,
        Observation::SweptClean,
        Observation::CallFailed { retry_after: None },
        Observation::NotYetAccepted,
        Observation::Differs,
        Observation::Published,
        Observation::NothingToPublishInto,
        Observation::GivenUp,
    ];

    fn start() -> Timestamp {
        "2026-01-12T03:30:00Z".parse().unwrap()
    }

    fn holders() -> impl Iterator<Item = Holder> {
        [(false, false), (false, true), (true, false), (true, true)]
            .into_iter()
            .map(|(caller_waits, intent_is_mine)| Holder {
                caller_waits,
                intent_is_mine,
            })
    }

    /// Every trigger × phase × number × age × holder × observation.
    fn everything(mut check: impl FnMut(Attempt, Holder, Observation, Timestamp, Result<Transition, IllegalObservation>)) {
        let policy = Policy::default();
        for trigger in TRIGGERS {
            for phase in Phase::ALL {
                for number in [1, policy.attempts] {
                    for age in [0, 59, 60, 3600] {
                        for holder in holders() {
                            for observation in OBSERVATIONS {
                                let now = start() + Duration::from_secs(age);
                                let attempt = Attempt {
                                    trigger,
                                    phase,
                                    since: start(),
                                    number,
                                    repeats: 2,
                                    due_at: start(),
                                };
                                let cx = Context {
                                    now,
                                    policy: &policy,
                                    jitter: 0,
                                };
                                check(attempt, holder, observation, now, observe(&attempt, holder, observation, &cx));
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_request_leaves_only_right_after_its_own_intent() {
        for trigger in TRIGGERS {
            for phase in Phase::ALL {
                for holder in holders() {
                    let attempt = Attempt {
                        phase,
                        ..Attempt::planned(trigger, start())
                    };
                    let step = decide(&attempt, holder, start());
                    assert_eq!(
                        step == Step::Issue,
                        phase == Phase::Creating && holder.intent_is_mine,
                        "{attempt:?} {holder:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_key_that_is_not_published_becomes_a_debt_and_nothing_else_does() {
        everything(|attempt, _, observation, _, result| {
            if let Ok(transition) = result {
                let lost = attempt.phase == Phase::Created && transition.attempt.phase == Phase::Failed;
                assert_eq!(transition.discard_key, lost, "{attempt:?} {observation:?}");
            }
        });
    }

    #[test]
    fn every_ending_is_final_and_every_final_state_is_an_ending() {
        everything(|attempt, _, observation, _, result| match result {
            Ok(transition) => {
                assert!(!attempt.phase.is_final());
                assert_eq!(
                    transition.ending.is_some(),
                    transition.attempt.phase.is_final(),
                    "{attempt:?} {observation:?}"
                );
                assert_eq!(
                    transition.ending == Some(Ending::Published),
                    transition.attempt.phase == Phase::Published
                );
            }
            Err(illegal) => assert_eq!(illegal.phase, attempt.phase),
        });
    }

    #[test]
    fn no_state_observes_its_way_back_to_sending_under_a_used_marker() {
        everything(|attempt, _, observation, _, result| {
            if let Ok(transition) = result
                && transition.attempt.phase == Phase::Planned
            {
                assert_eq!(attempt.phase, Phase::Creating);
                assert!(matches!(observation, Observation::NotSent { .. }));
            }
        });
    }

    #[test]
    fn time_does_not_run_backwards_and_runs_end() {
        let policy = Policy::default();
        everything(|attempt, _, _, now, result| {
            if let Ok(transition) = result {
                assert!(transition.attempt.due_at >= now || transition.attempt.phase.is_final());
                if let Some(Ending::Continued(successor)) = transition.ending {
                    assert_eq!(successor.number, attempt.number + 1);
                    assert!(successor.number <= policy.attempts);
                    assert!(successor.due_at >= now);
                }
                if attempt.number == policy.attempts {
                    assert!(!matches!(transition.ending, Some(Ending::Continued(_))));
                }
            }
        });
    }

    #[test]
    fn an_uncertain_attempt_is_settled_only_by_a_find_or_by_a_clean_sweep_after_the_settling_time() {
        let policy = Policy::default();
        everything(|attempt, _, observation, now, result| {
            if attempt.phase == Phase::Uncertain
                && let Ok(transition) = result
                && transition.attempt.phase.is_final()
            {
                let settled = now.since(attempt.since) >= policy.settling;
                assert!(
                    matches!(observation, Observation::SweptFound | Observation::GivenUp)
                        || (observation == Observation::SweptClean && settled)
                );
            }
        });
    }

    #[test]
    fn a_wish_of_the_provider_is_honoured() {
        let policy = Policy::default();
        let attempt = Attempt {
            phase: Phase::Creating,
            ..Attempt::planned(Trigger::Scheduled, start())
        };
        let cx = Context {
            now: start(),
            policy: &policy,
            jitter: 0,
        };
        let holder = Holder {
            caller_waits: false,
            intent_is_mine: true,
        };
        let wish = Duration::from_secs(600);
        let transition = observe(&attempt, holder, Observation::NotSent { retry_after: Some(wish) }, &cx).unwrap();
        assert_eq!(transition.attempt.phase, Phase::Planned);
        assert_eq!(transition.attempt.due_at, start() + wish);
        assert_eq!(decide(&transition.attempt, holder, start()), Step::Wait(start() + wish));
    }

    #[test]
    fn a_person_gets_the_answer_and_a_schedule_tries_again() {
        let policy = Policy::default();
        let cx = Context {
            now: start(),
            policy: &policy,
            jitter: 0,
        };
        for (trigger, goes_on) in [(Trigger::Creation, false), (Trigger::Manual, false), (Trigger::Scheduled, true)] {
            let attempt = Attempt {
                phase: Phase::Creating,
                ..Attempt::planned(trigger, start())
            };
            let holder = Holder {
                caller_waits: trigger != Trigger::Scheduled,
                intent_is_mine: true,
            };
            let ending = observe(&attempt, holder, Observation::Refused, &cx).unwrap().ending.unwrap();
            assert_eq!(matches!(ending, Ending::Continued(_)), goes_on);
        }
    }

    #[test]
    fn nobody_is_left_with_a_first_key_whose_caller_is_gone() {
        let gone = Holder {
            caller_waits: false,
            intent_is_mine: false,
        };
        for phase in [Phase::Planned, Phase::Created] {
            let attempt = Attempt {
                phase,
                ..Attempt::planned(Trigger::Creation, start())
            };
            assert_eq!(decide(&attempt, gone, start()), Step::Abandon);
        }
        let attempt = Attempt {
            phase: Phase::Creating,
            ..Attempt::planned(Trigger::Creation, start())
        };
        assert_eq!(decide(&attempt, gone, start()), Step::Doubt);
    }
}
