//! Inventories: when the keys of a connection's account are next compared with the ledger.

use kms_core::ids::{ConnectionId, OrgId};
use kms_core::seal::Sealed;
use kms_core::time::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::entity::connection_inventories;
use crate::lease::{Claimed, Lease, Queue};
use crate::{Session, StoreError, Tx};

/// The inventory of a connection's account. It outlives the connection as long as markers are watched.
#[derive(Debug, Clone, PartialEq)]
pub struct InventoryRecord {
    /// Which connection.
    pub connection: ConnectionId,
    /// The organization.
    pub org: OrgId,
    /// Slug of the rotation type whose keys are looked for.
    pub kind: String,
    /// What is needed to reach the provider, should the connection be gone.
    pub sealed_reach: Sealed,
    /// When it is next taken.
    pub due_at: Timestamp,
    /// Failed tries in a row.
    pub tries: u32,
    /// When it was last taken.
    pub last_at: Option<Timestamp>,
    /// Keys that carried the marker of an own attempt and were unknown to the ledger, so far.
    pub strays_found: i64,
    /// Keys at the last inventory that carry this installation's mark, but a marker that the database does not know.
    pub unknown_markers: i64,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// When the first was planned.
    pub created_at: Timestamp,
    /// When the row was last changed.
    pub updated_at: Timestamp,
}

const TABLE: &str = "connection_inventories";
const QUEUE: Queue = Queue {
    table: TABLE,
    id: "connection_id",
    due: "due_at",
    open: None,
};

impl TryFrom<connection_inventories::Model> for InventoryRecord {
    type Error = StoreError;
    fn try_from(row: connection_inventories::Model) -> Result<Self, StoreError> {
        Ok(Self {
            connection: ConnectionId(row.connection_id),
            org: OrgId(row.org_id),
            kind: row.kind,
            sealed_reach: Sealed::from_bytes(row.sealed_reach),
            due_at: Timestamp::new(row.due_at),
            tries: u32::try_from(row.tries).map_err(|_negative| StoreError::inconsistent(TABLE, "tries"))?,
            last_at: row.last_at.map(Timestamp::new),
            strays_found: row.strays_found,
            unknown_markers: row.unknown_markers,
            last_error: row.last_error,
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        })
    }
}

fn row(inventory: &InventoryRecord) -> connection_inventories::ActiveModel {
    connection_inventories::ActiveModel {
        connection_id: Set(inventory.connection.0),
        org_id: Set(inventory.org.0),
        kind: Set(inventory.kind.clone()),
        sealed_reach: Set(inventory.sealed_reach.as_bytes().to_vec()),
        due_at: Set(inventory.due_at.utc()),
        tries: Set(i32::try_from(inventory.tries).unwrap_or(i32::MAX)),
        last_at: Set(inventory.last_at.map(Timestamp::utc)),
        strays_found: Set(inventory.strays_found),
        unknown_markers: Set(inventory.unknown_markers),
        last_error: Set(inventory.last_error.clone()),
        created_at: Set(inventory.created_at.utc()),
        updated_at: Set(inventory.updated_at.utc()),
        ..Default::default()
    }
}

impl Session {
    /// The inventory of a connection.
    pub async fn find_inventory(&self, connection: ConnectionId) -> Result<Option<InventoryRecord>, StoreError> {
        connection_inventories::Entity::find_by_id(connection.0)
            .one(self)
            .await?
            .map(InventoryRecord::try_from)
            .transpose()
    }

    /// When the next inventory is due, if there is any.
    pub async fn next_inventory_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        QUEUE.next_due(self, now).await
    }

    /// Strays found so far, and unknown markers at the last inventories, over all connections.
    pub async fn count_strays(&self) -> Result<(i64, i64), StoreError> {
        let rows: Vec<(i64, i64)> = connection_inventories::Entity::find()
            .select_only()
            .column(connection_inventories::Column::StraysFound)
            .column(connection_inventories::Column::UnknownMarkers)
            .into_tuple()
            .all(self)
            .await?;
        Ok(rows.into_iter().fold((0, 0), |(strays, unknown), (s, u)| (strays + s, unknown + u)))
    }
}

impl Tx {
    /// Sees to it that an inventory is taken at `inventory.due_at` or earlier. An existing row keeps its counts. The row stays
    /// locked until the end of the transaction, so that an inventory under way cannot overlook what this transaction adds.
    pub async fn plan_inventory(&self, inventory: &InventoryRecord) -> Result<(), StoreError> {
        let mut row = row(inventory);
        row.fence = Set(0);
        let inserted = connection_inventories::Entity::insert(row)
            .on_conflict(
                OnConflict::column(connection_inventories::Column::ConnectionId)
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(&**self)
            .await?;
        if inserted == 0 {
            let due = Expr::col(connection_inventories::Column::DueAt);
            let earlier = Expr::case(due.clone().gt(inventory.due_at.utc()), inventory.due_at.utc()).finally(due);
            connection_inventories::Entity::update_many()
                .col_expr(connection_inventories::Column::DueAt, earlier.into())
                .filter(connection_inventories::Column::ConnectionId.eq(inventory.connection.0))
                .exec(&**self)
                .await?;
        }
        Ok(())
    }

    /// An inventory, locked until the end of the transaction.
    pub async fn lock_inventory(&self, connection: ConnectionId) -> Result<Option<InventoryRecord>, StoreError> {
        let row = connection_inventories::Entity::find_by_id(connection.0)
            .lock_exclusive()
            .one(&**self)
            .await?;
        row.map(InventoryRecord::try_from).transpose()
    }

    /// Claims inventories that are due and that nobody takes.
    pub async fn claim_inventories(&self, now: Timestamp, lease: Lease, limit: u64) -> Result<Vec<Claimed<InventoryRecord>>, StoreError> {
        let ids = QUEUE.claim(self, now, lease, limit, &[]).await?;
        let rows = connection_inventories::Entity::find()
            .filter(connection_inventories::Column::ConnectionId.is_in(ids))
            .all(&**self)
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Claimed {
                    fence: row.fence,
                    record: InventoryRecord::try_from(row)?,
                })
            })
            .collect()
    }

    /// Writes a claimed and locked inventory back and ends the claim. [`StoreError::Fenced`] if the claim was lost.
    pub async fn save_inventory(&self, inventory: &InventoryRecord, fence: i64) -> Result<(), StoreError> {
        let mut row = row(inventory);
        row.lease_holder = Set(None);
        row.lease_until = Set(None);
        let result = connection_inventories::Entity::update_many()
            .set(row)
            .filter(connection_inventories::Column::ConnectionId.eq(inventory.connection.0))
            .filter(connection_inventories::Column::Fence.eq(fence))
            .exec(&**self)
            .await?;
        if result.rows_affected == 1 {
            Ok(())
        } else {
            Err(StoreError::Fenced)
        }
    }

    /// Prolongs a claim. [`StoreError::Fenced`] if it was lost.
    pub async fn renew_inventory(&self, connection: ConnectionId, fence: i64, until: Timestamp) -> Result<(), StoreError> {
        QUEUE.renew(self, connection.0, fence, until).await
    }

    /// Removes the inventory of a connection that is gone and has nothing left to watch.
    pub async fn remove_inventory(&self, connection: ConnectionId, fence: i64) -> Result<(), StoreError> {
        connection_inventories::Entity::delete_many()
            .filter(connection_inventories::Column::ConnectionId.eq(connection.0))
            .filter(connection_inventories::Column::Fence.eq(fence))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Voids all claims of an earlier process (SQLite only).
    pub async fn void_inventory_leases(&self) -> Result<(), StoreError> {
        QUEUE.void(self).await
    }
}
