//! Token Auth: tokens that people make for an identity, instead of a login.

use kms_core::ids::{IdentityId, IdentityTokenId, TokenAuthId};
use kms_core::permission::org;
use kms_store::Session;
use serde_json::json;

use crate::actor::Actor;
use crate::audit::Event;
use crate::error::on_constraint;
use crate::identities::{reach_to_change, reach_to_read};
use crate::identity_tokens::{AccessGrant, IdentityTokenRecord, LimitChanges, NewToken, TokenLimits, default_limits, problems};
use crate::{App, Error};

pub use kms_store::token_auth::TokenAuthRecord;

/// The method's name in the API.
pub(crate) const METHOD: &str = "token-auth";

/// A new token, and what is known about it.
#[derive(Debug, Clone)]
pub struct CreatedToken {
    /// The token.
    pub grant: AccessGrant,
    /// What is known about it.
    pub record: IdentityTokenRecord,
}

fn apply(changes: LimitChanges, limits: &mut TokenLimits) -> Result<(), Error> {
    changes.apply(limits);
    let issues = problems(limits);
    if issues.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid { issues })
    }
}

impl App {
    /// Attaches Token Auth to an identity.
    pub async fn attach_token_auth(&self, actor: &Actor, identity: IdentityId, limits: LimitChanges) -> Result<TokenAuthRecord, Error> {
        let now = self.now();
        let tx = self.store().write().await?;
        reach_to_change(&tx, actor, identity, org::IDENTITY_EDIT).await?;
        let mut auth = TokenAuthRecord {
            id: TokenAuthId::random(self.entropy()),
            identity,
            limits: default_limits(),
            created_at: now,
            updated_at: now,
        };
        apply(limits, &mut auth.limits)?;
        on_constraint(tx.insert_token_auth(&auth).await, "uq_token_auths_identity", || {
            Error::bad_request("Token Auth is attached to this identity already")
        })?;
        let event = Event::in_org("add-identity-token-auth", noted(&auth));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(auth)
    }

    /// Changes Token Auth of an identity. New trusted addresses hold for existing tokens, too; the other limits only for tokens to
    /// come.
    pub async fn update_token_auth(&self, actor: &Actor, identity: IdentityId, changes: LimitChanges) -> Result<TokenAuthRecord, Error> {
        let tx = self.store().write().await?;
        reach_to_change(&tx, actor, identity, org::IDENTITY_EDIT).await?;
        let mut auth = attached(&tx, identity).await?;
        apply(changes, &mut auth.limits)?;
        auth.updated_at = self.now();
        tx.update_token_auth(&auth).await?;
        tx.update_trusted_of_method(identity, METHOD, &auth.limits.trusted).await?;
        let event = Event::in_org("update-identity-token-auth", noted(&auth));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(auth)
    }

    /// Token Auth of an identity.
    pub async fn get_token_auth(&self, actor: &Actor, identity: IdentityId) -> Result<TokenAuthRecord, Error> {
        let session = self.store().read();
        reach_to_read(&session, actor, identity, org::IDENTITY_READ).await?;
        let auth = attached(&session, identity).await?;
        let event = Event::in_org("get-identity-token-auth", json!({ "identityId": identity }));
        self.record_read(actor, event).await?;
        Ok(auth)
    }

    /// Detaches Token Auth from an identity. Its tokens are good no longer.
    pub async fn detach_token_auth(&self, actor: &Actor, identity: IdentityId) -> Result<TokenAuthRecord, Error> {
        let tx = self.store().write().await?;
        reach_to_change(&tx, actor, identity, org::IDENTITY_REVOKE_AUTH).await?;
        let auth = attached(&tx, identity).await?;
        tx.remove_token_auth(identity).await?;
        tx.remove_tokens_of_method(identity, METHOD).await?;
        let event = Event::in_org("revoke-identity-token-auth", json!({ "identityId": identity }));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(auth)
    }

    /// Makes a token.
    pub async fn create_token(&self, actor: &Actor, identity: IdentityId, name: Option<String>) -> Result<CreatedToken, Error> {
        let tx = self.store().write().await?;
        let reached = reach_to_change(&tx, actor, identity, org::IDENTITY_CREATE_TOKEN).await?;
        let auth = attached(&tx, identity).await?;
        let org = tx.find_org(actor.org).await?;
        let org = org.ok_or_else(|| Error::internal("the organization of a token is missing"))?;
        let new = NewToken {
            org: &org,
            identity: &reached.record,
            auth_method: METHOD,
            client_secret: None,
            name,
            limits: auth.limits,
        };
        let (record, grant) = self.issue_identity_token(&tx, new).await?;
        let event = Event::in_org("create-token-identity-token-auth", noted_token(&record));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(CreatedToken { grant, record })
    }

    /// The tokens of an identity, oldest first.
    pub async fn list_tokens(
        &self,
        actor: &Actor,
        identity: IdentityId,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<IdentityTokenRecord>, Error> {
        let session = self.store().read();
        reach_to_read(&session, actor, identity, org::IDENTITY_GET_TOKEN).await?;
        attached(&session, identity).await?;
        let tokens = session.list_identity_tokens(identity, METHOD, offset, limit).await?;
        let event = Event::in_org("get-tokens-identity-token-auth", json!({ "identityId": identity }));
        self.record_read(actor, event).await?;
        Ok(tokens)
    }

    /// What is known about a token.
    pub async fn get_token(&self, actor: &Actor, id: IdentityTokenId) -> Result<IdentityTokenRecord, Error> {
        let session = self.store().read();
        let token = token(&session, actor, id).await?;
        reach_to_read(&session, actor, token.identity, org::IDENTITY_GET_TOKEN).await?;
        let event = Event::in_org("get-token-identity-token-auth", noted_token(&token));
        self.record_read(actor, event).await?;
        Ok(token)
    }

    /// Gives a token another name.
    pub async fn rename_token(&self, actor: &Actor, id: IdentityTokenId, name: Option<String>) -> Result<IdentityTokenRecord, Error> {
        let tx = self.store().write().await?;
        let mut token = token(&tx, actor, id).await?;
        reach_to_change(&tx, actor, token.identity, org::IDENTITY_CREATE_TOKEN).await?;
        if let Some(name) = name {
            token.name = Some(name);
            token.updated_at = self.now();
            tx.rename_identity_token(&token).await?;
        }
        let event = Event::in_org("update-token-identity-token-auth", noted_token(&token));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Revokes a token. Once more does no harm.
    pub async fn revoke_token_by_id(&self, actor: &Actor, id: IdentityTokenId) -> Result<(), Error> {
        let tx = self.store().write().await?;
        let mut token = token(&tx, actor, id).await?;
        reach_to_change(&tx, actor, token.identity, org::IDENTITY_DELETE_TOKEN).await?;
        if tx.revoke_identity_token(token.identity, id, self.now()).await? {
            token.revoked = true;
            let event = Event::in_org("update-token-identity-token-auth", noted_token(&token));
            tx.insert_audit(&[self.entry(actor, event)]).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

async fn attached(session: &Session, identity: IdentityId) -> Result<TokenAuthRecord, Error> {
    let auth = session.find_token_auth(identity).await?;
    auth.ok_or_else(|| Error::bad_request("Token Auth is not attached to this identity"))
}

async fn token(session: &Session, actor: &Actor, id: IdentityTokenId) -> Result<IdentityTokenRecord, Error> {
    let token = session.find_token_of_org(actor.org, id, METHOD).await?;
    token.ok_or_else(|| Error::not_found(format!("no token with the id {id}")))
}

fn noted(auth: &TokenAuthRecord) -> serde_json::Value {
    json!({
        "identityId": auth.identity,
        "accessTokenTrustedIps": auth.limits.trusted,
        "accessTokenTTL": auth.limits.ttl,
        "accessTokenMaxTTL": auth.limits.max_ttl,
        "accessTokenNumUsesLimit": auth.limits.uses_limit,
        "accessTokenPeriod": auth.limits.period,
    })
}

fn noted_token(token: &IdentityTokenRecord) -> serde_json::Value {
    json!({ "identityId": token.identity, "tokenId": token.id, "tokenName": token.name, "isAccessTokenRevoked": token.revoked })
}
