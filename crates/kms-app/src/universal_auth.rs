//! Universal Auth: its settings, its client secrets, and the login with them.

use std::time::Duration;

use kms_core::audit::{AuditActor, Origin};
use kms_core::ids::{ClientSecretId, IdentityId, UniversalAuthId, random_uuid};
use kms_core::lockout::LockoutPolicy;
use kms_core::network::TrustedAddress;
use kms_core::permission::org;
use kms_core::secret::SecretString;
use kms_crypto::tokens::{self, PlainToken, TokenKind};
use kms_providers::declaration::FieldIssue;
use kms_store::identities::IdentityRecord;
use kms_store::lockouts::LockoutSubject;
use kms_store::{Session, Tx};
use serde_json::json;

use crate::actor::Actor;
use crate::audit::Event;
use crate::authentication::is_trusted;
use crate::error::on_constraint;
use crate::identities::{reach_to_change, reach_to_read};
use crate::identity_tokens::{AccessGrant, LONGEST_TTL, LimitChanges, MOST_USES, NewToken, default_limits, problems};
use crate::{App, Error};

pub use kms_store::universal_auth::{ClientSecretRecord, UniversalAuthRecord};

/// The method's name in the API.
pub(crate) const METHOD: &str = "universal-auth";

/// Settings of Universal Auth; what is absent stays, or is the default.
#[derive(Debug, Clone, Default)]
pub struct UniversalAuthChanges {
    /// Limits of its tokens.
    pub limits: LimitChanges,
    /// Where logins may come from.
    pub login_trusted: Option<Vec<TrustedAddress>>,
    /// Whether failed logins lock it.
    pub lockout_enabled: Option<bool>,
    /// Failures in a row that do.
    pub lockout_threshold: Option<u32>,
    /// For so many seconds.
    pub lockout_seconds: Option<u32>,
    /// After so many seconds without a failure, counting begins anew.
    pub lockout_reset_seconds: Option<u32>,
}

impl UniversalAuthChanges {
    fn apply(self, auth: &mut UniversalAuthRecord) -> Result<(), Error> {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        self.limits.apply(&mut auth.limits);
        auth.login_trusted = self.login_trusted.unwrap_or_else(|| std::mem::take(&mut auth.login_trusted));
        auth.lockout_enabled = self.lockout_enabled.unwrap_or(auth.lockout_enabled);
        let lockout = &mut auth.lockout;
        lockout.threshold = self.lockout_threshold.unwrap_or(lockout.threshold);
        lockout.duration = self.lockout_seconds.map_or(lockout.duration, seconds);
        lockout.reset = self.lockout_reset_seconds.map_or(lockout.reset, seconds);

        let mut issues = problems(&auth.limits);
        if auth.login_trusted.is_empty() {
            issues.push(FieldIssue::at(
                "clientSecretTrustedIps",
                "too_small",
                "must have at least 1 element",
            ));
        }
        for (field, value, least, most) in [
            ("lockoutThreshold", u64::from(lockout.threshold), 1, 30),
            ("lockoutDurationSeconds", lockout.duration.as_secs(), 30, 86_400),
            ("lockoutCounterResetSeconds", lockout.reset.as_secs(), 5, 3_600),
        ] {
            if !(least..=most).contains(&value) {
                let code = if value < least { "too_small" } else { "too_big" };
                issues.push(FieldIssue::at(field, code, format!("must be from {least} to {most}")));
            }
        }
        if issues.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid { issues })
        }
    }
}

/// What a new client secret is given.
#[derive(Debug, Clone)]
pub struct NewClientSecret {
    /// What it is for.
    pub description: String,
    /// Most logins; 0 = any number.
    pub uses_limit: u64,
    /// Life in seconds; 0 = without end.
    pub ttl: u64,
}

/// A new client secret: the secret itself, which is shown once, and what is known about it.
#[derive(Debug, Clone)]
pub struct CreatedClientSecret {
    /// The secret.
    pub secret: SecretString,
    /// What is known about it.
    pub record: ClientSecretRecord,
}

impl App {
    /// Attaches Universal Auth to an identity.
    pub async fn attach_universal_auth(
        &self,
        actor: &Actor,
        identity: IdentityId,
        settings: UniversalAuthChanges,
    ) -> Result<UniversalAuthRecord, Error> {
        let now = self.now();
        let tx = self.store().write().await?;
        reach_to_change(&tx, actor, identity, org::IDENTITY_EDIT).await?;
        let mut auth = UniversalAuthRecord {
            id: UniversalAuthId::random(self.entropy()),
            identity,
            client_id: random_uuid(self.entropy()).to_string(),
            limits: default_limits(),
            login_trusted: TrustedAddress::anywhere(),
            lockout_enabled: true,
            lockout: LockoutPolicy {
                threshold: 3,
                duration: Duration::from_secs(300),
                reset: Duration::from_secs(30),
            },
            created_at: now,
            updated_at: now,
        };
        settings.apply(&mut auth)?;
        on_constraint(tx.insert_universal_auth(&auth).await, "uq_universal_auths_identity", || {
            Error::bad_request("Universal Auth is attached to this identity already")
        })?;
        let event = Event::in_org("add-identity-universal-auth", noted(&auth));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(auth)
    }

    /// Changes Universal Auth of an identity. New trusted addresses hold for the tokens it has given, too; the other limits only for
    /// tokens to come.
    pub async fn update_universal_auth(
        &self,
        actor: &Actor,
        identity: IdentityId,
        changes: UniversalAuthChanges,
    ) -> Result<UniversalAuthRecord, Error> {
        let tx = self.store().write().await?;
        reach_to_change(&tx, actor, identity, org::IDENTITY_EDIT).await?;
        let mut auth = attached(&tx, identity).await?;
        changes.apply(&mut auth)?;
        auth.updated_at = self.now();
        tx.update_universal_auth(&auth).await?;
        tx.update_trusted_of_method(identity, METHOD, &auth.limits.trusted).await?;
        let event = Event::in_org("update-identity-universal-auth", noted(&auth));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(auth)
    }

    /// Universal Auth of an identity.
    pub async fn get_universal_auth(&self, actor: &Actor, identity: IdentityId) -> Result<UniversalAuthRecord, Error> {
        let session = self.store().read();
        reach_to_read(&session, actor, identity, org::IDENTITY_READ).await?;
        let auth = attached(&session, identity).await?;
        let event = Event::in_org("get-identity-universal-auth", json!({ "identityId": identity }));
        self.record_read(actor, event).await?;
        Ok(auth)
    }

    /// Detaches Universal Auth from an identity. Its client secrets and tokens are good no longer.
    pub async fn detach_universal_auth(&self, actor: &Actor, identity: IdentityId) -> Result<UniversalAuthRecord, Error> {
        let tx = self.store().write().await?;
        reach_to_change(&tx, actor, identity, org::IDENTITY_REVOKE_AUTH).await?;
        let auth = attached(&tx, identity).await?;
        tx.remove_universal_auth(identity).await?;
        tx.remove_tokens_of_method(identity, METHOD).await?;
        tx.remove_failures_of(identity, self.now()).await?;
        let event = Event::in_org("revoke-identity-universal-auth", json!({ "identityId": identity }));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(auth)
    }

    /// Lets locked logins of an identity try again. Answers how many were locked.
    pub async fn clear_universal_auth_lockouts(&self, actor: &Actor, identity: IdentityId) -> Result<u64, Error> {
        let tx = self.store().write().await?;
        reach_to_change(&tx, actor, identity, org::IDENTITY_EDIT).await?;
        attached(&tx, identity).await?;
        let cleared = tx.remove_failures_of(identity, self.now()).await?;
        let event = Event::in_org(
            "clear-identity-universal-auth-lockouts",
            json!({ "identityId": identity, "deleted": cleared }),
        );
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(cleared)
    }

    /// Makes a client secret.
    pub async fn create_client_secret(
        &self,
        actor: &Actor,
        identity: IdentityId,
        new: NewClientSecret,
    ) -> Result<CreatedClientSecret, Error> {
        let mut issues = Vec::new();
        for (field, value, most) in [("numUsesLimit", new.uses_limit, MOST_USES), ("ttl", new.ttl, LONGEST_TTL)] {
            if value > most {
                issues.push(FieldIssue::at(field, "too_big", format!("must be at most {most}")));
            }
        }
        if !issues.is_empty() {
            return Err(Error::Invalid { issues });
        }
        let now = self.now();
        let tx = self.store().write().await?;
        reach_to_change(&tx, actor, identity, org::IDENTITY_CREATE_TOKEN).await?;
        let auth = attached(&tx, identity).await?;
        let plain = tokens::generate(TokenKind::ClientSecret, self.entropy());
        let record = ClientSecretRecord {
            id: ClientSecretId::random(self.entropy()),
            universal_auth: auth.id,
            description: new.description,
            prefix: plain.hint().to_owned(),
            uses: 0,
            uses_limit: new.uses_limit,
            ttl: new.ttl,
            revoked: false,
            last_used_at: None,
            created_at: now,
            updated_at: now,
        };
        tx.insert_client_secret(&record, plain.hash().as_str()).await?;
        self.audit_secret(&tx, actor, "create-identity-universal-auth-client-secret", identity, record.id)
            .await?;
        tx.commit().await?;
        Ok(CreatedClientSecret {
            secret: plain.into_secret(),
            record,
        })
    }

    /// The client secrets of an identity that were not revoked, oldest first.
    pub async fn list_client_secrets(&self, actor: &Actor, identity: IdentityId) -> Result<Vec<ClientSecretRecord>, Error> {
        let session = self.store().read();
        reach_to_read(&session, actor, identity, org::IDENTITY_GET_TOKEN).await?;
        let auth = attached(&session, identity).await?;
        let secrets = session.list_client_secrets(auth.id).await?;
        let event = Event::in_org(
            "get-identity-universal-auth-client-secret",
            json!({ "identityId": identity, "count": secrets.len() }),
        );
        self.record_read(actor, event).await?;
        Ok(secrets)
    }

    /// What is known about a client secret.
    pub async fn get_client_secret(&self, actor: &Actor, identity: IdentityId, id: ClientSecretId) -> Result<ClientSecretRecord, Error> {
        let session = self.store().read();
        reach_to_read(&session, actor, identity, org::IDENTITY_GET_TOKEN).await?;
        let secret = secret(&session, identity, id).await?;
        let event = Event::in_org(
            "get-identity-universal-auth-client-secret",
            json!({ "identityId": identity, "clientSecretId": id }),
        );
        self.record_read(actor, event).await?;
        Ok(secret)
    }

    /// Revokes a client secret together with the tokens that were given for it.
    pub async fn revoke_client_secret(&self, actor: &Actor, identity: IdentityId, id: ClientSecretId) -> Result<ClientSecretRecord, Error> {
        let now = self.now();
        let tx = self.store().write().await?;
        reach_to_change(&tx, actor, identity, org::IDENTITY_DELETE_TOKEN).await?;
        let mut secret = secret(&tx, identity, id).await?;
        if !secret.revoked {
            secret.revoked = true;
            secret.updated_at = now;
            tx.revoke_client_secret(secret.universal_auth, id, now).await?;
            tx.revoke_tokens_of_secret(id, now).await?;
            self.audit_secret(&tx, actor, "revoke-identity-universal-auth-client-secret", identity, id)
                .await?;
            tx.commit().await?;
        }
        Ok(secret)
    }

    async fn audit_secret(
        &self,
        tx: &Tx,
        actor: &Actor,
        event: &'static str,
        identity: IdentityId,
        secret: ClientSecretId,
    ) -> Result<(), Error> {
        let event = Event::in_org(event, json!({ "identityId": identity, "clientSecretId": secret }));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        Ok(())
    }
}

/// Why a login is refused, as the audit log has it, and as the caller is told.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    Address,
    Locked,
    WrongSecret,
    Revoked,
    Expired,
    UsedUp,
}

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Self::Address => "untrusted-address",
            Self::Locked => "locked",
            Self::WrongSecret => "wrong-client-secret",
            Self::Revoked => "client-secret-revoked",
            Self::Expired => "client-secret-expired",
            Self::UsedUp => "client-secret-used-up",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Address => "logins are not allowed from your address",
            Self::Locked => "too many failed logins; this login is locked for a while",
            Self::WrongSecret => "the client id or the client secret is wrong",
            Self::Revoked => "the client secret was revoked",
            Self::Expired => "the client secret has expired",
            Self::UsedUp => "the client secret has been used as often as it may be",
        }
    }
}

impl App {
    /// Logs a machine in.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] always: unknown client id or wrong secret (one message for both), secret expired, used up or revoked,
    /// address not trusted, or locked. While it is locked, the right secret is refused, too.
    pub async fn log_in_universal(&self, client_id: &str, secret: SecretString, origin: &Origin) -> Result<AccessGrant, Error> {
        let unknown = || Error::unauthorized(Refusal::WrongSecret.message());
        // Strangers who guess client ids are turned away without a transaction.
        let found = self.store().read().find_universal_auth_by_client(client_id).await?;
        let identity = found.ok_or_else(unknown)?.identity;
        let tx = self.store().write().await?;
        let identity = tx.lock_identity_for_login(identity).await?.ok_or_else(unknown)?;
        // Once more under the lock: it may have been changed or detached meanwhile.
        let auth = tx.find_universal_auth_by_client(client_id).await?.ok_or_else(unknown)?;
        let checked = self.check_secret(&tx, &auth, secret, origin).await?;
        let event = match &checked {
            Ok(secret) => {
                let org = tx.find_org(identity.org).await?.ok_or_else(unknown)?;
                let now = self.now();
                tx.update_last_login(identity.org, identity.id, METHOD, now).await?;
                let new = NewToken {
                    org: &org,
                    identity: &identity,
                    auth_method: METHOD,
                    client_secret: Some(secret.id),
                    name: None,
                    limits: auth.limits.clone(),
                };
                let (token, grant) = self.issue_identity_token(&tx, new).await?;
                let noted = json!({
                    "identityId": identity.id, "clientId": auth.client_id, "clientSecretId": secret.id, "identityAccessTokenId": token.id,
                });
                self.audit_login(&tx, &identity, origin, Event::in_org("login-identity-universal-auth", noted))
                    .await?;
                self.sweep_logins(&tx).await?;
                tx.commit().await?;
                return Ok(grant);
            }
            Err(refusal) => Event::in_org(
                "login-identity-universal-auth-failed",
                json!({ "identityId": identity.id, "name": identity.name, "clientId": auth.client_id, "reason": refusal.reason() }),
            ),
        };
        // What was counted must stay counted.
        let entry = self.entry_of(identity.org, AuditActor::Unknown, origin.clone(), event);
        tx.insert_audit(&[entry]).await?;
        tx.commit().await?;
        Err(checked.err().map_or_else(unknown, |refusal| Error::unauthorized(refusal.message())))
    }

    /// Checks a login and counts it, one login of an identity after the other.
    async fn check_secret(
        &self,
        tx: &Tx,
        auth: &UniversalAuthRecord,
        secret: SecretString,
        origin: &Origin,
    ) -> Result<Result<ClientSecretRecord, Refusal>, Error> {
        let now = self.now();
        if !is_trusted(&auth.login_trusted, origin.address) {
            return Ok(Err(Refusal::Address));
        }
        let subject = LockoutSubject::UniversalAuth {
            identity: auth.identity,
            client_id: auth.client_id.clone(),
        };
        let failures = if auth.lockout_enabled {
            tx.lock_failures(&subject).await?
        } else {
            None
        };
        if failures.is_some_and(|failures| failures.locked_for(now).is_some()) {
            return Ok(Err(Refusal::Locked));
        }
        let hash = PlainToken::presented(secret).hash();
        let Some(secret) = tx.find_client_secret_by_hash(auth.id, hash.as_str()).await? else {
            if auth.lockout_enabled {
                let failures = tx.lock_failures_or_begin(&subject, now).await?;
                tx.save_failures(&subject, failures.with_failure(auth.lockout, now), now).await?;
            }
            return Ok(Err(Refusal::WrongSecret));
        };
        if secret.revoked {
            return Ok(Err(Refusal::Revoked));
        }
        if secret.is_expired(now) {
            return Ok(Err(Refusal::Expired));
        }
        if secret.is_used_up() || !tx.count_secret_use(secret.id, now).await? {
            return Ok(Err(Refusal::UsedUp));
        }
        if failures.is_some() {
            tx.remove_failures(&subject).await?;
        }
        Ok(Ok(secret))
    }

    /// Records a login by the identity itself.
    async fn audit_login(&self, tx: &Tx, identity: &IdentityRecord, origin: &Origin, event: Event) -> Result<(), Error> {
        let by = AuditActor::Identity {
            id: identity.id,
            name: identity.name.clone(),
            auth_method: Some(METHOD.to_owned()),
        };
        tx.insert_audit(&[self.entry_of(identity.org, by, origin.clone(), event)]).await?;
        Ok(())
    }
}

async fn attached(session: &Session, identity: IdentityId) -> Result<UniversalAuthRecord, Error> {
    let auth = session.find_universal_auth(identity).await?;
    auth.ok_or_else(|| Error::bad_request("Universal Auth is not attached to this identity"))
}

async fn secret(session: &Session, identity: IdentityId, id: ClientSecretId) -> Result<ClientSecretRecord, Error> {
    let auth = attached(session, identity).await?;
    let secret = session.find_client_secret(auth.id, id).await?;
    secret.ok_or_else(|| Error::not_found(format!("no client secret with the id {id}")))
}

fn noted(auth: &UniversalAuthRecord) -> serde_json::Value {
    json!({
        "identityId": auth.identity,
        "clientSecretTrustedIps": auth.login_trusted,
        "accessTokenTrustedIps": auth.limits.trusted,
        "accessTokenTTL": auth.limits.ttl,
        "accessTokenMaxTTL": auth.limits.max_ttl,
        "accessTokenNumUsesLimit": auth.limits.uses_limit,
        "accessTokenPeriod": auth.limits.period,
        "lockoutEnabled": auth.lockout_enabled,
        "lockoutThreshold": auth.lockout.threshold,
        "lockoutDurationSeconds": auth.lockout.duration.as_secs(),
        "lockoutCounterResetSeconds": auth.lockout.reset.as_secs(),
    })
}
