//! The program itself.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A running program; killed if the test fails half-way.
struct Program {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    line: Value,
    ready_after: Duration,
}

impl Program {
    fn start(flags: &[&str]) -> Self {
        let started = Instant::now();
        let mut child = command(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let ready_after = started.elapsed();
        Self {
            child,
            output,
            line: serde_json::from_str(&line).unwrap(),
            ready_after,
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Exit status, the rest of standard output, and standard error.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut rest, mut errors) = (String::new(), String::new());
        self.output.read_to_string(&mut rest).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap().code(), rest, errors)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrouter-sim"));
    command.args(flags).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

#[test]
fn the_first_line_tells_where_it_is_and_a_signal_ends_it() {
    for signal in ["TERM", "INT"] {
        let program = Program::start(&["--provisioning-key", "sk-or-v1-EXAMPLE"]);
        let address = program.line["address"].as_str().unwrap();
        assert!(address.starts_with("127.0.0.1:"));
        assert_eq!(program.line["base_url"], format!("http://{address}/api/v1"));
        assert_eq!(program.line["pid"], program.child.id());
        assert!(!program.line.to_string().contains("EXAMPLE"));
        let stream = std::net::TcpStream::connect(address).expect("ready when it says so");
        program.signal(signal);
        let (status, rest, errors) = program.end();
        drop(stream);
        assert_eq!((status, rest.as_str()), (Some(0), ""), "{errors}");
        assert!(!errors.contains("EXAMPLE"));
    }
}

#[test]
fn it_is_ready_within_300_ms() {
    let best = (0..5).map(|_| Program::start(&[]).ready_after).min().unwrap();
    assert!(best < Duration::from_millis(300), "{best:?}");
}

#[tokio::test]
async fn flags_files_and_environment_reach_the_instance() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, "# for tests\nsk-or-v1-EXAMPLE-one\n\nsk-or-v1-EXAMPLE-two\n").unwrap();
    let rules = folder.path().join("rules.json");
    let rule = json!([{ "match": { "endpoint": "keys.list" }, "action": { "type": "status", "status": 418 }, "times": 1 }]);
    std::fs::write(&rules, rule.to_string()).unwrap();
    let flags = [
        "--provisioning-key-file",
        keys.to_str().unwrap(),
        "--profile",
        rules.to_str().unwrap(),
        "--workspace",
        "team-a",
        "--seed",
        "3",
        "--log",
        "json",
    ];
    let mut child = command(&flags)
        .env("OPENROUTER_SIM_CREDITS", "7.5")
        .env("OPENROUTER_SIM_KEY_MARKER", "51a51a51")
        .env("OPENROUTER_SIM_COMPAT", "timestamps=offset,label=4")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let base = line["base_url"].as_str().unwrap().to_owned();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = |path: &str| client.get(format!("{base}{path}")).bearer_auth("sk-or-v1-EXAMPLE-two").send();
    assert_eq!(get("/keys").await.unwrap().status(), 418);
    let credits: Value = get("/credits").await.unwrap().json().await.unwrap();
    assert_eq!(credits["data"]["total_credits"], 7.5);
    assert_eq!(get("/workspaces/team-a").await.unwrap().status(), 200);
    let create = client
        .post(format!("{base}/keys"))
        .bearer_auth("sk-or-v1-EXAMPLE-one")
        .json(&json!({ "name": "a" }));
    let made: Value = create.send().await.unwrap().json().await.unwrap();
    assert!(made["key"].as_str().unwrap().starts_with("sk-or-v1-51a51a51"));
    assert!(made["data"]["created_at"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(made["data"]["label"].as_str().unwrap().len(), 19);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn without_a_key_one_is_generated_and_shown() {
    let program = Program::start(&["--seed", "9"]);
    let shown = program.line["provisioning_key"].as_str().unwrap().to_owned();
    assert_eq!(shown.len(), 73);
    assert_eq!(Program::start(&["--seed", "9"]).line["provisioning_key"], shown);
    program.signal("TERM");
    let (_, _, errors) = program.end();
    assert!(!errors.contains(&shown), "shown on standard output, not logged");
}

#[test]
fn wrong_use_ends_with_one_line_and_status_2() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    std::fs::write(&state, "{\"format\"").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).unwrap();
    for (flags, part) in [
        (vec!["--listen", "0.0.0.0:0"], "loopback"),
        (vec!["--listen", taken.1.as_str()], "cannot listen"),
        (vec!["--state", state.to_str().unwrap()], "no usable state file"),
        (vec!["--compat", "over_limit=418"], "over_limit"),
        (vec!["--key-marker", "XYZ"], "key-marker"),
        (vec!["--admin-token", ""], "admin-token"),
        (vec!["--seed", "x"], "seed"),
    ] {
        let output = command(&flags).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {errors}");
        assert!(errors.contains(part), "{flags:?}: {errors}");
        assert!(output.stdout.is_empty());
    }
}
