use kms_core::entropy::SeededEntropy;
use kms_crypto::digest::sha256_hex;
use kms_crypto::tokens::{HashedToken, PlainToken, TokenKind, generate, looks_valid};
use proptest::prelude::*;

use crate::support::{cases, secret};

const KINDS: [(TokenKind, &str); 4] = [
    (TokenKind::ClientSecret, "_kmscs_"),
    (TokenKind::RefreshToken, "_kmsrt_"),
    (TokenKind::Invitation, "_kmsin_"),
    (TokenKind::ServiceToken, "_kmsst_"),
];

#[test]
fn ten_thousand_tokens_are_valid_and_different() {
    let entropy = SeededEntropy::new(1);
    let mut seen = std::collections::HashSet::new();
    for _token in 0..2_500 {
        for (kind, marker) in KINDS {
            let token = generate(kind, &entropy);
            let text = token.expose();
            assert_eq!(text.len(), 43 + 7 + 6);
            assert_eq!(&text[43..50], marker);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
            for (other, _marker) in KINDS {
                assert_eq!(looks_valid(other, text), other == kind, "{text}");
            }
            assert_eq!(token.hash().as_str(), sha256_hex(text.as_bytes()));
            assert!(seen.insert(text.to_owned()));
        }
    }
    assert_eq!(seen.len(), 10_000);
}

#[test]
fn every_character_occurs_at_every_place() {
    let entropy = SeededEntropy::new(2);
    let mut seen = vec![std::collections::BTreeSet::new(); 43];
    for _token in 0..2_000 {
        let token = generate(TokenKind::ClientSecret, &entropy);
        for (place, character) in token.expose()[..43].chars().enumerate() {
            seen[place].insert(character);
        }
    }
    assert!(seen.iter().all(|characters| characters.len() == 62));
}

/// The CRC-32 of these was worked out with Python's `zlib`.
#[test]
fn markers_and_checksum_never_change() {
    let random = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg";
    for (kind, text) in [
        (TokenKind::ClientSecret, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg_kmscs_2SGIqX"),
        (TokenKind::RefreshToken, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg_kmsrt_3tYaC9"),
        (TokenKind::Invitation, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg_kmsin_28hsjb"),
        (TokenKind::ServiceToken, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg_kmsst_3uOmhi"),
    ] {
        assert!(text.starts_with(random));
        assert!(looks_valid(kind, text), "{text}");
    }
}

#[test]
fn the_hint_is_the_first_four_characters() {
    let token = generate(TokenKind::ClientSecret, &SeededEntropy::new(3));
    assert_eq!(token.hint(), &token.expose()[..4]);
    assert_eq!(PlainToken::presented(secret("äöüßx")).hint(), "äöüß");
    assert_eq!(PlainToken::presented(secret("abc")).hint(), "abc");
    assert_eq!(PlainToken::presented(secret("")).hint(), "");
}

#[test]
fn a_presented_token_is_found_by_its_hash() {
    let token = generate(TokenKind::RefreshToken, &SeededEntropy::new(4));
    let stored = HashedToken::from_stored(token.hash().as_str().to_owned());
    let presented = PlainToken::presented(secret(token.expose()));
    assert_eq!(presented.hash(), stored);
    assert_ne!(PlainToken::presented(secret("other")).hash(), stored);
    assert_eq!(stored.as_str().len(), 64);
    assert_eq!(token.clone().into_secret().expose(), token.expose());
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn one_wrong_character_is_noticed(seed in any::<u64>(), place in 0..56_usize, typed in any::<char>()) {
        let token = generate(TokenKind::ClientSecret, &SeededEntropy::new(seed));
        let mistyped: String = token.expose().char_indices().map(|(at, right)| if at == place { typed } else { right }).collect();
        prop_assert_eq!(looks_valid(TokenKind::ClientSecret, &mistyped), mistyped == token.expose());
    }

    #[test]
    fn neighbours_that_changed_places_are_noticed(seed in any::<u64>(), place in 0..55_usize) {
        let token = generate(TokenKind::ClientSecret, &SeededEntropy::new(seed));
        let mut characters: Vec<_> = token.expose().chars().collect();
        characters.swap(place, place + 1);
        let mistyped: String = characters.into_iter().collect();
        prop_assert_eq!(looks_valid(TokenKind::ClientSecret, &mistyped), mistyped == token.expose());
    }

    #[test]
    fn made_up_text_is_no_token(text in any::<String>(), cut in 0..80_usize) {
        prop_assert!(!looks_valid(TokenKind::ClientSecret, &text));
        let token = generate(TokenKind::ClientSecret, &SeededEntropy::new(5));
        let cut_text: String = token.expose().chars().take(cut).collect();
        prop_assert_eq!(looks_valid(TokenKind::ClientSecret, &cut_text), cut >= 56);
        let longer = format!("{}{text}", token.expose());
        prop_assert_eq!(looks_valid(TokenKind::ClientSecret, &longer), text.is_empty());
    }
}
