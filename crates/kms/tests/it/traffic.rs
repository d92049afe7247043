//! A team with rotated keys, and applications that use them all the time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use openrouter_sim::{Action, Distribution, FaultRule, KeyHash, OrphanQuery, SimConfig, Simulator, When};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::binary::{Api, Setup};

const KIND: &str = "/api/v2/secret-rotations/open-router-api-key";

/// A simulator that takes its time, so that a process is often killed in the middle of a call: before or after the effect.
pub(crate) async fn slow_simulator() -> Simulator {
    let config = SimConfig {
        key_marker: Some("51a51a51".to_owned()),
        ..SimConfig::default()
    };
    let simulator = Simulator::start(config).await.unwrap();
    for when in [When::BeforeEffect, When::AfterEffect] {
        for endpoint in ["keys.create", "keys.delete", "keys.list", "key"] {
            let action = Action::Latency {
                ms: Distribution::fixed_ms(12),
                then: None,
            };
            let rule = FaultRule {
                when: Some(when),
                ..FaultRule::on(endpoint, action).probability(0.5)
            };
            simulator.control().add_fault(rule).unwrap();
        }
    }
    simulator
}

/// Settings for servers that use this simulator, with limits that do not hold a test up.
pub(crate) fn settings(simulator: &Simulator) -> Setup {
    Setup::default()
        .with("KMS_OPENROUTER_BASE_URL", simulator.base_url())
        .with("KMS_CONNECTION_CONCURRENCY", "50")
        .with("KMS_CONNECTION_RATE", "1000")
}

/// A rotated secret.
#[derive(Clone, Debug)]
pub(crate) struct Rotated {
    project: String,
    secret: String,
    pub(crate) rotation: String,
}

impl Rotated {
    /// Makes a rotation that publishes to `secret`.
    pub(crate) async fn new(api: &Api, project: &str, connection: &str, secret: &str) -> Self {
        let body = json!({
            "name": secret.to_lowercase().replace('_', "-"), "projectId": project, "connectionId": connection,
            "environment": "prod", "secretPath": "/llm", "rotationInterval": 30,
            "parameters": { "name": "gateway" }, "secretsMapping": { "apiKey": secret },
        });
        let made = api.post(KIND, body).await;
        Self {
            project: project.to_owned(),
            secret: secret.to_owned(),
            rotation: made["secretRotation"]["id"].as_str().unwrap().to_owned(),
        }
    }

    /// Asks for a rotation; whether it was done.
    pub(crate) async fn rotate(&self, api: &Api) -> bool {
        let path = format!("{KIND}/{}/rotate-secrets", self.rotation);
        api.call(Method::POST, &path, None).await.is_some_and(|(status, _)| status == 200)
    }

    /// The key that is served, and its version.
    async fn read(&self, api: &Api) -> Option<(String, u64)> {
        let path = format!(
            "/api/v4/secrets/{}?projectId={}&environment=prod&secretPath=/llm",
            self.secret, self.project
        );
        let (status, answer) = api.call(Method::GET, &path, None).await?;
        assert!(matches!(status, 200 | 503), "the secret cannot be read: {status} {answer}");
        let secret = &answer["secret"];
        Some((secret["secretValue"].as_str()?.to_owned(), secret["version"].as_u64()?))
    }

    async fn known(&self, api: &Api) -> Vec<KeyHash> {
        let found = api.get(&format!("{KIND}/{}/generated-credentials", self.rotation)).await;
        let credentials = found["generatedCredentials"].as_array().unwrap();
        credentials
            .iter()
            .map(|one| one["keyHash"].as_str().unwrap().parse().unwrap())
            .collect()
    }

    /// Every version that was ever published has a value of its own: none was published twice.
    async fn assert_versions_differ(&self, api: &Api) -> usize {
        let path = format!(
            "/api/v4/secrets/{}?projectId={}&environment=prod&secretPath=/llm",
            self.secret, self.project
        );
        let secret = api.get(&path).await;
        let (id, newest) = (
            secret["secret"]["id"].as_str().unwrap(),
            secret["secret"]["version"].as_u64().unwrap(),
        );
        let found = api.get(&format!("/api/v1/secret/{id}/secret-versions?limit=100")).await;
        let versions = found["secretVersions"].as_array().unwrap();
        let mut values: Vec<&str> = versions.iter().map(|version| version["secretValue"].as_str().unwrap()).collect();
        assert_eq!(
            values.len(),
            usize::try_from(newest.min(100)).unwrap(),
            "{}: no version is missing",
            self.secret
        );
        let all = values.len();
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), all, "{}: no key was published twice", self.secret);
        usize::try_from(newest).unwrap()
    }
}

/// Makes a connection to the simulator.
pub(crate) async fn connection(api: &Api, project: &str, simulator: &Simulator) -> String {
    let body = json!({
        "name": "openrouter", "method": "api-key", "projectId": project,
        "credentials": { "apiKey": simulator.management_key() },
    });
    let made: Value = api.post("/api/v1/app-connections/open-router", body).await;
    made["appConnection"]["id"].as_str().unwrap().to_owned()
}

#[derive(Debug)]
struct Shared {
    /// Where the application finds its server.
    apis: Mutex<Vec<Api>>,
    calls: AtomicU64,
    unread: AtomicU64,
    refused: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// An application: reads its key, calls a completion with it, and so on.
pub(crate) struct Application {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What an application has seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) calls: u64,
    /// Reads that found no server.
    pub(crate) unread: u64,
}

impl Application {
    pub(crate) fn start(apis: Vec<Api>, rotated: Rotated, simulator: &Simulator) -> Self {
        let shared = Arc::new(Shared {
            apis: Mutex::new(apis),
            calls: AtomicU64::new(0),
            unread: AtomicU64::new(0),
            refused: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let completions = format!("{}/chat/completions", simulator.base_url());
        let task = tokio::spawn(run(Arc::clone(&shared), rotated, completions));
        Self { shared, task }
    }

    /// Where servers are now.
    pub(crate) fn turn_to(&self, apis: Vec<Api>) {
        *self.shared.apis.lock().unwrap() = apis;
    }

    /// Waits until it has called `more` times.
    pub(crate) async fn calls(&self, more: u64) {
        let wanted = self.shared.calls.load(Ordering::Relaxed) + more;
        while self.shared.calls.load(Ordering::Relaxed) < wanted && !self.task.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Ends it. Fails the test if a key that was served was refused.
    pub(crate) async fn end(self) -> Seen {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        let refused = self.shared.refused.lock().unwrap();
        assert!(refused.is_empty(), "refused calls: {refused:?}");
        Seen {
            calls: self.shared.calls.load(Ordering::Relaxed),
            unread: self.shared.unread.load(Ordering::Relaxed),
        }
    }
}

async fn run(shared: Arc<Shared>, rotated: Rotated, completions: String) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = json!({ "model": "openai/gpt-4o", "messages": [{ "role": "user", "content": "Hello" }] });
    let mut last = None;
    let mut turn = 0_usize;
    while !shared.stop.load(Ordering::Relaxed) {
        // A server that is away leaves the application with the key it has.
        match read(&shared, &rotated, &mut turn).await {
            Some(read) => last = Some(read),
            None => {
                shared.unread.fetch_add(1, Ordering::Relaxed);
            }
        }
        if let Some((key, version)) = &last {
            let answer = http.post(&completions).bearer_auth(key).json(&body).send().await.unwrap();
            if answer.status().as_u16() == 200 {
                shared.calls.fetch_add(1, Ordering::Relaxed);
            } else {
                // Every key outlives one more publication. Only who was overtaken twice between reading and calling may be refused.
                let now = loop {
                    match read(&shared, &rotated, &mut turn).await {
                        Some((_, now)) => break now,
                        None => tokio::time::sleep(Duration::from_millis(10)).await,
                    }
                };
                if now < version + 2 {
                    let text = format!("version {version} was answered {}, when version {now} was served", answer.status());
                    shared.refused.lock().unwrap().push(text);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn read(shared: &Shared, rotated: &Rotated, turn: &mut usize) -> Option<(String, u64)> {
    *turn += 1;
    let api = {
        let apis = shared.apis.lock().unwrap();
        apis[*turn % apis.len()].clone()
    };
    rotated.read(&api).await
}

/// Waits until the provider has no live key but those of the rotations' slots, and the slots no dead one; then looks at the versions.
pub(crate) async fn assert_in_order(api: &Api, simulator: &Simulator, all: &[Rotated], patience: Duration) -> usize {
    let begun = Instant::now();
    loop {
        let mut known_hashes = Vec::new();
        for rotated in all {
            known_hashes.extend(rotated.known(api).await);
        }
        let query = OrphanQuery {
            known_hashes,
            ..OrphanQuery::default()
        };
        let found = simulator.control().orphans(&query).unwrap();
        if found.orphans.is_empty() && found.ghosts.is_empty() {
            break;
        }
        let text = format!(
            "{} live keys that nobody knows, {} known keys that are not live",
            found.orphans.len(),
            found.ghosts.len()
        );
        assert!(begun.elapsed() < patience, "{text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut versions = 0;
    for rotated in all {
        versions += rotated.assert_versions_differ(api).await;
    }
    versions
}
