//! What the service costs, against a bare JSON handler in the same run: `cargo bench -p kms --bench service [-- PART…]`.
//!
//! Parts: `requests`, `start`, `memory`, `pages`, `rotations`; all of them if none is named. PostgreSQL is measured where `KMS_TEST_POSTGRES`
//! holds the address of a server. Server, baseline and load share the machine: read the ratios, not the absolute figures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    dead_code,
    missing_docs,
    reason = "a program for developers, which stops at the first thing that is wrong; it shares helpers with tests that use more of them"
)]

#[path = "../tests/it/binary.rs"]
mod binary;
#[path = "../tests/it/database.rs"]
mod database;
#[path = "parts/pages.rs"]
mod pages;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use binary::{Api, Server, Setup};
use database::Postgres;
use openrouter_sim::{Action, Distribution, FaultRule, SimConfig, Simulator};
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection as _, Executor as _, Row as _};

/// How long each figure is measured.
const SPAN: Duration = Duration::from_secs(3);
/// Listed secrets.
const LISTED: usize = 100;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--bench"))
        .collect();
    if arguments.first().is_some_and(|first| first == "serve-baseline") {
        run(serve_baseline());
        return;
    }
    let wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == part);
    run(async {
        if wanted("requests") || wanted("memory") {
            requests().await;
        }
        if wanted("start") {
            start().await;
        }
        if wanted("pages") {
            pages::pages().await;
        }
        if wanted("rotations") {
            rotations().await;
        }
    });
}

fn run(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future);
}

/// The least that an HTTP service in this language does: one small JSON answer.
async fn serve_baseline() {
    let answer = || async { axum::Json(json!({ "secret": { "secretKey": "API_KEY", "secretValue": "value" } })) };
    let router = axum::Router::new().route("/secret", axum::routing::get(answer).post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    axum::serve(listener, router).await.unwrap();
}

/// The baseline in a process of its own, as the server is.
struct Baseline {
    child: std::process::Child,
    base: String,
}

impl Baseline {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("serve-baseline")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
        Self {
            child,
            base: line.trim().to_owned(),
        }
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

struct Figure {
    per_second: f64,
    median: Duration,
    p99: Duration,
}

/// Calls as fast as the answers come, on `connections` connections.
async fn load(api: &Api, connections: usize, call: impl AsyncFn(&Api, usize) + Copy) -> Figure {
    let begun = Instant::now();
    let shares = (0..connections).map(|connection| {
        let api = api.at(&api.base);
        async move {
            let (mut took, mut number) = (Vec::new(), 0);
            while begun.elapsed() < SPAN {
                let one = Instant::now();
                call(&api, connection * 1_000_000 + number).await;
                took.push(one.elapsed());
                number += 1;
            }
            took
        }
    });
    let mut took: Vec<Duration> = futures::future::join_all(shares).await.concat();
    let elapsed = begun.elapsed().as_secs_f64();
    took.sort_unstable();
    Figure {
        per_second: took.len() as f64 / elapsed,
        median: took[took.len() / 2],
        p99: took[took.len() * 99 / 100],
    }
}

fn show(what: &str, connections: usize, figure: &Figure, baseline: &Figure) {
    println!(
        "{what:<26} {connections:>3} connections {:>8.0}/s  median {:>8.2?}  p99 {:>8.2?}  {:>5.2} of the bare handler",
        figure.per_second,
        figure.median,
        figure.p99,
        figure.per_second / baseline.per_second
    );
}

async fn expect(api: &Api, method: Method, path: &str, body: Option<&serde_json::Value>) {
    let (status, answer) = api.call(method, path, body).await.expect("an answer");
    assert_eq!(status, 200, "{answer}");
}

async fn requests() {
    let baseline = Baseline::start();
    let bare = Api::new(&baseline.base);
    let mut bars = Vec::new();
    for connections in [1, 16, 64] {
        let figure = load(&bare, connections, async |api, _| expect(api, Method::GET, "/secret", None).await).await;
        show("bare handler", connections, &figure, &figure);
        bars.push((connections, figure));
    }
    let folder = tempfile::tempdir().unwrap();
    requests_on("SQLite", folder.path(), &Setup::default(), &bars).await;
    if let Some(database) = Postgres::fresh("bench").await {
        let folder = tempfile::tempdir().unwrap();
        let setup = Setup::default()
            .with("KMS_DATABASE_URL", database.url.clone())
            .with("KMS_ROOT_KEY", "51a51a51".repeat(8));
        requests_on("PostgreSQL", folder.path(), &setup, &bars).await;
        database.remove().await;
    }
}

async fn requests_on(engine: &str, folder: &Path, setup: &Setup, bars: &[(usize, Figure)]) {
    let server = Server::start(folder, &setup.clone().with("KMS_LOG", "warn,kms::wiring=info"));
    let (api, _) = Api::new(&server.base).bootstrap().await;
    let project = api.project().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = memory(server.child.id(), "VmRSS");
    let place = format!("projectId={project}&environment=prod&secretPath=/llm");
    let body =
        json!({ "projectId": project, "environment": "prod", "secretPath": "/llm", "secretValue": "sk-or-v1-example-example-example" });
    for number in 0..LISTED {
        api.post(&format!("/api/v4/secrets/LISTED_{number}"), body.clone()).await;
    }
    let written =
        json!({ "projectId": project, "environment": "dev", "secretPath": "/", "secretValue": "sk-or-v1-example-example-example" });
    let (one, list) = (format!("/api/v4/secrets/LISTED_7?{place}"), format!("/api/v4/secrets?{place}"));
    for (connections, bar) in bars {
        let figure = load(&api, *connections, async |api, _| expect(api, Method::GET, &one, None).await).await;
        show(&format!("{engine}: read one"), *connections, &figure, bar);
        let figure = load(&api, *connections, async |api, _| expect(api, Method::GET, &list, None).await).await;
        show(&format!("{engine}: list {LISTED}"), *connections, &figure, bar);
        let round = *connections;
        let figure = load(&api, *connections, async |api, number| {
            let path = format!("/api/v4/secrets/S_{round}_{number}");
            expect(api, Method::POST, &path, Some(&written)).await;
        })
        .await;
        show(&format!("{engine}: create one"), *connections, &figure, bar);
    }
    println!("{engine}: {idle} MB idle, {} MB after load", memory(server.child.id(), "VmRSS"));
    assert!(server.stop().success());
}

/// A line of the kernel's account of a process, in megabytes.
fn memory(process: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kilobytes = found.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default() / 1024
}

async fn start() {
    let folder = tempfile::tempdir().unwrap();
    drop(Server::start(folder.path(), &Setup::default()));
    let mut took = Vec::new();
    for _ in 0..11 {
        let begun = Instant::now();
        let server = Server::start(folder.path(), &Setup::default());
        expect(&Api::new(&server.base), Method::GET, "/api/status", None).await;
        took.push(begun.elapsed());
        assert!(server.stop().success());
    }
    took.sort_unstable();
    println!(
        "start to first answer, with a database: median {:.0?}, slowest {:.0?}",
        took[5], took[10]
    );
}

const CONNECTIONS: usize = 100;
const ROTATIONS: usize = 10_000;
/// What one call to the provider takes.
const CALL: Duration = Duration::from_millis(50);
/// The default limit of calls at the same time to one connection.
const AT_ONCE: u32 = 3;

/// All rotations come due in the same instant.
async fn rotations() {
    let simulator = Simulator::start(SimConfig {
        key_marker: Some("51a51a51".to_owned()),
        ..SimConfig::default()
    })
    .await
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::default()
        .with("KMS_LOG", "warn,kms::wiring=info")
        .with("KMS_OPENROUTER_BASE_URL", simulator.base_url())
        .with("KMS_CONNECTION_CONCURRENCY", AT_ONCE.to_string())
        .with("KMS_CONNECTION_RATE", "100000");
    let server = Server::start(folder.path(), &setup);
    let (api, _) = Api::new(&server.base).bootstrap().await;
    let begun = Instant::now();
    let projects = (0..CONNECTIONS).map(|number| make_rotations(&api, &simulator, number));
    futures::future::join_all(projects).await;
    println!(
        "{ROTATIONS} rotations over {CONNECTIONS} connections made in {:.0?}",
        begun.elapsed()
    );
    assert!(server.stop().success());

    // All are made due while no server runs.
    let path = folder.path().join("data/kms.db");
    let mut database = sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .unwrap();
    database
        .execute("UPDATE secret_rotations SET next_at = last_rotated_at")
        .await
        .unwrap();
    database.close().await.unwrap();
    let latency = Action::Latency {
        ms: Distribution::fixed_ms(u32::try_from(CALL.as_millis()).unwrap()),
        then: None,
    };
    simulator.control().add_fault(FaultRule::on("any", latency)).unwrap();
    let before = simulator.control().stats().requests.total;
    let begun = Instant::now();
    let server = Server::start(folder.path(), &setup);
    let mut reader = sqlx::SqliteConnection::connect(&format!("sqlite://{}?mode=ro", path.display()))
        .await
        .unwrap();
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let row = reader
            .fetch_one("SELECT COUNT(*) FROM secret_rotations WHERE next_at <= last_rotated_at")
            .await
            .unwrap();
        let left: i64 = row.get(0);
        if left == 0 {
            break;
        }
        eprint!("\r{left:>6} left ");
    }
    let took = begun.elapsed();
    eprintln!();
    let calls = simulator.control().stats().requests.total - before;
    let own = CALL.as_secs_f64() * calls as f64 / (CONNECTIONS as f64 * f64::from(AT_ONCE));
    println!(
        "{ROTATIONS} rotations due at once: {:.1} s for {calls} calls of {CALL:?}; the limits' own time is {own:.1} s, ratio {:.2}; peak memory {} MB",
        took.as_secs_f64(),
        took.as_secs_f64() / own,
        memory(server.child.id(), "VmHWM")
    );
    let failed = reader
        .fetch_one("SELECT COUNT(*) FROM secret_rotations WHERE status = 'failed'")
        .await
        .unwrap();
    assert_eq!(failed.get::<i64, _>(0), 0);
    server.kill();
    simulator.shutdown().await;
}

async fn make_rotations(api: &Api, simulator: &Simulator, number: usize) {
    let api = api.at(&api.base);
    let made = api
        .post("/api/v1/projects", json!({ "projectName": format!("Project {number}") }))
        .await;
    let project = made["project"]["id"].as_str().unwrap();
    let connection = json!({
        "name": "openrouter", "method": "api-key", "projectId": project,
        "credentials": { "apiKey": simulator.management_key() },
    });
    let connection = api.post("/api/v1/app-connections/open-router", connection).await;
    for one in 0..ROTATIONS / CONNECTIONS {
        let body = json!({
            "name": format!("key-{one}"), "projectId": project, "connectionId": connection["appConnection"]["id"],
            "environment": "prod", "secretPath": "/", "rotationInterval": 30,
            "parameters": { "name": "gateway" }, "secretsMapping": { "apiKey": format!("KEY_{one}") },
        });
        api.post("/api/v2/secret-rotations/open-router-api-key", body).await;
    }
}
