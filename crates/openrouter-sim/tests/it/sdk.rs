//! The official client packages against the simulator.
//!
//! They need what a plain build does not have: `KMS_TEST_PYTHON` is the path of a Python that has the package
//! `openrouter`, `KMS_TEST_NODE_MODULES` the folder that holds `@openrouter/sdk`. The project's test command
//! sets both.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::bench::MANAGEMENT;
use crate::running::Running;

/// The variable's value; without it, says so.
fn setting(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name);
    if value.is_none() {
        eprintln!("{name} is not set: the conformance script is not run");
    }
    value
}

/// Runs a script; address and management key come between its path and the further arguments.
async fn run(program: OsString, script: &str, further: Vec<OsString>) {
    let running = Running::start().await;
    let base_url = running.simulator.base_url();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(script);
    let mut command = Command::new(program);
    command.arg(path).arg(base_url).arg(MANAGEMENT).args(further).stdin(Stdio::null());
    command.env_remove("OPENROUTER_API_KEY").env_remove("OPENROUTER_BASE_URL");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("trailing slash"), "the script ran to its end: {text}");
    let stats = running.simulator.control().stats();
    assert_eq!((stats.keys.total.live, stats.requests.in_flight), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_package_lives_through_the_life_of_a_key() {
    let Some(program) = setting("KMS_TEST_PYTHON") else {
        return;
    };
    run(program, "conformance.py", Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typescript_package_lives_through_the_life_of_a_key() {
    let Some(modules) = setting("KMS_TEST_NODE_MODULES") else {
        return;
    };
    run("node".into(), "conformance.mjs", vec![modules]).await;
}
