//! Where queries run: on the reading side, or inside a transaction.

use std::ops::Deref;

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use crate::error::StoreError;
use crate::store::group::Membership;

/// A place to run queries. Its methods stand in the modules of their areas.
#[derive(Debug)]
pub struct Session(Inner);

#[derive(Debug)]
enum Inner {
    Pool(DatabaseConnection),
    Transaction(DatabaseTransaction),
}

impl Session {
    pub(crate) fn on_pool(connection: DatabaseConnection) -> Self {
        Self(Inner::Pool(connection))
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Session {
    fn get_database_backend(&self) -> DbBackend {
        match &self.0 {
            Inner::Pool(connection) => connection.get_database_backend(),
            Inner::Transaction(transaction) => transaction.get_database_backend(),
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Inner::Pool(connection) => connection.execute_raw(statement).await,
            Inner::Transaction(transaction) => transaction.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Inner::Pool(connection) => connection.execute_unprepared(sql).await,
            Inner::Transaction(transaction) => transaction.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.0 {
            Inner::Pool(connection) => connection.query_one_raw(statement).await,
            Inner::Transaction(transaction) => transaction.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.0 {
            Inner::Pool(connection) => connection.query_all_raw(statement).await,
            Inner::Transaction(transaction) => transaction.query_all_raw(statement).await,
        }
    }
}

/// A transaction that may write. Dropping it without [`Tx::commit`] rolls back.
#[must_use = "a transaction that is dropped is rolled back"]
#[derive(Debug)]
pub struct Tx {
    // Dropped first: the rollback must be queued before the next transaction gets the connection.
    session: Session,
    membership: Option<Membership>,
    #[cfg(feature = "testing")]
    faults: crate::store::Faults,
}

impl Tx {
    pub(crate) fn new(
        transaction: DatabaseTransaction,
        membership: Option<Membership>,
        #[cfg(feature = "testing")] faults: crate::store::Faults,
    ) -> Self {
        Self {
            session: Session(Inner::Transaction(transaction)),
            membership,
            #[cfg(feature = "testing")]
            faults,
        }
    }

    /// Makes the changes durable. On an error nothing was changed, unless the connection broke in the very answer: then either
    /// all or nothing was.
    pub async fn commit(self) -> Result<(), StoreError> {
        #[cfg(feature = "testing")]
        let fault = self.faults.at(crate::store::FaultPoint::Commit);
        #[cfg(feature = "testing")]
        if fault == crate::store::Fault::Before {
            return Err(StoreError::Unavailable("injected before the commit".to_owned()));
        }
        if let Inner::Transaction(transaction) = self.session.0 {
            transaction.commit().await?;
        }
        if let Some(membership) = self.membership {
            membership.commit().await?;
        }
        #[cfg(feature = "testing")]
        if fault == crate::store::Fault::After {
            return Err(StoreError::Unavailable("injected after the commit".to_owned()));
        }
        Ok(())
    }
}

impl Deref for Tx {
    type Target = Session;
    fn deref(&self) -> &Session {
        &self.session
    }
}
