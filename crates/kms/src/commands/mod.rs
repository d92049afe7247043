//! The commands: one file each.

mod demo;
mod healthcheck;
mod migrate;
mod server;
mod simulator;

use clap::{Parser, Subcommand};

/// A self-hosted secrets manager that rotates the API keys of your applications.
#[derive(Debug, Parser)]
#[command(name = "kms", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server: HTTP API and rotation worker in one process.
    Server(Box<crate::config::ServerArgs>),
    /// Shows the main job on this machine: simulator, server, connection, rotations under load.
    Demo(demo::Args),
    /// Stand-ins for outside services.
    Simulator(simulator::Args),
    /// Applies database migrations and exits.
    Migrate(Box<crate::config::ServerArgs>),
    /// Asks a running server whether it can serve; exit status 0 if so.
    Healthcheck(healthcheck::Args),
}

/// Why a command failed, and with which exit status it ends.
pub(crate) struct Failure {
    pub(crate) error: anyhow::Error,
    pub(crate) status: u8,
}

impl Failure {
    /// Wrong use: a setting that is malformed or cannot work.
    pub(crate) fn wrong_use(error: anyhow::Error) -> Self {
        Self { error, status: 2 }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { error, status: 1 }
    }
}

impl Cli {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Server(args) => server::run(&args),
            Command::Demo(args) => demo::run(args),
            Command::Simulator(args) => simulator::run(args),
            Command::Migrate(args) => migrate::run(&args),
            Command::Healthcheck(args) => healthcheck::run(&args),
        }
    }
}

/// The environment, read in one place.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Runs `work` on the usual runtime.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| anyhow::Error::new(error).context("cannot start"))?;
    let result = runtime.block_on(work);
    // Blocking work that is left (a password being hashed) must not hold the end up.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}

/// Waits for SIGTERM or SIGINT. A second one ends the process at once.
pub(crate) async fn wait_for_the_end() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            std::process::exit(130);
        });
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}
