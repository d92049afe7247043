//! The executor: performs what [`kms_core::rotation::machine`] decides.
//!
//! One step is: a transaction that was committed before → at most one provider operation → one transaction that records what was
//! seen together with the next state. The ordinary run, the run resumed after a crash and the retry all come through
//! [`App::step`]; it takes nothing but the stored attempt (and, for a creation, what is to be created).

use std::time::Duration;

use kms_core::ids::IssuedKeyId;
use kms_core::rotation::ledger::KeyState;
use kms_core::rotation::machine::{self, Context, Ending, Observation, Step, Trigger};
use kms_core::seal::{KeyScope, Purpose, SealContext, Sealed};
use kms_core::secret::SecretString;
use kms_core::time::Timestamp;
use kms_providers::marker::Marker;
use kms_providers::outcome::{CallError, IssueError, Verification};
use kms_providers::registry::AnyRotator;
use kms_providers::rotator::{Found, Issued, Outbound, SweepScope};
use kms_store::attempts::AttemptRecord;
use kms_store::issued_keys::KeyRecord;
use kms_store::lease::Lease;
use kms_store::{Session, StoreError, Tx};

use super::attempt::Held;
use super::creation::Creation;
use super::reach::Reach;
use super::throttle::ConnectionGate;
use crate::{App, Error};

/// What a step led to.
#[derive(Debug)]
pub(crate) enum Stepped {
    /// There is more to do at once.
    Again,
    /// There is nothing to do before that instant.
    Wait(Timestamp),
    /// The run is over.
    Ended(Outcome),
    /// The attempt is no longer this node's.
    Lost,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A new key is served.
    Published,
    /// No new key is served; the text is fit for people.
    Failed {
        message: String,
        /// Set if it was no failure of the provider but a refusal of the request.
        refusal: Option<Error>,
    },
    /// Another attempt follows later, by itself.
    Continued,
}

/// Every message about a failed issue begins with this.
const LEAD_IN: &str = "A new key could not be issued";

/// What was seen, with what is to be recorded beside the state.
struct Seen {
    observation: Observation,
    message: Option<String>,
    issued: Option<(Issued, i64)>,
    strays: Vec<(Found, i64)>,
    refusal: Option<Error>,
}

impl Seen {
    fn just(observation: Observation) -> Self {
        Self {
            observation,
            message: None,
            issued: None,
            strays: Vec::new(),
            refusal: None,
        }
    }

    fn because(observation: Observation, message: impl std::fmt::Display) -> Self {
        Self {
            message: Some(kms_core::rotation::cut_message(&format!("{LEAD_IN}: {message}"))),
            ..Self::just(observation)
        }
    }
}

/// What the store answered: lost leases are no errors here.
fn lost_or<T>(error: StoreError, lost: T) -> Result<T, Error> {
    match error {
        StoreError::Fenced => Ok(lost),
        other => Err(other.into()),
    }
}

impl App {
    /// Performs the next step of a held attempt.
    pub(crate) async fn step(&self, held: &mut Held, creation: Option<&Creation>) -> Result<Stepped, Error> {
        match machine::decide(&held.record.state, held.holder(), self.now()) {
            Step::End => Ok(Stepped::Lost),
            Step::Wait(until) => Ok(Stepped::Wait(until)),
            Step::Intend => self.intend(held).await,
            Step::Issue => self.issue(held).await,
            Step::Doubt => {
                let seen = Seen::because(Observation::Unclear, "the answer to the request was not recorded");
                self.record(held, seen).await
            }
            Step::Sweep => self.sweep(held).await,
            Step::Verify => self.verify(held, creation).await,
            Step::Abandon => self.give_up(held, "the request that began it has ended").await,
        }
    }

    /// Ends an attempt because nobody waits for it any longer.
    pub(crate) async fn give_up(&self, held: &mut Held, why: &str) -> Result<Stepped, Error> {
        self.record(held, Seen::because(Observation::GivenUp, why)).await
    }

    /// Reads a held attempt back after a step failed half-way. What was in memory only is forgotten.
    pub(crate) async fn reload(&self, held: &mut Held) -> Result<bool, Error> {
        let Some(record) = self.store().read().find_attempt(held.record.id).await? else {
            return Ok(false);
        };
        held.record = record;
        held.intent = None;
        held.credential = None;
        let renewed = self.renew(held).await?;
        Ok(renewed)
    }

    async fn renew(&self, held: &mut Held) -> Result<bool, Error> {
        let lease = self.lease();
        let tx = self.store().write().await?;
        if let Err(error) = tx.renew_attempt(held.record.id, held.fence, lease.until).await {
            return lost_or(error, false);
        }
        tx.commit().await?;
        held.lease_until = lease.until;
        Ok(true)
    }

    /// Sees to it that the claim outlasts the call that is about to be made.
    async fn outlasts_a_call(&self, held: &mut Held) -> Result<bool, Error> {
        let policy = &self.settings().policy;
        let margin = policy.call_deadline + (policy.lease.saturating_sub(policy.call_deadline)) / 3;
        if held.lease_until >= self.now() + margin {
            Ok(true)
        } else {
            self.renew(held).await
        }
    }

    async fn intend(&self, held: &mut Held) -> Result<Stepped, Error> {
        let lease = self.lease();
        let mut record = held.record.clone();
        let tx = self.store().write().await?;
        let Some(reach) = self.record_intent(&tx, &mut record, held.holder()).await? else {
            drop(tx);
            return self.give_up(held, "the connection no longer exists").await;
        };
        if let Err(error) = tx.save_attempt(&record, held.fence, Some(lease)).await {
            return lost_or(error, Stepped::Lost);
        }
        tx.commit().await?;
        held.record = record;
        held.lease_until = lease.until;
        held.intent = Some(reach);
        Ok(Stepped::Again)
    }

    pub(crate) fn rotator(&self, kind: &str) -> Result<&dyn AnyRotator, Error> {
        self.registry()
            .rotation_type(kind)
            .ok_or_else(|| Error::internal(format!("no rotation type {kind}")))
    }

    fn marker_of(record: &AttemptRecord) -> Result<Marker, Error> {
        record.marker.parse().map_err(Error::internal)
    }

    fn outbound<'a>(&'a self, gate: &'a ConnectionGate<'a>) -> Outbound<'a> {
        Outbound {
            transport: &*self.0.transport,
            gate,
            entropy: self.entropy(),
            deadline: self.settings().policy.call_deadline,
        }
    }

    /// Runs `operation` with a gate that closes when the claim could not outlast another request.
    pub(crate) async fn call<T>(
        &self,
        connection: kms_core::ids::ConnectionId,
        lease_until: Option<Timestamp>,
        operation: impl AsyncFnOnce(Outbound<'_>) -> T,
    ) -> Option<T> {
        let stop = &self.0.stop;
        let _entered = self.enter(connection, stop).await?;
        let until = lease_until.map(|until| until - self.settings().policy.call_deadline);
        let gate = ConnectionGate {
            app: self,
            connection,
            stop,
            until,
        };
        Some(operation(self.outbound(&gate)).await)
    }

    async fn issue(&self, held: &mut Held) -> Result<Stepped, Error> {
        if !self.outlasts_a_call(held).await? {
            return Ok(Stepped::Lost);
        }
        let rotator = self.rotator(&held.record.kind)?;
        let marker = Self::marker_of(&held.record)?;
        // Taken, not borrowed: whatever happens now, this execution sends no second request.
        let Some(reach) = held.intent.take() else {
            return Ok(Stepped::Again);
        };
        let parameters = &held.record.parameters;
        let result = self
            .call(held.record.connection, Some(held.lease_until), async |outbound| {
                rotator.issue(&outbound, &reach.access, parameters, &marker).await
            })
            .await;
        // What was seen is recorded as if the intent were still at hand: the machine knows which phase it belongs to.
        let seen = match result {
            None => Seen::because(
                Observation::NotSent { retry_after: None },
                "the work was stopped before the request left",
            ),
            Some(Ok(issued)) => {
                if let Some(warning) = issued.warning {
                    tracing::warn!(attempt = %held.record.id, handle = issued.handle, warning, "app.rotation.odd_key");
                }
                Seen {
                    issued: Some((issued, reach.revision)),
                    ..Seen::just(Observation::Issued)
                }
            }
            Some(Err(IssueError::NotSent { reason, retry_after })) => Seen::because(Observation::NotSent { retry_after }, reason),
            Some(Err(IssueError::Refused { reason })) => Seen::because(Observation::Refused, reason),
            Some(Err(IssueError::Uncertain { reason })) => Seen::because(Observation::Unclear, reason),
        };
        self.record(held, seen).await
    }

    async fn sweep(&self, held: &mut Held) -> Result<Stepped, Error> {
        if !self.outlasts_a_call(held).await? {
            return Ok(Stepped::Lost);
        }
        let rotator = self.rotator(&held.record.kind)?;
        let marker = Self::marker_of(&held.record)?;
        let record = &held.record;
        let session = self.store().read();
        let reaches = self
            .all_reaches(&session, record.org, record.connection, record.id.0, record.sealed_reach.as_ref())
            .await?;
        let mut strays = Vec::new();
        let mut failed = None;
        for reach in &reaches {
            let swept = self
                .call(record.connection, Some(held.lease_until), async |outbound| {
                    rotator.sweep(&outbound, &reach.access, SweepScope::Usual).await
                })
                .await;
            match swept {
                None => return Ok(Stepped::Wait(self.now())),
                Some(Ok(found)) => {
                    strays.extend(
                        found
                            .into_iter()
                            .filter(|key| key.marker == marker)
                            .map(|key| (key, reach.revision)),
                    );
                }
                Some(Err(error)) => failed = Some(error),
            }
        }
        let seen = match (strays.is_empty(), failed) {
            (false, _) => {
                let message = "the answer was lost; the key that had been made was found and is being removed";
                Seen {
                    strays,
                    ..Seen::because(Observation::SweptFound, message)
                }
            }
            (true, None) => Seen::because(Observation::SweptClean, "the answer was lost; no key had been made"),
            (true, Some(error)) => Seen::because(
                Observation::CallFailed {
                    retry_after: retry_after(&error),
                },
                format!("the answer was lost, and {error}"),
            ),
        };
        self.record(held, seen).await
    }

    async fn verify(&self, held: &mut Held, creation: Option<&Creation>) -> Result<Stepped, Error> {
        if !self.outlasts_a_call(held).await? {
            return Ok(Stepped::Lost);
        }
        let rotator = self.rotator(&held.record.kind)?;
        let credential = match held.credential.clone() {
            Some(credential) => credential,
            None => {
                let session = self.store().read();
                let key = find_own_key(&session, &held.record).await?;
                self.open_key_text(&session, &key)
                    .await?
                    .ok_or_else(|| Error::internal("an unpublished key has no text"))?
            }
        };
        held.credential = Some(credential.clone());
        let parameters = &held.record.parameters;
        let verified = self
            .call(held.record.connection, Some(held.lease_until), async |outbound| {
                rotator.verify(&outbound, parameters, &credential).await
            })
            .await;
        match verified {
            None => Ok(Stepped::Wait(self.now())),
            Some(Ok(Verification::Works)) => self.publish(held, &credential, creation).await,
            Some(Ok(Verification::NotYet(reason))) => {
                self.record(
                    held,
                    Seen::because(Observation::NotYetAccepted, format!("the new key is not accepted: {reason}")),
                )
                .await
            }
            Some(Ok(Verification::Differs(reason))) => {
                self.record(
                    held,
                    Seen::because(Observation::Differs, format!("the new key is not what was asked for: {reason}")),
                )
                .await
            }
            Some(Err(error)) => {
                let observation = Observation::CallFailed {
                    retry_after: retry_after(&error),
                };
                self.record(
                    held,
                    Seen::because(observation, format!("the new key could not be checked: {error}")),
                )
                .await
            }
        }
    }

    /// Publication: one transaction, all or nothing (`rotation.md` I5).
    async fn publish(&self, held: &mut Held, credential: &SecretString, creation: Option<&Creation>) -> Result<Stepped, Error> {
        let tx = self.store().write().await?;
        let published = match creation {
            Some(creation) => self.publish_first(&tx, held, credential, creation).await,
            None => self.publish_next(&tx, held, credential).await,
        };
        match published {
            Ok(true) => {}
            Ok(false) => {
                drop(tx);
                return self
                    .record(
                        held,
                        Seen::because(Observation::NothingToPublishInto, "the rotation was deleted meanwhile"),
                    )
                    .await;
            }
            // A refusal (a name was taken meanwhile) ends the attempt; an outage is tried again.
            Err(
                refusal @ (Error::BadRequest { .. } | Error::NotFound { .. } | Error::PermissionDenied { .. } | Error::Forbidden { .. }),
            ) => {
                drop(tx);
                let seen = Seen::because(Observation::NothingToPublishInto, &refusal);
                return self
                    .record(
                        held,
                        Seen {
                            refusal: Some(refusal),
                            ..seen
                        },
                    )
                    .await;
            }
            Err(other) => return Err(other),
        }
        let cx = Context {
            now: self.now(),
            policy: &self.settings().policy,
            jitter: 0,
        };
        let transition = machine::observe(&held.record.state, held.holder(), Observation::Published, &cx).map_err(Error::internal)?;
        let mut record = held.record.clone();
        record.state = transition.attempt;
        record.message = None;
        record.updated_at = cx.now;
        if let Err(error) = tx.save_attempt(&record, held.fence, None).await {
            return lost_or(error, Stepped::Lost);
        }
        tx.commit().await?;
        self.announce(record.project);
        held.record = record;
        metrics::counter!("kms_rotations_total", "result" => "published").increment(1);
        // The key before the previous one may have become a debt.
        self.nudge();
        Ok(Stepped::Ended(Outcome::Published))
    }

    /// Records what was seen and the state that follows from it, in one transaction.
    async fn record(&self, held: &mut Held, seen: Seen) -> Result<Stepped, Error> {
        let policy = &self.settings().policy;
        let now = self.now();
        let cx = Context {
            now,
            policy,
            jitter: self.jitter(),
        };
        let transition = machine::observe(&held.record.state, held.holder(), seen.observation, &cx).map_err(Error::internal)?;
        let mut record = held.record.clone();
        record.state = transition.attempt;
        record.updated_at = now;
        if seen.message.is_some() {
            record.message.clone_from(&seen.message);
        }
        match seen.observation {
            Observation::Issued | Observation::NotSent { .. } | Observation::Refused | Observation::SweptFound => record.unsettled = false,
            Observation::SweptClean if transition.ending.is_some() => record.unsettled = false,
            _ => {}
        }
        let tx = self.store().write().await?;
        let mut credential = None;
        if let Some((issued, revision)) = &seen.issued {
            let key = self.issued_key(&tx, &record, issued, *revision).await?;
            record.key = Some(key.id);
            tx.insert_key(&key).await?;
            credential = Some(issued.credential.clone());
        }
        self.enter_strays(&tx, &record, &seen.strays).await?;
        if transition.discard_key {
            let mut key = find_own_key(&tx, &record).await?;
            key.owe(now);
            tx.update_key(&key).await?;
        }
        let released = !held.caller_waits
            && matches!(machine::decide(&record.state, held.holder(), now), Step::Wait(_))
            && transition.ending.is_none();
        let lease: Option<Lease> = (transition.ending.is_none() && !released).then(|| self.lease());
        if let Err(error) = tx.save_attempt(&record, held.fence, lease).await {
            return lost_or(error, Stepped::Lost);
        }
        let mut successor = None;
        match transition.ending {
            Some(Ending::Continued(next)) => {
                self.record_failed_attempt(&tx, &record, true).await?;
                successor = self.plan_successor(&tx, &record, next, held.caller_waits).await?;
            }
            Some(Ending::Failed) => self.record_failed_attempt(&tx, &record, false).await?,
            Some(Ending::Published) | None => {}
        }
        tx.commit().await?;
        self.announce(record.project);

        let owes = transition.discard_key || !seen.strays.is_empty();
        if owes {
            self.nudge();
        }
        if !seen.strays.is_empty() {
            metrics::counter!("kms_orphans_found_total").increment(u64::try_from(seen.strays.len()).unwrap_or(0));
        }
        held.lease_until = lease.map_or(held.lease_until, |lease| lease.until);
        held.record = record;
        if credential.is_some() {
            held.credential = credential;
        }
        match transition.ending {
            None if released => Ok(Stepped::Wait(held.record.state.due_at)),
            None => Ok(Stepped::Again),
            Some(Ending::Published) => Ok(Stepped::Ended(Outcome::Published)),
            Some(Ending::Continued(_)) => {
                metrics::counter!("kms_rotations_total", "result" => "retried").increment(1);
                match successor {
                    Some(next) => {
                        *held = next;
                        Ok(Stepped::Again)
                    }
                    None => Ok(Stepped::Ended(Outcome::Continued)),
                }
            }
            Some(Ending::Failed) => {
                metrics::counter!("kms_rotations_total", "result" => "failed").increment(1);
                let message = held.record.message.clone().unwrap_or_else(|| LEAD_IN.to_owned());
                Ok(Stepped::Ended(Outcome::Failed {
                    message,
                    refusal: seen.refusal,
                }))
            }
        }
    }

    async fn issued_key(&self, tx: &Tx, record: &AttemptRecord, issued: &Issued, revision: i64) -> Result<KeyRecord, Error> {
        let id = IssuedKeyId::random(self.entropy());
        let keys = self.data_keys(tx, KeyScope::Organization(record.org)).await?;
        let sealed_text = keys.seal_text(key_text_context(record.org, id), &issued.credential, self.entropy());
        self.new_key(tx, record, id, &issued.handle, revision, Some(sealed_text)).await
    }

    async fn new_key(
        &self,
        tx: &Tx,
        record: &AttemptRecord,
        id: IssuedKeyId,
        handle: &str,
        revision: i64,
        sealed_text: Option<Sealed>,
    ) -> Result<KeyRecord, Error> {
        let now = self.now();
        let reaches = self
            .all_reaches(tx, record.org, record.connection, record.id.0, record.sealed_reach.as_ref())
            .await?;
        let sealed_reach = match reaches.iter().find(|reach| reach.revision == revision).or(reaches.first()) {
            Some(reach) => Some(self.seal_reach(tx, record.org, id.0, reach).await?),
            None => None,
        };
        Ok(KeyRecord {
            id,
            org: record.org,
            project: record.project,
            rotation: record.rotation,
            attempt: record.id,
            connection: record.connection,
            credentials_revision: revision,
            kind: record.kind.clone(),
            handle: handle.to_owned(),
            state: KeyState::Unpublished,
            stray: sealed_text.is_none(),
            sealed_text,
            sealed_reach,
            published_at: None,
            replaced_at: None,
            debt: None,
            ended_at: None,
            last_error: None,
            created_at: now,
            updated_at: now,
        })
    }

    /// Enters keys that carry the marker of `record` and that the ledger does not know, as debts; a key that the ledger has as
    /// revoked and that is there all the same (the provider told an untruth) is a debt again. Gives how many there were.
    pub(crate) async fn enter_strays(&self, tx: &Tx, record: &AttemptRecord, strays: &[(Found, i64)]) -> Result<usize, Error> {
        let handles: Vec<String> = strays.iter().map(|(found, _)| found.handle.clone()).collect();
        let known = tx.list_keys_by_handle(record.connection, &handles).await?;
        let mut entered = 0;
        for (found, revision) in strays {
            match known.iter().find(|key| key.handle == found.handle) {
                Some(key) if key.state == KeyState::Revoked => {
                    let mut key = key.clone();
                    key.owe(self.now());
                    key.ended_at = None;
                    tx.update_key(&key).await?;
                }
                Some(_) => continue,
                None => {
                    let id = IssuedKeyId::random(self.entropy());
                    let mut key = self.new_key(tx, record, id, &found.handle, *revision, None).await?;
                    key.owe(self.now());
                    tx.insert_key(&key).await?;
                }
            }
            entered += 1;
        }
        Ok(entered)
    }

    /// The text of a key of the ledger, if it is known.
    pub(crate) async fn open_key_text(&self, session: &Session, key: &KeyRecord) -> Result<Option<SecretString>, Error> {
        let Some(sealed) = &key.sealed_text else {
            return Ok(None);
        };
        let keys = self.data_keys(session, KeyScope::Organization(key.org)).await?;
        Ok(Some(keys.open_text(key_text_context(key.org, key.id), sealed)?))
    }

    /// Runs an attempt while its caller waits, within the answer's time budget; hands over what cannot be finished in time.
    pub(crate) async fn run_for_caller(&self, mut held: Held, creation: Option<Creation>) -> Result<Outcome, Error> {
        const TRIES: u32 = 3;
        let deadline = self.now() + self.settings().policy.answer_budget;
        let mut failures = 0;
        loop {
            let late = self.now() >= deadline;
            let stepped = if late {
                let why = self.too_late(&held);
                self.give_up(&mut held, &why).await
            } else {
                self.step(&mut held, creation.as_ref()).await
            };
            match stepped {
                Ok(Stepped::Again) => failures = 0,
                // The attempt goes on by itself, at the next start or on another node.
                Ok(Stepped::Wait(_)) if self.0.stop.is_cancelled() => {
                    return Err(Error::Unavailable {
                        cause: "the server is stopping".to_owned(),
                    });
                }
                Ok(Stepped::Wait(until)) => {
                    let pause = until.min(deadline).since(self.now()).max(Duration::from_millis(1));
                    self.0.sleeper.sleep(pause).await;
                }
                Ok(Stepped::Ended(outcome)) => return Ok(outcome),
                Ok(Stepped::Lost) => {
                    return Err(Error::Unavailable {
                        cause: "the attempt was taken over by another node".to_owned(),
                    });
                }
                Err(error) => {
                    failures += 1;
                    if failures >= TRIES {
                        return Err(error);
                    }
                    tracing::warn!(attempt = %held.record.id, ?error, "app.rotation.step_failed");
                    self.0.sleeper.sleep(Duration::from_millis(100) * failures).await;
                    if !self.reload(&mut held).await.unwrap_or(true) {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn too_late(&self, held: &Held) -> String {
        let seconds = self.settings().policy.answer_budget.as_secs();
        match &held.record.message {
            Some(message) => format!(
                "not finished within {seconds} seconds ({})",
                message.trim_start_matches(LEAD_IN).trim_start_matches(": ")
            ),
            None => format!("not finished within {seconds} seconds"),
        }
    }

    /// Runs an attempt that nobody waits for, until it is over or must wait.
    pub(crate) async fn run_in_background(&self, mut held: Held) {
        loop {
            match self.step(&mut held, None).await {
                Ok(Stepped::Again) => {}
                Ok(Stepped::Wait(_) | Stepped::Ended(_) | Stepped::Lost) => return,
                Err(error) => {
                    // The claim ends by itself; whoever claims the attempt next goes on from what is stored.
                    tracing::warn!(attempt = %held.record.id, ?error, "app.rotation.step_failed");
                    return;
                }
            }
            if self.0.stop.is_cancelled() {
                return;
            }
        }
    }
}

/// Whether a run is a person's or machine's request.
pub(crate) fn is_manual(trigger: Trigger) -> bool {
    trigger != Trigger::Scheduled
}

fn key_text_context(org: kms_core::ids::OrgId, id: IssuedKeyId) -> SealContext {
    SealContext {
        purpose: Purpose::IssuedKeyText,
        scope: KeyScope::Organization(org),
        row: id.0,
        version: 0,
    }
}

pub(crate) async fn find_own_key(session: &Session, record: &AttemptRecord) -> Result<KeyRecord, Error> {
    let id = record.key.ok_or_else(|| Error::internal("a created attempt has no key"))?;
    session
        .find_key(id)
        .await?
        .ok_or_else(|| Error::internal("a created attempt's key is not in the ledger"))
}

/// The provider's wish to be left alone for a while.
pub(crate) fn retry_after(error: &CallError) -> Option<Duration> {
    match error {
        CallError::RateLimited { retry_after, .. } => *retry_after,
        _ => None,
    }
}

/// The credentials among `reaches` that made a key, or the first.
pub(crate) fn made_with(reaches: Vec<Reach>, revision: i64) -> Vec<Reach> {
    let (mut own, others): (Vec<Reach>, Vec<Reach>) = reaches.into_iter().partition(|reach| reach.revision == revision);
    own.extend(others);
    own
}
