use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kms_core::entropy::SeededEntropy;
use kms_core::ids::{ClientSecretId, IdentityId, IdentityTokenId, OrgId, SessionId, UserId};
use kms_core::time::Timestamp;
use kms_crypto::access_token::{Claims, IdentityClaims, MfaClaims, TokenError, TokenSigner, UserClaims};
use kms_crypto::keyring::Keyring;
use kms_crypto::root::RootKey;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{cases, keyring, time};

fn signer() -> TokenSigner {
    keyring(&SeededEntropy::new(1)).token_signer()
}

fn issued() -> Timestamp {
    time("2026-01-12T08:15:30.000Z")
}

fn end() -> Timestamp {
    time("2026-01-12T09:15:30.000Z")
}

fn user() -> Claims {
    Claims::User(UserClaims {
        user_id: UserId(Uuid::from_u128(1)),
        session_id: SessionId(Uuid::from_u128(2)),
        access_version: 3,
        organization_id: None,
        sub_organization_id: None,
        auth_method: "email".to_owned(),
        is_mfa_verified: None,
        mfa_method: None,
        issued_at: issued(),
        expires_at: end(),
    })
}

fn identity(expires_at: Option<Timestamp>) -> Claims {
    Claims::Identity(IdentityClaims {
        identity_id: IdentityId(Uuid::from_u128(4)),
        identity_access_token_id: IdentityTokenId(Uuid::from_u128(5)),
        client_secret_id: Some(ClientSecretId(Uuid::from_u128(6))),
        identity_auth: serde_json::Map::new(),
        organization_id: OrgId(Uuid::from_u128(7)),
        organization_name: "Example Ltd".to_owned(),
        identity_name: "deploy".to_owned(),
        auth_method: "universal-auth".to_owned(),
        issued_at: issued(),
        expires_at,
    })
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encode(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

#[test]
fn the_claims_of_a_user() {
    let token = signer().sign(&user());
    assert_eq!(part(token.expose(), 0), json!({"typ": "JWT", "alg": "HS256"}));
    assert_eq!(
        part(token.expose(), 1),
        json!({
            "authTokenType": "accessToken",
            "userId": "00000000-0000-0000-0000-000000000001",
            "tokenVersionId": "00000000-0000-0000-0000-000000000002",
            "accessVersion": 3,
            "authMethod": "email",
            "iat": 1_768_205_730,
            "exp": 1_768_209_330,
        })
    );
    assert_eq!(signer().verify(token.expose(), issued()), Ok(user()));
}

#[test]
fn the_claims_of_a_user_with_an_organization_and_a_second_factor() {
    let Claims::User(claims) = user() else { unreachable!() };
    let claims = Claims::User(UserClaims {
        organization_id: Some(OrgId(Uuid::from_u128(7))),
        sub_organization_id: Some(OrgId(Uuid::from_u128(8))),
        is_mfa_verified: Some(true),
        mfa_method: Some("totp".to_owned()),
        ..claims
    });
    let token = signer().sign(&claims);
    assert_eq!(
        part(token.expose(), 1),
        json!({
            "authTokenType": "accessToken",
            "userId": "00000000-0000-0000-0000-000000000001",
            "tokenVersionId": "00000000-0000-0000-0000-000000000002",
            "accessVersion": 3,
            "organizationId": "00000000-0000-0000-0000-000000000007",
            "subOrganizationId": "00000000-0000-0000-0000-000000000008",
            "authMethod": "email",
            "isMfaVerified": true,
            "mfaMethod": "totp",
            "iat": 1_768_205_730,
            "exp": 1_768_209_330,
        })
    );
    assert_eq!(signer().verify(token.expose(), issued()), Ok(claims));
}

#[test]
fn the_claims_of_an_identity() {
    let claims = identity(Some(end()));
    let token = signer().sign(&claims);
    assert_eq!(
        part(token.expose(), 1),
        json!({
            "authTokenType": "identityAccessToken",
            "identityId": "00000000-0000-0000-0000-000000000004",
            "identityAccessTokenId": "00000000-0000-0000-0000-000000000005",
            "clientSecretId": "00000000-0000-0000-0000-000000000006",
            "identityAuth": {},
            "organizationId": "00000000-0000-0000-0000-000000000007",
            "orgId": "00000000-0000-0000-0000-000000000007",
            "organizationName": "Example Ltd",
            "identityName": "deploy",
            "authMethod": "universal-auth",
            "iat": 1_768_205_730,
            "exp": 1_768_209_330,
        })
    );
    assert_eq!(signer().verify(token.expose(), issued()), Ok(claims));
}

#[test]
fn an_identity_token_without_an_end_has_no_exp_and_never_expires() {
    let claims = identity(None);
    let token = signer().sign(&claims);
    assert_eq!(part(token.expose(), 1).get("exp"), None);
    assert_eq!(claims.expires_at(), None);
    assert_eq!(signer().verify(token.expose(), time("2999-01-01T00:00:00Z")), Ok(claims));
}

#[test]
fn the_claims_of_a_login_that_owes_its_second_factor() {
    let claims = Claims::Mfa(MfaClaims {
        user_id: UserId(Uuid::from_u128(1)),
        session_id: SessionId(Uuid::from_u128(2)),
        organization_id: Some(OrgId(Uuid::from_u128(7))),
        auth_method: "email".to_owned(),
        issued_at: issued(),
        expires_at: end(),
    });
    let token = signer().sign(&claims);
    assert_eq!(
        part(token.expose(), 1),
        json!({
            "authTokenType": "mfaToken",
            "userId": "00000000-0000-0000-0000-000000000001",
            "tokenVersionId": "00000000-0000-0000-0000-000000000002",
            "organizationId": "00000000-0000-0000-0000-000000000007",
            "authMethod": "email",
            "iat": 1_768_205_730,
            "exp": 1_768_209_330,
        })
    );
    assert_eq!(signer().verify(token.expose(), issued()), Ok(claims));
}

#[test]
fn a_token_ends_at_its_second_and_tells_whose_it_was() {
    for claims in [user(), identity(Some(end()))] {
        let token = signer().sign(&claims);
        let just_before = time("2026-01-12T09:15:29.999Z");
        assert_eq!(signer().verify(token.expose(), just_before), Ok(claims.clone()));
        for now in [end(), time("2027-01-01T00:00:00Z")] {
            assert_eq!(
                signer().verify(token.expose(), now),
                Err(TokenError::Expired(Box::new(claims.clone())))
            );
        }
    }
}

/// The machine's clock plays no part: both ends of time are judged by the argument.
#[test]
fn a_token_of_long_ago_is_good_at_its_time() {
    let Claims::User(claims) = user() else { unreachable!() };
    let claims = Claims::User(UserClaims {
        issued_at: time("1990-01-01T00:00:00Z"),
        expires_at: time("1990-01-02T00:00:00Z"),
        ..claims
    });
    let token = signer().sign(&claims);
    assert_eq!(signer().verify(token.expose(), time("1990-01-01T12:00:00Z")), Ok(claims));
}

#[test]
fn an_expired_token_with_a_bad_signature_is_a_forgery() {
    let token = keyring(&SeededEntropy::new(2)).token_signer().sign(&user());
    let late = time("2027-01-01T00:00:00Z");
    assert_eq!(signer().verify(token.expose(), late), Err(TokenError::BadSignature));
}

#[test]
fn another_installation_signs_with_another_key() {
    let token = keyring(&SeededEntropy::new(2)).token_signer().sign(&user());
    assert_eq!(signer().verify(token.expose(), issued()), Err(TokenError::BadSignature));
}

#[test]
fn nobody_is_logged_out_when_a_key_is_added_or_the_root_key_changes() {
    let entropy = SeededEntropy::new(3);
    let root = RootKey::generate(&entropy);
    let (keyring, _sealed) = Keyring::create(&root, &entropy);
    let token = keyring.token_signer().sign(&user());
    let (keyring, _sealed) = keyring.add_key(&root, &entropy);
    assert!(keyring.token_signer().verify(token.expose(), issued()).is_ok());
    let next_root = RootKey::generate(&entropy);
    let keyring = Keyring::open(&next_root, &keyring.seal_under(&next_root, &entropy)).unwrap();
    assert!(keyring.token_signer().verify(token.expose(), issued()).is_ok());
}

#[test]
fn altered_claims_are_noticed() {
    let token = signer().sign(&user());
    let parts: Vec<_> = token.expose().split('.').collect();
    let mut claims = part(token.expose(), 1);
    claims["userId"] = json!("00000000-0000-0000-0000-0000000000ff");
    let forged = format!("{}.{}.{}", parts[0], encode(&claims), parts[2]);
    assert_eq!(signer().verify(&forged, issued()), Err(TokenError::BadSignature));
    // Claims of one token under the signature of another.
    let other = signer().sign(&identity(None));
    let mixed = format!("{}.{}.{}", parts[0], parts[1], other.expose().split('.').nth(2).unwrap());
    assert_eq!(signer().verify(&mixed, issued()), Err(TokenError::BadSignature));
}

#[test]
fn every_character_counts() {
    let token = signer().sign(&user());
    let token = token.expose();
    for position in 0..token.len() {
        for replacement in ["A", "B", "-", ".", "=", " "] {
            let altered = format!("{}{replacement}{}", &token[..position], &token[position + 1..]);
            if altered != token {
                assert!(signer().verify(&altered, issued()).is_err(), "{altered}");
            }
        }
    }
    for altered in [format!("{token}="), format!("{token}\n"), format!(" {token}"), format!("{token}A")] {
        assert!(signer().verify(&altered, issued()).is_err(), "{altered:?}");
    }
}

#[test]
fn a_token_without_signature_is_refused_however_none_is_spelt() {
    let token = signer().sign(&user());
    let parts: Vec<_> = token.expose().split('.').collect();
    for algorithm in ["none", "None", "NONE", "nOnE", "", "hs256"] {
        let header = encode(&json!({"typ": "JWT", "alg": algorithm}));
        for signature in ["", parts[2]] {
            let forged = format!("{header}.{}.{signature}", parts[1]);
            assert_eq!(signer().verify(&forged, issued()), Err(TokenError::WrongAlgorithm), "{algorithm}");
        }
    }
    for header in [
        json!({"typ": "JWT"}),
        json!({"alg": null}),
        json!({"alg": ["HS256"]}),
        json!("HS256"),
    ] {
        let forged = format!("{}.{}.{}", encode(&header), parts[1], parts[2]);
        assert_eq!(signer().verify(&forged, issued()), Err(TokenError::Malformed), "{header}");
    }
    let twice = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","alg":"HS256"}"#);
    let forged = format!("{twice}.{}.{}", parts[1], parts[2]);
    assert_eq!(signer().verify(&forged, issued()), Err(TokenError::Malformed));
    // The signature left out under the right header.
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    assert_eq!(signer().verify(&unsigned, issued()), Err(TokenError::BadSignature));
}

#[test]
fn what_is_no_token_is_malformed() {
    let token = signer().sign(&user());
    let parts: Vec<_> = token.expose().split('.').collect();
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "st.00000000-0000-0000-0000-000000000001.secret",
        &format!("{}.{}", parts[0], parts[1]),
        &format!("{}.x", token.expose()),
        &format!("{}.{}", token.expose(), "A".repeat(16 * 1024)),
        &format!("{}.{}.{}", parts[0], parts[1], "A".repeat(16 * 1024)),
    ] {
        assert_eq!(signer().verify(text, issued()), Err(TokenError::Malformed), "{text}");
    }
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn made_up_tokens_are_refused(text in r"(eyJhbGciOiJIUzI1NiJ9)?[A-Za-z0-9_.-]{0,120}") {
        prop_assert!(signer().verify(&text, issued()).is_err());
    }

    #[test]
    fn any_text_is_refused(text in any::<String>()) {
        prop_assert!(signer().verify(&text, issued()).is_err());
    }

    #[test]
    fn names_of_any_kind_survive(organization_name in any::<String>(), identity_name in any::<String>()) {
        let Claims::Identity(claims) = identity(Some(end())) else { unreachable!() };
        let claims = Claims::Identity(IdentityClaims { organization_name, identity_name, ..claims });
        let token = signer().sign(&claims);
        prop_assert_eq!(signer().verify(token.expose(), issued()), Ok(claims));
    }
}
