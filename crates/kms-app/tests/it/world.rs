//! A world for tests: the real application over a real database, the simulator without sockets, one virtual clock for both.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kms_app::actor::Actor;
use kms_app::connections::{GivenCredentials, NewConnection};
use kms_app::instance::FirstAdmin;
use kms_app::projects::{NewProject, ProjectSelector};
use kms_app::rotations::{NewRotation, Removal, Rotation, Sleeper};
use kms_app::secrets::{PlaceSelector, ReadOptions};
use kms_app::{App, Error, Parts, Settings};
use kms_core::audit::Origin;
use kms_core::entropy::SeededEntropy;
use kms_core::ids::{ConnectionId, ProjectId, RotationId};
use kms_core::names::{Email, EnvironmentSlug, ResourceName, SecretName, SecretPath};
use kms_core::rotation::schedule::RotateAt;
use kms_core::secret::SecretString;
use kms_core::time::{Clock, ManualClock, Timestamp};
use kms_crypto::password::Passwords;
use kms_crypto::root::RootKey;
use kms_providers::registry::{ProviderSettings, Registry};
use kms_providers::transport::http::{HttpSettings, HttpTransport};
use kms_providers::transport::{OutboundRequest, OutboundResponse, Transport, TransportError};
use kms_store::testing::TestDatabase;
use kms_store::{OpenOptions, Store};
use openrouter_sim::{ClockMode, Experience, KeyHash, KeyText, OrphanQuery, Resume, SimConfig, SimCore, SimReply, SimRequest, Simulator};
use serde_json::json;
use tokio::sync::Notify;

pub(crate) const KIND: &str = "open-router-api-key";
pub(crate) const SECRET: &str = "OPEN_ROUTER_API_KEY";

pub(crate) fn start() -> Timestamp {
    "2026-01-12T08:20:00Z".parse().unwrap()
}

/// What becomes of a call that a crash hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The process dies before the request leaves.
    BeforeCall,
    /// The process dies after the provider has acted, before it has read the answer.
    AfterCall,
}

/// How long a call over real sockets waits for its answer, in real time; the virtual clock then jumps over the call's own deadline.
pub(crate) const PATIENCE: Duration = Duration::from_millis(300);

/// The simulator behind real sockets, and the transport that production uses.
struct Wire {
    http: HttpTransport,
    simulator: Mutex<Option<Simulator>>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    async fn send(&self, mut request: OutboundRequest) -> Result<OutboundResponse, TransportError> {
        let address = self.simulator.lock().unwrap().as_ref().unwrap().address();
        request.url.set_ip_host(address.ip()).unwrap();
        request.url.set_port(Some(address.port())).unwrap();
        request.deadline = request.deadline.min(PATIENCE);
        self.http.send(request).await
    }
}

/// The way out: the simulator under the virtual clock, without sockets unless there is a wire.
#[derive(Debug)]
pub(crate) struct SimTransport {
    wire: Option<Wire>,
    world: Mutex<Outside>,
    clock: Arc<ManualClock>,
    /// Rung when a process has died in a call.
    pub(crate) died: Notify,
    /// Rung when processes that "died" are let go on: what they then try must have no effect.
    pub(crate) revive: Arc<Notify>,
}

struct Outside {
    core: Arc<SimCore>,
    deferred: Vec<(Timestamp, Resume)>,
    /// Counts down; the call at which it reaches zero is hit.
    crash: Option<(u32, Crash)>,
    crashed: bool,
    calls: u64,
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outside")
    }
}

impl SimTransport {
    pub(crate) fn core(&self) -> Arc<SimCore> {
        Arc::clone(&self.world.lock().unwrap().core)
    }

    pub(crate) fn calls(&self) -> u64 {
        self.world.lock().unwrap().calls
    }

    pub(crate) fn crash_at(&self, calls: u32, crash: Crash) {
        let mut world = self.world.lock().unwrap();
        world.crash = Some((calls, crash));
        world.crashed = false;
    }

    pub(crate) fn no_crash(&self) {
        self.world.lock().unwrap().crash = None;
    }

    pub(crate) fn has_crashed(&self) -> bool {
        self.world.lock().unwrap().crashed
    }

    /// The process dies here. Nobody hears of it before this waits to be revived, or the revival could come too early.
    async fn die_until_revived(&self) {
        let revived = self.revive.notified();
        self.world.lock().unwrap().crashed = true;
        self.died.notify_one();
        revived.await;
    }

    /// Moves time, and carries out what was deferred until then.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
        let now = self.clock.now();
        let due: Vec<Resume> = {
            let mut world = self.world.lock().unwrap();
            world.core.control().advance(by).unwrap();
            let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut world.deferred).into_iter().partition(|(at, _)| *at <= now);
            world.deferred = later;
            due.into_iter().map(|(_, resume)| resume).collect()
        };
        for resume in due {
            // Nobody waits for the answer any more.
            drop(resume.call());
        }
    }

    fn play(&self, mut reply: SimReply, deadline: Duration) -> Result<OutboundResponse, TransportError> {
        let lost = |what: &str| Err(TransportError::Lost(what.to_owned()));
        let mut left = deadline;
        loop {
            match reply {
                SimReply::Deferred { after, resume } if after >= left => {
                    let at = self.clock.now() + after;
                    self.world.lock().unwrap().deferred.push((at, resume));
                    self.advance(left);
                    return lost("time-out");
                }
                SimReply::Deferred { after, resume } => {
                    self.advance(after);
                    left -= after;
                    reply = resume.call();
                }
                other => {
                    // A patient client's wait decides whether ours would have waited.
                    let wait = match &other {
                        SimReply::Response { delay, .. }
                        | SimReply::Truncate { delay, .. }
                        | SimReply::Reset { delay, .. }
                        | SimReply::Close { delay, .. } => *delay,
                        SimReply::SlowBody {
                            delay,
                            response,
                            first_byte,
                            bytes,
                            interval,
                            ..
                        } => {
                            let pieces = u32::try_from(response.body.to_bytes().len().div_ceil((*bytes).max(1))).unwrap_or(u32::MAX);
                            *delay + *first_byte + interval.saturating_mul(pieces.saturating_sub(1))
                        }
                        SimReply::Hang { max, .. } => max.unwrap_or(Duration::MAX),
                        SimReply::Deferred { .. } => unreachable!(),
                    };
                    if wait >= left {
                        drop(other);
                        self.advance(left);
                        return lost("time-out");
                    }
                    self.advance(wait);
                    return match other.play().1 {
                        Experience::Answer(response) => Ok(OutboundResponse {
                            status: response.status,
                            headers: response.headers.clone(),
                            body: response.body.to_bytes(),
                        }),
                        Experience::Cut { .. } => lost("the body was cut"),
                        Experience::Reset => lost("reset"),
                        Experience::Closed => lost("closed"),
                        Experience::Silence => lost("time-out"),
                    };
                }
            }
        }
    }
}

#[async_trait]
impl Transport for SimTransport {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, TransportError> {
        let (core, hit) = {
            let mut world = self.world.lock().unwrap();
            world.calls += 1;
            let hit = match &mut world.crash {
                Some((left, crash)) if *left <= 1 => Some(*crash),
                Some((left, _)) => {
                    *left -= 1;
                    None
                }
                None => None,
            };
            if hit.is_some() {
                world.crash = None;
            }
            (Arc::clone(&world.core), hit)
        };
        if hit == Some(Crash::BeforeCall) {
            self.die_until_revived().await;
            return Err(TransportError::Lost("the process had died".to_owned()));
        }
        if let Some(wire) = &self.wire {
            let (deadline, begun) = (request.deadline, std::time::Instant::now());
            let answer = wire.send(request).await;
            if answer.is_err() && begun.elapsed() >= PATIENCE {
                self.advance(deadline);
            }
            if hit == Some(Crash::AfterCall) {
                self.die_until_revived().await;
            }
            return answer;
        }
        let path = match request.url.query() {
            Some(query) => format!("{}?{query}", request.url.path()),
            None => request.url.path().to_owned(),
        };
        let reply = core.handle(SimRequest {
            method: request.method,
            path,
            headers: request.headers,
            body: request.body,
        });
        let answer = self.play(reply, request.deadline);
        if hit == Some(Crash::AfterCall) {
            // A process that goes on after it was given up for dead gets the true answer, too late.
            self.die_until_revived().await;
        }
        answer
    }
}

/// Waiting moves the clock.
struct SimSleeper(Arc<SimTransport>);

#[async_trait]
impl Sleeper for SimSleeper {
    async fn sleep(&self, pause: Duration) {
        self.0.advance(pause);
        tokio::task::yield_now().await;
    }
}

/// The whole world.
pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) store: Store,
    pub(crate) actor: Actor,
    pub(crate) transport: Arc<SimTransport>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) settings: Settings,
    seed: u64,
    nodes: u64,
    database: TestDatabase,
}

/// A simulator with a clock that stands at `now`.
pub(crate) fn simulator(seed: u64, now: Timestamp) -> Arc<SimCore> {
    SimCore::new(sim_config(seed, now))
}

fn sim_config(seed: u64, now: Timestamp) -> SimConfig {
    SimConfig {
        seed: Some(seed),
        clock: ClockMode::Manual { start: now.utc() },
        key_marker: Some("51a51a51".to_owned()),
        event_capacity: 100,
        ..SimConfig::default()
    }
}

/// On which engine a test runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// A store without disk syncs.
async fn open(database: &TestDatabase) -> Store {
    let options = OpenOptions {
        durable: false,
        connections: 2,
        ..OpenOptions::new(database.engine())
    };
    Store::open(&options).await.unwrap()
}

impl World {
    /// A world on SQLite in a temporary folder, without disk syncs.
    pub(crate) async fn new(seed: u64) -> Self {
        Self::with(TestDatabase::sqlite(), seed, None).await
    }

    /// A world on the wanted engine; `None` if it is not at hand.
    pub(crate) async fn at(on: On, seed: u64) -> Option<Self> {
        let database = match on {
            On::Sqlite => TestDatabase::sqlite(),
            On::Postgres => TestDatabase::postgres().await?,
        };
        Some(Self::with(database, seed, None).await)
    }

    /// As [`Self::new`], with real HTTP between the application and the simulator.
    pub(crate) async fn over_http(seed: u64) -> Self {
        let settings = HttpSettings {
            allow_internal: true,
            ..HttpSettings::default()
        };
        let wire = Wire {
            http: HttpTransport::new(&settings).unwrap(),
            simulator: Mutex::new(Some(Simulator::start(sim_config(seed, start())).await.unwrap())),
        };
        Self::with(TestDatabase::sqlite(), seed, Some(wire)).await
    }

    async fn with(database: TestDatabase, seed: u64, wire: Option<Wire>) -> Self {
        let store = open(&database).await;
        let clock = Arc::new(ManualClock::new(start()));
        let outside = Outside {
            core: match &wire {
                None => simulator(seed, start()),
                Some(wire) => Arc::clone(wire.simulator.lock().unwrap().as_ref().unwrap().core()),
            },
            deferred: Vec::new(),
            crash: None,
            crashed: false,
            calls: 0,
        };
        let transport = Arc::new(SimTransport {
            wire,
            world: Mutex::new(outside),
            clock: Arc::clone(&clock),
            died: Notify::new(),
            revive: Arc::new(Notify::new()),
        });
        let settings = Settings {
            connection_limits: kms_app::ConnectionLimits {
                concurrent: 100,
                per_second: 1_000_000,
            },
            ..Settings::default()
        };
        let app = start_node(&store, &transport, &clock, &settings, seed).await;
        let admin = FirstAdmin {
            email: Email::parse("admin@example.com").unwrap(),
            password: SecretString::new("correct horse battery staple"),
            first_name: None,
            last_name: None,
            organization: "Example".to_owned(),
        };
        let made = app.bootstrap(admin, &Origin::default()).await.unwrap();
        let actor = app.authenticate(made.token.expose(), Origin::default()).await.unwrap();
        Self {
            app,
            store,
            actor,
            transport,
            clock,
            settings,
            seed,
            nodes: 0,
            database,
        }
    }

    /// Whether calls go over real sockets.
    pub(crate) fn is_over_http(&self) -> bool {
        self.transport.wire.is_some()
    }

    /// Where the database's files are.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.database.folder().unwrap()
    }

    /// A fresh account at the provider, for the next history.
    pub(crate) async fn new_account(&self, seed: u64) {
        let core = match &self.transport.wire {
            None => simulator(seed, self.clock.now()),
            Some(wire) => {
                let new = Simulator::start(sim_config(seed, self.clock.now())).await.unwrap();
                let core = Arc::clone(new.core());
                let old = wire.simulator.lock().unwrap().replace(new);
                old.unwrap().shutdown().await;
                core
            }
        };
        let mut world = self.transport.world.lock().unwrap();
        world.core = core;
        world.deferred.clear();
        world.crash = None;
    }

    /// The process dies and another starts on the same database.
    pub(crate) async fn restart(&mut self) {
        self.nodes += 1;
        self.app.stop();
        let seed = self.seed.wrapping_mul(31).wrapping_add(self.nodes);
        self.app = start_node(&self.store, &self.transport, &self.clock, &self.settings, seed).await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn core(&self) -> Arc<SimCore> {
        self.transport.core()
    }

    /// A project with the folder /llm in prod, and a connection.
    pub(crate) async fn project(&self, name: &str) -> (ProjectId, ConnectionId) {
        let new = NewProject {
            name: name.to_owned(),
            description: None,
            slug: None,
            kind: "secret-manager".to_owned(),
            default_environments: true,
            delete_protection: false,
        };
        let project = self.app.create_project(&self.actor, new).await.unwrap().record.id;
        let root = self.place(project, "/");
        let folder = kms_core::names::FolderName::parse("llm").unwrap();
        self.app.create_folder(&self.actor, &root, &folder, None).await.unwrap();
        let connection = self.connection(project, self.core().management_key()).await.unwrap();
        (project, connection)
    }

    pub(crate) async fn connection(&self, project: ProjectId, key: &KeyText) -> Result<ConnectionId, Error> {
        let new = NewConnection {
            app: "open-router".to_owned(),
            name: ResourceName::parse("router").unwrap(),
            description: None,
            project: Some(project.to_string()),
            method: "api-key".to_owned(),
            credentials: GivenCredentials::new(json!({ "apiKey": key.expose() })),
        };
        Ok(self.app.create_connection(&self.actor, new).await?.record.id)
    }

    pub(crate) fn place(&self, project: ProjectId, path: &str) -> PlaceSelector {
        PlaceSelector {
            project: ProjectSelector::Id(project.to_string()),
            environment: "prod".to_owned(),
            path: SecretPath::parse(path).unwrap(),
        }
    }

    pub(crate) fn new_rotation(&self, project: ProjectId, connection: ConnectionId, interval_days: u16) -> NewRotation {
        NewRotation {
            kind: KIND.to_owned(),
            name: ResourceName::parse("router-key").unwrap(),
            description: None,
            project,
            connection,
            environment: EnvironmentSlug::parse("prod").unwrap(),
            path: SecretPath::parse("/llm").unwrap(),
            auto_rotation: interval_days > 0,
            interval_days: interval_days.max(1),
            rotate_at: RotateAt { hours: 3, minutes: 30 },
            parameters: json!({ "name": "gateway-prod", "limit": 250, "limitReset": "monthly" }),
            mapping: json!({ "apiKey": SECRET }),
        }
    }

    pub(crate) async fn rotation(&self, project: ProjectId, connection: ConnectionId, interval_days: u16) -> Result<Rotation, Error> {
        self.app
            .create_rotation(&self.actor, self.new_rotation(project, connection, interval_days))
            .await
    }

    pub(crate) async fn rotate(&self, id: RotationId) -> Result<Rotation, Error> {
        self.app.rotate_now(&self.actor, KIND, id).await
    }

    /// The value that is served, and its version.
    pub(crate) async fn served(&self, project: ProjectId) -> Option<(String, u32)> {
        let options = ReadOptions {
            values: true,
            expand: false,
        };
        let name = SecretName::wanted(SECRET);
        match self
            .app
            .get_secret(&self.actor, &self.place(project, "/llm"), &name, None, options)
            .await
        {
            Ok(secret) => Some((secret.value.unwrap().expose().to_owned(), secret.record.version)),
            Err(Error::NotFound { .. }) => None,
            Err(other) => panic!("cannot read the secret: {other:?}"),
        }
    }

    /// Whether the provider accepts this key now.
    pub(crate) fn accepted(&self, key: &str) -> bool {
        self.core().control().key(KeyHash::of(key)).is_ok_and(|state| state.accepted)
    }

    /// Hashes of the keys of both slots.
    pub(crate) async fn slots(&self, id: RotationId) -> BTreeSet<KeyHash> {
        let found = self.app.generated_credentials(&self.actor, KIND, id).await.unwrap();
        found
            .credentials
            .iter()
            .map(|credential| {
                let value: serde_json::Value = serde_json::from_str(credential.expose()).unwrap();
                value["keyHash"].as_str().unwrap().parse().unwrap()
            })
            .collect()
    }

    /// Live keys at the provider that are not in `known`, and keys in `known` that are not live.
    pub(crate) fn strays(&self, known: &BTreeSet<KeyHash>) -> (usize, usize) {
        let query = OrphanQuery {
            known_hashes: known.iter().copied().collect(),
            ..OrphanQuery::default()
        };
        let found = self.core().control().orphans(&query).unwrap();
        (found.orphans.len(), found.ghosts.len())
    }

    pub(crate) fn live(&self) -> u64 {
        self.core().control().stats().keys.total.live
    }

    /// Lets time pass, doing all background work when it is due, until `until`.
    pub(crate) async fn pass_until(&self, until: Timestamp) {
        self.app.run_until_idle().await;
        while let Some(due) = self.app.next_due().await.unwrap() {
            if due > until {
                break;
            }
            self.transport.advance(due.since(self.now()).max(Duration::from_millis(1)));
            self.app.run_until_idle().await;
        }
        self.transport.advance(until.since(self.now()));
        self.app.run_until_idle().await;
    }

    pub(crate) async fn delete(&self, id: RotationId, delete_secrets: bool, revoke_keys: bool) -> Result<Rotation, Error> {
        self.app
            .delete_rotation(
                &self.actor,
                KIND,
                id,
                Removal {
                    delete_secrets,
                    revoke_keys,
                },
            )
            .await
    }
}

async fn start_node(store: &Store, transport: &Arc<SimTransport>, clock: &Arc<ManualClock>, settings: &Settings, seed: u64) -> App {
    let registry = Registry::standard(&ProviderSettings {
        openrouter_base_url: "http://openrouter.test/api/v1".parse().unwrap(),
        openrouter_base_url_set_by_operator: true,
    });
    let parts = Parts {
        store: store.clone(),
        root_key: RootKey::generate(&SeededEntropy::new(7)),
        registry,
        transport: Arc::clone(transport) as Arc<dyn Transport>,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        entropy: Arc::new(SeededEntropy::new(seed)),
        passwords: Passwords::fast_for_tests(),
        settings: settings.clone(),
        sleeper: Arc::new(SimSleeper(Arc::clone(transport))),
    };
    App::start(parts).await.unwrap()
}
