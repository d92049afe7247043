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

    pub(crate) async fn remove(self) {
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        let statement = sqlx::AssertSqlSafe(format!("DROP DATABASE {} WITH (FORCE)", self.name));
        connection.execute(statement).await.unwrap();
    }
}
