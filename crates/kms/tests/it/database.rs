//! Databases on the PostgreSQL server of the test run.

use sqlx::{Connection as _, Executor as _, PgConnection};

/// A database that is dropped by [`Postgres::remove`].
pub(crate) struct Postgres {
    server: String,
    name: String,
    /// Its address, as the setting `database_url` takes it.
    pub(crate) url: String,
}

impl Postgres {
    /// A fresh database, if the run has a server: `KMS_TEST_POSTGRES`.
    pub(crate) async fn fresh(name: &str) -> Option<Self> {
        let Ok(server) = std::env::var("KMS_TEST_POSTGRES") else {
            eprintln!("KMS_TEST_POSTGRES is not set: not run");
            return None;
        };
        let name = format!("kms_binary_{name}_{}", std::process::id());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        let statement = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        connection.execute(statement).await.unwrap();
        let mut url: url::Url = server.parse().unwrap();
        url.set_path(&name);
        Some(Self {
            server,
            name,
            url: url.into(),
        })
    }

    /// Ends every connection to it, in the middle of whatever it does.
    pub(crate) async fn cut_connections(&self) {
        self.run(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
            self.name
        ))
        .await;
    }

    /// Lets nobody in any more, or again.
    pub(crate) async fn allow_connections(&self, allow: bool) {
        self.run(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS {allow}", self.name)).await;
    }

    pub(crate) async fn remove(self) {
        self.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }

    async fn run(&self, statement: &str) {
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.unwrap();
    }
}
