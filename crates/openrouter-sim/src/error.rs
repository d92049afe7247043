//! Why a simulator cannot start or go on.

use std::io;
use std::path::PathBuf;

/// Failures of starting and running a simulator.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A setting is malformed or does not fit the others; the sentence names it.
    #[error("{0}")]
    Config(String),
    /// The address could not be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: std::net::SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The state file is damaged. The simulator does not begin empty in its place.
    #[error("{} is no usable state file ({reason}); repair it or move it away", path.display())]
    State {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Signal handlers could not be installed, or standard output is closed.
    #[error("{what}")]
    Process {
        /// What was being done.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}
