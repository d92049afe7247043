//! A database for each service, on each engine.

use std::sync::Mutex;

use kms_store::Engine;
use kms_store::testing::TestDatabase;

tokio::task_local! {
    static PLACE: Place;
}

/// Where the services of a running story have their databases.
struct Place {
    on_postgres: bool,
    made: Mutex<Vec<TestDatabase>>,
}

/// Runs the story on every engine that is at hand.
pub(crate) fn on_each_database<F: AsyncFn()>(story: F) {
    run(false, &story);
    if std::env::var_os("KMS_TEST_POSTGRES").is_some() {
        eprintln!("on PostgreSQL");
        run(true, &story);
    }
}

fn run<F: AsyncFn()>(on_postgres: bool, story: &F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let place = Place {
        on_postgres,
        made: Mutex::default(),
    };
    runtime.block_on(PLACE.scope(place, story()));
}

/// A fresh database for a service of the running story. It stays until the story ends.
pub(crate) async fn engine() -> Engine {
    let database = if PLACE.with(|place| place.on_postgres) {
        TestDatabase::postgres().await.unwrap()
    } else {
        TestDatabase::sqlite()
    };
    let engine = database.engine();
    PLACE.with(|place| place.made.lock().unwrap().push(database));
    engine
}

/// Every byte that the services of the running story have stored; none on PostgreSQL, where the files are the server's.
pub(crate) fn stored_bytes() -> Option<Vec<u8>> {
    PLACE.with(|place| {
        let made = place.made.lock().unwrap();
        let folders: Option<Vec<_>> = made.iter().map(TestDatabase::folder).collect();
        let files = folders?.into_iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
        Some(files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect())
    })
}
