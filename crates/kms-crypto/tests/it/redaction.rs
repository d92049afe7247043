use kms_core::entropy::SeededEntropy;
use kms_crypto::data::DataKeys;
use kms_crypto::keyring::Keyring;
use kms_crypto::password::{PasswordHash, Passwords};
use kms_crypto::root::{RootKey, RootKeyError};
use kms_crypto::tokens::{PlainToken, TokenKind, generate};

use crate::support::{PROJECT, place, row, secret};

#[test]
fn debug_shows_no_key_no_token_and_no_hash() {
    let entropy = SeededEntropy::new(1);
    let root = RootKey::generate(&entropy);
    let (keyring, sealed) = Keyring::create(&root, &entropy);
    let (key, _sealed) = keyring.create_data_key(row(1), PROJECT, 2, &entropy);
    assert_eq!(format!("{root:?}"), "RootKey(redacted)");
    assert_eq!(format!("{keyring:?}"), "Keyring(1 keys, redacted)");
    assert_eq!(format!("{sealed:?}"), "SealedKeyringKey { number: 1, sealed: Sealed(77 bytes) }");
    assert_eq!(format!("{:?}", keyring.token_signer()), "TokenSigner(redacted)");
    let key_text = "DataKey(Project(ProjectId(00000000-0000-0000-0000-000000000011)), number 2, redacted)";
    assert_eq!(format!("{key:?}"), key_text);
    assert_eq!(
        format!("{:?}", DataKeys::from(key)),
        format!("DataKeys {{ newest: {key_text}, older: {{}} }}")
    );

    let token = generate(TokenKind::ClientSecret, &entropy);
    assert_eq!(format!("{token:?}"), "PlainToken(SecretString(redacted))");
    assert_eq!(format!("{:?}", token.hash()), "HashedToken(redacted)");
    assert_eq!(
        format!("{:?}", PlainToken::presented(secret("x"))),
        "PlainToken(SecretString(redacted))"
    );
    let passwords = Passwords::fast_for_tests();
    assert_eq!(format!("{:?}", passwords.hash(&secret("x"), &entropy)), "PasswordHash(redacted)");
    assert_eq!(format!("{:?}", PasswordHash::from_stored("x".to_owned())), "PasswordHash(redacted)");
}

#[test]
fn errors_repeat_nothing_of_what_was_given() {
    let wrong = RootKey::parse(&secret("hunter2")).unwrap_err();
    assert_eq!(wrong, RootKeyError::Malformed);
    assert!(!format!("{wrong} {wrong:?}").contains("hunter2"));

    let entropy = SeededEntropy::new(2);
    let (keyring, _sealed) = Keyring::create(&RootKey::generate(&entropy), &entropy);
    let keys = DataKeys::from(keyring.create_data_key(row(1), PROJECT, 1, &entropy).0);
    let sealed = keys.seal(place(), b"hunter2\xff", &entropy);
    let refused = keys.open_text(place(), &sealed).unwrap_err();
    assert_eq!(format!("{refused} {refused:?}"), "sealed value refused Refused");
}
