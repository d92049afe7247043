//! Databases that tests make and that go with them.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database};

use crate::Engine;

/// The variable with the address of a PostgreSQL server on which databases may be made.
const SERVER: &str = "KMS_TEST_POSTGRES";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// An empty database. It is removed when this is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    engine: Engine,
    /// Of an SQLite database.
    folder: Option<tempfile::TempDir>,
    /// Of a PostgreSQL database: the server's address and the database's name.
    on_server: Option<(String, String)>,
}

impl TestDatabase {
    /// A file in a temporary folder.
    ///
    /// # Panics
    ///
    /// If no folder can be made.
    #[must_use]
    pub fn sqlite() -> Self {
        #[expect(clippy::expect_used, reason = "a test cannot go on without it")]
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self {
            engine: Engine::Sqlite {
                path: folder.path().join("kms.db"),
            },
            folder: Some(folder),
            on_server: None,
        }
    }

    /// A database on the PostgreSQL server that `KMS_TEST_POSTGRES` names; `None` if it names none.
    ///
    /// # Panics
    ///
    /// If the server does not let a database be made.
    pub async fn postgres() -> Option<Self> {
        let server = std::env::var(SERVER).ok()?;
        let name = format!("kms_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        // A collation that does not sort by bytes, where the server has one: the order of lists must not depend on it.
        let cultured = format!("CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'");
        if run_on(&server, &cultured).await.is_err() {
            #[expect(clippy::expect_used, reason = "a test cannot go on without it")]
            run_on(&server, &format!("CREATE DATABASE {name}"))
                .await
                .expect("a database on the server");
        }
        Some(Self {
            engine: Engine::Postgres {
                url: with_database(&server, &name),
            },
            folder: None,
            on_server: Some((server, name)),
        })
    }

    /// How it is opened.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine.clone()
    }

    /// Where its files are; `None` on PostgreSQL, where they are the server's.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(tempfile::TempDir::path)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some((server, name)) = self.on_server.take() else { return };
        // On a thread of its own: whoever drops this may be inside a runtime.
        let remover = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let drop = format!("DROP DATABASE {name} WITH (FORCE)");
            runtime.block_on(run_on(&server, &drop)).map_err(std::io::Error::other)
        });
        // What is left behind is the test server's; it hides no failure of the test.
        drop(remover.join());
    }
}

async fn run_on(server: &str, statement: &str) -> Result<(), sea_orm::DbErr> {
    let mut options = ConnectOptions::new(server);
    options.max_connections(1);
    let connection = Database::connect(options).await?;
    connection.execute_unprepared(statement).await?;
    connection.close().await
}

/// The address of another database of the same server.
fn with_database(server: &str, name: &str) -> String {
    let (address, options) = server.split_once('?').unwrap_or((server, ""));
    let (scheme, rest) = address.split_once("://").unwrap_or(("postgres", address));
    let host = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{host}/{name}?{options}")
}
