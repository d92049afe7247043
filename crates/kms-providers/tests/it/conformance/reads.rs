//! Everything but creation under faults: an outage is never taken for a verdict, and the right question again gets the right answer.

use std::time::Duration;

use kms_core::secret::SecretString;
use kms_providers::exchange::Verb;
use kms_providers::outcome::{CallError, Confirmation, Revocation};
use kms_providers::rotator::{Issued, Outbound, SweepScope};

use super::{Bench, Fault, IMPATIENT, Moment, gate, issued, seen};
use crate::stage::marker;

/// A call that can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Validate,
    Sweep,
    Verify,
    Check,
    Spending,
    ConfirmByKey,
    ConfirmByBooks,
    Revoke,
}

const ALL: [Call; 8] = [
    Call::Validate,
    Call::Sweep,
    Call::Verify,
    Call::Check,
    Call::Spending,
    Call::ConfirmByKey,
    Call::ConfirmByBooks,
    Call::Revoke,
];

impl Call {
    fn verb(self) -> Verb {
        match self {
            Self::Validate => Verb::Validate,
            Self::Sweep => Verb::Sweep,
            Self::Verify => Verb::Verify,
            Self::Check => Verb::Check,
            Self::Spending => Verb::Spending,
            Self::ConfirmByKey | Self::ConfirmByBooks => Verb::Confirm,
            Self::Revoke => Verb::Revoke,
        }
    }

    /// Whether the connection's credentials are used, not the key's.
    fn is_the_connections(self) -> bool {
        matches!(self, Self::Validate | Self::Sweep | Self::ConfirmByBooks | Self::Revoke)
    }

    /// Makes the call; what it says in the good case becomes text.
    async fn make(self, bench: &dyn Bench, outbound: &Outbound<'_>, key: &Issued) -> Result<String, CallError> {
        let (rotator, access) = (bench.rotator(), bench.access());
        let credential: Option<&SecretString> = (self == Self::ConfirmByKey).then_some(&key.credential);
        let outcome = match self {
            Self::Validate => bench.connector().validate(outbound, &access).await.map(|good| format!("{good:?}")),
            Self::Sweep => rotator
                .sweep(outbound, &access, SweepScope::Usual)
                .await
                .map(|found| format!("{found:?}")),
            Self::Verify => rotator
                .verify(outbound, &bench.parameters(), &key.credential)
                .await
                .map(|verified| format!("{verified:?}")),
            Self::Check => rotator.check(outbound, &key.credential).await.map(|checked| format!("{checked:?}")),
            Self::Spending => rotator
                .spending(outbound, &key.credential)
                .await
                .map(|told| format!("spent {:?}", told.map(|spending| spending.spent))),
            Self::ConfirmByKey | Self::ConfirmByBooks => rotator
                .confirm_revoked(outbound, &access, &key.handle, credential)
                .await
                .map(|confirmed| format!("{confirmed:?}")),
            Self::Revoke => rotator
                .revoke(outbound, &access, &key.handle)
                .await
                .map(|revoked| format!("{revoked:?}")),
        };
        seen(bench, outcome)
    }

    /// What it says without faults while the key lives.
    fn good(self, key: &Issued) -> String {
        match self {
            Self::Validate => "()".to_owned(),
            Self::Sweep => format!("[Found {{ handle: {:?}, marker: {:?} }}]", key.handle, marker(1)),
            Self::Verify | Self::Check => "Works".to_owned(),
            Self::Spending => "spent Some(0.0)".to_owned(),
            Self::ConfirmByKey | Self::ConfirmByBooks => "StillAccepted".to_owned(),
            Self::Revoke => "Deleted".to_owned(),
        }
    }
}

/// Makes a call under a fault, then the same without.
async fn under(bench: &dyn Bench, call: Call, key: &Issued, fault: Fault) -> Result<String, CallError> {
    let mut outbound = bench.stage().outbound();
    if fault == Fault::Silence {
        outbound.deadline = IMPATIENT;
    }
    let moment = match fault {
        Fault::Cut(_) | Fault::Unreadable => Moment::AfterEffect,
        _ => Moment::BeforeEffect,
    };
    // A deletion whose effect is made has a check of its own; here the change must not happen, so reads stand for it.
    bench.spoil(call.verb(), moment, fault);
    let outcome = call.make(bench, &outbound, key).await;
    bench.heal();
    if call != Call::Revoke {
        let healed = call.make(bench, &bench.stage().outbound(), key).await;
        assert_eq!(healed, Ok(call.good(key)), "{call:?} after {fault:?}");
    }
    outcome
}

pub async fn an_outage_is_no_verdict(bench: &dyn Bench) {
    let key = issued(bench, 1).await;
    for call in ALL {
        for fault in [Fault::Status(500), Fault::Html(502), Fault::Reset, Fault::Close, Fault::Silence] {
            let outcome = under(bench, call, &key, fault).await;
            assert!(
                matches!(outcome, Err(CallError::Unavailable { .. })),
                "{call:?} {fault:?}: {outcome:?}"
            );
        }
        if call != Call::Revoke {
            let outcome = under(bench, call, &key, Fault::Cut(1)).await;
            assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{call:?} cut: {outcome:?}");
        }
    }
    assert_eq!(bench.live(), [key.handle].into());
    assert_eq!(bench.created(), 1);
}

pub async fn a_limit_is_passed_on(bench: &dyn Bench) {
    let key = issued(bench, 1).await;
    for call in ALL {
        for fault in [Fault::LimitedSeconds(40), Fault::LimitedDate(40)] {
            let gate = gate();
            bench.spoil(call.verb(), Moment::BeforeEffect, fault);
            let outcome = call.make(bench, &bench.stage().outbound_through(&gate), &key).await;
            bench.heal();
            let told = match outcome {
                Err(CallError::RateLimited {
                    retry_after: Some(told), ..
                }) => told,
                outcome => panic!("{call:?} {fault:?}: {outcome:?}"),
            };
            assert!((38..=41).contains(&told.as_secs()), "{call:?} {fault:?}: {told:?}");
            assert_eq!(gate.pauses(), [told], "{call:?} {fault:?}");
            assert_eq!(gate.passes(), 1, "{call:?} {fault:?}: not asked again");
        }
    }
    assert_eq!(bench.live(), [key.handle].into());
}

pub async fn a_refusal_is_a_refusal(bench: &dyn Bench) {
    let key = issued(bench, 1).await;
    for call in ALL {
        let outcome = under(bench, call, &key, Fault::Status(400)).await;
        if call == Call::Validate {
            assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{outcome:?}");
        } else {
            assert!(matches!(outcome, Err(CallError::Refused { .. })), "{call:?}: {outcome:?}");
        }
        for status in [401, 403] {
            let outcome = under(bench, call, &key, Fault::Status(status)).await;
            if call.is_the_connections() {
                assert!(
                    matches!(outcome, Err(CallError::Unauthorized { .. })),
                    "{call:?} {status}: {outcome:?}"
                );
            } else {
                assert!(
                    !matches!(outcome, Err(CallError::Unauthorized { .. })),
                    "{call:?} {status}: {outcome:?}"
                );
            }
        }
    }
    let outcome = under(bench, Call::ConfirmByKey, &key, Fault::Status(403)).await;
    assert_eq!(outcome, Ok("StillAccepted".to_owned()), "a key that may do less is a key");
    assert_eq!(bench.live(), [key.handle].into());
}

pub async fn an_unreadable_answer_is_no_verdict(bench: &dyn Bench) {
    let key = issued(bench, 1).await;
    for call in [Call::Sweep, Call::Verify, Call::Spending] {
        let outcome = under(bench, call, &key, Fault::Unreadable).await;
        assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{call:?}: {outcome:?}");
    }
    for call in [
        Call::Sweep,
        Call::Verify,
        Call::Check,
        Call::Spending,
        Call::ConfirmByKey,
        Call::ConfirmByBooks,
    ] {
        for fault in [Fault::OtherType, Fault::MoreFields, Fault::Trickle] {
            assert_eq!(under(bench, call, &key, fault).await, Ok(call.good(&key)), "{call:?} {fault:?}");
        }
    }
}

pub async fn a_deletion_whose_answer_is_lost_is_done_when_repeated(bench: &dyn Bench) {
    let (rotator, access) = (bench.rotator(), bench.access());
    for (number, fault) in [
        Fault::Status(500),
        Fault::Html(502),
        Fault::Reset,
        Fault::Close,
        Fault::Silence,
        Fault::Cut(3),
        Fault::Unreadable,
    ]
    .into_iter()
    .enumerate()
    {
        let key = issued(bench, number).await;
        let mut outbound = bench.stage().outbound();
        if fault == Fault::Silence {
            outbound.deadline = IMPATIENT;
        }
        bench.spoil(Verb::Revoke, Moment::AfterEffect, fault);
        let lost = seen(bench, rotator.revoke(&outbound, &access, &key.handle).await);
        assert!(matches!(lost, Err(CallError::Unavailable { .. })), "{fault:?}: {lost:?}");
        bench.heal();
        let outbound = bench.stage().outbound();
        assert_eq!(
            rotator.revoke(&outbound, &access, &key.handle).await,
            Ok(Revocation::AlreadyGone),
            "{fault:?}"
        );
        let confirmed = rotator
            .confirm_revoked(&outbound, &access, &key.handle, Some(&key.credential))
            .await;
        assert_eq!(confirmed, Ok(Confirmation::Dead), "{fault:?}");
        assert_eq!(bench.stage().gate.pauses(), [] as [Duration; 0]);
    }
    assert!(bench.live().is_empty());
}
