//! All random draws, from one seed, in streams that do not disturb each other.
//!
//! Key texts come from their own numbered stream: the n-th key text depends on seed and n alone, so a
//! restart that knows n never repeats one.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use crate::key_text::{DIGITS, KeyText, PREFIX};

const STREAM_KEYS: u64 = 1;
const STREAM_MANAGEMENT: u64 = 2;
const STREAM_IDS: u64 = 3;
const STREAM_FAULTS: u64 = 4;
const STREAM_DELAYS: u64 = 5;

/// The generators of one simulator.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    seed: [u8; 32],
    marker: String,
    keys_drawn: u64,
    management_drawn: u64,
    ids: ChaCha8Rng,
    /// Draws of fault rules.
    pub(crate) faults: ChaCha8Rng,
    /// Draws of delays.
    pub(crate) delays: ChaCha8Rng,
}

impl Random {
    /// With `seed` everything repeats; without, the operating system's randomness is the seed.
    /// `marker` are the first hex digits of every key text.
    pub(crate) fn new(seed: Option<u64>, marker: String) -> Self {
        let mut bytes = [0; 32];
        match seed {
            Some(seed) => {
                for (target, byte) in bytes.iter_mut().zip(seed.to_le_bytes()) {
                    *target = byte;
                }
            }
            None => ChaCha8Rng::from_os_rng().fill_bytes(&mut bytes),
        }
        Self {
            seed: bytes,
            marker,
            keys_drawn: 0,
            management_drawn: 0,
            ids: stream(bytes, STREAM_IDS),
            faults: stream(bytes, STREAM_FAULTS),
            delays: stream(bytes, STREAM_DELAYS),
        }
    }

    /// Faults and delays repeat from here; key texts and ids go on, since they must stay unique.
    pub(crate) fn rewind_draws(&mut self) {
        self.faults = stream(self.seed, STREAM_FAULTS);
        self.delays = stream(self.seed, STREAM_DELAYS);
    }

    /// The next inference key text.
    pub(crate) fn key(&mut self) -> KeyText {
        self.keys_drawn += 1;
        self.text(STREAM_KEYS, self.keys_drawn)
    }

    /// The next management key text.
    pub(crate) fn management_key(&mut self) -> KeyText {
        self.management_drawn += 1;
        self.text(STREAM_MANAGEMENT, self.management_drawn)
    }

    fn text(&self, number: u64, count: u64) -> KeyText {
        let mut generator = stream(self.seed, number);
        // 32 bytes are 8 words.
        generator.set_word_pos(u128::from(count) * 8);
        let mut bytes = [0; DIGITS / 2];
        generator.fill_bytes(&mut bytes);
        let digits = hex::encode(bytes);
        let drawn = digits.get(self.marker.len()..).unwrap_or_default();
        KeyText::new(format!("{PREFIX}{}{drawn}", self.marker))
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.ids.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// 16 hex digits for ids that need no format.
    pub(crate) fn id(&mut self) -> String {
        format!("{:016x}", self.ids.next_u64())
    }

    pub(crate) fn position(&self) -> RandomPosition {
        RandomPosition {
            keys_drawn: self.keys_drawn,
            management_drawn: self.management_drawn,
            ids: self.ids.get_word_pos().to_string(),
        }
    }

    pub(crate) fn restore(&mut self, position: &RandomPosition) {
        self.keys_drawn = self.keys_drawn.max(position.keys_drawn);
        self.management_drawn = self.management_drawn.max(position.management_drawn);
        let words = position.ids.parse().unwrap_or(0).max(self.ids.get_word_pos());
        self.ids.set_word_pos(words);
    }
}

/// How far the unique draws have gone; kept in the state file.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RandomPosition {
    keys_drawn: u64,
    management_drawn: u64,
    ids: String,
}

fn stream(seed: [u8; 32], number: u64) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::from_seed(seed);
    generator.set_stream(number);
    generator
}

/// A number in [0, 1) with 53 random bits.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
pub(crate) fn unit(generator: &mut ChaCha8Rng) -> f64 {
    (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_texts_depend_on_seed_and_number_alone() {
        let mut first = Random::new(Some(7), String::new());
        let texts: Vec<_> = (0..4).map(|_| first.key()).collect();
        let mut second = Random::new(Some(7), String::new());
        second.uuid();
        second.management_key();
        assert_eq!(texts.first(), Some(&second.key()));
        let mut restarted = Random::new(Some(7), String::new());
        restarted.restore(&second.position());
        assert_eq!(texts.get(1), Some(&restarted.key()));
    }

    #[test]
    fn the_marker_leads() {
        let mut random = Random::new(None, "51a51a51".to_owned());
        let text = random.key();
        assert!(text.expose().starts_with("sk-or-v1-51a51a51"));
        assert_eq!(text.expose().len(), 73);
        assert_ne!(random.key(), random.key());
    }
}
