//! Sessions of people: login, the choice of an organization, renewal, logout.

use std::time::Duration;

use kms_core::audit::Origin;
use kms_core::entropy::below;
use kms_core::ids::{OrgId, SessionId};
use kms_core::lockout::LockoutPolicy;
use kms_core::names::Email;
use kms_core::secret::SecretString;
use kms_crypto::access_token::{Claims, UserClaims};
use kms_crypto::password::{PasswordCheck, PasswordHash};
use kms_crypto::tokens::{self, PlainToken, TokenKind};
use kms_store::Tx;
use kms_store::lockouts::LockoutSubject;
use kms_store::organizations::Principal;
use kms_store::users::{SessionRecord, UserRecord};
use serde_json::json;

use crate::audit::Event;
use crate::authentication::SignedIn;
use crate::{App, Error};

/// How people log in so far.
const EMAIL: &str = "email";

/// Ten wrong passwords in a row lock a login for five minutes.
pub(crate) const LOCKOUT: LockoutPolicy = LockoutPolicy {
    threshold: 10,
    duration: Duration::from_secs(300),
    reset: Duration::from_secs(3600),
};

/// Failed logins are remembered at least this long: longer than any lockout, and any reset of its count, can be.
const FAILURES_KEPT: Duration = Duration::from_secs(2 * 24 * 3600);

/// Ended tokens stay this long, so that whoever comes with one learns what became of it.
const ENDED_TOKENS_KEPT: Duration = Duration::from_secs(24 * 3600);

/// One login in so many removes what has ended. Spread over the logins, it costs each next to nothing.
const SWEEP_EVERY: u64 = 64;

/// What a person gets at login and at each renewal.
#[derive(Debug, Clone)]
pub struct SessionGrant {
    /// Goes with each request.
    pub access_token: SecretString,
    /// Gets the next access token; absent where the client keeps the one it has.
    pub refresh_token: Option<SecretString>,
    /// The organization that the access token is for.
    pub org: Option<OrgId>,
    /// How long the session lasts if it is not renewed.
    pub session_ttl: Duration,
}

impl App {
    /// Logs a person in by e-mail address and password. The token is for no organization yet.
    ///
    /// # Errors
    /// An unknown address and a wrong password look the same and take the same time ([`Error::BadRequest`]). After ten failures
    /// in a row for an address, known or not, it is locked for five minutes, also for the right password ([`Error::RateLimited`]).
    pub async fn log_in(&self, email: &Email, password: SecretString, origin: &Origin) -> Result<SessionGrant, Error> {
        let user = self.store().read().find_user_by_email(email.as_str()).await?;
        let hash = user.as_ref().and_then(|user| user.password_hash.as_ref());
        let hash = hash.map(|hash| PasswordHash::from_stored(hash.expose().to_owned()));
        // Before the transaction, as it takes long. Many may check at the same time; how many learn the outcome is decided below,
        // one after the other.
        let check = self.check_password(password.clone(), hash).await?;
        let rehashed = match check {
            PasswordCheck::RightButOutdated => Some(self.hash_password(password).await?),
            PasswordCheck::Right | PasswordCheck::Wrong => None,
        };

        let now = self.now();
        let subject = LockoutSubject::Email(email.as_str().to_owned());
        let tx = self.store().write().await?;
        let failures = tx.lock_failures(&subject).await?;
        if let Some(retry_after) = failures.and_then(|failures| failures.locked_for(now)) {
            return Err(Error::RateLimited { retry_after });
        }
        let (PasswordCheck::Right | PasswordCheck::RightButOutdated, Some(user)) = (check, user) else {
            let failures = tx.lock_failures_or_begin(&subject, now).await?;
            // Somebody else may have failed between the two looks.
            if let Some(retry_after) = failures.locked_for(now) {
                return Err(Error::RateLimited { retry_after });
            }
            tx.save_failures(&subject, failures.with_failure(LOCKOUT, now), now).await?;
            self.sweep_logins(&tx).await?;
            tx.commit().await?;
            return Err(Error::bad_request("the e-mail address or the password is wrong"));
        };
        if failures.is_some() {
            tx.remove_failures(&subject).await?;
        }
        if let Some(hash) = rehashed {
            tx.update_password_hash(user.id, &SecretString::new(hash.as_str()), now).await?;
        }
        let grant = self.begin_session(&tx, &user, None, origin).await?;
        let by = kms_core::audit::AuditActor::User {
            id: user.id,
            email: user.email.clone(),
        };
        let entries: Vec<_> = tx
            .list_orgs_of(Principal::User(user.id))
            .await?
            .into_iter()
            .map(|(org, _role)| self.entry_of(org.id, by.clone(), origin.clone(), Event::in_org("user-login", json!({}))))
            .collect();
        tx.insert_audit(&entries).await?;
        tx.commit().await?;
        Ok(grant)
    }

    /// Gives an access token for an organization that the person belongs to. The token that renews the session stays as it is.
    pub async fn select_org(&self, signed_in: &SignedIn, org: OrgId) -> Result<SessionGrant, Error> {
        let tx = self.store().write().await?;
        if tx.find_org_member(org, Principal::User(signed_in.user.id)).await?.is_none() {
            return Err(Error::forbidden("you are not a member of this organization"));
        }
        let stored = tx.find_session(signed_in.user.id, signed_in.session).await?.ok_or_else(over)?;
        let session = self.renewed(stored, Some(org));
        if !tx.renew_session(&session).await? {
            return Err(over());
        }
        let event = Event::in_org("select-organization", json!({ "organizationId": org }));
        tx.insert_audit(&[self.entry(&signed_in.actor_in(org), event)]).await?;
        tx.commit().await?;
        Ok(self.session_grant(&session, None))
    }

    /// Gives the next access token to whoever has the token that renews the session, and prolongs the session.
    pub async fn renew_session(&self, refresh_token: SecretString) -> Result<SessionGrant, Error> {
        let presented = PlainToken::presented(refresh_token);
        if !tokens::looks_valid(TokenKind::RefreshToken, presented.expose()) {
            return Err(over());
        }
        let tx = self.store().write().await?;
        let stored = tx.find_session_by_refresh(presented.hash().as_str()).await?.ok_or_else(over)?;
        if !stored.is_open(self.now()) {
            return Err(over());
        }
        // Whoever left the organization meanwhile has to select another.
        let org = match stored.org {
            Some(org) => tx
                .find_org_member(org, Principal::User(stored.user))
                .await?
                .map(|member| member.org),
            None => None,
        };
        let session = self.renewed(stored, org);
        if !tx.renew_session(&session).await? {
            return Err(over());
        }
        tx.commit().await?;
        Ok(self.session_grant(&session, Some(presented)))
    }

    /// Ends the session: its access tokens and the token that renews it are good no longer.
    pub async fn log_out(&self, signed_in: &SignedIn) -> Result<(), Error> {
        let tx = self.store().write().await?;
        tx.end_session(signed_in.user.id, signed_in.session, self.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Begins a session.
    pub(crate) async fn begin_session(
        &self,
        tx: &Tx,
        user: &UserRecord,
        org: Option<OrgId>,
        origin: &Origin,
    ) -> Result<SessionGrant, Error> {
        let now = self.now();
        let refresh = tokens::generate(TokenKind::RefreshToken, self.entropy());
        let session = SessionRecord {
            id: SessionId::random(self.entropy()),
            user: user.id,
            org,
            refresh_hash: refresh.hash().as_str().to_owned(),
            access_version: 1,
            address: origin.address.map(|address| address.to_string()),
            user_agent: origin.user_agent.clone(),
            created_at: now,
            last_used_at: now,
            expires_at: now + self.settings().session_ttl,
            ended_at: None,
        };
        tx.remove_expired_sessions(user.id, now).await?;
        tx.insert_session(&session).await?;
        Ok(self.session_grant(&session, Some(refresh)))
    }

    fn renewed(&self, session: SessionRecord, org: Option<OrgId>) -> SessionRecord {
        let now = self.now();
        SessionRecord {
            org,
            last_used_at: now,
            expires_at: now + self.settings().session_ttl,
            ..session
        }
    }

    /// The tokens of a session.
    fn session_grant(&self, session: &SessionRecord, refresh: Option<PlainToken>) -> SessionGrant {
        let now = self.now();
        let claims = UserClaims {
            user_id: session.user,
            session_id: session.id,
            access_version: session.access_version,
            organization_id: session.org,
            sub_organization_id: None,
            auth_method: EMAIL.to_owned(),
            is_mfa_verified: None,
            mfa_method: None,
            issued_at: now,
            expires_at: now + self.settings().user_token_ttl,
        };
        SessionGrant {
            access_token: self.0.signer.sign(&Claims::User(claims)),
            refresh_token: refresh.map(PlainToken::into_secret),
            org: session.org,
            session_ttl: self.settings().session_ttl,
        }
    }

    /// Now and then, removes what logins leave behind: old failures, and tokens that ended long ago.
    pub(crate) async fn sweep_logins(&self, tx: &Tx) -> Result<(), Error> {
        if below(self.entropy(), SWEEP_EVERY) == 0 {
            let now = self.now();
            tx.remove_failures_before(now - FAILURES_KEPT).await?;
            tx.remove_tokens_ended_before(now - ENDED_TOKENS_KEPT).await?;
        }
        Ok(())
    }
}

fn over() -> Error {
    Error::unauthorized("the session has ended; log in again")
}
