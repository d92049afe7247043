//! Limits of requests to one connection's provider, over all nodes. Used where several nodes share the database; a node that owns
//! its database keeps them in memory.

use kms_core::ids::ConnectionId;
use kms_core::time::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::entity::{connection_calls, connection_limits};
use crate::{StoreError, Tx};

/// Whether a call may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// At that instant, which may have come already.
    At(Timestamp),
    /// Not yet; ask again after that instant.
    AskAgain(Timestamp),
}

impl Tx {
    /// The limits' row of a connection, locked until the end of the transaction; made if absent.
    async fn lock_limits(&self, connection: ConnectionId) -> Result<connection_limits::Model, StoreError> {
        let past = Timestamp::EPOCH.utc();
        let row = connection_limits::ActiveModel {
            connection_id: Set(connection.0),
            next_free_at: Set(past),
            paused_until: Set(past),
        };
        connection_limits::Entity::insert(row)
            .on_conflict(OnConflict::column(connection_limits::Column::ConnectionId).do_nothing().to_owned())
            .exec_without_returning(&**self)
            .await?;
        connection_limits::Entity::find_by_id(connection.0)
            .lock_exclusive()
            .one(&**self)
            .await?
            .ok_or(StoreError::inconsistent("connection_limits", "connection_id"))
    }

    /// Enters a call among at most `concurrent`, until it leaves or `expires_at` (a node may die in the middle of it).
    pub async fn enter_call(
        &self,
        connection: ConnectionId,
        call: Uuid,
        now: Timestamp,
        expires_at: Timestamp,
        concurrent: u32,
    ) -> Result<bool, StoreError> {
        self.lock_limits(connection).await?;
        connection_calls::Entity::delete_many()
            .filter(connection_calls::Column::ConnectionId.eq(connection.0))
            .filter(connection_calls::Column::ExpiresAt.lte(now.utc()))
            .exec(&**self)
            .await?;
        let under_way = connection_calls::Entity::find()
            .filter(connection_calls::Column::ConnectionId.eq(connection.0))
            .count(&**self)
            .await?;
        if under_way >= u64::from(concurrent) {
            return Ok(false);
        }
        let row = connection_calls::ActiveModel {
            id: Set(call),
            connection_id: Set(connection.0),
            expires_at: Set(expires_at.utc()),
        };
        connection_calls::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(true)
    }

    /// Ends a call.
    pub async fn leave_call(&self, call: Uuid) -> Result<(), StoreError> {
        connection_calls::Entity::delete_by_id(call).exec(&**self).await?;
        Ok(())
    }

    /// Takes the next free instant for a request, `spacing` after the one before; a paused connection has none before its pause ends.
    pub async fn take_turn(&self, connection: ConnectionId, now: Timestamp, spacing: std::time::Duration) -> Result<Turn, StoreError> {
        let limits = self.lock_limits(connection).await?;
        let paused_until = Timestamp::new(limits.paused_until);
        if paused_until > now {
            return Ok(Turn::AskAgain(paused_until));
        }
        let turn = Timestamp::new(limits.next_free_at).max(now);
        connection_limits::Entity::update_many()
            .col_expr(connection_limits::Column::NextFreeAt, Expr::value((turn + spacing).utc()))
            .filter(connection_limits::Column::ConnectionId.eq(connection.0))
            .exec(&**self)
            .await?;
        Ok(Turn::At(turn))
    }

    /// No request of the connection before that instant.
    pub async fn pause_connection(&self, connection: ConnectionId, until: Timestamp) -> Result<(), StoreError> {
        self.lock_limits(connection).await?;
        connection_limits::Entity::update_many()
            .col_expr(connection_limits::Column::PausedUntil, Expr::value(until.utc()))
            .filter(connection_limits::Column::ConnectionId.eq(connection.0))
            .filter(Expr::col(connection_limits::Column::PausedUntil).lt(until.utc()))
            .exec(&**self)
            .await?;
        Ok(())
    }
}
