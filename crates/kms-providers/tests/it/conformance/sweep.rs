//! Listing: everything that carries a marker, wherever it hides.

use std::collections::BTreeSet;
use std::sync::Mutex;

use kms_providers::rotator::SweepScope;

use super::{Bench, Hidden, Place, handles, issued, seen, swept};
use crate::stage::{CountingGate, marker};

fn plant(bench: &dyn Bench, place: Place, number: usize) -> String {
    bench.plant(place, &marker(number).mark("planted", 100))
}

pub async fn only_marked_keys_are_found(bench: &dyn Bench) {
    let mine = issued(bench, 1).await.handle;
    for name in [
        "gateway",
        "[kms-0123abcd-0000000000000001] in front",
        "x [kms-0123abcd-000000000000000]",
        "x [KMS-0123ABCD-0000000000000001]",
    ] {
        bench.plant(Place::Usual, name);
    }
    let others = bench.plant(Place::Usual, "x [kms-zzzzzzzz-0000000000000001]");
    let found = swept(bench, SweepScope::Usual).await;
    assert_eq!(handles(&found), [mine, others].into());
}

pub async fn hidden_keys_are_found(bench: &dyn Bench) {
    let mut planted = BTreeSet::new();
    for (number, how) in [None, Some(Hidden::Disabled), Some(Hidden::Expired)].into_iter().enumerate() {
        let handle = plant(bench, Place::Usual, number);
        if let Some(how) = how {
            bench.hide(&handle, how);
        }
        planted.insert(handle);
    }
    assert_eq!(handles(&swept(bench, SweepScope::Usual).await), planted);
}

pub async fn other_places_are_found_when_asked_for(bench: &dyn Bench) {
    let here = plant(bench, Place::Usual, 1);
    let there = plant(bench, Place::Elsewhere, 2);
    bench.hide(&there, Hidden::Disabled);
    assert_eq!(handles(&swept(bench, SweepScope::Usual).await), [here.clone()].into());
    assert_eq!(handles(&swept(bench, SweepScope::Everywhere).await), [here, there].into());
}

pub async fn many_pages_are_read(bench: &dyn Bench) {
    let planted: BTreeSet<String> = (0..250).map(|number| plant(bench, Place::Usual, number)).collect();
    let elsewhere: BTreeSet<String> = (250..400).map(|number| plant(bench, Place::Elsewhere, number)).collect();
    assert_eq!(handles(&swept(bench, SweepScope::Usual).await), planted);
    let all: BTreeSet<String> = planted.union(&elsewhere).cloned().collect();
    assert_eq!(handles(&swept(bench, SweepScope::Everywhere).await), all);
}

pub async fn deletions_between_pages_hide_nothing(bench: &dyn Bench) {
    // Before each request some keys go away, newest and oldest first in turn, so that others move across the pages' borders.
    let planted: Vec<String> = (0..250).map(|number| plant(bench, Place::Usual, number)).collect();
    let doomed: Vec<String> = [&planted[..20], &planted[230..]].concat();
    let staying: BTreeSet<String> = planted[20..230].iter().cloned().collect();
    let remove = bench.remover();
    let doomed = Mutex::new(doomed);
    let gate = CountingGate::calling(move || {
        let mut doomed = doomed.lock().unwrap();
        for _ in 0..7 {
            if let Some(handle) = doomed.pop() {
                remove(&handle);
            }
        }
    });
    let outbound = bench.stage().outbound_through(&gate);
    let outcome = bench.rotator().sweep(&outbound, &bench.access(), SweepScope::Usual).await;
    let found = handles(&seen(bench, outcome).unwrap());
    let missing: Vec<_> = staying.difference(&found).collect();
    assert!(missing.is_empty(), "{} of {} missing", missing.len(), staying.len());
    assert!(gate.passes() >= 3);
}
