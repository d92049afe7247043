use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use kms_core::entropy::SeededEntropy;
use kms_crypto::keyring::{Keyring, KeyringError, SealedKeyringKey};
use kms_crypto::root::{RootKey, RootKeyError};

use crate::support::secret;

/// Has `+` and `/` in base64, so that the two alphabets differ.
const KEY: [u8; 32] = [0xfb; 32];

fn parse(text: &str) -> Result<RootKey, RootKeyError> {
    RootKey::parse(&secret(text))
}

fn canonical(text: &str) -> String {
    parse(text).unwrap().to_base64().expose().to_owned()
}

#[test]
fn every_way_to_write_32_bytes_is_the_same_key() {
    let expected = STANDARD.encode(KEY);
    for text in [
        STANDARD.encode(KEY),
        STANDARD_NO_PAD.encode(KEY),
        URL_SAFE.encode(KEY),
        URL_SAFE_NO_PAD.encode(KEY),
        hex::encode(KEY),
        hex::encode_upper(KEY),
        format!("  {}\n", STANDARD.encode(KEY)),
        format!("\t{}\r\n", hex::encode(KEY)),
    ] {
        assert_eq!(canonical(&text), expected, "{text}");
    }
}

/// HKDF-SHA256 without salt, worked out with Python's `hmac` module alone.
#[test]
fn sixteen_bytes_in_hexadecimal_are_expanded() {
    assert_eq!(
        canonical("000102030405060708090a0b0c0d0e0f"),
        "7/W7N/W5hDPDJhg7gsRGUeFyvEIzH4a+jFS5THHDSD4="
    );
    assert_eq!(
        canonical("000102030405060708090A0B0C0D0E0F"),
        canonical("000102030405060708090a0b0c0d0e0f")
    );
}

#[test]
fn anything_else_is_refused() {
    assert_eq!(parse("").unwrap_err(), RootKeyError::Empty);
    assert_eq!(parse(" \n").unwrap_err(), RootKeyError::Empty);
    let hex = hex::encode(KEY);
    let base64 = STANDARD.encode(KEY);
    for text in [
        "correct horse battery staple",
        "this text has thirty-two letters",
        "g00102030405060708090a0b0c0d0e0f",
        &hex[..63],
        &hex[..62],
        &format!("{hex}00"),
        &format!("{}g", &hex[..63]),
        &format!("{}é", &hex[..62]),
        &base64[..42],
        &STANDARD.encode(&KEY[..31]),
        &STANDARD.encode([0; 33]),
        &STANDARD.encode([0xff; 24]),
        &base64.replacen('+', "-", 1),
        &base64.replacen('+', " ", 1),
    ] {
        assert_eq!(parse(text).unwrap_err(), RootKeyError::Malformed, "{text}");
    }
}

#[test]
fn a_generated_key_survives_being_written_down() {
    let entropy = SeededEntropy::new(1);
    let root = RootKey::generate(&entropy);
    let (_keyring, sealed) = Keyring::create(&root, &entropy);
    let again = RootKey::parse(&root.to_base64()).unwrap();
    assert!(Keyring::open(&again, std::slice::from_ref(&sealed)).is_ok());
    let other = RootKey::generate(&entropy);
    assert_eq!(
        Keyring::open(&other, &[SealedKeyringKey { ..sealed }]).unwrap_err(),
        KeyringError::WrongRootKey
    );
}
