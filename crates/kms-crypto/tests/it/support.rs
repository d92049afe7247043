use kms_core::entropy::SeededEntropy;
use kms_core::ids::{DataKeyId, OrgId, ProjectId};
use kms_core::seal::{KeyScope, Purpose, SealContext};
use kms_core::secret::SecretString;
use kms_core::time::Timestamp;
use kms_crypto::data::{DataKey, DataKeys};
use kms_crypto::keyring::Keyring;
use kms_crypto::root::RootKey;
use proptest::test_runner::{Config, RngSeed};
use uuid::Uuid;

pub const PROJECT: KeyScope = KeyScope::Project(ProjectId(Uuid::from_u128(0x11)));
pub const OTHER_PROJECT: KeyScope = KeyScope::Project(ProjectId(Uuid::from_u128(0x12)));
pub const ORGANIZATION: KeyScope = KeyScope::Organization(OrgId(Uuid::from_u128(0x11)));

/// Property tests draw the same cases on every run.
pub fn cases(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(0x006b_6d73),
        failure_persistence: None,
        ..Config::default()
    }
}

pub fn secret(text: &str) -> SecretString {
    SecretString::new(text)
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn row(number: u128) -> DataKeyId {
    DataKeyId(Uuid::from_u128(number))
}

pub fn keyring(entropy: &SeededEntropy) -> Keyring {
    Keyring::create(&RootKey::generate(entropy), entropy).0
}

pub fn data_key(number: u32, entropy: &SeededEntropy) -> DataKey {
    keyring(entropy).create_data_key(row(1), PROJECT, number, entropy).0
}

pub fn data_keys(entropy: &SeededEntropy) -> DataKeys {
    data_key(1, entropy).into()
}

pub fn place() -> SealContext {
    SealContext {
        purpose: Purpose::SecretValue,
        scope: PROJECT,
        row: Uuid::from_u128(0x51),
        version: 3,
    }
}
