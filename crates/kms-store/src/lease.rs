//! Claims on rows: who works on a row, until when, and the number that fences off an earlier holder.
//!
//! The database is the queue. Claiming is one statement on both engines; rows that another node is claiming at the same moment are
//! skipped (SQLite has one writer and ignores the clause).

use kms_core::ids::NodeId;
use kms_core::time::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, Order, Query, SimpleExpr, UpdateStatement};
use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use crate::{Session, StoreError};

/// A claim to be made or renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Who claims.
    pub holder: NodeId,
    /// Until when, unless renewed.
    pub until: Timestamp,
}

/// A row that was claimed.
#[derive(Debug, Clone)]
pub struct Claimed<T> {
    /// The row.
    pub record: T,
    /// Every write of this holder names it; a later claim has a greater one.
    pub fence: i64,
}

/// A table whose rows can be claimed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queue {
    pub(crate) table: &'static str,
    pub(crate) id: &'static str,
    pub(crate) due: &'static str,
    /// A boolean column that must be true, if there is one.
    pub(crate) open: Option<&'static str>,
}

impl Queue {
    /// Claims up to `limit` due rows, the longest due first. Gives their ids.
    pub(crate) async fn claim(
        self,
        session: &Session,
        now: Timestamp,
        lease: Lease,
        limit: u64,
        not_of: &[Uuid],
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut due = Query::select();
        due.column(self.id)
            .from(self.table)
            .and_where(Expr::col(self.due).lte(now.utc()))
            .and_where(Expr::col("lease_until").is_null().or(Expr::col("lease_until").lte(now.utc())))
            .order_by(self.due, Order::Asc)
            .limit(limit)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        if let Some(open) = self.open {
            due.and_where(Expr::col(open).eq(true));
        }
        if !not_of.is_empty() {
            due.and_where(Expr::col("connection_id").is_not_in(not_of.iter().copied()));
        }
        let claim = Query::update()
            .table(self.table)
            .value("lease_holder", lease.holder.0)
            .value("lease_until", lease.until.utc())
            .value("fence", Expr::col("fence").add(1))
            .and_where(Expr::col(self.id).in_subquery(due))
            .returning_col(self.id)
            .to_owned();
        let rows = session.query_all(&claim).await?;
        rows.iter()
            .map(|row| row.try_get::<Uuid>("", self.id).map_err(StoreError::from))
            .collect()
    }

    /// Prolongs a claim. [`StoreError::Fenced`] if it was lost.
    pub(crate) async fn renew(self, session: &Session, id: Uuid, fence: i64, until: Timestamp) -> Result<(), StoreError> {
        let renew = self.fenced(id, fence).value("lease_until", until.utc()).to_owned();
        self.execute_fenced(session, &renew).await
    }

    /// When the next row can be claimed, if there is any: the earliest due time, or the end of a claim.
    pub(crate) async fn next_due(self, session: &Session, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let unclaimed = Expr::col("lease_until").is_null().or(Expr::col("lease_until").lte(now.utc()));
        let free = self.earliest(session, self.due, unclaimed).await?;
        let claimed = self
            .earliest(session, "lease_until", Expr::col("lease_until").gt(now.utc()))
            .await?;
        Ok(free.into_iter().chain(claimed).min())
    }

    async fn earliest(self, session: &Session, column: &'static str, only: SimpleExpr) -> Result<Option<Timestamp>, StoreError> {
        let mut query = Query::select();
        query
            .expr_as(Expr::col(column).min(), "due")
            .from(self.table)
            .and_where(Expr::col(self.due).is_not_null())
            .and_where(only);
        if let Some(open) = self.open {
            query.and_where(Expr::col(open).eq(true));
        }
        let row = session.query_one(&query).await?;
        let due = row
            .map(|row| row.try_get::<Option<chrono::DateTime<chrono::Utc>>>("", "due"))
            .transpose()?
            .flatten();
        Ok(due.map(Timestamp::new))
    }

    /// Voids all claims: for the start of the one process that owns an SQLite database.
    pub(crate) async fn void(self, session: &Session) -> Result<(), StoreError> {
        let void = Query::update()
            .table(self.table)
            .value("lease_holder", Value::Uuid(None))
            .value("lease_until", Value::ChronoDateTimeUtc(None))
            .value("fence", Expr::col("fence").add(1))
            .and_where(Expr::col("lease_until").is_not_null())
            .to_owned();
        session.execute(&void).await?;
        Ok(())
    }

    /// An update of the row that only the holder of `fence` can make.
    pub(crate) fn fenced(self, id: Uuid, fence: i64) -> UpdateStatement {
        Query::update()
            .table(self.table)
            .and_where(Expr::col(self.id).eq(id))
            .and_where(Expr::col("fence").eq(fence))
            .to_owned()
    }

    pub(crate) async fn execute_fenced(self, session: &Session, update: &UpdateStatement) -> Result<(), StoreError> {
        let result = session.execute(update).await?;
        if result.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Fenced)
        }
    }
}
