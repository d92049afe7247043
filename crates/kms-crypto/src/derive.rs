//! One key for each purpose: HKDF-SHA256 with a distinct text for every use.

use aws_lc_rs::hkdf;
use kms_core::entropy::Entropy;
use zeroize::Zeroizing;

use crate::fatal::abort;

/// Length of every symmetric key of this crate, in bytes.
pub(crate) const KEY_LEN: usize = 32;

/// Key material, overwritten when it goes away.
pub(crate) type KeyBytes = Zeroizing<[u8; KEY_LEN]>;

/// What a derived key is for. Each text belongs to stored data (or to tokens in circulation) and never changes.
#[derive(Clone, Copy)]
pub(crate) enum KeyUse {
    /// A root key of 32 bytes out of one of 16.
    RootKeyFrom16Bytes,
    /// Seals the keys of the keyring; derived from the root key.
    SealKeyringKeys,
    /// Seals data keys; derived from a key of the keyring.
    SealDataKeys,
    /// Signs access tokens; derived from the oldest key of the keyring.
    SignAccessTokens,
    /// Seals values; derived from a data key.
    SealValues,
}

impl KeyUse {
    fn info(self) -> &'static [u8] {
        match self {
            Self::RootKeyFrom16Bytes => b"hanzo-kms 1 root key from 16 bytes",
            Self::SealKeyringKeys => b"hanzo-kms 1 root key: seal keyring keys",
            Self::SealDataKeys => b"hanzo-kms 1 keyring key: seal data keys",
            Self::SignAccessTokens => b"hanzo-kms 1 keyring key: sign access tokens",
            Self::SealValues => b"hanzo-kms 1 data key: seal values",
        }
    }
}

/// The key for `key_use` that follows from `secret`.
pub(crate) fn derive(secret: &[u8], key_use: KeyUse) -> KeyBytes {
    hkdf_sha256(secret, key_use.info())
}

/// A fresh random key.
pub(crate) fn random_key(entropy: &dyn Entropy) -> KeyBytes {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    entropy.fill(key.as_mut_slice());
    key
}

/// HKDF-SHA256 without salt: the inputs are uniformly random already.
fn hkdf_sha256(secret: &[u8], info: &[u8]) -> KeyBytes {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret)
        .expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(key.as_mut_slice()))
        .unwrap_or_else(|_unspecified| abort("deriving a key failed"));
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_5869_test_case_3() {
        // Zero-length salt and info; the first 32 of its 42 bytes (a shorter output is a prefix of a longer one).
        assert_eq!(
            hex::encode(hkdf_sha256(&[0x0b; 22], b"").as_slice()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
        );
    }

    #[test]
    fn every_use_has_its_own_key() {
        let uses = [
            KeyUse::RootKeyFrom16Bytes,
            KeyUse::SealKeyringKeys,
            KeyUse::SealDataKeys,
            KeyUse::SignAccessTokens,
            KeyUse::SealValues,
        ];
        let keys: std::collections::HashSet<_> = uses.into_iter().map(|key_use| *derive(&[1; 32], key_use)).collect();
        assert_eq!(keys.len(), uses.len());
    }
}
