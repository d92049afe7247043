//! A whole service for one test, driven in process.
//!
//! ```ignore
//! #[test]
//! fn a_project_has_three_environments() {
//!     on_each_database(async || {
//!         let (app, admin) = TestApp::bootstrapped().await;
//!         let project = admin.post("/api/v2/workspace", json!({ "projectName": "Shop" })).await.ok();
//!     });
//! }
//! ```
//!
//! The story runs on SQLite, and once more on PostgreSQL where `KMS_TEST_POSTGRES` holds the address of a server on which databases may
//! be made. Time stands still until `app.clock` is moved; randomness follows from a fixed seed, so that ids and tokens repeat.
//! When the [`TestApp`] goes away, it fails the test if a secret that went through it is found in the log.

mod caller;
mod cast;
mod database;
mod logs;
mod machines;
mod outside;
mod people;

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use kms_app::{App, Parts, Settings};
use kms_core::entropy::SeededEntropy;
use kms_core::secret::SecretString;
use kms_core::time::ManualClock;
use kms_crypto::password::Passwords;
use kms_crypto::root::RootKey;
use kms_providers::registry::{ProviderSettings, Registry};
use kms_providers::transport::Transport;
use kms_server::{HttpSettings, ServerState};
use kms_store::{OpenOptions, Store};
use openrouter_sim::{SimConfig, Simulator};
use serde_json::json;

pub(crate) use caller::{Caller, TestResponse, claims};
pub(crate) use cast::{WEAK_ROLES, text, texts};
pub(crate) use database::{on_each_database, stored_bytes};
pub(crate) use machines::{ANY_MACHINE, LOGIN};
pub(crate) use people::PASSWORD;

/// What the clock shows at first.
pub(crate) const START: &str = "2026-03-01T12:00:00Z";

/// The same as answers show it.
pub(crate) const START_ON_THE_WIRE: &str = "2026-03-01T12:00:00.000Z";

/// What can be different from the usual.
pub(crate) struct Options {
    pub(crate) settings: Settings,
    pub(crate) http: HttpSettings,
    /// Where OpenRouter is. Without it, no request leaves.
    pub(crate) openrouter: Option<url::Url>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            http: HttpSettings {
                trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
                ..HttpSettings::default()
            },
            openrouter: None,
        }
    }
}

/// An OpenRouter of the test's own, and the options of a service that uses it. Its keys carry a marker, so that they are known in logs.
pub(crate) async fn simulated_openrouter() -> (Simulator, Options) {
    let config = SimConfig {
        key_marker: Some("51a51a51".to_owned()),
        ..SimConfig::default()
    };
    let simulator = Simulator::start(config).await.unwrap();
    let options = Options {
        openrouter: Some(simulator.base_url().parse().unwrap()),
        ..Options::default()
    };
    (simulator, options)
}

/// A service with a database of its own.
pub(crate) struct TestApp {
    /// The application below the HTTP side, for what no route does.
    pub(crate) app: App,
    /// Its database.
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    router: Router,
    secrets: Arc<Secrets>,
}

/// The administrator that bootstrapping makes. Calls go out with the token of the instance's machine identity.
pub(crate) struct Admin {
    caller: Caller,
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) org_id: String,
    pub(crate) user_id: String,
    pub(crate) identity_id: String,
}

impl Deref for Admin {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl TestApp {
    /// A service that has just been installed.
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    /// The same with other options.
    pub(crate) async fn with(options: Options) -> Self {
        logs::capture();
        let base = options
            .openrouter
            .clone()
            .unwrap_or_else(|| "http://127.0.0.1:9/api/v1".parse().unwrap());
        let transport: Arc<dyn Transport> = if options.openrouter.is_some() {
            outside::network()
        } else {
            Arc::new(outside::NoNetwork)
        };
        let clock = Arc::new(ManualClock::new(START.parse().unwrap()));
        let mut open = OpenOptions::new(database::engine().await);
        open.durable = false;
        let store = Store::open(&open).await.unwrap();
        let parts = Parts {
            store: store.clone(),
            root_key: RootKey::parse(&SecretString::new("5f".repeat(32))).unwrap(),
            registry: Registry::standard(&ProviderSettings {
                openrouter_base_url: base,
                openrouter_base_url_set_by_operator: true,
            }),
            transport,
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(1)),
            passwords: Passwords::fast_for_tests(),
            settings: options.settings,
            sleeper: Arc::new(kms_app::rotations::RealSleeper),
        };
        let app = App::start(parts).await.unwrap();
        let secrets = Arc::new(Secrets::default());
        secrets.add(&"5f".repeat(32));
        Self {
            router: kms_server::router(ServerState::new(app.clone(), options.http)),
            app,
            store,
            clock,
            secrets,
        }
    }

    /// A service with an administrator and an organization.
    pub(crate) async fn bootstrapped() -> (Self, Admin) {
        Self::bootstrapped_with(Options::default()).await
    }

    /// The same with other options.
    pub(crate) async fn bootstrapped_with(options: Options) -> (Self, Admin) {
        let app = Self::with(options).await;
        let admin = app.bootstrap().await;
        (app, admin)
    }

    /// Bootstraps.
    pub(crate) async fn bootstrap(&self) -> Admin {
        let (email, password) = ("admin@example.com", "correct-horse-battery-staple");
        let body = json!({ "email": email, "password": password, "organization": "Example Org" });
        let made = self.nobody().post("/api/v1/admin/bootstrap", body).await.ok();
        let text = |pointer: &str| made.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        Admin {
            caller: self.caller(&text("/identity/credentials/token")),
            email: email.to_owned(),
            password: password.to_owned(),
            org_id: text("/organization/id"),
            user_id: text("/user/id"),
            identity_id: text("/identity/id"),
        }
    }

    /// Somebody without credentials.
    pub(crate) fn nobody(&self) -> Caller {
        Caller::new(self.router.clone(), self.secrets.clone())
    }

    /// Somebody with an access token.
    pub(crate) fn caller(&self, token: &str) -> Caller {
        self.remember_secret(token);
        self.nobody().with_token(token)
    }

    /// A secret that must not be in the log when the test ends. What callers send and get under the usual names is remembered
    /// by itself.
    pub(crate) fn remember_secret(&self, secret: &str) {
        self.secrets.add(secret);
    }

    /// Moves the clock.
    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            logs::assert_free_of(&self.secrets.0.lock().unwrap());
        }
    }
}

/// The secrets of a test.
#[derive(Default)]
pub(crate) struct Secrets(Mutex<BTreeSet<String>>);

impl Secrets {
    pub(crate) fn add(&self, secret: &str) {
        // Shorter texts turn up by chance.
        if secret.len() >= 8 {
            self.0.lock().unwrap().insert(secret.to_owned());
        }
        // A token without its signature is none; with it, it is one even if the rest is cut off in the log.
        if let [_, _, signature] = secret.split('.').collect::<Vec<_>>()[..]
            && signature.len() >= 32
        {
            self.0.lock().unwrap().insert(signature.to_owned());
        }
    }
}

#[test]
#[should_panic(expected = "a secret was logged")]
fn a_secret_in_the_log_fails_the_test() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let secret = "planted-by-this-very-test";
        app.nobody()
            .post("/api/nowhere", json!({ "list": [{ "password": secret }] }))
            .await
            .refused(404, "NotFound");
        tracing::trace!(secret, "a careless line");
    });
}
