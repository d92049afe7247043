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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_draw_is_another_and_fills_the_whole_buffer() {
        let draws = [(); 64].map(|()| {
            let mut bytes = [0; 32];
            OsEntropy.fill(&mut bytes);
            bytes
        });
        let different: std::collections::HashSet<_> = draws.iter().collect();
        assert_eq!(different.len(), draws.len());
        // A byte that stayed zero in all 64 draws was not written.
        assert!((0..32).all(|position| draws.iter().any(|draw| draw[position] != 0)));
        OsEntropy.fill(&mut []);
    }
}
