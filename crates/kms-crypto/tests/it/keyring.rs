use kms_core::entropy::SeededEntropy;
use kms_core::ids::{OrgId, ProjectId};
use kms_core::seal::{KeyScope, Sealed};
use kms_crypto::data::{DataKeys, OpenError, key_number};
use kms_crypto::keyring::{Keyring, KeyringError, SealedKeyringKey};
use kms_crypto::root::RootKey;
use uuid::Uuid;

use crate::support::{ORGANIZATION, OTHER_PROJECT, PROJECT, place, row};

struct Installation {
    entropy: SeededEntropy,
    root: RootKey,
    keyring: Keyring,
    stored: Vec<SealedKeyringKey>,
}

/// A keyring of `keys` keys.
fn installation(keys: u32) -> Installation {
    let entropy = SeededEntropy::new(7);
    let root = RootKey::generate(&entropy);
    let (mut keyring, first) = Keyring::create(&root, &entropy);
    let mut stored = vec![first];
    for _more in 1..keys {
        let (larger, sealed) = keyring.add_key(&root, &entropy);
        keyring = larger;
        stored.push(sealed);
    }
    Installation {
        entropy,
        root,
        keyring,
        stored,
    }
}

fn flip(sealed: &Sealed, position: usize) -> Sealed {
    let mut bytes = sealed.as_bytes().to_vec();
    bytes[position] ^= 1;
    Sealed::from_bytes(bytes)
}

#[test]
fn keys_are_numbered_from_one_and_the_newest_seals() {
    let Installation {
        entropy, keyring, stored, ..
    } = installation(3);
    assert_eq!(stored.iter().map(|key| key.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(stored.iter().all(|key| key_number(&key.sealed) == Some(0)));
    assert_eq!(keyring.newest_number(), 3);
    let (_key, sealed) = keyring.create_data_key(row(1), PROJECT, 1, &entropy);
    assert_eq!(key_number(&sealed), Some(3));
}

#[test]
fn an_opened_keyring_opens_what_each_of_its_keys_sealed() {
    let entropy = SeededEntropy::new(8);
    let root = RootKey::generate(&entropy);
    let (first, sealed_1) = Keyring::create(&root, &entropy);
    let (second, sealed_2) = first.add_key(&root, &entropy);
    let (_key, old) = first.create_data_key(row(1), PROJECT, 1, &entropy);
    let (_key, new) = second.create_data_key(row(2), PROJECT, 2, &entropy);

    // In any order.
    let opened = Keyring::open(&root, &[sealed_2, sealed_1]).unwrap();
    assert_eq!(opened.newest_number(), 2);
    assert_eq!(opened.open_data_key(row(1), PROJECT, 1, &old).unwrap().number(), 1);
    assert_eq!(opened.open_data_key(row(2), PROJECT, 2, &new).unwrap().number(), 2);
    // The smaller keyring has not learnt of the new key.
    assert_eq!(first.open_data_key(row(2), PROJECT, 2, &new).unwrap_err(), OpenError::UnknownKey);
}

#[test]
fn a_wrong_root_key_and_a_damaged_row_are_told_apart() {
    let Installation {
        entropy, root, mut stored, ..
    } = installation(3);
    assert_eq!(Keyring::open(&root, &[]).unwrap_err(), KeyringError::Empty);
    assert_eq!(
        Keyring::open(&RootKey::generate(&entropy), &stored).unwrap_err(),
        KeyringError::WrongRootKey
    );
    let intact = stored[1].sealed.clone();
    for position in 0..intact.as_bytes().len() {
        stored[1].sealed = flip(&intact, position);
        assert_eq!(
            Keyring::open(&root, &stored).unwrap_err(),
            KeyringError::Damaged { number: 2 },
            "byte {position}"
        );
    }
    stored[1].sealed = Sealed::from_bytes(Vec::new());
    assert_eq!(Keyring::open(&root, &stored).unwrap_err(), KeyringError::Damaged { number: 2 });
}

#[test]
fn keys_that_changed_places_are_damaged() {
    let Installation { root, mut stored, .. } = installation(3);
    let second = stored[1].sealed.clone();
    stored[1].sealed = stored[2].sealed.clone();
    stored[2].sealed = second;
    assert_eq!(Keyring::open(&root, &stored).unwrap_err(), KeyringError::Damaged { number: 2 });
}

#[test]
fn a_key_that_is_missing_or_listed_twice_is_damaged() {
    let Installation { root, stored, .. } = installation(3);
    assert_eq!(Keyring::open(&root, &stored[1..]).unwrap_err(), KeyringError::Damaged { number: 1 });
    let [first, _second, third] = <[_; 3]>::try_from(stored.clone()).unwrap();
    assert_eq!(
        Keyring::open(&root, &[first, third.clone()]).unwrap_err(),
        KeyringError::Damaged { number: 2 }
    );
    let twice = [stored, vec![third]].concat();
    assert_eq!(Keyring::open(&root, &twice).unwrap_err(), KeyringError::Damaged { number: 3 });
}

#[test]
fn another_root_key_takes_over_without_touching_a_data_key() {
    let Installation {
        entropy,
        root,
        keyring,
        stored,
    } = installation(2);
    let (_key, data_key) = keyring.create_data_key(row(1), PROJECT, 1, &entropy);
    let next_root = RootKey::generate(&entropy);
    let resealed = keyring.seal_under(&next_root, &entropy);
    assert_eq!(resealed.len(), stored.len());

    let opened = Keyring::open(&next_root, &resealed).unwrap();
    assert!(opened.open_data_key(row(1), PROJECT, 1, &data_key).is_ok());
    assert_eq!(Keyring::open(&root, &resealed).unwrap_err(), KeyringError::WrongRootKey);
    // Half of the rows written: noticed, not half opened.
    let half = [resealed[0].clone(), stored[1].clone()];
    assert_eq!(Keyring::open(&next_root, &half).unwrap_err(), KeyringError::Damaged { number: 2 });
}

#[test]
fn a_data_key_opens_in_its_own_row_only() {
    let Installation { entropy, keyring, .. } = installation(1);
    let (_key, sealed) = keyring.create_data_key(row(1), PROJECT, 4, &entropy);
    assert_eq!(keyring.open_data_key(row(1), PROJECT, 4, &sealed).unwrap().scope(), PROJECT);
    for (id, scope, number) in [
        (row(2), PROJECT, 4),
        (row(1), OTHER_PROJECT, 4),
        (row(1), ORGANIZATION, 4),
        (row(1), KeyScope::Instance, 4),
        (row(1), PROJECT, 5),
    ] {
        assert_eq!(
            keyring.open_data_key(id, scope, number, &sealed).unwrap_err(),
            OpenError::Refused,
            "{id:?} {scope:?} {number}"
        );
    }
}

#[test]
fn a_data_key_moves_to_the_newest_keyring_key_unchanged() {
    let Installation {
        entropy, root, keyring, ..
    } = installation(1);
    let (key, old) = keyring.create_data_key(row(1), PROJECT, 1, &entropy);
    let value = DataKeys::from(key).seal(place(), b"sk-or-v1-EXAMPLE", &entropy);

    let (keyring, _sealed) = keyring.add_key(&root, &entropy);
    let key = keyring.open_data_key(row(1), PROJECT, 1, &old).unwrap();
    let new = keyring.seal_data_key(row(1), &key, &entropy);
    assert_eq!((key_number(&old), key_number(&new)), (Some(1), Some(2)));

    let key = keyring.open_data_key(row(1), PROJECT, 1, &new).unwrap();
    assert_eq!(DataKeys::from(key).open(place(), &value).unwrap().expose(), b"sk-or-v1-EXAMPLE");
}

#[test]
fn an_organization_and_a_project_of_the_same_id_are_different_scopes() {
    let Installation { entropy, keyring, .. } = installation(1);
    let id = Uuid::from_u128(0x11);
    let (_key, sealed) = keyring.create_data_key(row(1), KeyScope::Organization(OrgId(id)), 1, &entropy);
    assert_eq!(
        keyring
            .open_data_key(row(1), KeyScope::Project(ProjectId(id)), 1, &sealed)
            .unwrap_err(),
        OpenError::Refused
    );
}

#[test]
fn a_keyring_key_is_no_data_key() {
    let Installation { keyring, stored, .. } = installation(1);
    assert_eq!(
        keyring.open_data_key(row(0), KeyScope::Instance, 1, &stored[0].sealed).unwrap_err(),
        OpenError::UnknownKey
    );
}
