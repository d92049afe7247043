//! The ledger: every key that was issued at a provider, for its whole life, and the debts to revoke keys.
//!
//! A row names its connection, rotation and project without foreign keys: it outlives them all.

use kms_core::ids::{AttemptId, ConnectionId, IssuedKeyId, OrgId, ProjectId, RotationId};
use kms_core::rotation::ledger::{Debt, KeyState};
use kms_core::seal::Sealed;
use kms_core::time::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::entity::issued_keys;
use crate::lease::{Claimed, Lease, Queue};
use crate::{Session, StoreError, Tx};

/// A key of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyRecord {
    /// Its id in the ledger.
    pub id: IssuedKeyId,
    /// The organization.
    pub org: OrgId,
    /// The project it was made for.
    pub project: ProjectId,
    /// The rotation it was made for.
    pub rotation: RotationId,
    /// The attempt that made it.
    pub attempt: AttemptId,
    /// The connection it was made through.
    pub connection: ConnectionId,
    /// Which credentials of the connection made it.
    pub credentials_revision: i64,
    /// Slug of the rotation's type.
    pub kind: String,
    /// The provider's identifier.
    pub handle: String,
    /// Where it stands.
    pub state: KeyState,
    /// The key's text, as long as it may be needed; none for a stray.
    pub sealed_text: Option<Sealed>,
    /// What is needed to reach the provider, should the connection be gone.
    pub sealed_reach: Option<Sealed>,
    /// Found by its marker, its text never seen.
    pub stray: bool,
    /// When it became what is served.
    pub published_at: Option<Timestamp>,
    /// When another took its place.
    pub replaced_at: Option<Timestamp>,
    /// The debt to revoke it; set exactly while it awaits revocation.
    pub debt: Option<Debt>,
    /// When it was confirmed dead, or released.
    pub ended_at: Option<Timestamp>,
    /// Why the last try to revoke it did not succeed.
    pub last_error: Option<String>,
    /// When it was entered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl KeyRecord {
    /// Makes the key a debt that is due now.
    pub fn owe(&mut self, now: Timestamp) {
        self.state = KeyState::AwaitingRevocation;
        self.debt = Some(Debt {
            sent_at: None,
            tries: 0,
            due_at: now,
            alarmed: false,
        });
        self.updated_at = now;
    }
}

const TABLE: &str = "issued_keys";
const QUEUE: Queue = Queue {
    table: TABLE,
    id: "id",
    due: "revocation_due_at",
    open: None,
};

impl TryFrom<issued_keys::Model> for KeyRecord {
    type Error = StoreError;
    fn try_from(row: issued_keys::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: IssuedKeyId(row.id),
            org: OrgId(row.org_id),
            project: ProjectId(row.project_id),
            rotation: RotationId(row.rotation_id),
            attempt: AttemptId(row.attempt_id),
            connection: ConnectionId(row.connection_id),
            credentials_revision: row.credentials_revision,
            kind: row.kind,
            handle: row.handle,
            state: KeyState::from_word(&row.state).ok_or(StoreError::inconsistent(TABLE, "state"))?,
            sealed_text: row.sealed_text.map(Sealed::from_bytes),
            sealed_reach: row.sealed_reach.map(Sealed::from_bytes),
            stray: row.stray,
            published_at: row.published_at.map(Timestamp::new),
            replaced_at: row.replaced_at.map(Timestamp::new),
            debt: match row.revocation_due_at {
                None => None,
                Some(due_at) => Some(Debt {
                    sent_at: row.revocation_sent_at.map(Timestamp::new),
                    tries: u32::try_from(row.tries).map_err(|_negative| StoreError::inconsistent(TABLE, "tries"))?,
                    due_at: Timestamp::new(due_at),
                    alarmed: row.alarmed,
                }),
            },
            ended_at: row.ended_at.map(Timestamp::new),
            last_error: row.last_error,
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        })
    }
}

fn row(key: &KeyRecord) -> issued_keys::ActiveModel {
    let bytes = |sealed: &Option<Sealed>| sealed.as_ref().map(|sealed| sealed.as_bytes().to_vec());
    issued_keys::ActiveModel {
        id: Set(key.id.0),
        org_id: Set(key.org.0),
        project_id: Set(key.project.0),
        rotation_id: Set(key.rotation.0),
        attempt_id: Set(key.attempt.0),
        connection_id: Set(key.connection.0),
        credentials_revision: Set(key.credentials_revision),
        kind: Set(key.kind.clone()),
        handle: Set(key.handle.clone()),
        state: Set(key.state.as_str().to_owned()),
        sealed_text: Set(bytes(&key.sealed_text)),
        sealed_reach: Set(bytes(&key.sealed_reach)),
        stray: Set(key.stray),
        published_at: Set(key.published_at.map(Timestamp::utc)),
        replaced_at: Set(key.replaced_at.map(Timestamp::utc)),
        revocation_due_at: Set(key.debt.map(|debt| debt.due_at.utc())),
        revocation_sent_at: Set(key.debt.and_then(|debt| debt.sent_at).map(Timestamp::utc)),
        ended_at: Set(key.ended_at.map(Timestamp::utc)),
        tries: Set(key.debt.map_or(0, |debt| i32::try_from(debt.tries).unwrap_or(i32::MAX))),
        alarmed: Set(key.debt.is_some_and(|debt| debt.alarmed)),
        last_error: Set(key.last_error.clone()),
        created_at: Set(key.created_at.utc()),
        updated_at: Set(key.updated_at.utc()),
        ..Default::default()
    }
}

impl Session {
    /// A key.
    pub async fn find_key(&self, id: IssuedKeyId) -> Result<Option<KeyRecord>, StoreError> {
        issued_keys::Entity::find_by_id(id.0)
            .one(self)
            .await?
            .map(KeyRecord::try_from)
            .transpose()
    }

    /// The keys of a rotation, oldest first.
    pub async fn list_keys(&self, rotation: RotationId) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = issued_keys::Entity::find()
            .filter(issued_keys::Column::RotationId.eq(rotation.0))
            .order_by_asc(issued_keys::Column::CreatedAt)
            .order_by_asc(issued_keys::Column::Id)
            .all(self)
            .await?;
        rows.into_iter().map(KeyRecord::try_from).collect()
    }

    /// The keys of a connection with these handles.
    pub async fn list_keys_by_handle(&self, connection: ConnectionId, handles: &[String]) -> Result<Vec<KeyRecord>, StoreError> {
        let mut found = Vec::new();
        for part in handles.chunks(10_000) {
            let rows = issued_keys::Entity::find()
                .filter(issued_keys::Column::ConnectionId.eq(connection.0))
                .filter(issued_keys::Column::Handle.is_in(part.iter().map(String::as_str)))
                .all(self)
                .await?;
            for row in rows {
                found.push(KeyRecord::try_from(row)?);
            }
        }
        Ok(found)
    }

    /// Keys that await revocation, and those of them that raised the alarm.
    pub async fn count_debts(&self) -> Result<(u64, u64), StoreError> {
        let debts = issued_keys::Entity::find().filter(issued_keys::Column::RevocationDueAt.is_not_null());
        let alarmed = debts.clone().filter(issued_keys::Column::Alarmed.eq(true)).count(self).await?;
        Ok((debts.count(self).await?, alarmed))
    }

    /// When the next debt can be tried, if there is any.
    pub async fn next_debt_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        QUEUE.next_due(self, now).await
    }
}

impl Tx {
    /// Enters a key. Refused by `uq_issued_keys_handle` if the ledger knows it.
    pub async fn insert_key(&self, key: &KeyRecord) -> Result<(), StoreError> {
        let mut row = row(key);
        row.fence = Set(0);
        issued_keys::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(())
    }

    /// Writes a key back, and ends any claim on it: for the transaction that moves it from one state to another.
    pub async fn update_key(&self, key: &KeyRecord) -> Result<(), StoreError> {
        let mut row = row(key);
        row.lease_holder = Set(None);
        row.lease_until = Set(None);
        issued_keys::Entity::update_many()
            .set(row)
            .filter(issued_keys::Column::Id.eq(key.id.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Claims debts that are due and that nobody works on.
    pub async fn claim_debts(
        &self,
        now: Timestamp,
        lease: Lease,
        limit: u64,
        not_of: &[ConnectionId],
    ) -> Result<Vec<Claimed<KeyRecord>>, StoreError> {
        let not_of: Vec<Uuid> = not_of.iter().map(|id| id.0).collect();
        let ids = QUEUE.claim(self, now, lease, limit, &not_of).await?;
        let rows = issued_keys::Entity::find()
            .filter(issued_keys::Column::Id.is_in(ids))
            .all(&**self)
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Claimed {
                    fence: row.fence,
                    record: KeyRecord::try_from(row)?,
                })
            })
            .collect()
    }

    /// Writes a claimed debt back and ends the claim. [`StoreError::Fenced`] if it was lost.
    pub async fn save_debt(&self, key: &KeyRecord, fence: i64) -> Result<(), StoreError> {
        let mut row = row(key);
        row.lease_holder = Set(None);
        row.lease_until = Set(None);
        let result = issued_keys::Entity::update_many()
            .set(row)
            .filter(issued_keys::Column::Id.eq(key.id.0))
            .filter(issued_keys::Column::Fence.eq(fence))
            .exec(&**self)
            .await?;
        if result.rows_affected == 1 {
            Ok(())
        } else {
            Err(StoreError::Fenced)
        }
    }

    /// Prolongs a claim. [`StoreError::Fenced`] if it was lost.
    pub async fn renew_debt(&self, id: IssuedKeyId, fence: i64, until: Timestamp) -> Result<(), StoreError> {
        QUEUE.renew(self, id.0, fence, until).await
    }

    /// Voids all claims of an earlier process (SQLite only).
    pub async fn void_debt_leases(&self) -> Result<(), StoreError> {
        QUEUE.void(self).await
    }
}
