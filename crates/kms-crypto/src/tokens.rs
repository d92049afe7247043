//! Opaque tokens: random text that is shown once and stored as a hash.
//!
//! A token is 43 random characters (256 bits), a marker that tells its kind, and a checksum:
//! `…43 characters…_kmscs_0aB3xZ`. Scanners find the marker in a leak; the checksum catches typing errors before the database
//! is asked. The random part stands first because published clients show a client secret's first four characters to tell
//! secrets apart. Markers never change.

use std::fmt;

use kms_core::entropy::Entropy;
use kms_core::secret::SecretString;
use zeroize::Zeroizing;

use crate::digest::{constant_time_eq, sha256_hex};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 characters of 62 have 256.03 bits.
const RANDOM_LEN: usize = 43;
/// 62^6 exceeds 2^32.
const CHECKSUM_LEN: usize = 6;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A client secret of Universal Auth.
    ClientSecret,
    /// Renews a person's session (the cookie of the dashboard).
    RefreshToken,
    /// The secret in an invitation's link.
    Invitation,
    /// The secret part of a service token.
    ServiceToken,
}

impl TokenKind {
    fn marker(self) -> &'static str {
        match self {
            Self::ClientSecret => "_kmscs_",
            Self::RefreshToken => "_kmsrt_",
            Self::Invitation => "_kmsin_",
            Self::ServiceToken => "_kmsst_",
        }
    }
}

/// A token in clear: just made, or just presented by a client.
#[derive(Clone, Debug)]
pub struct PlainToken(SecretString);

impl PlainToken {
    /// Wraps what a client presents, whatever it looks like.
    pub fn presented(text: SecretString) -> Self {
        Self(text)
    }

    /// The text itself, to be shown once.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The first four characters, by which people tell tokens apart. They are no secret: 232 bits remain.
    pub fn hint(&self) -> &str {
        self.expose()
            .char_indices()
            .nth(4)
            .map_or(self.expose(), |(end, _fifth)| self.expose().get(..end).unwrap_or_default())
    }

    /// What is stored, and what a presented token is looked up by.
    pub fn hash(&self) -> HashedToken {
        HashedToken(sha256_hex(self.expose().as_bytes()))
    }

    /// The token as a secret text.
    pub fn into_secret(self) -> SecretString {
        self.0
    }
}

/// A token's SHA-256 in 64 lowercase hexadecimal digits: what the database keeps. A plain hash suffices, as there is nothing
/// to guess in 256 random bits. Compared in constant time.
#[derive(Clone)]
pub struct HashedToken(String);

impl HashedToken {
    /// Takes back what [`HashedToken::as_str`] gave to the store.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text to store or to look up.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for HashedToken {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Eq for HashedToken {}

impl fmt::Debug for HashedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashedToken(redacted)")
    }
}

/// A fresh token.
pub fn generate(kind: TokenKind, entropy: &dyn Entropy) -> PlainToken {
    let mut text = Zeroizing::new(String::with_capacity(RANDOM_LEN + kind.marker().len() + CHECKSUM_LEN));
    let mut random = Zeroizing::new([0; 64]);
    while text.len() < RANDOM_LEN {
        entropy.fill(random.as_mut_slice());
        let missing = RANDOM_LEN - text.len();
        text.extend(random.iter().copied().filter_map(character).take(missing));
    }
    text.push_str(kind.marker());
    let checksum = checksum(text.as_bytes());
    text.extend(checksum);
    PlainToken(SecretString::new(text.as_str()))
}

/// Whether `text` has the form and the checksum of a token of this kind. It says nothing about whether it is known.
pub fn looks_valid(kind: TokenKind, text: &str) -> bool {
    let Some((random, rest)) = text.split_at_checked(RANDOM_LEN) else {
        return false;
    };
    let Some(given) = rest.strip_prefix(kind.marker()) else {
        return false;
    };
    let Some(checked) = text.strip_suffix(given) else {
        return false;
    };
    random.bytes().all(|byte| BASE62.contains(&byte)) && given.chars().eq(checksum(checked.as_bytes()))
}

/// A character for a random byte; `None` for the 8 of 256 values that would make some characters likelier than others.
fn character(byte: u8) -> Option<char> {
    let index = usize::from(byte);
    if index >= 4 * BASE62.len() {
        return None;
    }
    BASE62.get(index % BASE62.len()).copied().map(char::from)
}

/// The CRC-32 of `bytes` in base 62, most significant digit first.
fn checksum(bytes: &[u8]) -> [char; CHECKSUM_LEN] {
    let mut rest = u64::from(crc32(bytes));
    let mut digits = ['0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        let index = usize::try_from(rest % 62).unwrap_or_default();
        *digit = BASE62.get(index).copied().map_or('0', char::from);
        rest /= 62;
    }
    digits
}

/// CRC-32 as in Ethernet, zip and PNG (reflected, polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _bit| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_32_check_value() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn every_character_is_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for character in (0..=u8::MAX).filter_map(character) {
            *counts.entry(character).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 62);
        assert!(counts.values().all(|count| *count == 4));
    }
}
