//! From a token to an [`Actor`].
//!
//! A signature proves who was let in. Whether the door is still open is looked up on every request, so that a revocation takes
//! effect at once.

use std::net::IpAddr;
use std::time::Duration;

use kms_core::audit::Origin;
use kms_core::ids::{OrgId, SessionId};
use kms_core::network::TrustedAddress;
use kms_crypto::access_token::{Claims, IdentityClaims, TokenError, UserClaims};
use kms_store::Session;
use kms_store::identity_tokens::IdentityTokenRecord;
use kms_store::organizations::Principal;
use kms_store::users::UserRecord;

use crate::actor::{Actor, Who};
use crate::{App, Error};

/// How old the note of a token's last use may become. A note costs a write; a request should not.
const USE_NOTED_EVERY: Duration = Duration::from_secs(60);

/// A person with an open session, who may not have chosen an organization yet.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub(crate) user: UserRecord,
    pub(crate) session: SessionId,
    pub(crate) org: Option<OrgId>,
    pub(crate) origin: Origin,
}

impl SignedIn {
    /// The person.
    pub fn user(&self) -> &UserRecord {
        &self.user
    }

    /// The organization that the token is for.
    pub fn org(&self) -> Option<OrgId> {
        self.org
    }

    /// The session that the token belongs to.
    pub fn session(&self) -> SessionId {
        self.session
    }

    pub(crate) fn actor_in(&self, org: OrgId) -> Actor {
        Actor {
            org,
            who: Who::User {
                id: self.user.id,
                email: self.user.email.clone(),
                session: self.session,
                instance_admin: self.user.instance_admin,
            },
            origin: self.origin.clone(),
        }
    }
}

impl App {
    /// Who presents this token, in the organization that it is for.
    ///
    /// # Errors
    /// [`Error::Token`] if it is expired, malformed or forged; [`Error::Unauthorized`] if it was ended, revoked or used up, comes from
    /// an address that is not trusted, or is for no organization; [`Error::Forbidden`] for a token of another kind.
    pub async fn authenticate(&self, token: &str, origin: Origin) -> Result<Actor, Error> {
        match self.read_claims(token)? {
            Claims::User(claims) => {
                let session = self.store().read();
                let signed_in = self.open_session(&session, claims, origin).await?;
                let org = signed_in
                    .org
                    .ok_or_else(|| Error::unauthorized("no organization is selected; select one first"))?;
                if session.find_org_member(org, Principal::User(signed_in.user.id)).await?.is_none() {
                    return Err(Error::unauthorized("you are no longer a member of this organization; log in again"));
                }
                Ok(signed_in.actor_in(org))
            }
            Claims::Identity(claims) => self.authenticate_identity(claims, origin).await,
            Claims::Mfa(_) => Err(Error::forbidden("this token is good only for giving the second factor")),
        }
    }

    /// The person who presents this token, whether or not an organization is selected.
    ///
    /// # Errors
    /// As [`App::authenticate`]; [`Error::Forbidden`] for a machine identity.
    pub async fn authenticate_user(&self, token: &str, origin: Origin) -> Result<SignedIn, Error> {
        match self.read_claims(token)? {
            Claims::User(claims) => self.open_session(&self.store().read(), claims, origin).await,
            Claims::Identity(_) => Err(Error::forbidden("this is for people; a machine identity cannot do it")),
            Claims::Mfa(_) => Err(Error::forbidden("this token is good only for giving the second factor")),
        }
    }

    pub(crate) fn read_claims(&self, token: &str) -> Result<Claims, Error> {
        self.0.signer.verify(token, self.now()).map_err(|error| match error {
            TokenError::Expired(_) => expired(),
            other => Error::Token {
                message: format!("{other}; log in again"),
            },
        })
    }

    async fn open_session(&self, session: &Session, claims: UserClaims, origin: Origin) -> Result<SignedIn, Error> {
        let over = || Error::unauthorized("the session has ended; log in again");
        let stored = session.find_session(claims.user_id, claims.session_id).await?.ok_or_else(over)?;
        if !stored.is_open(self.now()) || stored.access_version != claims.access_version {
            return Err(over());
        }
        Ok(SignedIn {
            user: session.find_user(claims.user_id).await?.ok_or_else(over)?,
            session: stored.id,
            org: claims.organization_id,
            origin,
        })
    }

    async fn authenticate_identity(&self, claims: IdentityClaims, origin: Origin) -> Result<Actor, Error> {
        let now = self.now();
        let session = self.store().read();
        let token = usable_token(&session, &claims).await?;
        if token.expires_at.is_some_and(|end| now >= end) {
            return Err(Error::unauthorized("the access token has expired; log in again"));
        }
        if !is_trusted(&token.limits.trusted, origin.address) {
            return Err(untrusted());
        }
        let identity = session
            .find_identity(claims.organization_id, claims.identity_id)
            .await?
            .ok_or_else(revoked)?;
        if token.limits.uses_limit > 0 {
            let tx = self.store().write().await?;
            if !tx.count_token_use(token.id, now).await? {
                return Err(used_up());
            }
            tx.commit().await?;
        } else if token.last_used_at.is_none_or(|last| now.since(last) >= USE_NOTED_EVERY) {
            let tx = self.store().write().await?;
            tx.touch_identity_token(token.id, now).await?;
            tx.commit().await?;
        }
        Ok(Actor {
            org: identity.org,
            who: Who::Identity {
                id: identity.id,
                name: identity.name,
                auth_method: token.auth_method,
                instance_admin: identity.instance_admin,
            },
            origin,
        })
    }
}

/// The token that the claims name, if it is neither revoked nor used up.
pub(crate) async fn usable_token(session: &Session, claims: &IdentityClaims) -> Result<IdentityTokenRecord, Error> {
    let token = session
        .find_identity_token(claims.identity_id, claims.identity_access_token_id)
        .await?
        .ok_or_else(revoked)?;
    if token.revoked {
        return Err(revoked());
    }
    if token.limits.uses_limit > 0 && token.uses >= token.limits.uses_limit {
        return Err(used_up());
    }
    Ok(token)
}

pub(crate) fn revoked() -> Error {
    Error::unauthorized("the access token was revoked; log in again")
}

pub(crate) fn expired() -> Error {
    Error::Token {
        message: "the access token has expired; log in again".to_owned(),
    }
}

pub(crate) fn untrusted() -> Error {
    Error::unauthorized("this access token may not be used from your address")
}

fn used_up() -> Error {
    Error::unauthorized("the access token has been used as often as it may be; log in again")
}

/// Whether one of the networks covers the address. Where the address is not known, only "anywhere" does.
pub(crate) fn is_trusted(trusted: &[TrustedAddress], address: Option<IpAddr>) -> bool {
    trusted.iter().any(|network| match address {
        Some(address) => network.covers(address),
        None => network.prefix() == Some(0),
    })
}
