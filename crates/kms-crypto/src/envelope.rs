//! The stored form of a sealed value.
//!
//! | bytes | content |
//! |---|---|
//! | 0 | format, always 1 |
//! | 1–4 | number of the key, big endian; 0 means the root key |
//! | 5–28 | random nonce |
//! | 29– | ciphertext, then the tag of 16 bytes |
//!
//! Authenticated with it: the first five bytes, followed by the [`SealContext`]'s bytes.

use kms_core::entropy::Entropy;
use kms_core::seal::{SealContext, Sealed};
use kms_core::secret::SecretBytes;

use crate::derive::KeyBytes;
use crate::xaes::{NONCE_LEN, Nonce, TAG_LEN, Xaes256Gcm};

const FORMAT: u8 = 1;
const HEADER_LEN: usize = 5;

/// Whether what is sealed is the empty text: a ciphertext is as long as its plaintext plus a constant, and whoever holds it knows.
pub fn seals_nothing(sealed: &Sealed) -> bool {
    sealed.as_bytes().len() == HEADER_LEN + crate::xaes::NONCE_LEN + crate::xaes::TAG_LEN
}

/// A sealed value did not open. It tells as little as the caller needs to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed with a key that is not at hand: the keys have to be read again, or one is lost.
    #[error("sealed with a key that is not at hand")]
    UnknownKey,
    /// It was altered, or it belongs to another place.
    #[error("sealed value refused")]
    Refused,
    /// It is no sealed value, or one of a later version.
    #[error("not a sealed value of a known format")]
    Format,
}

/// The number of the key that `sealed` names; `None` if it is no sealed value of a known format. 0 is the root key.
///
/// The number is authenticated only when the value is opened.
pub fn key_number(sealed: &Sealed) -> Option<u32> {
    Parts::of(sealed).map(|parts| parts.number)
}

struct Parts<'a> {
    header: [u8; HEADER_LEN],
    number: u32,
    nonce: Nonce,
    /// Ciphertext and tag.
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a Sealed) -> Option<Self> {
        let (header, rest) = sealed.as_bytes().split_first_chunk::<HEADER_LEN>()?;
        let (key_half, rest) = rest.split_first_chunk()?;
        let (message_half, body) = rest.split_first_chunk()?;
        let [format, number @ ..] = *header;
        (format == FORMAT && body.len() >= TAG_LEN).then_some(Self {
            header: *header,
            number: u32::from_be_bytes(number),
            nonce: Nonce {
                key_half: *key_half,
                message_half: *message_half,
            },
            body,
        })
    }
}

/// A numbered key that seals and opens.
pub(crate) struct SealingKey {
    number: u32,
    cipher: Xaes256Gcm,
}

impl SealingKey {
    pub(crate) fn new(number: u32, key: &KeyBytes) -> Self {
        Self {
            number,
            cipher: Xaes256Gcm::new(key),
        }
    }

    pub(crate) fn seal(&self, context: SealContext, plaintext: &[u8], entropy: &dyn Entropy) -> Sealed {
        let [a, b, c, d] = self.number.to_be_bytes();
        let header = [FORMAT, a, b, c, d];
        let mut nonce = Nonce {
            key_half: [0; 12],
            message_half: [0; 12],
        };
        entropy.fill(&mut nonce.key_half);
        entropy.fill(&mut nonce.message_half);

        // The plaintext is encrypted where it will be stored; the capacity is final, so it never moves and leaves no copy.
        let mut bytes = Vec::with_capacity(HEADER_LEN + NONCE_LEN + plaintext.len() + TAG_LEN);
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&nonce.key_half);
        bytes.extend_from_slice(&nonce.message_half);
        bytes.extend_from_slice(plaintext);
        let body = bytes.get_mut(HEADER_LEN + NONCE_LEN..).unwrap_or_default();
        let tag = self.cipher.seal(&nonce, &associated(header, context), body);
        bytes.extend_from_slice(tag.as_ref());
        Sealed::from_bytes(bytes)
    }

    pub(crate) fn open(&self, context: SealContext, sealed: &Sealed) -> Result<SecretBytes, OpenError> {
        let parts = Parts::of(sealed).ok_or(OpenError::Format)?;
        if parts.number != self.number {
            return Err(OpenError::UnknownKey);
        }
        let mut bytes = parts.body.to_vec();
        // On a refusal the library overwrites what it has decrypted so far.
        let length = self
            .cipher
            .open(&parts.nonce, &associated(parts.header, context), &mut bytes)
            .map_err(|_refused| OpenError::Refused)?;
        bytes.truncate(length);
        Ok(SecretBytes::new(bytes))
    }
}

fn associated(header: [u8; HEADER_LEN], context: SealContext) -> Vec<u8> {
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(&context.to_bytes());
    bytes
}
