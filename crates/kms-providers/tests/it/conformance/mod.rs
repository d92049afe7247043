//! What every provider must do, whatever it is called: the life of a key, and what each verb says under each fault.
//!
//! A provider's module implements [`Bench`] for a simulator that has state and faults, and calls [`conformance!`](crate::conformance)
//! with a function that starts one. Each check gets a bench of its own.

mod issue;
mod life;
mod openrouter;
mod reads;
mod sweep;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use kms_core::secret::SecretString;
use kms_providers::exchange::Verb;
use kms_providers::registry::{Access, AnyConnector, AnyRotator};
use kms_providers::rotator::{Found, Issued, SweepScope};
use serde_json::Value;

use crate::stage::{CountingGate, Stage, marker};

/// A provider with state and faults, and what is needed to call it. Everything acts on one account.
pub trait Bench: Send + Sync {
    fn stage(&self) -> &Stage;
    fn connector(&self) -> &dyn AnyConnector;
    fn rotator(&self) -> &dyn AnyRotator;

    /// Credentials that may do everything a rotation needs.
    fn access(&self) -> Access;
    /// Credentials that nobody knows.
    fn unknown_access(&self) -> Access;
    /// The issued credential in place of a connection's: valid, but without the right to manage keys.
    fn misplaced_access(&self, credential: &SecretString) -> Access;
    /// Parameters with everything set.
    fn parameters(&self) -> Value;
    /// Parameters that a key issued with [`Bench::parameters`] does not have.
    fn other_parameters(&self) -> Vec<Value>;

    /// Lets a fault happen to every request of a verb until [`Bench::heal`].
    fn spoil(&self, verb: Verb, moment: Moment, fault: Fault);
    fn heal(&self);
    /// The provider refuses the next creations by a rule of its own.
    fn refuse_creation(&self);

    /// Keys ever created.
    fn created(&self) -> u64;
    /// Requests that arrived.
    fn requests(&self) -> u64;
    /// Handles of the keys that exist.
    fn live(&self) -> BTreeSet<String>;
    /// Makes a key that the rotation did not make.
    fn plant(&self, place: Place, name: &str) -> String;
    fn hide(&self, handle: &str, how: Hidden);
    /// Something that takes a key away behind everybody's back, for use inside a gate.
    fn remover(&self) -> Box<dyn Fn(&str) + Send + Sync>;
    /// A change takes this long to show.
    fn delay(&self, what: Delay, by: Duration);
    fn pass_time(&self, by: Duration);

    /// Whether a text shows a key, be it one that was never delivered.
    fn shows_a_key(&self, text: &str) -> bool;
}

/// Whether the change is made before the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    BeforeEffect,
    AfterEffect,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An error in the provider's form.
    Status(u16),
    /// An error page of something in front of the provider.
    Html(u16),
    /// 429 with `Retry-After` in seconds.
    LimitedSeconds(u64),
    /// 429 with `Retry-After` as the date that many seconds ahead.
    LimitedDate(u64),
    Reset,
    Close,
    /// No answer.
    Silence,
    /// The body ends after that many bytes, short of what was announced.
    Cut(usize),
    /// The right status with a body that cannot be read.
    Unreadable,
    /// The right body with another status of success.
    OtherSuccess,
    /// The right body under another type.
    OtherType,
    /// Fields that nobody knows.
    MoreFields,
    /// The body comes byte by byte.
    Trickle,
    /// The answer lacks the key's text.
    WithoutKey,
    /// The key's text is null.
    NullKey,
    /// The answer lacks the key's handle.
    WithoutHandle,
    /// A creation happens twice.
    Twice,
    /// Success is reported, nothing happens.
    Pretended,
}

/// Where a planted key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where the rotation creates its keys.
    Usual,
    /// Elsewhere in the account.
    Elsewhere,
}

/// Why a plain listing leaves a key out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    Disabled,
    Expired,
}

/// What takes time to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// A new key works.
    Birth,
    /// A deleted key stops working.
    Death,
}

/// Short enough to wait for, long enough that a request arrives within it on a busy machine.
pub const IMPATIENT: Duration = Duration::from_millis(800);

/// Fails if what a verb gave shows a key. Every outcome goes through here.
pub fn seen<T: Debug>(bench: &dyn Bench, outcome: T) -> T {
    let text = format!("{outcome:?}");
    assert!(!bench.shows_a_key(&text), "a key is shown: {text}");
    outcome
}

/// Issues a key and gives what was issued.
pub async fn issued(bench: &dyn Bench, number: usize) -> Issued {
    let outcome = bench
        .rotator()
        .issue(&bench.stage().outbound(), &bench.access(), &bench.parameters(), &marker(number))
        .await;
    seen(bench, outcome).unwrap()
}

pub async fn swept(bench: &dyn Bench, scope: SweepScope) -> Vec<Found> {
    let outcome = bench.rotator().sweep(&bench.stage().outbound(), &bench.access(), scope).await;
    seen(bench, outcome).unwrap()
}

pub fn handles(found: &[Found]) -> BTreeSet<String> {
    let handles: BTreeSet<String> = found.iter().map(|found| found.handle.clone()).collect();
    assert_eq!(handles.len(), found.len(), "each key once");
    handles
}

/// Waits until a request has arrived that the caller gave up on.
pub async fn until_requests(bench: &dyn Bench, count: u64) {
    let arrived = async {
        while bench.requests() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), arrived).await.unwrap();
}

/// A gate like the stage's, for calls whose pauses are looked at.
pub fn gate() -> CountingGate {
    CountingGate::default()
}

/// Declares one test for each check.
#[macro_export]
macro_rules! conformance {
    ($start:path) => {
        $crate::conformance!(@ $start,
            life::a_key_lives_and_dies,
            life::a_key_that_is_not_what_was_asked_for_differs,
            life::a_new_key_may_need_time,
            life::a_deleted_key_may_linger,
            life::a_deletion_that_did_not_happen_is_noticed,
            life::a_key_deleted_by_somebody_else_is_gone,
            life::unknown_credentials_are_refused,
            life::credentials_without_the_right_are_refused,
            issue::refusals_leave_no_key,
            issue::limits_leave_no_key_and_slow_down,
            issue::failures_leave_at_most_one_key_which_is_found,
            issue::silence_leaves_at_most_one_key_which_is_found,
            issue::odd_but_complete_answers_are_accepted,
            issue::a_doubled_creation_is_found_whole,
            issue::many_at_once_do_not_mix,
            reads::an_outage_is_no_verdict,
            reads::a_limit_is_passed_on,
            reads::a_refusal_is_a_refusal,
            reads::an_unreadable_answer_is_no_verdict,
            reads::a_deletion_whose_answer_is_lost_is_done_when_repeated,
            sweep::only_marked_keys_are_found,
            sweep::hidden_keys_are_found,
            sweep::other_places_are_found_when_asked_for,
            sweep::many_pages_are_read,
            sweep::deletions_between_pages_hide_nothing,
        );
    };
    (@ $start:path, $($group:ident::$check:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $check() {
                let bench = $start().await;
                $crate::conformance::$group::$check(&bench).await;
            }
        )*
    };
}
