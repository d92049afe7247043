//! Access tokens: JWT signed with HMAC-SHA256, because published clients decode their claims.
//!
//! A valid token proves who was let in, not that the door is still open: sessions and identity tokens are looked up in the
//! database on every request, so that a revocation takes effect at once.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use kms_core::ids::{ClientSecretId, IdentityId, IdentityTokenId, OrgId, SessionId, UserId};
use kms_core::secret::SecretString;
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::derive::KeyBytes;
use crate::fatal::abort;

/// Longer texts are no tokens of ours; they are refused unread.
const MAX_LEN: usize = 16 * 1024;

/// What a token says. The kind is the claim `authTokenType`; claims that are not listed are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "authTokenType")]
pub enum Claims {
    /// A person's session.
    #[serde(rename = "accessToken")]
    User(UserClaims),
    /// A machine identity.
    #[serde(rename = "identityAccessToken")]
    Identity(IdentityClaims),
    /// A person who has given the password and owes the second factor.
    #[serde(rename = "mfaToken")]
    Mfa(MfaClaims),
}

/// The claims of a person's session. Times are kept to the second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserClaims {
    /// The person.
    pub user_id: UserId,
    /// The session (`tokenVersionId`).
    #[serde(rename = "tokenVersionId")]
    pub session_id: SessionId,
    /// Counts up when the session's earlier tokens are to end.
    pub access_version: u32,
    /// The organization the session has selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrgId>,
    /// The organization within that one, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_organization_id: Option<OrgId>,
    /// How the person logged in, such as `email`.
    pub auth_method: String,
    /// Whether a second factor was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_mfa_verified: Option<bool>,
    /// Which second factor it was, such as `totp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_method: Option<String>,
    /// When the token was issued (`iat`).
    #[serde(rename = "iat", with = "seconds")]
    pub issued_at: Timestamp,
    /// When it ends (`exp`); a person's token always does.
    #[serde(rename = "exp", with = "seconds")]
    pub expires_at: Timestamp,
}

/// The claims of a machine identity. Times are kept to the second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityClaims {
    /// The identity.
    pub identity_id: IdentityId,
    /// The row of this token, which knows its uses and whether it is revoked.
    pub identity_access_token_id: IdentityTokenId,
    /// The client secret that was used, with Universal Auth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_id: Option<ClientSecretId>,
    /// What the login method found out about the identity; an empty object for most methods. To be kept small: a token
    /// beyond 16 KiB is refused.
    #[serde(default)]
    pub identity_auth: serde_json::Map<String, serde_json::Value>,
    /// The identity's organization. Written twice, as `organizationId` and `orgId`: clients read one or the other.
    #[serde(flatten, with = "organization")]
    pub organization_id: OrgId,
    /// The organization's name.
    pub organization_name: String,
    /// The identity's name.
    pub identity_name: String,
    /// How the identity logged in, such as `universal-auth`.
    pub auth_method: String,
    /// When the token was issued (`iat`).
    #[serde(rename = "iat", with = "seconds")]
    pub issued_at: Timestamp,
    /// When it ends (`exp`); `None` for a token that does not.
    #[serde(rename = "exp", default, with = "optional_seconds", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// The claims of a login that waits for its second factor. Times are kept to the second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MfaClaims {
    /// The person.
    pub user_id: UserId,
    /// The session that has begun (`tokenVersionId`).
    #[serde(rename = "tokenVersionId")]
    pub session_id: SessionId,
    /// The organization that is to be selected afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrgId>,
    /// How the person logged in so far.
    pub auth_method: String,
    /// When the token was issued (`iat`).
    #[serde(rename = "iat", with = "seconds")]
    pub issued_at: Timestamp,
    /// When it ends (`exp`).
    #[serde(rename = "exp", with = "seconds")]
    pub expires_at: Timestamp,
}

impl Claims {
    /// When the token ends; `None` if it does not.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Self::User(claims) => Some(claims.expires_at),
            Self::Identity(claims) => claims.expires_at,
            Self::Mfa(claims) => Some(claims.expires_at),
        }
    }
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no JWT, or its claims are none of ours.
    #[error("the token is malformed")]
    Malformed,
    /// It was not signed with our key, or was altered.
    #[error("the token's signature is not valid")]
    BadSignature,
    /// It does not ask for HMAC-SHA256.
    #[error("the token's algorithm is not accepted")]
    WrongAlgorithm,
    /// It was good until it expired. The claims are authentic: they say whose token it was.
    #[error("the token has expired")]
    Expired(Box<Claims>),
}

/// Signs and checks access tokens. Cheap to clone.
#[derive(Clone)]
pub struct TokenSigner(Arc<Keys>);

struct Keys {
    sign: EncodingKey,
    verify: DecodingKey,
    validation: Validation,
}

impl TokenSigner {
    pub(crate) fn new(key: &KeyBytes) -> Self {
        // Chosen by hand: left to itself, the library ends in a panic where two providers are compiled in. Installing it a
        // second time fails and changes nothing.
        let _installed_before = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let mut validation = Validation::new(Algorithm::HS256);
        // The library would read the machine's clock; expiry is judged in `verify`.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        validation.validate_aud = false;
        Self(Arc::new(Keys {
            sign: EncodingKey::from_secret(key.as_slice()),
            verify: DecodingKey::from_secret(key.as_slice()),
            validation,
        }))
    }

    /// The token that says `claims`.
    pub fn sign(&self, claims: &Claims) -> SecretString {
        // Neither these claims nor an HMAC can fail.
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.0.sign)
            .map_or_else(|_error| abort("signing an access token failed"), SecretString::new)
    }

    /// What a token says, if it is ours and has not ended at `now`. There is no leeway: whoever issues checks.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        check_algorithm(token)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.0.verify, &self.0.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => TokenError::BadSignature,
                ErrorKind::InvalidAlgorithm => TokenError::WrongAlgorithm,
                _other => TokenError::Malformed,
            })?
            .claims;
        match claims.expires_at() {
            Some(end) if now >= end => Err(TokenError::Expired(Box::new(claims))),
            _not_yet => Ok(claims),
        }
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSigner(redacted)")
    }
}

/// Three parts, and a header that asks for HS256. The library takes `none` for a malformed header; it deserves its name.
fn check_algorithm(token: &str) -> Result<(), TokenError> {
    #[derive(Deserialize)]
    struct AlgorithmOnly {
        alg: String,
    }

    if token.len() > MAX_LEN || token.split('.').count() != 3 {
        return Err(TokenError::Malformed);
    }
    let header = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_malformed| TokenError::Malformed)?;
    let header: AlgorithmOnly = serde_json::from_slice(&header).map_err(|_malformed| TokenError::Malformed)?;
    if header.alg == "HS256" {
        Ok(())
    } else {
        Err(TokenError::WrongAlgorithm)
    }
}

/// An instant as whole seconds since the Unix epoch.
mod seconds {
    use kms_core::time::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.unix_seconds())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_unix_seconds)
    }
}

/// The same where there may be none.
mod optional_seconds {
    use kms_core::time::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes fields by reference")]
    pub(super) fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(Timestamp::unix_seconds).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp::from_unix_seconds))
    }
}

/// One organization, two claims.
mod organization {
    use kms_core::ids::OrgId;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        organization_id: OrgId,
        org_id: OrgId,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Read {
        organization_id: OrgId,
    }

    pub(super) fn serialize<S: Serializer>(id: &OrgId, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Written {
            organization_id: *id,
            org_id: *id,
        };
        written.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OrgId, D::Error> {
        Read::deserialize(deserializer).map(|read| read.organization_id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use zeroize::Zeroizing;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn verify(algorithm: Algorithm, claims: &Value) -> Result<Claims, TokenError> {
        let signer = TokenSigner::new(&Zeroizing::new(KEY));
        let token = jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(&KEY)).unwrap();
        signer.verify(&token, Timestamp::EPOCH)
    }

    fn claims() -> Value {
        json!({
            "authTokenType": "mfaToken",
            "userId": "00000000-0000-0000-0000-000000000001",
            "tokenVersionId": "00000000-0000-0000-0000-000000000002",
            "authMethod": "email",
            "iat": 0,
            "exp": 60,
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    #[test]
    fn the_right_key_with_another_algorithm_is_refused() {
        assert!(verify(Algorithm::HS256, &claims()).is_ok());
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(verify(algorithm, &claims()), Err(TokenError::WrongAlgorithm));
        }
    }

    #[test]
    fn unknown_claims_are_ignored() {
        let expected = verify(Algorithm::HS256, &claims());
        for (name, value) in [
            ("aud", json!("x")),
            ("nbf", json!(999)),
            ("iss", json!(5)),
            ("later", json!({"a": [1]})),
        ] {
            assert_eq!(verify(Algorithm::HS256, &with(name, value)), expected);
        }
    }

    #[test]
    fn signed_claims_that_are_none_of_ours_are_malformed() {
        for claims in [
            json!({}),
            json!([]),
            json!("text"),
            json!({"authTokenType": "mfaToken"}),
            with("authTokenType", json!("somethingElse")),
            with("authTokenType", json!("identityAccessToken")),
            with("userId", json!("nobody")),
            with("exp", json!(null)),
            with("exp", json!("60")),
            with("exp", json!(1e300)),
        ] {
            assert_eq!(verify(Algorithm::HS256, &claims), Err(TokenError::Malformed), "{claims}");
        }
    }

    #[test]
    fn times_beyond_representation_have_passed() {
        for end in [i64::MIN, -1, 0, i64::MAX] {
            let result = verify(Algorithm::HS256, &with("exp", json!(end)));
            assert!(matches!(result, Err(TokenError::Expired(_))), "{end}");
        }
    }
}
