//! Access tokens of machine identities: how they are issued, renewed and revoked.

use std::time::Duration;

use kms_core::audit::Origin;
use kms_core::ids::{ClientSecretId, IdentityTokenId};
use kms_core::network::TrustedAddress;
use kms_core::secret::SecretString;
use kms_core::time::Timestamp;
use kms_crypto::access_token::{Claims, IdentityClaims, TokenError};
use kms_providers::declaration::FieldIssue;
use kms_store::Tx;
use kms_store::identities::IdentityRecord;
use kms_store::organizations::OrgRecord;

use crate::authentication::{expired, is_trusted, untrusted, usable_token};
use crate::{App, Error};

pub use kms_store::identity_tokens::{IdentityTokenRecord, TokenLimits};

/// What is reported as the longest life of a token that can be renewed for ever. Clients expect a number.
const MAX_TTL_OF_PERIODIC: u64 = 1_000_000_000;

/// Longest life that can be asked for, in seconds: ten years.
pub(crate) const LONGEST_TTL: u64 = 315_360_000;

/// Most uses that can be asked for.
pub(crate) const MOST_USES: u64 = 1_000_000_000;

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

/// Limits of the tokens that a login method gives; what is absent stays, or is the default.
#[derive(Debug, Clone, Default)]
pub struct LimitChanges {
    /// Life in seconds; 0 = without end.
    pub ttl: Option<u64>,
    /// Longest life in seconds with all renewals.
    pub max_ttl: Option<u64>,
    /// Requests that a token is good for; 0 = any number.
    pub uses_limit: Option<u64>,
    /// If greater than 0: the life in seconds, renewable for ever.
    pub period: Option<u64>,
    /// Where the requests may come from.
    pub trusted: Option<Vec<TrustedAddress>>,
}

/// What a login method gives if nothing else is asked for: thirty days, from anywhere.
pub(crate) fn default_limits() -> TokenLimits {
    TokenLimits {
        ttl: 2_592_000,
        max_ttl: 2_592_000,
        uses_limit: 0,
        period: 0,
        trusted: TrustedAddress::anywhere(),
    }
}

impl LimitChanges {
    pub(crate) fn apply(self, limits: &mut TokenLimits) {
        limits.ttl = self.ttl.unwrap_or(limits.ttl);
        limits.max_ttl = self.max_ttl.unwrap_or(limits.max_ttl);
        limits.uses_limit = self.uses_limit.unwrap_or(limits.uses_limit);
        limits.period = self.period.unwrap_or(limits.period);
        if let Some(trusted) = self.trusted {
            limits.trusted = trusted;
        }
    }
}

/// Every problem with the limits, by the names that the API has for them.
pub(crate) fn problems(limits: &TokenLimits) -> Vec<FieldIssue> {
    let mut issues = Vec::new();
    for (field, value, most) in [
        ("accessTokenTTL", limits.ttl, LONGEST_TTL),
        ("accessTokenMaxTTL", limits.max_ttl, LONGEST_TTL),
        ("accessTokenPeriod", limits.period, LONGEST_TTL),
        ("accessTokenNumUsesLimit", limits.uses_limit, MOST_USES),
    ] {
        if value > most {
            issues.push(FieldIssue::at(field, "too_big", format!("must be at most {most}")));
        }
    }
    if limits.ttl > limits.max_ttl {
        issues.push(FieldIssue::at(
            "accessTokenTTL",
            "custom",
            "must not be greater than accessTokenMaxTTL",
        ));
    }
    if limits.trusted.is_empty() {
        issues.push(FieldIssue::at("accessTokenTrustedIps", "too_small", "must have at least 1 element"));
    }
    issues
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
    /// Prolongs the life of a token, as far as its login method allows. The token that was presented stays good until its own end.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if it was revoked or used up, has reached its longest life, or comes from an address that is not
    /// trusted; [`Error::Token`] if it expired otherwise, or is none.
    pub async fn renew_token(&self, token: &str, origin: &Origin) -> Result<AccessGrant, Error> {
        let now = self.now();
        let (claims, is_expired) = match self.0.signer.verify(token, now) {
            Ok(claims) => (claims, false),
            // The claims are authentic all the same; they tell why it cannot be renewed.
            Err(TokenError::Expired(claims)) => (*claims, true),
            Err(_other) => (self.read_claims(token)?, false),
        };
        let Claims::Identity(claims) = claims else {
            return Err(no_machine());
        };
        let tx = self.store().write().await?;
        let mut record = usable_token(&tx, &claims).await?;
        if let Some(last) = last_end(&record.limits, record.created_at)
            && now >= last
        {
            return Err(Error::unauthorized(
                "the access token has reached its longest life and cannot be renewed; log in again",
            ));
        }
        if is_expired || record.expires_at.is_some_and(|end| now >= end) {
            return Err(expired());
        }
        if !is_trusted(&record.limits.trusted, origin.address) {
            return Err(untrusted());
        }
        record.expires_at = end(&record.limits, record.created_at, now);
        record.last_renewed_at = Some(now);
        record.updated_at = now;
        let identity = tx.find_identity(claims.organization_id, claims.identity_id).await?;
        let org = tx.find_org(claims.organization_id).await?;
        let (Some(identity), Some(org), true) = (identity, org, tx.renew_identity_token(&record).await?) else {
            return Err(crate::authentication::revoked());
        };
        tx.commit().await?;
        Ok(self.sign_identity_token(&org, &identity, &record))
    }

    /// Revokes the token that is presented.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if it was revoked before; [`Error::Token`] if it is none.
    pub async fn revoke_token(&self, token: &str) -> Result<(), Error> {
        let Claims::Identity(claims) = self.read_claims(token)? else {
            return Err(no_machine());
        };
        let tx = self.store().write().await?;
        let revoked = tx
            .revoke_identity_token(claims.identity_id, claims.identity_access_token_id, self.now())
            .await?;
        if !revoked {
            return Err(crate::authentication::revoked());
        }
        tx.commit().await?;
        Ok(())
    }

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
    fn sign_identity_token(&self, org: &OrgRecord, identity: &IdentityRecord, token: &IdentityTokenRecord) -> AccessGrant {
        let now = self.now();
        let claims = IdentityClaims {
            identity_id: identity.id,
            identity_access_token_id: token.id,
            client_secret_id: token.client_secret,
            identity_auth: serde_json::Map::new(),
            organization_id: org.id,
            organization_name: org.name.clone(),
            identity_name: identity.name.clone(),
            auth_method: token.auth_method.clone(),
            issued_at: now,
            expires_at: token.expires_at,
        };
        let is_periodic = token.limits.period > 0;
        AccessGrant {
            access_token: self.0.signer.sign(&Claims::Identity(claims)),
            expires_in: token.expires_at.map_or(0, |end| end.since(now).as_secs()),
            max_ttl: if is_periodic { MAX_TTL_OF_PERIODIC } else { token.limits.max_ttl },
        }
    }
}

/// When a token made at `created_at` and given or renewed at `now` ends.
fn end(limits: &TokenLimits, created_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    if limits.period > 0 {
        return Some(now + Duration::from_secs(limits.period));
    }
    if limits.ttl == 0 {
        return None;
    }
    let end = now + Duration::from_secs(limits.ttl);
    Some(last_end(limits, created_at).map_or(end, |last| end.min(last)))
}

/// When a token made at `created_at` ends at the latest.
fn last_end(limits: &TokenLimits, created_at: Timestamp) -> Option<Timestamp> {
    (limits.period == 0 && limits.max_ttl > 0).then(|| created_at + Duration::from_secs(limits.max_ttl))
}

fn no_machine() -> Error {
    Error::forbidden("this is no access token of a machine identity")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(ttl: u64, max_ttl: u64, period: u64) -> TokenLimits {
        TokenLimits {
            ttl,
            max_ttl,
            uses_limit: 0,
            period,
            trusted: Vec::new(),
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_token_lives_for_its_ttl_but_not_beyond_its_longest_life() {
        assert_eq!(end(&limits(60, 100, 0), at(0), at(0)), Some(at(60)));
        assert_eq!(end(&limits(60, 100, 0), at(0), at(30)), Some(at(90)));
        assert_eq!(end(&limits(60, 100, 0), at(0), at(50)), Some(at(100)));
        assert_eq!(end(&limits(60, 0, 0), at(0), at(50)), Some(at(110)));
    }

    #[test]
    fn a_ttl_of_zero_has_no_end_and_a_period_beats_all() {
        assert_eq!(end(&limits(0, 100, 0), at(0), at(0)), None);
        assert_eq!(end(&limits(60, 100, 500), at(0), at(90)), Some(at(590)));
        assert_eq!(last_end(&limits(60, 100, 500), at(0)), None);
    }
}
