//! XAES-256-GCM (<https://c2sp.org/XAES-256-GCM>): AES-256-GCM with a random nonce of 24 bytes.
//!
//! The first half of the nonce and two AES-CMACs give each message a key of its own; the second half is the nonce under that
//! key. So one key may seal 2^80 messages before two nonces are likely to meet, where AES-GCM alone is worn out after 2^32.
//! Like GCM itself, the construction does not commit to the key: a ciphertext is opened with the one key its header names,
//! never with a list of candidates.

use aws_lc_rs::{aead, cmac};
use zeroize::Zeroizing;

use crate::derive::{KEY_LEN, KeyBytes};
use crate::fatal::abort;

/// Length of the authentication tag, in bytes.
pub(crate) const TAG_LEN: usize = 16;
/// Length of the nonce, in bytes.
pub(crate) const NONCE_LEN: usize = 2 * NONCE_HALF_LEN;
const NONCE_HALF_LEN: usize = 12;

/// A nonce of 24 bytes, in its two halves.
#[derive(Clone, Copy)]
pub(crate) struct Nonce {
    /// Selects the message's key.
    pub(crate) key_half: [u8; NONCE_HALF_LEN],
    /// The nonce under that key.
    pub(crate) message_half: [u8; NONCE_HALF_LEN],
}

/// The ciphertext, its tag, the nonce, the associated data or the key is not what it was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// A key, with the CMAC subkeys worked out once.
pub(crate) struct Xaes256Gcm {
    mac: cmac::Key,
}

impl Xaes256Gcm {
    pub(crate) fn new(key: &KeyBytes) -> Self {
        let mac = cmac::Key::new(cmac::AES_256, key.as_slice()).unwrap_or_else(|_unspecified| abort("preparing a key for sealing failed"));
        Self { mac }
    }

    /// Encrypts `in_out` where it stands and returns the tag.
    pub(crate) fn seal(&self, nonce: &Nonce, associated: &[u8], in_out: &mut [u8]) -> aead::Tag {
        let (key, nonce) = self.message_key(nonce);
        key.seal_in_place_separate_tag(nonce, aead::Aad::from(associated), in_out)
            .unwrap_or_else(|_unspecified| abort("sealing a value failed"))
    }

    /// Decrypts `in_out`, a ciphertext followed by its tag, where it stands. Returns the plaintext's length.
    pub(crate) fn open(&self, nonce: &Nonce, associated: &[u8], in_out: &mut [u8]) -> Result<usize, Refused> {
        let (key, nonce) = self.message_key(nonce);
        key.open_in_place(nonce, aead::Aad::from(associated), in_out)
            .map(|plaintext| plaintext.len())
            .map_err(|_unspecified| Refused)
    }

    /// The one place where a key is used with a nonce that the library does not choose itself.
    fn message_key(&self, nonce: &Nonce) -> (aead::LessSafeKey, aead::Nonce) {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        for (half, counter) in key.chunks_exact_mut(16).zip(1_u8..) {
            let mut block = [0; 16];
            let input = [0, counter, b'X', 0].into_iter().chain(nonce.key_half);
            for (byte, source) in block.iter_mut().zip(input) {
                *byte = source;
            }
            // Written straight into the key, so that no copy of it is left behind.
            cmac::sign_to_buffer(&self.mac, &block, half).unwrap_or_else(|_unspecified| abort("deriving a message key failed"));
        }
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, key.as_slice())
            .unwrap_or_else(|_unspecified| abort("preparing a message key failed"));
        (aead::LessSafeKey::new(key), aead::Nonce::assume_unique_for_key(nonce.message_half))
    }
}

#[cfg(test)]
mod tests;
