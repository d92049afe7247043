//! Group commit on SQLite.
//!
//! One physical transaction carries the logical transactions that were waiting for the writer: each runs in a savepoint of its own,
//! and all are acknowledged together after one commit, with one disk sync.
//!
//! How it stays correct:
//! * nobody is acknowledged before the physical commit; if that fails, all members get the error;
//! * a member that is rolled back undoes its own savepoint only, and closes the group: after some errors (disk full) SQLite has
//!   rolled back the whole transaction by itself, and a new savepoint must not start outside of one;
//! * a connection on which a commit has failed is given up. SQLite may have rolled back by itself, and then the driver's count of
//!   open transactions is one too high: what it calls a transaction from then on is a savepoint in one that nobody ever commits;
//! * for each finished member a task queues for the writer, behind those already waiting; when its turn comes and the group is
//!   still open, it commits. So a group never waits for company, and nobody waits longer than the queue was.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{DatabaseConnection, DatabaseTransaction, TransactionTrait};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use crate::error::StoreError;
use crate::store::{SqliteFile, begin_immediate};

/// How long a connection that is given up may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// The one connection that writes.
#[derive(Debug, Clone)]
pub(crate) struct Writer(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    file: SqliteFile,
    /// None after it was given up; whoever begins next opens another, unless the writer is closed.
    connection: Option<DatabaseConnection>,
    closed: bool,
    open: Option<Group>,
    /// Groups begun so far.
    begun: u64,
}

#[derive(Debug)]
struct Group {
    number: u64,
    transaction: DatabaseTransaction,
    members: Vec<oneshot::Sender<Result<(), Arc<StoreError>>>>,
    /// A member was rolled back; no further member may join.
    closed: bool,
}

impl State {
    /// Commits the open group, if there is one, and tells its members.
    async fn finish(&mut self) -> Result<(), Arc<StoreError>> {
        let Some(group) = self.open.take() else {
            return Ok(());
        };
        // Until the commit has succeeded, also if this future is dropped, the connection is not to be used again.
        let connection = self.connection.take();
        let result = group.transaction.commit().await.map_err(|error| Arc::new(StoreError::from(error)));
        match (&result, connection) {
            (Ok(()), connection) => self.connection = connection,
            (Err(_), None) => {}
            (Err(error), Some(connection)) => {
                tracing::error!(%error, "store.commit_failed: the connection is replaced");
                if tokio::time::timeout(CLOSE_WITHIN, connection.close()).await.is_err() {
                    tracing::error!("store.close_timed_out");
                }
            }
        }
        for member in group.members {
            // A member that has gone away does not want to know.
            drop(member.send(result.clone()));
        }
        result
    }
}

impl Writer {
    pub(crate) fn new(file: SqliteFile, connection: DatabaseConnection) -> Self {
        Self(Arc::new(Mutex::new(State {
            file,
            connection: Some(connection),
            closed: false,
            open: None,
            begun: 0,
        })))
    }

    /// Waits for the writer and begins a logical transaction.
    pub(crate) async fn begin(&self) -> Result<(DatabaseTransaction, Membership), StoreError> {
        let mut state = Arc::clone(&self.0).lock_owned().await;
        if state.open.as_ref().is_some_and(|group| group.closed) {
            // Its members are told; whether it worked is no concern of the one that begins.
            drop(state.finish().await);
        }
        let group = match &mut state.open {
            Some(group) => group,
            None => {
                let connection = match &state.connection {
                    Some(connection) => connection.clone(),
                    None if state.closed => return Err(StoreError::Unavailable("the database was closed".to_owned())),
                    None => {
                        let opened = state.file.open_writer().await?;
                        state.connection.insert(opened).clone()
                    }
                };
                let transaction = begin_immediate(&connection).await?;
                state.begun += 1;
                let number = state.begun;
                state.open.insert(Group {
                    number,
                    transaction,
                    members: Vec::new(),
                    closed: false,
                })
            }
        };
        let savepoint = match group.transaction.begin().await {
            Ok(savepoint) => savepoint,
            Err(error) => {
                drop(state.finish().await);
                return Err(error.into());
            }
        };
        Ok((
            savepoint,
            Membership {
                writer: self.clone(),
                state: Some(state),
            },
        ))
    }

    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let mut state = self.0.lock().await;
        state.closed = true;
        state.finish().await.map_err(unwrap)?;
        match state.connection.take() {
            Some(connection) => Ok(connection.close().await?),
            None => Ok(()),
        }
    }
}

/// A logical transaction's hold on the writer.
#[derive(Debug)]
pub(crate) struct Membership {
    writer: Writer,
    state: Option<OwnedMutexGuard<State>>,
}

impl Membership {
    /// Waits until the group is durable; the savepoint has been released.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        let (sender, receiver) = oneshot::channel();
        if let Some(mut state) = self.state.take()
            && let Some(group) = &mut state.open
        {
            group.members.push(sender);
            let number = group.number;
            drop(state);
            // A task of its own: whoever waits may go away, the group must be finished all the same.
            tokio::spawn(finish_group(self.writer.clone(), number));
        }
        match receiver.await {
            Ok(result) => result.map_err(unwrap),
            Err(_gone) => Err(StoreError::Unavailable("the transaction ended without an answer".to_owned())),
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // Only a transaction that was not committed still holds the writer here.
        if let Some(mut state) = self.state.take()
            && let Some(group) = &mut state.open
        {
            group.closed = true;
            let number = group.number;
            drop(state);
            // Nobody may come after it for a while; its earlier members wait for an answer. Without a runtime the process is
            // ending, and with it the transaction.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(finish_group(self.writer.clone(), number));
            }
        }
    }
}

/// Finishes the group of that number, behind those that were waiting for the writer before, unless somebody else did.
async fn finish_group(writer: Writer, number: u64) {
    let mut state = writer.0.lock().await;
    if state.open.as_ref().is_some_and(|group| group.number == number) {
        // The members are told.
        drop(state.finish().await);
    }
}

/// The group's error as each member's own.
fn unwrap(shared: Arc<StoreError>) -> StoreError {
    match &*shared {
        StoreError::Constraint { constraint } => StoreError::Constraint {
            constraint: constraint.clone(),
        },
        StoreError::Database(text) => StoreError::Database(text.clone()),
        other => StoreError::Unavailable(other.to_string()),
    }
}
