//! Creating a key under each fault. Whatever happens: one request, at most one key, and if there is one it can be found by its
//! marker; if the verb says that there is none, there is none.

use std::time::Duration;

use kms_providers::exchange::Verb;
use kms_providers::outcome::{IssueError, Revocation};
use kms_providers::rotator::{Issued, SweepScope};

use super::{Bench, Fault, IMPATIENT, Moment, gate, handles, issued, seen, swept, until_requests};
use crate::stage::marker;

/// What an attempt came to.
struct Attempt {
    outcome: Result<Issued, IssueError>,
    /// Keys that it made.
    created: u64,
}

/// One attempt under a fault, with everything that must hold afterwards.
async fn attempt(bench: &dyn Bench, number: usize, moment: Moment, fault: Fault) -> Attempt {
    let (created, requests) = (bench.created(), bench.requests());
    let mut outbound = bench.stage().outbound();
    if fault == Fault::Silence {
        outbound.deadline = IMPATIENT;
    }
    bench.spoil(Verb::Issue, moment, fault);
    let outcome = bench
        .rotator()
        .issue(&outbound, &bench.access(), &bench.parameters(), &marker(number))
        .await;
    let outcome = seen(bench, outcome);
    until_requests(bench, requests + 1).await;
    bench.heal();
    assert_eq!(bench.requests() - requests, 1, "{fault:?} {moment:?}: one request");
    let created = bench.created() - created;
    assert!(created <= 1, "{fault:?} {moment:?}: {created} keys");

    let found: Vec<_> = swept(bench, SweepScope::Usual)
        .await
        .into_iter()
        .filter(|found| found.marker == marker(number))
        .collect();
    assert_eq!(found.len() as u64, created, "{fault:?} {moment:?}: what exists is found");
    if let Ok(issued) = &outcome {
        assert_eq!(handles(&found), [issued.handle.clone()].into());
    }
    for found in found {
        let revoked = bench
            .rotator()
            .revoke(&bench.stage().outbound(), &bench.access(), &found.handle)
            .await;
        assert_eq!(revoked, Ok(Revocation::Deleted));
    }
    Attempt { outcome, created }
}

pub async fn refusals_leave_no_key(bench: &dyn Bench) {
    for (number, status) in [400, 401, 402, 403, 404, 409, 413, 422].into_iter().enumerate() {
        for (offset, fault) in [Fault::Status(status), Fault::Html(status)].into_iter().enumerate() {
            let attempt = attempt(bench, 2 * number + offset, Moment::BeforeEffect, fault).await;
            assert!(
                matches!(attempt.outcome, Err(IssueError::Refused { .. })),
                "{fault:?}: {:?}",
                attempt.outcome
            );
            assert_eq!(attempt.created, 0, "{fault:?}");
        }
    }
    bench.refuse_creation();
    let outcome = bench
        .rotator()
        .issue(&bench.stage().outbound(), &bench.access(), &bench.parameters(), &marker(99))
        .await;
    assert!(matches!(seen(bench, &outcome), Err(IssueError::Refused { .. })), "{outcome:?}");
    assert!(bench.live().is_empty());
}

pub async fn limits_leave_no_key_and_slow_down(bench: &dyn Bench) {
    for (number, fault) in [Fault::LimitedSeconds(40), Fault::LimitedDate(40)].into_iter().enumerate() {
        let attempt = attempt(bench, number, Moment::BeforeEffect, fault).await;
        let told = match attempt.outcome {
            Err(IssueError::NotSent {
                retry_after: Some(told), ..
            }) => told,
            outcome => panic!("{fault:?}: {outcome:?}"),
        };
        // A date has whole seconds, and a moment passes between its making and the answer's own date.
        assert!((38..=41).contains(&told.as_secs()), "{fault:?}: {told:?}");
        assert_eq!(bench.stage().gate.pauses().last(), Some(&told), "{fault:?}");
        assert_eq!(attempt.created, 0, "{fault:?}");
    }
}

pub async fn failures_leave_at_most_one_key_which_is_found(bench: &dyn Bench) {
    let anytime = [
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::Status(524),
        Fault::Status(529),
        Fault::Html(502),
        Fault::Html(302),
        Fault::Reset,
        Fault::Close,
    ];
    let afterwards = [
        Fault::Cut(0),
        Fault::Cut(1),
        Fault::Cut(40),
        Fault::Unreadable,
        Fault::WithoutKey,
        Fault::NullKey,
        Fault::WithoutHandle,
    ];
    let cases = anytime
        .iter()
        .map(|fault| (Moment::BeforeEffect, *fault))
        .chain(anytime.iter().chain(&afterwards).map(|fault| (Moment::AfterEffect, *fault)));
    for (number, (moment, fault)) in cases.enumerate() {
        let attempt = attempt(bench, number, moment, fault).await;
        assert!(
            matches!(attempt.outcome, Err(IssueError::Uncertain { .. })),
            "{fault:?} {moment:?}: {:?}",
            attempt.outcome
        );
        assert_eq!(attempt.created, u64::from(moment == Moment::AfterEffect), "{fault:?} {moment:?}");
    }
    assert!(bench.live().is_empty());
}

pub async fn silence_leaves_at_most_one_key_which_is_found(bench: &dyn Bench) {
    for (number, moment) in [Moment::BeforeEffect, Moment::AfterEffect].into_iter().enumerate() {
        let attempt = attempt(bench, number, moment, Fault::Silence).await;
        assert!(
            matches!(attempt.outcome, Err(IssueError::Uncertain { .. })),
            "{moment:?}: {:?}",
            attempt.outcome
        );
        assert_eq!(attempt.created, u64::from(moment == Moment::AfterEffect), "{moment:?}");
    }
}

pub async fn odd_but_complete_answers_are_accepted(bench: &dyn Bench) {
    let faults = [Fault::OtherSuccess, Fault::OtherType, Fault::MoreFields, Fault::Trickle];
    for (number, fault) in faults.into_iter().enumerate() {
        let attempt = attempt(bench, number, Moment::AfterEffect, fault).await;
        assert!(attempt.outcome.is_ok(), "{fault:?}: {:?}", attempt.outcome);
        assert_eq!(attempt.created, 1, "{fault:?}");
    }
}

pub async fn a_doubled_creation_is_found_whole(bench: &dyn Bench) {
    bench.spoil(Verb::Issue, Moment::AfterEffect, Fault::Twice);
    let key = issued(bench, 1).await;
    bench.heal();
    let found = swept(bench, SweepScope::Usual).await;
    assert!(found.iter().all(|found| found.marker == marker(1)));
    let found = handles(&found);
    assert_eq!(found, bench.live());
    assert_eq!(found.len(), 2);
    assert!(found.contains(&key.handle));
}

pub async fn many_at_once_do_not_mix(bench: &dyn Bench) {
    let gate = gate();
    let outbound = bench.stage().outbound_through(&gate);
    let (access, parameters) = (bench.access(), bench.parameters());
    let markers: Vec<_> = (0..20).map(marker).collect();
    let keys = futures::future::join_all(
        markers
            .iter()
            .map(|marker| bench.rotator().issue(&outbound, &access, &parameters, marker)),
    )
    .await;
    let mut found = swept(bench, SweepScope::Usual).await;
    found.sort_by(|left, right| left.marker.cmp(&right.marker));
    for (found, key) in found.iter().zip(&keys) {
        assert_eq!(found.handle, key.as_ref().unwrap().handle);
    }
    assert_eq!((found.len(), gate.passes()), (20, 20));
    assert_eq!(gate.pauses(), [] as [Duration; 0]);
}
