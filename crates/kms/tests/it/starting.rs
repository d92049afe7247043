//! How it starts, refuses to start, and ends.

use std::path::Path;

use reqwest::Method;

use crate::binary::{Api, Server, Setup, program};

/// Every file of `folder`, with its bytes; but for SQLite's index of its log, which is made anew by whoever opens it.
fn files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|extension| extension != "db-shm"))
        .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
        .collect();
    found.sort();
    found
}

fn refused(folder: &Path, setup: &Setup) -> String {
    let data = folder.join("data").display().to_string();
    let output = program(&["server", "--listen", "127.0.0.1:0", "--data-dir", &data], setup)
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_wrong_root_key_stops_the_start_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &Setup::default());
    Api::new(&server.base).bootstrap().await;
    assert!(server.stop().success());
    let before = files(&folder.path().join("data"));
    let why = refused(folder.path(), &Setup::default().with("KMS_ROOT_KEY", "ab".repeat(32)));
    assert!(why.contains("root key"), "{why}");
    assert_eq!(files(&folder.path().join("data")), before);
    // A root key that is lost is not replaced by a new one either.
    let key = before
        .iter()
        .map(|(path, _)| path)
        .find(|path| path.to_string_lossy().contains("key"))
        .unwrap();
    let aside = folder.path().join("aside");
    std::fs::rename(key, &aside).unwrap();
    let why = refused(folder.path(), &Setup::default());
    assert!(why.contains("root key") && why.contains("missing"), "{why}");
    std::fs::rename(&aside, key).unwrap();
    assert_eq!(files(&folder.path().join("data")), before);
    let again = Server::start(folder.path(), &Setup::default());
    let (status, config) = Api::new(&again.base).call(Method::GET, "/api/v1/admin/config", None).await.unwrap();
    assert_eq!((status, &config["config"]["initialized"]), (200, &true.into()));
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &Setup::default());
    let why = refused(folder.path(), &Setup::default());
    assert!(why.contains("another process") || why.contains("in use"), "{why}");
    let (status, _) = Api::new(&server.base).call(Method::GET, "/api/status", None).await.unwrap();
    assert_eq!(status, 200, "the first goes on");
}

#[tokio::test]
async fn what_is_set_wrongly_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value, told) in [
        ("KMS_LISTEN", "nowhere", "listen"),
        ("KMS_ROOT_KEY", "short", "root_key"),
        ("KMS_DATABASE_URL", "mysql://localhost/kms", "database_url"),
        ("KMS_CONNECTION_RATE", "-1", "connection_rate"),
        ("KMS_DATABASE_URL", "postgres://kms@127.0.0.1:1/kms?connect_timeout=1", "database"),
    ] {
        let data = folder.path().join("data").display().to_string();
        let setup = Setup::default().with(name, value);
        let output = program(&["server", "--data-dir", &data], &setup).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(told), "{name}={value}: {text}");
        assert!(!text.contains("short"), "a key is not repeated: {text}");
    }
}

#[tokio::test]
async fn it_ends_orderly_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &Setup::default());
    let check = program(&["healthcheck", "--url", &server.base], &Setup::default())
        .output()
        .unwrap();
    assert!(check.status.success(), "{check:?}");
    let base = server.base.clone();
    let log = folder.path().join("server.log");
    assert!(server.stop().success());
    assert!(std::fs::read_to_string(log).unwrap().contains("server.stopped"));
    assert!(Api::new(&base).call(Method::GET, "/api/status", None).await.is_none());
}
