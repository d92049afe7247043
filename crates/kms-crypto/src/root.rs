//! The root key: the one secret that lives outside the database.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use kms_core::entropy::Entropy;
use kms_core::secret::SecretString;
use zeroize::Zeroizing;

use crate::derive::{KEY_LEN, KeyBytes, KeyUse, derive, random_key};
use crate::envelope::SealingKey;

/// The number that stands for the root key in a sealed value.
pub(crate) const ROOT_KEY_NUMBER: u32 = 0;

const ANY_PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

/// The root key. It seals the keys of the keyring and nothing else.
pub struct RootKey(KeyBytes);

/// The text is no root key. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RootKeyError {
    /// There is nothing in it.
    #[error("the root key is empty")]
    Empty,
    /// It is neither of the accepted forms.
    #[error("the root key must be base64 of 32 bytes, or 64 hexadecimal digits (32 are accepted too)")]
    Malformed,
}

impl RootKey {
    /// Reads a root key: base64 of 32 bytes (either alphabet, with or without padding) or 64 hexadecimal digits. White space
    /// around it is ignored.
    ///
    /// 32 hexadecimal digits are accepted because existing installations have such keys; those 128 bits are expanded.
    /// A passphrase is not accepted, whatever its length.
    pub fn parse(text: &SecretString) -> Result<Self, RootKeyError> {
        let text = text.expose().trim();
        if text.is_empty() {
            return Err(RootKeyError::Empty);
        }
        let key = match text.len() {
            64 => from_hex(text).map(Self),
            32 => from_hex::<16>(text).map(|short| Self(derive(short.as_slice(), KeyUse::RootKeyFrom16Bytes))),
            _ => from_base64(text, &STANDARD).or_else(|| from_base64(text, &URL_SAFE)).map(Self),
        };
        key.ok_or(RootKeyError::Malformed)
    }

    /// A fresh root key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(random_key(entropy))
    }

    /// The text that [`RootKey::parse`] reads: base64 with padding.
    pub fn to_base64(&self) -> SecretString {
        SecretString::new(general_purpose::STANDARD.encode(self.0.as_slice()))
    }

    pub(crate) fn sealing_key(&self) -> SealingKey {
        SealingKey::new(ROOT_KEY_NUMBER, &derive(self.0.as_slice(), KeyUse::SealKeyringKeys))
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(redacted)")
    }
}

fn from_hex<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    hex::decode_to_slice(text, bytes.as_mut_slice()).ok()?;
    Some(bytes)
}

fn from_base64(text: &str, engine: &GeneralPurpose) -> Option<KeyBytes> {
    // A little longer than a key: the decoder asks for room for its estimate.
    let mut buffer = Zeroizing::new([0; KEY_LEN + 4]);
    let length = engine.decode_slice(text, buffer.as_mut_slice()).ok()?;
    let bytes = buffer.get(..length)?.try_into().ok()?;
    Some(Zeroizing::new(bytes))
}
