//! `kms demo`: the whole main job on one machine, with no account anywhere.
//!
//! A simulator of OpenRouter and a server start on free loopback ports; an organization, a project, an OpenRouter connection and a
//! rotation are made through the public API; the key is rotated twice while a client keeps calling completions with the key that
//! it reads from the server.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Failure, block_on, wait_for_the_end};
use crate::config::{LogConfig, ServerArgs, ServerConfig};
use crate::{telemetry, wiring};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// End after the steps; exit status 0 only if no call failed and no key was orphaned.
    #[arg(long)]
    once: bool,
    /// Keep the data in this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// What the client that calls completions has seen.
#[derive(Debug, Default)]
struct Calls {
    succeeded: AtomicU64,
    failed: AtomicU64,
    stop: AtomicBool,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    telemetry::start_logs(&LogConfig {
        filter: "warn".to_owned(),
        format: None,
    })?;
    block_on(async { demo(args).await.map_err(Failure::from) })
}

#[expect(clippy::print_stdout, reason = "the demo tells its steps on standard output")]
fn say(text: &str) {
    println!("{text}");
}

/// A client of the server's public API.
#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.with_context(|| format!("{method} {path} was not answered"))?;
        let status = response.status();
        let answer: Value = response.json().await.unwrap_or(Value::Null);
        if status.is_success() {
            Ok(answer)
        } else {
            bail!(
                "{method} {path} answered {status}: {}",
                answer.get("message").unwrap_or(&Value::Null)
            )
        }
    }

    /// The secret as an application reads it.
    async fn read_key(&self, project: &str) -> Result<String> {
        let path = format!("/api/v4/secrets/OPEN_ROUTER_API_KEY?projectId={project}&environment=prod&secretPath=/llm");
        let answer = self.call(Method::GET, &path, None).await?;
        text(&answer, "/secret/secretValue")
    }
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| anyhow!("an answer has no {pointer}"))
}

/// The part of a key that may be shown.
fn label(key: &str) -> String {
    format!(
        "{}…{}",
        key.get(..12).unwrap_or_default(),
        key.get(key.len().saturating_sub(3)..).unwrap_or_default()
    )
}

async fn demo(args: Args) -> Result<()> {
    let temporary = tempfile::tempdir().context("cannot make a temporary folder")?;
    let data_dir = args.keep.clone().unwrap_or_else(|| temporary.path().join("data"));
    let sim_config = openrouter_sim::SimConfig {
        key_marker: Some("51a51a51".to_owned()),
        ..openrouter_sim::SimConfig::default()
    };
    let simulator = openrouter_sim::Simulator::start(sim_config)
        .await
        .context("cannot start the simulator")?;
    say(&format!("1. OpenRouter simulator on {}", simulator.base_url()));

    let server_args = ServerArgs {
        listen: Some("127.0.0.1:0".to_owned()),
        data_dir: Some(data_dir.display().to_string()),
        openrouter_base_url: Some(simulator.base_url()),
        ..ServerArgs::default()
    };
    // Nothing of the caller's environment: the demo is the same everywhere.
    let config = ServerConfig::read(&server_args, |_name| None)?;
    let server = wiring::start(&config, None).await?;
    let base = format!("http://{}", server.address);
    say(&format!("2. Hanzo KMS on {base} (data in {})", data_dir.display()));

    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(90)).build()?;
    let anonymous = Client {
        http: http.clone(),
        base: base.clone(),
        token: None,
    };
    let password = kms_app::random_name(&kms_crypto::os_entropy::OsEntropy, 16);
    let admin = json!({ "email": "admin@example.com", "password": password, "organization": "Demo" });
    let bootstrap = anonymous.call(Method::POST, "/api/v1/admin/bootstrap", Some(admin)).await?;
    // The rest is done as the administrator, so that it is theirs when they open the dashboard.
    let login = json!({ "email": "admin@example.com", "password": password });
    let login = anonymous.call(Method::POST, "/api/v3/auth/login", Some(login)).await?;
    let person = Client {
        token: Some(text(&login, "/accessToken")?),
        ..anonymous
    };
    let organization = json!({ "organizationId": text(&bootstrap, "/organization/id")? });
    let selected = person
        .call(Method::POST, "/api/v3/auth/select-organization", Some(organization))
        .await?;
    let client = Client {
        token: Some(text(&selected, "/token")?),
        ..person
    };
    let project = client
        .call(Method::POST, "/api/v1/projects", Some(json!({ "projectName": "Chat" })))
        .await?;
    let project = text(&project, "/project/id")?;
    let folder = json!({ "projectId": project, "environment": "prod", "path": "/", "name": "llm" });
    client.call(Method::POST, "/api/v2/folders", Some(folder)).await?;
    say("3. Organization \"Demo\", project \"Chat\", folder /llm in prod");

    let connection = json!({
        "name": "openrouter-demo", "method": "api-key", "projectId": project,
        "credentials": { "apiKey": simulator.management_key() },
    });
    let connection = client
        .call(Method::POST, "/api/v1/app-connections/open-router", Some(connection))
        .await?;
    let connection = text(&connection, "/appConnection/id")?;
    say("4. App Connection \"openrouter-demo\": OpenRouter has accepted the provisioning key");

    let rotation = json!({
        "name": "chat-key", "projectId": project, "connectionId": connection, "environment": "prod", "secretPath": "/llm",
        "rotationInterval": 30, "rotateAtUtc": { "hours": 3, "minutes": 30 },
        "parameters": { "name": "chat", "limit": 25, "limitReset": "monthly" },
        "secretsMapping": { "apiKey": "OPEN_ROUTER_API_KEY" },
    });
    let rotation = client
        .call(Method::POST, "/api/v2/secret-rotations/open-router-api-key", Some(rotation))
        .await?;
    let next = text(&rotation, "/secretRotation/nextRotationAt")?;
    let rotation = text(&rotation, "/secretRotation/id")?;
    let first = client.read_key(&project).await?;
    say(&format!(
        "5. Secret Rotation \"chat-key\": key {} issued, verified, stored as OPEN_ROUTER_API_KEY; next on {next}",
        label(&first)
    ));

    let calls = Arc::new(Calls::default());
    let completions = format!("{}/chat/completions", simulator.base_url());
    let caller = tokio::spawn(call_completions(client.clone(), completions, project.clone(), Arc::clone(&calls)));
    say("6. A client calls completions all the time, with the key it reads from Hanzo KMS");

    let mut active = first;
    for round in 1..=2 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let path = format!("/api/v2/secret-rotations/open-router-api-key/{rotation}/rotate-secrets");
        client.call(Method::POST, &path, None).await?;
        let new = client.read_key(&project).await?;
        if new == active {
            bail!("rotation {round} did not change the secret");
        }
        let (good, bad) = (calls.succeeded.load(Ordering::Relaxed), calls.failed.load(Ordering::Relaxed));
        let place = if round == 1 { 7 } else { 8 };
        say(&format!(
            "{place}. Rotation {round}: {} is served, {} still valid; calls so far: {good} succeeded, {bad} failed",
            label(&new),
            label(&active)
        ));
        active = new;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    calls.stop.store(true, Ordering::Relaxed);
    caller.await?;

    let path = format!("/api/v2/secret-rotations/open-router-api-key/{rotation}/generated-credentials");
    let credentials = client.call(Method::GET, &path, None).await?;
    let known = credentials
        .get("generatedCredentials")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|credential| credential.get("keyHash")?.as_str()?.parse().ok())
        .collect::<Vec<openrouter_sim::KeyHash>>();
    // The first key is a debt by now; it is paid within moments.
    let query = openrouter_sim::OrphanQuery {
        known_hashes: known,
        ..openrouter_sim::OrphanQuery::default()
    };
    let mut orphans = usize::MAX;
    for _ in 0..100 {
        orphans = simulator
            .control()
            .orphans(&query)
            .map_err(|error| anyhow!("{error}"))?
            .orphans
            .len();
        if orphans == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (good, bad) = (calls.succeeded.load(Ordering::Relaxed), calls.failed.load(Ordering::Relaxed));
    say(&format!(
        "9. {good} calls succeeded, {bad} failed; live keys that nobody knows: {orphans}; the first key is revoked"
    ));
    if !args.once {
        say(&format!(
            "\nHanzo KMS stays up. Ctrl-C ends it.\nDashboard: {base}, log in as admin@example.com with the password {password}\nAPI documentation: {base}/api/docs"
        ));
        wait_for_the_end().await?;
    }
    server.stop().await;
    simulator.shutdown().await;
    if bad > 0 || orphans > 0 || good == 0 {
        bail!("the demo has failed: {good} calls succeeded, {bad} failed, {orphans} orphaned keys");
    }
    Ok(())
}

/// Calls completions until told to stop, each time with the key that the server serves at that moment.
async fn call_completions(client: Client, url: String, project: String, calls: Arc<Calls>) {
    let body = json!({ "model": "openai/gpt-4o", "messages": [{ "role": "user", "content": "Hello" }] });
    while !calls.stop.load(Ordering::Relaxed) {
        let called = async {
            let key = client.read_key(&project).await?;
            let response = client.http.post(&url).bearer_auth(key).json(&body).send().await?;
            if response.status().is_success() {
                Ok(())
            } else {
                Err(anyhow!("{}", response.status()))
            }
        };
        match called.await {
            Ok(()) => calls.succeeded.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(%error, "demo.call_failed");
                calls.failed.fetch_add(1, Ordering::Relaxed)
            }
        };
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
