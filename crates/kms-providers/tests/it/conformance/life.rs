//! The life of a key, without faults.

use std::time::Duration;

use kms_providers::outcome::{CallError, Confirmation, IssueError, Revocation, Verification};
use kms_providers::registry::Access;
use kms_providers::rotator::SweepScope;

use super::{Bench, Delay, Fault, Moment, handles, issued, seen, swept};
use crate::stage::marker;
use kms_providers::exchange::Verb;

pub async fn a_key_lives_and_dies(bench: &dyn Bench) {
    let (rotator, access) = (bench.rotator(), bench.access());
    let outbound = bench.stage().outbound();
    assert_eq!(seen(bench, bench.connector().validate(&outbound, &access).await), Ok(()));

    let key = issued(bench, 1).await;
    assert_eq!(key.warning, None);
    assert_eq!(bench.live(), [key.handle.clone()].into());
    let parameters = bench.parameters();
    let verified = rotator.verify(&outbound, &parameters, &key.credential).await;
    assert_eq!(seen(bench, verified), Ok(Verification::Works));
    assert_eq!(
        seen(bench, rotator.check(&outbound, &key.credential).await),
        Ok(Verification::Works)
    );

    let published = rotator.publish(&key.credential).unwrap();
    let fields: Vec<_> = published.iter().map(|(field, _)| *field).collect();
    let declared: Vec<_> = rotator.rotation_type().mapping.iter().map(|field| field.name).collect();
    assert_eq!(fields, declared);
    assert!(published.iter().all(|(_, value)| !value.is_empty()));

    let found = swept(bench, SweepScope::Usual).await;
    assert_eq!(handles(&found), [key.handle.clone()].into());
    assert_eq!(found[0].marker, marker(1));

    for credential in [Some(&key.credential), None] {
        let confirmed = rotator.confirm_revoked(&outbound, &access, &key.handle, credential).await;
        assert_eq!(seen(bench, confirmed), Ok(Confirmation::StillAccepted));
    }
    assert_eq!(
        seen(bench, rotator.revoke(&outbound, &access, &key.handle).await),
        Ok(Revocation::Deleted)
    );
    for credential in [Some(&key.credential), None] {
        let confirmed = rotator.confirm_revoked(&outbound, &access, &key.handle, credential).await;
        assert_eq!(seen(bench, confirmed), Ok(Confirmation::Dead));
    }
    assert_eq!(
        seen(bench, rotator.revoke(&outbound, &access, &key.handle).await),
        Ok(Revocation::AlreadyGone)
    );
    let checked = seen(bench, rotator.check(&outbound, &key.credential).await);
    assert!(matches!(checked, Ok(Verification::NotYet(_))), "{checked:?}");
    assert!(swept(bench, SweepScope::Everywhere).await.is_empty());
    assert_eq!(bench.created(), 1);
}

pub async fn a_key_that_is_not_what_was_asked_for_differs(bench: &dyn Bench) {
    let key = issued(bench, 1).await;
    for parameters in bench.other_parameters() {
        let outcome = bench
            .rotator()
            .verify(&bench.stage().outbound(), &parameters, &key.credential)
            .await;
        assert!(
            matches!(seen(bench, &outcome), Ok(Verification::Differs(_))),
            "{parameters}: {outcome:?}"
        );
    }
}

pub async fn a_new_key_may_need_time(bench: &dyn Bench) {
    bench.delay(Delay::Birth, Duration::from_mins(1));
    let key = issued(bench, 1).await;
    let outbound = bench.stage().outbound();
    let parameters = bench.parameters();
    let early = seen(bench, bench.rotator().verify(&outbound, &parameters, &key.credential).await);
    assert!(matches!(early, Ok(Verification::NotYet(_))), "{early:?}");
    bench.pass_time(Duration::from_secs(61));
    let late = bench.rotator().verify(&outbound, &parameters, &key.credential).await;
    assert_eq!(seen(bench, late), Ok(Verification::Works));
}

pub async fn a_deleted_key_may_linger(bench: &dyn Bench) {
    let key = issued(bench, 1).await;
    bench.delay(Delay::Death, Duration::from_mins(1));
    let (rotator, access) = (bench.rotator(), bench.access());
    let outbound = bench.stage().outbound();
    assert_eq!(rotator.revoke(&outbound, &access, &key.handle).await, Ok(Revocation::Deleted));
    let early = rotator
        .confirm_revoked(&outbound, &access, &key.handle, Some(&key.credential))
        .await;
    assert_eq!(seen(bench, early), Ok(Confirmation::StillAccepted));
    bench.pass_time(Duration::from_secs(61));
    let late = rotator
        .confirm_revoked(&outbound, &access, &key.handle, Some(&key.credential))
        .await;
    assert_eq!(seen(bench, late), Ok(Confirmation::Dead));
}

pub async fn a_deletion_that_did_not_happen_is_noticed(bench: &dyn Bench) {
    let key = issued(bench, 1).await;
    let (rotator, access) = (bench.rotator(), bench.access());
    let outbound = bench.stage().outbound();
    bench.spoil(Verb::Revoke, Moment::BeforeEffect, Fault::Pretended);
    assert_eq!(rotator.revoke(&outbound, &access, &key.handle).await, Ok(Revocation::Deleted));
    bench.heal();
    for credential in [Some(&key.credential), None] {
        let confirmed = rotator.confirm_revoked(&outbound, &access, &key.handle, credential).await;
        assert_eq!(seen(bench, confirmed), Ok(Confirmation::StillAccepted));
    }
}

pub async fn a_key_deleted_by_somebody_else_is_gone(bench: &dyn Bench) {
    let key = issued(bench, 1).await;
    bench.remover()(&key.handle);
    let (rotator, access) = (bench.rotator(), bench.access());
    let outbound = bench.stage().outbound();
    assert_eq!(
        seen(bench, rotator.revoke(&outbound, &access, &key.handle).await),
        Ok(Revocation::AlreadyGone)
    );
    for credential in [Some(&key.credential), None] {
        let confirmed = rotator.confirm_revoked(&outbound, &access, &key.handle, credential).await;
        assert_eq!(seen(bench, confirmed), Ok(Confirmation::Dead));
    }
}

pub async fn unknown_credentials_are_refused(bench: &dyn Bench) {
    let key = issued(bench, 1).await;
    refused(bench, &bench.unknown_access(), &key.handle).await;
    assert_eq!(bench.live(), [key.handle].into());
}

pub async fn credentials_without_the_right_are_refused(bench: &dyn Bench) {
    let key = issued(bench, 1).await;
    refused(bench, &bench.misplaced_access(&key.credential), &key.handle).await;
    assert_eq!(bench.live(), [key.handle].into());
}

async fn refused(bench: &dyn Bench, access: &Access, handle: &str) {
    let rotator = bench.rotator();
    let outbound = bench.stage().outbound();
    let created = bench.created();
    let errors = [
        bench.connector().validate(&outbound, access).await.unwrap_err(),
        rotator.sweep(&outbound, access, SweepScope::Usual).await.unwrap_err(),
        rotator.sweep(&outbound, access, SweepScope::Everywhere).await.unwrap_err(),
        rotator.revoke(&outbound, access, handle).await.unwrap_err(),
        rotator.confirm_revoked(&outbound, access, handle, None).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(seen(bench, &error), CallError::Unauthorized { .. }), "{error:?}");
    }
    let outcome = rotator.issue(&outbound, access, &bench.parameters(), &marker(2)).await;
    assert!(matches!(seen(bench, &outcome), Err(IssueError::Refused { .. })), "{outcome:?}");
    assert_eq!(bench.created(), created);
}
