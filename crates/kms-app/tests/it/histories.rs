//! Seeded histories: faults, crashes, time and people at random; the invariants of `rotation.md` §2 checked after every step.
//!
//! A failure prints its seed; `KMS_TEST_SEED=<seed>` replays that history alone. `KMS_TEST_HISTORIES` sets how many are run; with
//! `KMS_TEST_SOAK` it is as many as an hour gives.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kms_app::Error;
use kms_core::ids::{ConnectionId, ProjectId, RotationId};
use kms_store::{Fault, FaultPoint};
use openrouter_sim::{Action, Delays, Distribution, FaultRule, Outage, OutageMode, Propagation, When};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::world::{Crash, KIND, World};

/// A history under way.
struct History<'a> {
    world: &'a mut World,
    random: StdRng,
    project: ProjectId,
    connection: ConnectionId,
    rotation: Option<RotationId>,
    /// Versions of the secret that were published, as the rotation's answers told.
    zombies: Vec<tokio::task::JoinHandle<()>>,
    /// Whether a call may still arrive although its caller has gone.
    late: bool,
}

/// Over real sockets nobody waits longer than this; half a second later, whatever was late has happened.
const LATEST: Duration = Duration::from_millis(500);

fn random_action(random: &mut StdRng, over_http: bool) -> (Action, Option<When>) {
    let status = |status: u16, body: &str| Action::Status {
        status,
        body: body.to_owned(),
        headers: BTreeMap::new(),
    };
    let when = if random.random_bool(0.5) {
        When::BeforeEffect
    } else {
        When::AfterEffect
    };
    match random.random_range(0..14) {
        0 => (status(500, "json"), Some(when)),
        1 => (status(503, "html"), Some(when)),
        2 => (Action::Reset, Some(when)),
        3 => (Action::Close, Some(when)),
        4 => (Action::Hang { max_ms: None }, Some(when)),
        5 => (
            Action::RateLimit {
                retry_after_s: random.random_range(1..60),
                format: openrouter_sim::RetryAfterFormat::Seconds,
                limit: 5,
                remaining: 0,
            },
            None,
        ),
        6 => (
            Action::Truncate {
                bytes: random.random_range(0..80),
            },
            None,
        ),
        7 => (Action::MalformedJson, None),
        8 => (
            Action::Latency {
                ms: Distribution::fixed_ms(random.random_range(100..if over_http { 450 } else { 40_000 })),
                then: None,
            },
            Some(When::BeforeEffect),
        ),
        9 => (Action::WrongStatus { status: 200 }, None),
        10 => (
            Action::DropFields {
                fields: vec!["key".to_owned()],
            },
            None,
        ),
        11 => (Action::DoubleEffect, None),
        12 => (Action::IgnoreEffect, None),
        _ => (status(401, "json"), Some(When::BeforeEffect)),
    }
}

impl History<'_> {
    fn add_faults(&mut self) {
        const ENDPOINTS: [&str; 6] = ["any", "keys.create", "keys.create", "keys.delete", "keys.list", "key"];
        let core = self.world.core();
        let control = core.control();
        for _ in 0..self.random.random_range(1..4) {
            let (action, when) = random_action(&mut self.random, self.world.is_over_http());
            self.late |= matches!(action, Action::Latency { .. });
            let endpoint = ENDPOINTS[self.random.random_range(0..ENDPOINTS.len())];
            let times = self.random.random_range(1..4);
            let rule = FaultRule {
                when,
                ..FaultRule::on(endpoint, action)
                    .times(times)
                    .probability(self.random.random_range(0.2..1.0))
            };
            control.add_fault(rule).unwrap();
        }
        if self.random.random_bool(0.2) {
            let mode = [OutageMode::Unavailable, OutageMode::Reset, OutageMode::Hang][self.random.random_range(0..3)];
            control.outage(Outage {
                until_ms: self.random.random_range(1_000..3_600_000),
                mode,
            });
        }
        if self.random.random_bool(0.3) {
            let mut delay = |most: u32| {
                self.random
                    .random_bool(0.5)
                    .then(|| Distribution::fixed_ms(self.random.random_range(0..most)))
            };
            let delays = Delays {
                visible: delay(20_000),
                revoke: delay(40_000),
                list: delay(30_000),
                get: None,
                usage: None,
            };
            control.set_propagation(Propagation {
                global: delays,
                prefixes: Vec::new(),
            });
        }
        if self.random.random_bool(0.3) {
            let (mut left, after) = (self.random.random_range(1..8_u32), self.random.random_bool(0.5));
            let times = self.random.random_range(1..3_u32);
            self.world.store.faults().inject(move |point| {
                if left > 0 {
                    left -= 1;
                    return Fault::None;
                }
                if left + times == 0 {
                    return Fault::None;
                }
                match point {
                    FaultPoint::Begin => Fault::None,
                    FaultPoint::Commit => {
                        left = u32::MAX;
                        if after { Fault::After } else { Fault::Before }
                    }
                }
            });
        }
    }

    fn clear_faults(&mut self) {
        self.world.core().control().clear_faults();
        self.world.core().control().set_propagation(Propagation::default());
        self.world.store.faults().clear();
    }

    /// Runs `work` as a process that may die at one of its calls; if it does, another process takes over.
    async fn as_a_process<T: Send + 'static>(&mut self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        if self.random.random_bool(0.25) {
            let crash = if self.random.random_bool(0.5) {
                Crash::BeforeCall
            } else {
                Crash::AfterCall
            };
            self.world.transport.crash_at(self.random.random_range(1..5), crash);
        }
        let mut running = tokio::spawn(work);
        let transport = std::sync::Arc::clone(&self.world.transport);
        loop {
            tokio::select! {
                biased;
                done = &mut running => {
                    self.world.transport.no_crash();
                    return Some(done.unwrap());
                }
                () = transport.died.notified() => {
                    if self.world.transport.has_crashed() {
                        self.zombies.push(tokio::spawn(async move { drop(running.await); }));
                        self.world.store.faults().clear();
                        // A dead process no longer answers; a living one would have had its lease renewed.
                        self.world.restart().await;
                        self.world.transport.no_crash();
                        self.world.transport.crash_at(u32::MAX, Crash::BeforeCall);
                        self.world.transport.no_crash();
                        return None;
                    }
                }
            }
        }
    }

    async fn step(&mut self) {
        let app = self.world.app.clone();
        let actor = self.world.actor.clone();
        match self.random.random_range(0..10) {
            0 => self.add_faults(),
            1 => self.clear_faults(),
            2..=4 => match self.rotation {
                None => {
                    let new = self
                        .world
                        .new_rotation(self.project, self.connection, self.random.random_range(0..4));
                    if let Some(Ok(rotation)) = self.as_a_process(async move { app.create_rotation(&actor, new).await }).await {
                        self.rotation = Some(rotation.record.id);
                    }
                }
                Some(id) => {
                    let done = self.as_a_process(async move { app.rotate_now(&actor, KIND, id).await }).await;
                    if let Some(Err(error)) = done {
                        assert!(
                            matches!(error, Error::Failed { .. } | Error::BadRequest { .. } | Error::Unavailable { .. }),
                            "a rotation ended in {error:?}"
                        );
                    }
                }
            },
            5..=8 => {
                let seconds = [1, 30, 90, 600, 7200, 86_400, 4 * 86_400][self.random.random_range(0..7)];
                self.world.transport.advance(Duration::from_secs(seconds));
                self.as_a_process(async move { app.run_until_idle().await }).await;
            }
            _ => {
                self.as_a_process(async move { app.run_until_idle().await }).await;
            }
        }
    }

    /// A creation whose answer was lost with its process may have been published all the same.
    async fn find_rotation(&mut self) {
        self.world.store.faults().clear();
        if self.rotation.is_none() {
            let found = self.world.app.list_rotations(&self.world.actor, self.project, None).await.unwrap();
            self.rotation = found.first().map(|rotation| rotation.record.id);
        }
    }

    /// I1: what is served is accepted. I4, I5: slots, versions and published attempts tell the same story.
    async fn check(&mut self) {
        self.find_rotation().await;
        let Some(id) = self.rotation else {
            assert!(self.world.served(self.project).await.is_none(), "a secret without a rotation");
            return;
        };
        let (value, version) = self.world.served(self.project).await.expect("a rotation without its secret");
        assert!(self.world.accepted(&value), "I1: a key is served that the provider refuses");
        let (keys, attempts) = self.world.app.rotation_history(&self.world.actor, KIND, id).await.unwrap();
        let published = keys.iter().filter(|key| key.published_at.is_some()).count();
        assert_eq!(usize::try_from(version).unwrap(), published, "I5: versions and publications differ");
        let open = attempts.iter().filter(|attempt| !attempt.state.phase.is_final()).count();
        assert!(open <= 1, "I4: {open} attempts at once");
        let active = keys.iter().filter(|key| key.state.as_str() == "active").count();
        assert_eq!(active, 1, "one key is active");
    }

    /// I2: once the faults stop, nothing is alive that is not active or still valid.
    async fn settle(&mut self) {
        self.clear_faults();
        self.world.transport.no_crash();
        // Processes that were given up for dead go on: nothing they do may count.
        self.world.transport.revive.notify_waiters();
        for zombie in self.zombies.drain(..) {
            zombie.await.unwrap();
        }
        if self.late && self.world.is_over_http() {
            tokio::time::sleep(LATEST).await;
        }
        self.check().await;
        let until = self.world.now() + Duration::from_secs(30 * 3600);
        self.world.pass_until(until).await;
        self.check().await;
        let known = match self.rotation {
            Some(id) => self.world.slots(id).await,
            None => std::collections::BTreeSet::new(),
        };
        assert_eq!(
            self.world.strays(&known),
            (0, 0),
            "I2: keys that nobody knows, or slots without a key"
        );
        if let Some(id) = self.rotation {
            self.world.delete(id, true, true).await.unwrap();
        }
        self.world.pass_until(self.world.now() + Duration::from_secs(600)).await;
        assert_eq!(self.world.live(), 0, "I2: keys outlive their rotation");
        // Nothing is owed any more, so the connection can go; otherwise it would be inventoried in every later history.
        self.world
            .app
            .delete_connection(&self.world.actor, "open-router", self.connection)
            .await
            .unwrap();
    }
}

async fn run_history(world: &mut World, seed: u64) {
    world.new_account(seed).await;
    let (project, connection) = world.project(&format!("h{seed}")).await;
    let mut history = History {
        world,
        random: StdRng::seed_from_u64(seed),
        project,
        connection,
        rotation: None,
        zombies: Vec::new(),
        late: false,
    };
    for _ in 0..history.random.random_range(6..16) {
        history.step().await;
        history.check().await;
    }
    history.settle().await;
}

/// Says which seed failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the history of seed {} failed; replay it with: KMS_TEST_SEED={0} cargo nextest run --release -p kms-app histories",
                self.0
            );
        }
    }
}

/// One worker's share. A few histories share a database: each leaves an account that goes on being inventoried.
fn run_share(seeds: impl Iterator<Item = u64>, until: Option<Instant>, over_http: bool) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut run = 0;
    let mut world: Option<World> = None;
    for seed in seeds {
        if until.is_some_and(|until| Instant::now() > until) {
            break;
        }
        if u64::is_multiple_of(run, 10) {
            world = Some(runtime.block_on(async {
                if over_http {
                    World::over_http(seed).await
                } else {
                    World::new(seed).await
                }
            }));
        }
        let guard = Seed(seed);
        runtime.block_on(run_history(world.as_mut().unwrap(), seed));
        drop(guard);
        run += 1;
    }
    run
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn histories_keep_the_invariants() {
    let soak = std::env::var_os("KMS_TEST_SOAK").is_some();
    let count = if soak {
        u64::MAX
    } else {
        number("KMS_TEST_HISTORIES").unwrap_or(10_000)
    };
    run_all(count, soak, false);
}

#[test]
fn histories_over_real_http_keep_the_invariants() {
    run_all(number("KMS_TEST_HISTORIES").unwrap_or(300).min(300), false, true);
}

fn run_all(count: u64, soak: bool, over_http: bool) {
    if let Some(seed) = number("KMS_TEST_SEED") {
        run_share(seed..=seed, None, over_http);
        return;
    }
    let until = soak.then(|| Instant::now() + Duration::from_secs(3600));
    let cores = u64::try_from(std::thread::available_parallelism().map_or(2, usize::from)).unwrap();
    // Over real sockets most of the time is spent waiting for answers that do not come.
    let workers = if over_http { 4 * cores } else { cores };
    let begun = Instant::now();
    let shares: Vec<_> = (0..workers)
        .map(|worker| std::thread::spawn(move || run_share((0..count).filter(move |seed| seed % workers == worker), until, over_http)))
        .collect();
    let run: u64 = shares
        .into_iter()
        .map(|share| share.join().expect("a history failed; its seed stands above"))
        .sum();
    println!(
        "{run} histories in {:.0} s: 0 orphans, 0 refused keys served, 0 lost or doubled publications",
        begun.elapsed().as_secs_f64()
    );
}
