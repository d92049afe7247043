//! The published clients against the binary.
//!
//! `KMS_TEST_PYTHON` is a Python that has the package `infisicalsdk`, `KMS_TEST_NODE_MODULES` the folder that holds
//! `@infisical/sdk`. The project's test command sets both.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::binary::{Api, Server, Setup};

fn setting(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name);
    if value.is_none() {
        eprintln!("{name} is not set: the client is not run");
    }
    value
}

/// Runs a client's script as a machine that may write in one project.
async fn run(program: OsString, script: &str, further: Option<OsString>) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &Setup::default());
    let (api, _) = Api::new(&server.base).bootstrap().await;
    let project = api.project().await;
    let made = api
        .post("/api/v1/identities", json!({ "name": "deployer", "role": "no-access" }))
        .await;
    let identity = made["identity"]["id"].as_str().unwrap();
    let auth = format!("/api/v1/auth/universal-auth/identities/{identity}");
    let settings = api.post(&auth, json!({})).await;
    let secret = api.post(&format!("{auth}/client-secrets"), json!({})).await;
    let joined = format!("/api/v1/projects/{project}/memberships/identities/{identity}");
    api.post(&joined, json!({ "role": "member" })).await;

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let mut command = Command::new(program);
    command.arg(path).args(further).stdin(Stdio::null());
    // Not on the command line, where every process of the machine could read it.
    command
        .env("SITE_URL", &server.base)
        .env("PROJECT_ID", &project)
        .env("CLIENT_ID", settings["identityUniversalAuth"]["clientId"].as_str().unwrap())
        .env("CLIENT_SECRET", secret["clientSecret"].as_str().unwrap());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}\n{}", server.log());
    assert!(text.ends_with("done\n"), "the script ran to its end: {text}");
    assert!(!server.log().contains("correct-horse"), "a value is in the log");
    assert!(server.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_works() {
    let Some(program) = setting("KMS_TEST_PYTHON") else { return };
    run(program, "secrets.py", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_client_works() {
    let Some(modules) = setting("KMS_TEST_NODE_MODULES") else { return };
    run("node".into(), "secrets.mjs", Some(modules)).await;
}
