//! Access tokens of machine identities.

use std::time::Duration;

use kms_core::ids::{ClientSecretId, IdentityTokenId};
use kms_core::secret::SecretString;
use kms_core::time::Timestamp;
use kms_crypto::access_token::{Claims, IdentityClaims};
use kms_store::Tx;
use kms_store::identities::IdentityRecord;
use kms_store::identity_tokens::{IdentityTokenRecord, TokenLimits};
use kms_store::organizations::OrgRecord;

use crate::{App, Error};

/// What is reported as the longest life of a token that can be renewed for ever. Clients expect a number.
const MAX_TTL_OF_PERIODIC: u64 = 1_000_000_000;

/// An access token, as the answer to a login shows it.
#[derive(Debug, Clone)]
pub struct AccessGrant {
    /// The token.
    pub access_token: SecretString,
    /// Its life in seconds; 0 = without end.
    pub expires_in: u64,
    /// Longest life in seconds with all renewals; 0 = without end.
    pub max_ttl: u64,
}

/// A token that is to be issued.
#[derive(Debug, Clone)]
pub(crate) struct NewToken<'a> {
    pub(crate) org: &'a OrgRecord,
    pub(crate) identity: &'a IdentityRecord,
    pub(crate) auth_method: &'static str,
    pub(crate) client_secret: Option<ClientSecretId>,
    pub(crate) name: Option<String>,
    pub(crate) limits: TokenLimits,
}

impl App {
    /// Issues a token: its row, and the signed token itself.
    pub(crate) async fn issue_identity_token(&self, tx: &Tx, new: NewToken<'_>) -> Result<(IdentityTokenRecord, AccessGrant), Error> {
        let now = self.now();
        let record = IdentityTokenRecord {
            id: IdentityTokenId::random(self.entropy()),
            identity: new.identity.id,
            auth_method: new.auth_method.to_owned(),
            client_secret: new.client_secret,
            name: new.name,
            expires_at: end(&new.limits, now, now),
            limits: new.limits,
            uses: 0,
            last_used_at: None,
            last_renewed_at: None,
            revoked: false,
            created_at: now,
            updated_at: now,
        };
        tx.insert_identity_token(&record).await?;
        let grant = self.sign_identity_token(new.org, new.identity, &record);
        Ok((record, grant))
    }

    /// The signed token for a row.
    pub(crate) fn sign_identity_token(&self, org: &OrgRecord, identity: &IdentityRecord, token: &IdentityTokenRecord) -> AccessGrant {
        let claims = IdentityClaims {
            identity_id: identity.id,
            identity_access_token_id: token.id,
            client_secret_id: token.client_secret,
            identity_auth: serde_json::Map::new(),
            organization_id: org.id,
            organization_name: org.name.clone(),
            identity_name: identity.name.clone(),
            auth_method: token.auth_method.clone(),
            issued_at: self.now(),
            expires_at: token.expires_at,
        };
        let TokenLimits { ttl, max_ttl, period, .. } = token.limits;
        AccessGrant {
            access_token: self.0.signer.sign(&Claims::Identity(claims)),
            expires_in: if period > 0 { period } else { ttl },
            max_ttl: if period > 0 { MAX_TTL_OF_PERIODIC } else { max_ttl },
        }
    }
}

/// When a token made at `created_at` and given or renewed at `now` ends.
pub(crate) fn end(limits: &TokenLimits, created_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    if limits.period > 0 {
        return Some(now + Duration::from_secs(limits.period));
    }
    if limits.ttl == 0 {
        return None;
    }
    let end = now + Duration::from_secs(limits.ttl);
    let last = (limits.max_ttl > 0).then(|| created_at + Duration::from_secs(limits.max_ttl));
    Some(last.map_or(end, |last| end.min(last)))
}
