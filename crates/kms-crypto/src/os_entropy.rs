//! Randomness of the operating system.

use kms_core::entropy::Entropy;

use crate::fatal::abort;

/// Random bytes from the operating system, by way of the cryptographic library's generator.
///
/// Where it cannot deliver, the process ends: there is no safe way to go on.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        aws_lc_rs::rand::fill(buffer).unwrap_or_else(|_unspecified| abort("the operating system gives no random bytes"));
    }
}
