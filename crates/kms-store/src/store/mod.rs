//! Opening the database, and beginning reads and writes.
//!
//! SQLite has one connection that writes and several that read (WAL). The writer syncs at each commit (`synchronous=FULL`): a commit
//! that was acknowledged survives a power failure. Transactions that wait for the writer share one commit, see [`group`].
//! PostgreSQL has one pool for both.

pub(crate) mod group;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};

use crate::error::StoreError;
use crate::migration::Migrator;
use crate::session::{Session, Tx};
use group::Writer;

/// Which database holds the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// A file, opened by this process alone.
    Sqlite {
        /// Where it is.
        path: PathBuf,
    },
    /// A server, shared by any number of nodes.
    Postgres {
        /// `postgres://…`
        url: String,
    },
}

/// How to open the database.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Which database.
    pub engine: Engine,
    /// Most connections (PostgreSQL), or most reading connections (SQLite).
    pub connections: u32,
    /// Whether commits reach the disk before they are acknowledged. Only simulations say no.
    pub durable: bool,
}

impl OpenOptions {
    /// The usual options.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            connections: 10,
            durable: true,
        }
    }
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    reader: DatabaseConnection,
    writer: Side,
    /// Keeps other processes off an SQLite file for as long as the store lives.
    _lock: Option<std::sync::Arc<std::fs::File>>,
    #[cfg(feature = "testing")]
    faults: Faults,
}

#[derive(Debug, Clone)]
enum Side {
    Sqlite(Writer),
    Postgres(DatabaseConnection),
}

impl Store {
    /// Opens the database and brings its schema up to date, under a lock.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if another process has the SQLite file open or a newer version made the schema;
    /// [`StoreError::Unavailable`] if it cannot be reached.
    pub async fn open(options: &OpenOptions) -> Result<Self, StoreError> {
        match &options.engine {
            Engine::Sqlite { path } => Self::open_sqlite(path, options).await,
            Engine::Postgres { url } => Self::open_postgres(url, options).await,
        }
    }

    async fn open_sqlite(path: &Path, options: &OpenOptions) -> Result<Self, StoreError> {
        let lock = lock_file(path)?;
        let file = SqliteFile {
            url: format!("sqlite://{}?mode=rwc", path.display()),
            durable: options.durable,
        };
        let writer = file.open_writer().await?;
        Migrator::up(&writer, None).await.map_err(migration_error)?;
        restrict(path);
        let reader = file.open(options.connections.max(1), false).await?;
        Ok(Self {
            reader,
            writer: Side::Sqlite(Writer::new(file, writer)),
            _lock: Some(std::sync::Arc::new(lock)),
            #[cfg(feature = "testing")]
            faults: Faults::default(),
        })
    }

    async fn open_postgres(url: &str, options: &OpenOptions) -> Result<Self, StoreError> {
        let mut connect = ConnectOptions::new(url.to_owned());
        connect
            .min_connections(1)
            .max_connections(options.connections.max(2))
            .sqlx_logging(false);
        connect
            .connect_timeout(Duration::from_secs(5))
            .acquire_timeout(Duration::from_secs(10));
        let pool = Database::connect(connect).await?;
        migrate_postgres(&pool).await?;
        Ok(Self {
            reader: pool.clone(),
            writer: Side::Postgres(pool),
            _lock: None,
            #[cfg(feature = "testing")]
            faults: Faults::default(),
        })
    }

    /// Whether this process alone writes: limits may then be kept in memory, and leases of an earlier process are void.
    pub fn is_exclusive(&self) -> bool {
        matches!(self.writer, Side::Sqlite(_))
    }

    /// `sqlite` or `postgres`.
    pub fn engine_name(&self) -> &'static str {
        match self.writer {
            Side::Sqlite(_) => "sqlite",
            Side::Postgres(_) => "postgres",
        }
    }

    /// A session for queries outside a transaction. It sees everything that was committed before.
    pub fn read(&self) -> Session {
        Session::on_pool(self.reader.clone())
    }

    /// Begins a transaction.
    pub async fn write(&self) -> Result<Tx, StoreError> {
        #[cfg(feature = "testing")]
        if self.faults.at(FaultPoint::Begin) != Fault::None {
            return Err(StoreError::Unavailable("injected at the begin".to_owned()));
        }
        let (transaction, membership) = match &self.writer {
            Side::Postgres(pool) => (pool.begin().await?, None),
            Side::Sqlite(writer) => {
                let (transaction, membership) = writer.begin().await?;
                (transaction, Some(membership))
            }
        };
        Ok(Tx::new(
            transaction,
            membership,
            #[cfg(feature = "testing")]
            self.faults.clone(),
        ))
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.reader.execute_unprepared("SELECT 1").await?;
        Ok(())
    }

    /// Closes all connections, after what was begun.
    pub async fn close(self) -> Result<(), StoreError> {
        if let Side::Sqlite(writer) = &self.writer {
            writer.close().await?;
        }
        self.reader.close().await?;
        Ok(())
    }

    /// The faults that tests inject.
    #[cfg(feature = "testing")]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }
}

/// How connections to an SQLite file are opened.
#[derive(Debug, Clone)]
pub(crate) struct SqliteFile {
    url: String,
    durable: bool,
}

impl SqliteFile {
    /// The one connection that writes.
    pub(crate) async fn open_writer(&self) -> Result<DatabaseConnection, StoreError> {
        self.open(1, true).await
    }

    async fn open(&self, connections: u32, writes: bool) -> Result<DatabaseConnection, StoreError> {
        let durable = self.durable;
        let mut options = ConnectOptions::new(self.url.clone());
        options
            .min_connections(1)
            .max_connections(connections)
            .sqlx_logging(false)
            .connect_timeout(Duration::from_secs(5));
        options
            .acquire_timeout(Duration::from_secs(10))
            .idle_timeout(Some(Duration::from_secs(3600)));
        options.map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                // Only the writer syncs; readers never do.
                .synchronous(if durable { SqliteSynchronous::Full } else { SqliteSynchronous::Off })
                .foreign_keys(true)
                .busy_timeout(Duration::from_secs(5))
                .pragma("query_only", if writes { "OFF" } else { "ON" })
                .statement_cache_capacity(256)
        });
        Ok(Database::connect(options).await?)
    }
}

/// Takes the operating system's lock beside the database file.
fn lock_file(path: &Path) -> Result<std::fs::File, StoreError> {
    let lock_path = path.with_extension("lock");
    let unusable = |error: std::io::Error| StoreError::Unusable(format!("cannot open {}: {error}", lock_path.display()));
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Unusable(format!(
            "the database {} is in use by another process; only one server may open an SQLite database",
            path.display()
        ))),
        Err(std::fs::TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Lets only the owner read the database files.
fn restrict(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for suffix in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            let file = PathBuf::from(name);
            if file.exists()
                && let Err(error) = std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))
            {
                tracing::warn!(file = %file.display(), %error, "cannot restrict the database file to its owner");
            }
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

fn migration_error(error: sea_orm::DbErr) -> StoreError {
    match error {
        sea_orm::DbErr::Custom(text) => StoreError::Unusable(format!("the database was made by a newer version: {text}")),
        other => other.into(),
    }
}

/// Migrates while holding a lock row, so that nodes that start together do it one after the other. A row lock, because not every
/// engine that speaks PostgreSQL's protocol has advisory locks.
async fn migrate_postgres(pool: &DatabaseConnection) -> Result<(), StoreError> {
    // Creating the same table twice at once can fail in the catalogue; the second try finds it.
    let create = "CREATE TABLE IF NOT EXISTS kms_migration_lock (id INTEGER PRIMARY KEY)";
    if pool.execute_unprepared(create).await.is_err() {
        pool.execute_unprepared(create).await?;
    }
    pool.execute_unprepared("INSERT INTO kms_migration_lock (id) VALUES (1) ON CONFLICT DO NOTHING")
        .await?;
    let lock = pool.begin().await?;
    lock.execute_unprepared("SELECT id FROM kms_migration_lock WHERE id = 1 FOR UPDATE")
        .await?;
    let result = Migrator::up(pool, None).await.map_err(migration_error);
    lock.commit().await?;
    result
}

/// Begins a write transaction on SQLite: IMMEDIATE, so that it waits for the writer instead of failing at its first write.
pub(crate) async fn begin_immediate(connection: &DatabaseConnection) -> Result<DatabaseTransaction, StoreError> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    Ok(connection.begin_with_options(options).await?)
}

#[cfg(feature = "testing")]
mod faults {
    use std::sync::{Arc, Mutex, PoisonError};

    /// Where a fault can strike.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum FaultPoint {
        /// A transaction begins.
        Begin,
        /// A transaction commits.
        Commit,
    }

    /// What happens.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Fault {
        /// Nothing.
        None,
        /// The step fails without an effect.
        Before,
        /// The step takes effect, and then an error is reported (only for a commit).
        After,
    }

    type Plan = Box<dyn FnMut(FaultPoint) -> Fault + Send>;

    /// A plan of faults, asked at each point.
    #[derive(Clone, Default)]
    pub struct Faults(Arc<Mutex<Option<Plan>>>);

    impl Faults {
        /// Asks `plan` from now on.
        pub fn inject(&self, plan: impl FnMut(FaultPoint) -> Fault + Send + 'static) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(plan));
        }

        /// No more faults.
        pub fn clear(&self) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }

        pub(crate) fn at(&self, point: FaultPoint) -> Fault {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .as_mut()
                .map_or(Fault::None, |plan| plan(point))
        }
    }

    impl std::fmt::Debug for Faults {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Faults")
        }
    }
}

#[cfg(feature = "testing")]
pub use faults::{Fault, FaultPoint, Faults};
