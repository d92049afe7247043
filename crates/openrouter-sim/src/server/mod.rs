//! The simulator on a port: an accept loop of its own, so that a reply can be a reset, a cut body or silence.

mod admin;
mod connection;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::SimConfig;
use crate::control::Control;
use crate::core::SimCore;
use crate::error::SimError;

/// A running simulator. Dropping it ends it without waiting; [`Simulator::shutdown`] waits.
pub struct Simulator {
    core: Arc<SimCore>,
    address: SocketAddr,
    stop: CancellationToken,
    accept: JoinHandle<()>,
}

impl Simulator {
    /// Starts an instance on a port of its own.
    ///
    /// # Errors
    /// [`SimError::Config`] for settings that cannot work, [`SimError::Listen`] if the address cannot be bound.
    pub async fn start(config: SimConfig) -> Result<Self, SimError> {
        let listen = config.listen;
        if config.state_file.is_some() {
            return Err(SimError::Config("state: keeping the state in a file is not available".to_owned()));
        }
        let core = SimCore::try_new(config)?;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|source| SimError::Listen { address: listen, source })?;
        let address = listener
            .local_addr()
            .map_err(|source| SimError::Listen { address: listen, source })?;
        let stop = CancellationToken::new();
        let accept = tokio::spawn(accept(listener, Arc::clone(&core), stop.clone()));
        Ok(Self {
            core,
            address,
            stop,
            accept,
        })
    }

    /// `http://127.0.0.1:PORT/api/v1`.
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

    /// The control surface as direct calls.
    pub fn control(&self) -> &Control {
        self.core.control()
    }

    /// Ends the instance; connections are closed.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        // The task ends by itself; a panic in it has been printed.
        drop((&mut self.accept).await);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, core: Arc<SimCore>, stop: CancellationToken) {
    let admin = admin::router(core.control().share());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _peer)) => {
                let connection = connection::serve(stream, Arc::clone(&core), admin.clone());
                let stop = stop.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = connection => {}
                        () = stop.cancelled() => {}
                    }
                });
            }
            Err(error) => {
                // Out of descriptors: wait for connections to end.
                tracing::warn!(%error, "simulator.accept_failed");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}
