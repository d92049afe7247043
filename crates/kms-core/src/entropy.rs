//! Randomness as an argument: production draws from the operating system, tests from a seed.

use std::fmt::Debug;

/// A source of random bytes fit for keys.
///
/// The production implementation lives in `kms-crypto`; a seeded one for tests is behind the feature `testing`.
pub trait Entropy: Debug + Send + Sync {
    /// Fills `buffer` with random bytes. Never fails: an implementation that cannot deliver ends the process.
    fn fill(&self, buffer: &mut [u8]);
}

/// A uniformly distributed number in `0..bound` (0 if `bound` is 0). For jitter, not for keys: the modulo bias of
/// 64 bits over small bounds is negligible there.
pub fn below(entropy: &dyn Entropy, bound: u64) -> u64 {
    if bound == 0 {
        return 0;
    }
    let mut bytes = [0_u8; 8];
    entropy.fill(&mut bytes);
    u64::from_le_bytes(bytes) % bound
}

#[cfg(feature = "testing")]
mod seeded {
    use std::sync::Mutex;

    use super::Entropy;

    /// A reproducible generator (SplitMix64). Not secure: tests only.
    #[derive(Debug)]
    pub struct SeededEntropy(Mutex<u64>);

    impl SeededEntropy {
        /// A generator whose whole output follows from `seed`.
        pub fn new(seed: u64) -> Self {
            Self(Mutex::new(seed))
        }
    }

    impl Entropy for SeededEntropy {
        fn fill(&self, buffer: &mut [u8]) {
            let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            for chunk in buffer.chunks_mut(8) {
                *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut word = *state;
                word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                word ^= word >> 31;
                for (target, source) in chunk.iter_mut().zip(word.to_le_bytes()) {
                    *target = source;
                }
            }
        }
    }
}

#[cfg(feature = "testing")]
pub use seeded::SeededEntropy;
