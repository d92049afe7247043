//! A database for each service, on each engine.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt as _;
use kms_store::Engine;
use sqlx::{Connection as _, Executor as _, PgConnection};

/// The address of a PostgreSQL server, with the right to make databases.
const SERVER: &str = "KMS_TEST_POSTGRES";

static NUMBER: AtomicU32 = AtomicU32::new(0);

tokio::task_local! {
    static PLACE: Place;
}

/// Where the services of a running story have their databases.
enum Place {
    Sqlite(tempfile::TempDir),
    Postgres { server: String, made: Mutex<Vec<String>> },
}

/// Runs the story on every engine that is at hand.
pub(crate) fn on_each_database<F: AsyncFn()>(story: F) {
    run(Place::Sqlite(tempfile::tempdir().unwrap()), "SQLite", &story);
    if let Ok(server) = std::env::var(SERVER) {
        let place = Place::Postgres {
            server,
            made: Mutex::default(),
        };
        run(place, "PostgreSQL", &story);
    }
}

fn run<F: AsyncFn()>(place: Place, engine: &str, story: &F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(PLACE.scope(place, async {
        // The databases must go even if the story fails; the panic goes on afterwards.
        let outcome = AssertUnwindSafe(story()).catch_unwind().await;
        let left = PLACE.with(|place| match place {
            Place::Sqlite(_) => None,
            Place::Postgres { server, made } => Some((server.clone(), made.lock().unwrap().clone())),
        });
        if let Some((server, made)) = left {
            remove(&server, &made).await;
        }
        if let Err(panic) = outcome {
            eprintln!("the story failed on {engine}");
            resume_unwind(panic);
        }
    }));
}

async fn remove(server: &str, databases: &[String]) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    for name in databases {
        let statement = sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
        connection.execute(statement).await.unwrap();
    }
}

/// A fresh database for a service of the running story.
pub(crate) async fn engine() -> Engine {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let server = PLACE.with(|place| match place {
        Place::Sqlite(folder) => Err(folder.path().join(format!("kms-{number}.db"))),
        Place::Postgres { server, made } => {
            let name = format!("kms_test_{}_{number}", std::process::id());
            made.lock().unwrap().push(name.clone());
            Ok((server.clone(), name))
        }
    });
    match server {
        Err(path) => Engine::Sqlite { path },
        Ok((server, name)) => {
            let mut connection = PgConnection::connect(&server).await.unwrap();
            connection
                .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
                .await
                .unwrap();
            let mut url: url::Url = server.parse().unwrap();
            url.set_path(&name);
            Engine::Postgres { url: url.into() }
        }
    }
}

/// Every byte that the services of the running story have stored; none on PostgreSQL, where the files are the server's.
pub(crate) fn stored_bytes() -> Option<Vec<u8>> {
    PLACE.with(|place| match place {
        Place::Sqlite(folder) => {
            let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            let contents: Vec<Vec<u8>> = files.map(|file| std::fs::read(file).unwrap()).collect();
            Some(contents.concat())
        }
        Place::Postgres { .. } => None,
    })
}
