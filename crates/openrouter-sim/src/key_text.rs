//! Key texts, their hashes and their masks.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::LabelStyle;

/// What every key text begins with.
pub(crate) const PREFIX: &str = "sk-or-v1-";
/// Hex digits after the prefix.
pub(crate) const DIGITS: usize = 64;

/// The plaintext of a key. Its `Debug` shows nothing; reading it is an explicit call.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText(String);

impl KeyText {
    /// Wraps a key text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The plaintext.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the whole text.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("KeyText(…)")
    }
}

impl From<&str> for KeyText {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for KeyText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// SHA-256 of a whole key text: the identifier of a key. Shown as 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash([u8; 32]);

/// The text is not 64 lowercase hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key hash is 64 lowercase hex digits")]
pub struct NotAHash;

impl KeyHash {
    /// The hash of a key text.
    pub fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl FromStr for KeyHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let lowercase = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut bytes = [0; 32];
        if !lowercase || hex::decode_to_slice(text, &mut bytes).is_err() {
            return Err(NotAHash);
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for KeyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The mask shown in place of a key: its first 12 characters, dots, and its last 3 or 4.
///
/// Text too short for that to hide anything (a management key given by hand) shows its first 3 only.
pub(crate) fn label(text: &str, style: LabelStyle) -> String {
    let tail = match style {
        LabelStyle::Three => 3,
        LabelStyle::Four => 4,
    };
    if text.len() < 32 || !text.is_ascii() {
        return text.chars().take(3).chain("...".chars()).collect();
    }
    let (head, _) = text.split_at(12);
    let (_, tail) = text.split_at(text.len() - tail);
    format!("{head}...{tail}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn hash_is_sha256_of_the_whole_text() {
        assert_eq!(
            KeyHash::of("abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn only_64_lowercase_digits_are_a_hash() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(text.parse::<KeyHash>().unwrap().to_string(), text);
        assert!(text.to_uppercase().parse::<KeyHash>().is_err());
        assert!(text.get(1..).unwrap().parse::<KeyHash>().is_err());
        assert!("".parse::<KeyHash>().is_err());
    }

    #[test]
    fn labels_mask_the_middle() {
        let text = format!("sk-or-v1-62d{}8aa1", "0".repeat(57));
        assert_eq!(label(&text, LabelStyle::Three), "sk-or-v1-62d...aa1");
        assert_eq!(label(&text, LabelStyle::Four), "sk-or-v1-62d...8aa1");
        assert_eq!(label("short-text", LabelStyle::Three), "sho...");
        assert_eq!(label("ключ", LabelStyle::Three), "клю...");
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", KeyText::new("sk-or-v1-EXAMPLE")), "KeyText(…)");
    }
}
