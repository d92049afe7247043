//! Putting the parts together: what `kms server` and `kms demo` both run.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use kms_app::rotations::RealSleeper;
use kms_app::{App, ConnectionLimits, Parts, Settings};
use kms_core::rotation::schedule::Pace;
use kms_core::time::SystemClock;
use kms_crypto::os_entropy::OsEntropy;
use kms_crypto::password::Passwords;
use kms_providers::registry::{ProviderSettings, Registry};
use kms_providers::transport::http::{HttpSettings as OutboundSettings, HttpTransport};
use kms_server::{HttpSettings, ServerState};
use kms_store::{Engine, OpenOptions, Store};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::ServerConfig;

/// Time that requests and steps in hand are given at the end.
const GRACE: Duration = Duration::from_secs(10);

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) metrics_address: Option<SocketAddr>,
    app: App,
    stop: CancellationToken,
    serving: Vec<JoinHandle<std::io::Result<()>>>,
    background: JoinHandle<()>,
}

/// Makes a folder that only its owner can look into.
fn private_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
            .with_context(|| format!("cannot restrict the folder {} to its owner", path.display()))?;
    }
    Ok(())
}

/// Opens the database; brings its schema up to date.
pub(crate) async fn open_store(config: &ServerConfig) -> Result<(Store, bool)> {
    let mut existed = false;
    if let Engine::Sqlite { path } = &config.engine {
        existed = path.exists();
        match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) if folder == config.data_dir => private_folder(folder)?,
            Some(folder) => {
                std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
            }
            None => {}
        }
    }
    let store = Store::open(&OpenOptions::new(config.engine.clone())).await?;
    if !existed {
        existed = !store.read().list_keyring_keys().await?.is_empty();
    }
    Ok((store, existed))
}

async fn start_app(config: &ServerConfig) -> Result<App> {
    let entropy = Arc::new(OsEntropy);
    // The root key is looked for before the database is opened, so that a missing one leaves no trace.
    if matches!(&config.root_key, crate::config::RootKeySource::Generated(_)) {
        private_folder(&config.data_dir)?;
    }
    let database_exists = matches!(&config.engine, Engine::Sqlite { path } if path.exists());
    let root_key = config.root_key.load(database_exists, &*entropy)?;
    let (store, _existed) = open_store(config).await?;
    let settings = Settings {
        pace: if config.rotation_dev_mode {
            Pace::DevelopmentMinutes
        } else {
            Pace::Days
        },
        connection_limits: ConnectionLimits {
            concurrent: config.connection_concurrency,
            per_second: config.connection_rate,
        },
        public_url: config.public_url.clone(),
        ..Settings::default()
    };
    let transport = HttpTransport::new(&OutboundSettings {
        allow_internal: config.allow_internal_connections,
        ..OutboundSettings::default()
    })
    .context("cannot set up outgoing connections; are ca-certificates installed?")?;
    let registry = Registry::standard(&ProviderSettings {
        openrouter_base_url: config.openrouter_base_url.clone(),
        openrouter_base_url_set_by_operator: config.openrouter_set_by_operator,
    });
    Ok(App::start(Parts {
        store,
        root_key,
        registry,
        transport: Arc::new(transport),
        clock: Arc::new(SystemClock),
        entropy,
        passwords: Passwords::default(),
        settings,
        sleeper: Arc::new(RealSleeper),
    })
    .await?)
}

/// Starts API, dashboard and background work.
pub(crate) async fn start(config: &ServerConfig, metrics: Option<PrometheusHandle>) -> Result<Running> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("the setting listen: cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let app = start_app(config).await?;
    let settings = HttpSettings {
        trusted_proxies: config.trusted_proxies.clone(),
        public_url: config.public_url.clone(),
        metrics_here: config.metrics_listen.is_none(),
        rate_limits: config.rate_limits,
    };
    let mut state = ServerState::new(app.clone(), settings);
    state.metrics = metrics;
    let stop = CancellationToken::new();
    let mut serving = Vec::new();
    let mut metrics_address = None;
    if let Some(wanted) = config.metrics_listen {
        let listener = TcpListener::bind(wanted)
            .await
            .with_context(|| format!("the setting metrics_listen: cannot listen on {wanted}"))?;
        metrics_address = Some(listener.local_addr()?);
        serving.push(tokio::spawn(kms_server::serve(
            listener,
            kms_server::metrics_router(state.clone()),
            stop.clone(),
            GRACE,
        )));
    }
    serving.push(tokio::spawn(kms_server::serve(
        listener,
        kms_server::router(state),
        stop.clone(),
        GRACE,
    )));
    let worker = app.clone();
    let background = tokio::spawn(async move { worker.run_background().await });
    tracing::info!(%address, engine = app.engine_name(), "server.started");
    if config.rotation_dev_mode {
        tracing::warn!("server.rotation_dev_mode: one day of a rotation interval lasts one minute; not for production");
    }
    Ok(Running {
        address,
        metrics_address,
        app,
        stop,
        serving,
        background,
    })
}

impl Running {
    /// Stops accepting, finishes the requests and the steps in hand, for at most ten seconds.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.app.stop();
        let all = async {
            for task in self.serving {
                drop(task.await);
            }
            drop(self.background.await);
        };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("server.stopped_late: not everything was finished in time; it goes on at the next start");
        }
        if let Err(error) = self.app.close().await {
            tracing::warn!(%error, "server.database_not_closed");
        }
        tracing::info!("server.stopped");
    }
}
