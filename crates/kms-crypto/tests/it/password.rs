use kms_core::entropy::SeededEntropy;
use kms_crypto::password::{InvalidPasswordCost, PasswordCheck, PasswordCost, PasswordHash, Passwords};
use proptest::prelude::*;

use crate::support::{cases, secret};

#[test]
fn the_default_cost_stands_in_the_hash() {
    let passwords = Passwords::default();
    let entropy = SeededEntropy::new(1);
    let hash = passwords.hash(&secret("correct horse"), &entropy);
    assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
    assert_eq!(passwords.verify(&secret("correct horse"), &hash), PasswordCheck::Right);
    assert_eq!(passwords.verify(&secret("correct horsf"), &hash), PasswordCheck::Wrong);
    assert_eq!(passwords.verify(&secret(""), &hash), PasswordCheck::Wrong);
}

#[test]
fn equal_passwords_have_different_hashes() {
    let passwords = Passwords::fast_for_tests();
    let entropy = SeededEntropy::new(2);
    let [one, two] = [(); 2].map(|()| passwords.hash(&secret("same"), &entropy));
    assert_ne!(one.as_str(), two.as_str());
    let stored = PasswordHash::from_stored(one.as_str().to_owned());
    assert_eq!(passwords.verify(&secret("same"), &stored), PasswordCheck::Right);
}

#[test]
fn a_right_password_with_another_cost_asks_to_be_hashed_again() {
    let entropy = SeededEntropy::new(3);
    let earlier = Passwords::fast_for_tests();
    let now = Passwords::new(PasswordCost {
        memory_kib: 16,
        passes: 1,
        lanes: 1,
    })
    .unwrap();
    let hash = earlier.hash(&secret("correct horse"), &entropy);
    assert_eq!(now.verify(&secret("correct horse"), &hash), PasswordCheck::RightButOutdated);
    assert_eq!(now.verify(&secret("wrong horse"), &hash), PasswordCheck::Wrong);
    let renewed = now.hash(&secret("correct horse"), &entropy);
    assert_eq!(now.verify(&secret("correct horse"), &renewed), PasswordCheck::Right);
}

/// Made with the reference implementation in C (`argon2-cffi` 25.1.0).
#[test]
fn a_hash_of_the_reference_implementation_is_read() {
    let hash = PasswordHash::from_stored(
        "$argon2id$v=19$m=19456,t=2,p=1$Z29sZGVuIHNhbHQgMTZieQ$LT5AK0U1aK1oDvfqslpN31wCoADcBPpH9w8Xm3+Y0kI".to_owned(),
    );
    let passwords = Passwords::default();
    assert_eq!(
        passwords.verify(&secret("correct horse battery staple"), &hash),
        PasswordCheck::Right
    );
    assert_eq!(
        passwords.verify(&secret("correct horse battery stable"), &hash),
        PasswordCheck::Wrong
    );
}

#[test]
fn other_algorithms_and_old_versions_match_nothing() {
    let passwords = Passwords::fast_for_tests();
    let good = passwords.hash(&secret("x"), &SeededEntropy::new(4)).as_str().to_owned();
    for altered in [
        good.replace("argon2id", "argon2i"),
        good.replace("argon2id", "argon2d"),
        good.replace("argon2id", "scrypt"),
        good.replace("v=19", "v=16"),
        good.replace("$v=19", ""),
        good.replace("m=8,", "m=16,"),
        good.replace("t=1,", "t=2,"),
        good.replace("m=8,t=1,p=1", "m=4294967295,t=4294967295,p=1"),
        good.replace("m=8,t=1,p=1", "m=8,t=4294967295,p=1"),
        good.rsplit_once('$').unwrap().0.to_owned(),
        good[..good.len() - 3].to_owned(),
        String::new(),
        "x".to_owned(),
    ] {
        assert_ne!(altered, good);
        let hash = PasswordHash::from_stored(altered.clone());
        assert_eq!(passwords.verify(&secret("x"), &hash), PasswordCheck::Wrong, "{altered}");
    }
}

#[test]
fn costs_out_of_range_are_refused() {
    let fine = PasswordCost::default();
    assert!(Passwords::new(fine).is_ok());
    for cost in [
        PasswordCost { memory_kib: 7, ..fine },
        PasswordCost {
            memory_kib: (1 << 20) + 1,
            ..fine
        },
        PasswordCost { passes: 0, ..fine },
        PasswordCost { passes: 33, ..fine },
        PasswordCost { lanes: 0, ..fine },
        PasswordCost { lanes: 17, ..fine },
        PasswordCost {
            memory_kib: 16,
            lanes: 4,
            ..fine
        },
    ] {
        assert_eq!(Passwords::new(cost).unwrap_err(), InvalidPasswordCost, "{cost:?}");
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn made_up_hashes_match_nothing(text in r"(\$argon2id(\$v=19)?(\$m=8,t=1,p=1)?)?[$a-zA-Z0-9+/=,]{0,80}") {
        let hash = PasswordHash::from_stored(text);
        prop_assert_eq!(Passwords::fast_for_tests().verify(&secret("x"), &hash), PasswordCheck::Wrong);
    }
}
