//! The end of the process where going on would be unsafe.

use std::io::Write;

/// Says why on standard error and ends the process at once, without unwinding.
///
/// Used where the operating system gives no randomness, and where the cryptographic library reports a failure that its
/// fixed input lengths rule out (what is left is exhausted memory, on which Rust itself aborts). A panic could be caught by
/// a server's handler, which would then serve on without randomness or with half a ciphertext.
pub(crate) fn abort(reason: &str) -> ! {
    // Standard error may be closed; the process ends either way.
    let _unwritable = writeln!(std::io::stderr(), "hanzo-kms: {reason}; the process stops");
    std::process::abort()
}
