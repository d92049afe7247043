//! The running instance: a shell that plays the replies of [`SimCore`] on sockets.
//!
//! It has an accept loop of its own, because resets, closes and cut bodies act on the connection, below any
//! router.

mod body;
mod connection;
mod control;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::config::SimConfig;
use crate::control::Control;
use crate::core::SimCore;
use crate::error::SimError;
use crate::state::persist::StateFile;

/// Changes are gathered for so long before the state file is written.
const WRITE_AFTER: Duration = Duration::from_millis(50);
/// How long a stop waits for connections.
const STOP_WITHIN: Duration = Duration::from_secs(4);

/// A running simulator. Dropping it stops it without waiting; [`Simulator::shutdown`] is the orderly way.
#[derive(Debug)]
pub struct Simulator {
    core: Arc<SimCore>,
    address: SocketAddr,
    stop: DropGuard,
    accepting: JoinHandle<()>,
    connections: TaskTracker,
    writing: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts an instance and returns once it accepts connections.
    ///
    /// # Errors
    /// The configuration cannot work, the address cannot be bound, or the state file is damaged.
    pub async fn start(config: SimConfig) -> Result<Self, SimError> {
        config.validate()?;
        let listen = config.listen;
        let state_file = config.state_file.clone();
        let core = SimCore::new(config);
        if let Some(path) = &state_file {
            load(&core, path)?;
        }
        let failed = |source| SimError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let connections = TaskTracker::new();
        let shared = Arc::new(connection::Shared {
            core: Arc::clone(&core),
            control: control::router(core.control().share()),
            stop: stop.clone(),
        });
        let accepting = tokio::spawn(accept(listener, shared, connections.clone()));
        let writing = state_file.map(|path| tokio::spawn(keep_written(Arc::clone(&core), path, stop.clone())));
        Ok(Self {
            core,
            address,
            stop: stop.drop_guard(),
            accepting,
            connections,
            writing,
        })
    }

    /// Base address of the service's surface: `http://127.0.0.1:PORT/api/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Text of the first management key of the first account.
    pub fn management_key(&self) -> &str {
        self.core.management_key().expose()
    }

    /// All of `/_sim` as direct calls.
    pub fn control(&self) -> &Control {
        self.core.control()
    }

    /// The part without sockets; calls to it and requests over HTTP meet the same state.
    pub fn core(&self) -> &Arc<SimCore> {
        &self.core
    }

    /// Stops accepting, lets requests under way end (a few seconds at most), writes the state file.
    pub async fn shutdown(self) {
        drop(self.stop);
        log_panic(self.accepting.await);
        self.connections.close();
        if tokio::time::timeout(STOP_WITHIN, self.connections.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        if let Some(writing) = self.writing {
            log_panic(writing.await);
        }
    }
}

impl std::fmt::Debug for SimCore {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SimCore")
    }
}

fn log_panic(result: Result<(), tokio::task::JoinError>) {
    if let Err(error) = result {
        tracing::error!(%error, "a task of the simulator failed");
    }
}

async fn accept(listener: TcpListener, shared: Arc<connection::Shared>, connections: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                // Small answers must not wait for more to send.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "cannot set TCP_NODELAY");
                }
                connections.spawn(connection::serve(stream, Arc::clone(&shared)));
            }
            Err(error) => {
                // Out of file descriptors, as a rule: give the others time to close.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Goes on from the state file, and makes sure that it can be written.
fn load(core: &SimCore, path: &Path) -> Result<(), SimError> {
    if let Some(state) = StateFile::read(path)? {
        let restored = core.inner().lock().restore(state);
        restored.map_err(|reason| SimError::State {
            path: path.to_owned(),
            reason,
        })?;
    }
    let state = StateFile::of(&core.inner().lock());
    state.write(path).map_err(|source| SimError::File {
        path: path.to_owned(),
        source,
    })
}

/// Writes the state file after changes, and a last time at the end.
async fn keep_written(core: Arc<SimCore>, path: PathBuf, stop: CancellationToken) {
    loop {
        let stopped = tokio::select! {
            () = core.inner().changed.notified() => false,
            () = stop.cancelled() => true,
        };
        if stopped {
            // Requests under way still change the state.
            drop(tokio::time::timeout(STOP_WITHIN, idle(&core)).await);
        } else {
            drop(tokio::time::timeout(WRITE_AFTER, stop.cancelled()).await);
        }
        let (writer, target) = (Arc::clone(&core), path.clone());
        let written = tokio::task::spawn_blocking(move || {
            let state = StateFile::of(&writer.inner().lock());
            state.write(&target)
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, path = %path.display(), "cannot write the state file");
            }
            Err(error) => tracing::error!(%error, "writing the state file failed"),
        }
        if stopped {
            return;
        }
    }
}

/// Waits until no request is under way.
async fn idle(core: &SimCore) {
    while core.inner().lock().stats.in_flight > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
