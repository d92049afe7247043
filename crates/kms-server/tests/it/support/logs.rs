//! Everything that is logged in this process.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, Once};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static STARTED: Once = Once::new();

struct Captured;

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to capture, at every level.
pub(crate) fn capture() {
    STARTED.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(|| Captured)
            .init();
    });
}

/// Fails if one of the secrets was logged. The secret itself is not repeated.
pub(crate) fn assert_free_of(secrets: &BTreeSet<String>) {
    let log = LOG.lock().unwrap();
    let log = String::from_utf8_lossy(&log);
    for secret in secrets {
        if let Some(line) = log.lines().find(|line| line.contains(secret.as_str())) {
            panic!("a secret was logged: {}", line.replace(secret.as_str(), "<the secret>"));
        }
    }
}
