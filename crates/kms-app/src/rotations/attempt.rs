//! Planning attempts: the row, its marker, and the intent.

use std::collections::BTreeMap;

use kms_core::audit::AuditActor;
use kms_core::ids::{AttemptId, ConnectionId, IdentityId, OrgId, ProjectId, RotationId, UserId};
use kms_core::rotation::machine::{self, Attempt, Context, Holder, Observation, Step, Trigger};
use kms_core::secret::SecretString;
use kms_core::time::Timestamp;
use kms_providers::marker::Marker;
use kms_store::attempts::AttemptRecord;
use kms_store::inventories::InventoryRecord;
use kms_store::lease::{Claimed, Lease};
use kms_store::{StoreError, Tx};
use serde_json::{Value, json};

use super::reach::Reach;
use crate::{App, Error};

/// An attempt that this node holds.
pub(crate) struct Held {
    pub(crate) record: AttemptRecord,
    pub(crate) fence: i64,
    pub(crate) lease_until: Timestamp,
    /// Somebody waits for the answer.
    pub(crate) caller_waits: bool,
    /// The intent was written by this execution and its request has not left. With it, what the request is made with.
    pub(crate) intent: Option<Reach>,
    /// The created key's credential, while it is at hand.
    pub(crate) credential: Option<SecretString>,
}

impl Held {
    /// An attempt that was read back: whether its request left is not known.
    pub(crate) fn claimed(claimed: Claimed<AttemptRecord>, lease: Lease) -> Self {
        Self {
            record: claimed.record,
            fence: claimed.fence,
            lease_until: lease.until,
            caller_waits: false,
            intent: None,
            credential: None,
        }
    }

    pub(crate) fn holder(&self) -> Holder {
        Holder {
            caller_waits: self.caller_waits,
            intent_is_mine: self.intent.is_some(),
        }
    }
}

/// What an attempt is planned for.
pub(crate) struct Run {
    pub(crate) org: OrgId,
    pub(crate) project: ProjectId,
    pub(crate) rotation: RotationId,
    pub(crate) connection: ConnectionId,
    pub(crate) kind: String,
    pub(crate) parameters: Value,
    pub(crate) trigger: Trigger,
    pub(crate) actor: AuditActor,
}

impl App {
    /// A lease from now on.
    pub(crate) fn lease(&self) -> Lease {
        Lease {
            holder: self.0.node,
            until: self.now() + self.settings().policy.lease,
        }
    }

    /// A random number that spreads retries.
    pub(crate) fn jitter(&self) -> u32 {
        u32::try_from(kms_core::entropy::below(self.entropy(), u64::from(u32::MAX))).unwrap_or(0)
    }

    fn new_marker(&self) -> Result<Marker, Error> {
        Marker::random(&self.0.installation, self.entropy()).map_err(Error::internal)
    }

    /// Plans the first attempt of a run, holds it, and records its intent in the same transaction.
    ///
    /// The caller commits. Refused by `uq_rotation_attempts_open` if a run of the rotation is under way.
    pub(crate) async fn plan_run(&self, tx: &Tx, run: Run) -> Result<Held, Failure> {
        let now = self.now();
        let record = AttemptRecord {
            id: AttemptId::random(self.entropy()),
            org: run.org,
            project: run.project,
            rotation: run.rotation,
            connection: run.connection,
            kind: run.kind,
            state: Attempt::planned(run.trigger, now),
            marker: self.new_marker()?.to_string(),
            parameters: run.parameters,
            intended_at: None,
            watch_until: None,
            unsettled: false,
            key: None,
            sealed_reach: None,
            message: None,
            actor: actor_to_json(&run.actor),
            created_at: now,
            updated_at: now,
        };
        self.insert_held(tx, record, run.trigger != Trigger::Scheduled).await
    }

    /// Plans the attempt that follows a failed one, in the transaction that ends it.
    pub(crate) async fn plan_successor(
        &self,
        tx: &Tx,
        failed: &AttemptRecord,
        successor: machine::Successor,
        caller_waits: bool,
    ) -> Result<Option<Held>, Error> {
        let now = self.now();
        let record = AttemptRecord {
            id: AttemptId::random(self.entropy()),
            state: Attempt {
                number: successor.number,
                due_at: successor.due_at,
                ..Attempt::planned(failed.state.trigger, now)
            },
            marker: self.new_marker()?.to_string(),
            intended_at: None,
            watch_until: None,
            unsettled: false,
            key: None,
            sealed_reach: None,
            message: None,
            created_at: now,
            updated_at: now,
            ..failed.clone()
        };
        if successor.due_at > now {
            tx.insert_attempt(&record, None).await?;
            return Ok(None);
        }
        Ok(Some(self.insert_held(tx, record, caller_waits).await.map_err(Failure::into_app)?))
    }

    async fn insert_held(&self, tx: &Tx, mut record: AttemptRecord, caller_waits: bool) -> Result<Held, Failure> {
        let lease = self.lease();
        let holder = Holder {
            caller_waits,
            intent_is_mine: false,
        };
        let intent = if machine::decide(&record.state, holder, self.now()) == Step::Intend {
            self.record_intent(tx, &mut record, holder).await?
        } else {
            None
        };
        let claimed = tx.insert_attempt(&record, Some(lease)).await?;
        Ok(Held {
            caller_waits,
            intent,
            ..Held::claimed(claimed, lease)
        })
    }

    /// Turns a planned record into one whose request is about to leave, and sees to it that an inventory looks for its marker.
    /// None, and nothing changed, if the connection is gone.
    pub(crate) async fn record_intent(&self, tx: &Tx, record: &mut AttemptRecord, holder: Holder) -> Result<Option<Reach>, Error> {
        let policy = &self.settings().policy;
        let now = self.now();
        let Some(reach) = self.current_reach(tx, record.org, record.connection).await? else {
            return Ok(None);
        };
        let cx = Context { now, policy, jitter: 0 };
        record.state = machine::observe(&record.state, holder, Observation::Intended, &cx)
            .map_err(Error::internal)?
            .attempt;
        record.intended_at = Some(now);
        record.watch_until = Some(now + policy.settling + policy.watch);
        record.unsettled = true;
        record.updated_at = now;
        record.sealed_reach = Some(self.seal_reach(tx, record.org, record.id.0, &reach).await?);
        let inventory = InventoryRecord {
            connection: record.connection,
            org: record.org,
            kind: record.kind.clone(),
            sealed_reach: self.seal_reach(tx, record.org, record.connection.0, &reach).await?,
            due_at: now + policy.call_deadline + policy.settling,
            tries: 0,
            last_at: None,
            strays_found: 0,
            unknown_markers: 0,
            last_error: None,
            created_at: now,
            updated_at: now,
        };
        tx.plan_inventory(&inventory).await?;
        Ok(Some(reach))
    }
}

/// An error of the store whose constraint the caller may want to see, or one that is final.
#[derive(Debug)]
pub(crate) enum Failure {
    Store(StoreError),
    App(Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::App(error)
    }
}

impl Failure {
    pub(crate) fn is_constraint(&self, name: &str) -> bool {
        matches!(self, Self::Store(error) if error.is_constraint(name))
    }

    pub(crate) fn into_app(self) -> Error {
        match self {
            Self::Store(error) => error.into(),
            Self::App(error) => error,
        }
    }
}

/// Who set a run off, as it is stored with its attempts.
pub(crate) fn actor_to_json(actor: &AuditActor) -> Value {
    json!({ "type": actor.kind(), "metadata": actor.metadata() })
}

/// Reads [`actor_to_json`] back; what cannot be read was the platform.
pub(crate) fn actor_from_json(value: &Value) -> AuditActor {
    let metadata: BTreeMap<String, Value> = value
        .get("metadata")
        .cloned()
        .and_then(|metadata| serde_json::from_value(metadata).ok())
        .unwrap_or_default();
    let text = |name: &str| metadata.get(name).and_then(Value::as_str).map(str::to_owned);
    let read = match value.get("type").and_then(Value::as_str) {
        Some("user") => text("userId").and_then(|id| id.parse::<UserId>().ok()).map(|id| AuditActor::User {
            id,
            email: text("email").unwrap_or_default(),
        }),
        Some("identity") => text("identityId")
            .and_then(|id| id.parse::<IdentityId>().ok())
            .map(|id| AuditActor::Identity {
                id,
                name: text("name").unwrap_or_default(),
                auth_method: text("authMethod"),
            }),
        _ => None,
    };
    read.unwrap_or(AuditActor::Platform)
}
