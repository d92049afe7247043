use kms_core::entropy::SeededEntropy;
use kms_core::ids::{OrgId, ProjectId};
use kms_core::seal::{KeyScope, Purpose, SealContext, Sealed};
use kms_crypto::data::{DataKeys, OpenError, key_number};
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::{ORGANIZATION, OTHER_PROJECT, cases, data_key, data_keys, keyring, place, row, secret};

#[test]
fn the_layout_is_header_nonce_ciphertext_and_tag() {
    let entropy = SeededEntropy::new(1);
    let keys = DataKeys::from(data_key(0x0102_0304, &entropy));
    let sealed = keys.seal(place(), b"sixteen is plain", &entropy);
    assert_eq!(sealed.as_bytes()[..5], [1, 1, 2, 3, 4]);
    assert_eq!(sealed.as_bytes().len(), 5 + 24 + 16 + 16);
    assert_eq!(key_number(&sealed), Some(0x0102_0304));
}

#[test]
fn every_bit_counts() {
    let entropy = SeededEntropy::new(2);
    let keys = data_keys(&entropy);
    let sealed = keys.seal(place(), b"sk-or-v1-EXAMPLE", &entropy);
    for position in 0..sealed.as_bytes().len() {
        for bit in 0..8 {
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[position] ^= 1 << bit;
            let expected = match position {
                0 => OpenError::Format,
                1..5 => OpenError::UnknownKey,
                _ => OpenError::Refused,
            };
            assert_eq!(
                keys.open(place(), &Sealed::from_bytes(bytes)).unwrap_err(),
                expected,
                "bit {bit} of byte {position}"
            );
        }
    }
}

#[test]
fn a_shorter_or_longer_text_does_not_open() {
    let entropy = SeededEntropy::new(3);
    let keys = data_keys(&entropy);
    let sealed = keys.seal(place(), b"sk-or-v1-EXAMPLE", &entropy).into_bytes();
    for length in 0..sealed.len() {
        let expected = if length < 5 + 24 + 16 {
            OpenError::Format
        } else {
            OpenError::Refused
        };
        let cut = Sealed::from_bytes(sealed[..length].to_vec());
        assert_eq!(keys.open(place(), &cut).unwrap_err(), expected, "{length} bytes");
    }
    let longer = Sealed::from_bytes([sealed, vec![0]].concat());
    assert_eq!(keys.open(place(), &longer).unwrap_err(), OpenError::Refused);
}

#[test]
fn the_key_number_is_authenticated() {
    // The same key material under two numbers: only the header tells them apart.
    let entropy = SeededEntropy::new(4);
    let mut keys = data_keys(&entropy);
    keys.add(data_key(2, &SeededEntropy::new(4)));
    let sealed = keys.seal(place(), b"value", &entropy);
    assert_eq!(key_number(&sealed), Some(2));
    let mut bytes = sealed.into_bytes();
    bytes[4] = 1;
    assert_eq!(keys.open(place(), &Sealed::from_bytes(bytes)).unwrap_err(), OpenError::Refused);
}

#[test]
fn a_value_opens_in_its_own_place_only() {
    let entropy = SeededEntropy::new(5);
    let keys = data_keys(&entropy);
    let sealed = keys.seal(place(), b"value", &entropy);
    let elsewhere = [
        SealContext {
            purpose: Purpose::SecretComment,
            ..place()
        },
        SealContext {
            scope: OTHER_PROJECT,
            ..place()
        },
        SealContext {
            scope: ORGANIZATION,
            ..place()
        },
        SealContext {
            scope: KeyScope::Instance,
            ..place()
        },
        SealContext {
            row: Uuid::from_u128(0x52),
            ..place()
        },
        SealContext { version: 2, ..place() },
        SealContext { version: 4, ..place() },
    ];
    assert_eq!(keys.open(place(), &sealed).unwrap().expose(), b"value");
    for context in elsewhere {
        assert_eq!(keys.open(context, &sealed).unwrap_err(), OpenError::Refused, "{context:?}");
    }
}

#[test]
fn what_is_sealed_under_another_tenants_key_never_opens() {
    let entropy = SeededEntropy::new(6);
    let keys = data_keys(&entropy);
    let mistaken = SealContext {
        scope: OTHER_PROJECT,
        ..place()
    };
    let sealed = keys.seal(mistaken, b"value", &entropy);
    assert_eq!(keys.open(mistaken, &sealed).unwrap_err(), OpenError::Refused);
    assert_eq!(keys.open(place(), &sealed).unwrap_err(), OpenError::Refused);
}

#[test]
fn the_newest_key_seals_and_every_key_opens() {
    let entropy = SeededEntropy::new(7);
    let keyring = keyring(&entropy);
    let made: Vec<_> = (1..=3)
        .map(|number| {
            keyring
                .create_data_key(row(number.into()), crate::support::PROJECT, number, &entropy)
                .0
        })
        .collect();
    let sealed: Vec<_> = made
        .iter()
        .map(|key| DataKeys::from(key.clone()).seal(place(), &[u8::try_from(key.number()).unwrap()], &entropy))
        .collect();

    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut keys = DataKeys::from(made[order[0]].clone());
        keys.add(made[order[1]].clone());
        keys.add(made[order[2]].clone());
        keys.add(made[order[2]].clone());
        assert_eq!(keys.newest_number(), 3);
        assert_eq!(key_number(&keys.seal(place(), b"", &entropy)), Some(3));
        for (value, sealed) in (1..).zip(&sealed) {
            assert_eq!(keys.open(place(), sealed).unwrap().expose(), [value]);
        }
    }
    let oldest = DataKeys::from(made[0].clone());
    assert_eq!(oldest.open(place(), &sealed[1]).unwrap_err(), OpenError::UnknownKey);
}

#[test]
fn text_comes_back_as_text_and_other_bytes_do_not() {
    let entropy = SeededEntropy::new(8);
    let keys = data_keys(&entropy);
    let sealed = keys.seal_text(place(), &secret("pässword \u{1f511}"), &entropy);
    assert_eq!(keys.open_text(place(), &sealed).unwrap().expose(), "pässword \u{1f511}");
    let bytes = keys.seal(place(), &[0xff, 0xfe], &entropy);
    assert_eq!(keys.open_text(place(), &bytes).unwrap_err(), OpenError::Refused);
}

#[test]
fn no_two_seals_share_a_nonce_or_a_byte_of_plaintext() {
    let entropy = SeededEntropy::new(9);
    let keys = data_keys(&entropy);
    let plaintext = [0x41; 64];
    let mut nonces = std::collections::HashSet::new();
    for _seal in 0..1_000 {
        let sealed = keys.seal(place(), &plaintext, &entropy).into_bytes();
        assert!(nonces.insert(sealed[5..29].to_vec()));
        assert!(!sealed.windows(8).any(|window| window == [0x41; 8]));
    }
}

fn any_context() -> impl Strategy<Value = SealContext> {
    let purposes = [
        Purpose::TokenSigningKey,
        Purpose::SecretValue,
        Purpose::SecretComment,
        Purpose::SecretMetadata,
        Purpose::ConnectionCredentials,
        Purpose::IssuedKeyText,
        Purpose::ProviderReach,
        Purpose::RotationMessage,
    ];
    let scope = (0..3_u8, any::<u128>()).prop_map(|(kind, id)| match kind {
        0 => KeyScope::Instance,
        1 => KeyScope::Organization(OrgId(Uuid::from_u128(id))),
        _ => KeyScope::Project(ProjectId(Uuid::from_u128(id))),
    });
    (prop::sample::select(purposes.to_vec()), scope, any::<u128>(), any::<u64>()).prop_map(|(purpose, scope, row, version)| SealContext {
        purpose,
        scope,
        row: Uuid::from_u128(row),
        version,
    })
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn what_was_sealed_opens_there_and_nowhere_else(
        plaintext in prop::collection::vec(any::<u8>(), 0..4096),
        here in any_context(),
        there in any_context(),
        seed in any::<u64>(),
    ) {
        let entropy = SeededEntropy::new(seed);
        let keys = DataKeys::from(keyring(&entropy).create_data_key(row(1), here.scope, 1, &entropy).0);
        let sealed = keys.seal(here, &plaintext, &entropy);
        prop_assert_eq!(sealed.as_bytes().len(), plaintext.len() + 45);
        let opened = keys.open(here, &sealed).unwrap();
        prop_assert_eq!(opened.expose(), plaintext.as_slice());
        if here != there {
            prop_assert_eq!(keys.open(there, &sealed).unwrap_err(), OpenError::Refused);
        }
        // The same place, the same number, another key.
        let others = DataKeys::from(keyring(&entropy).create_data_key(row(1), here.scope, 1, &entropy).0);
        prop_assert_eq!(others.open(here, &sealed).unwrap_err(), OpenError::Refused);
    }

    #[test]
    fn made_up_bytes_never_open(
        header in prop::sample::select(vec![vec![], vec![1], vec![1, 0, 0, 0, 1], vec![2, 0, 0, 0, 1]]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let keys = data_keys(&SeededEntropy::new(10));
        let made_up = Sealed::from_bytes([header, rest].concat());
        let error = keys.open(place(), &made_up).unwrap_err();
        prop_assert_eq!(key_number(&made_up).is_none(), error == OpenError::Format);
    }
}
