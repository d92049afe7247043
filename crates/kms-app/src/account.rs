//! What people see to themselves: their password and their sessions.

use kms_core::audit::AuditActor;
use kms_core::ids::SessionId;
use kms_core::secret::SecretString;
use kms_crypto::password::{PasswordCheck, PasswordHash};
use kms_store::Tx;
use kms_store::lockouts::LockoutSubject;
use kms_store::organizations::Principal;
use serde_json::{Value, json};

use crate::audit::Event;
use crate::authentication::SignedIn;
use crate::sessions::LOCKOUT;
use crate::{App, Error};

pub use kms_store::users::SessionRecord;

impl App {
    /// Changes the person's password, and ends all their other sessions: whoever knew the old one is out.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `current` is wrong. It counts as a failed login; too many lock the login ([`Error::RateLimited`]).
    pub async fn change_password(&self, signed_in: &SignedIn, current: SecretString, new: SecretString) -> Result<(), Error> {
        let user = &signed_in.user;
        let stored = user.password_hash.as_ref();
        let stored = stored.map(|hash| PasswordHash::from_stored(hash.expose().to_owned()));
        let check = self.check_password(current, stored).await?;
        let now = self.now();
        let subject = LockoutSubject::Email(user.email.clone());
        // Hashed only for whoever knew the old one; before the transaction, as it takes long.
        let hash = match check {
            PasswordCheck::Right | PasswordCheck::RightButOutdated => Some(self.hash_password(new).await?),
            PasswordCheck::Wrong => None,
        };
        let tx = self.store().write().await?;
        let failures = tx.lock_failures(&subject).await?;
        if let Some(retry_after) = failures.and_then(|failures| failures.locked_for(now)) {
            return Err(Error::RateLimited { retry_after });
        }
        let Some(hash) = hash else {
            let failures = tx.lock_failures_or_begin(&subject, now).await?;
            if let Some(retry_after) = failures.locked_for(now) {
                return Err(Error::RateLimited { retry_after });
            }
            tx.save_failures(&subject, failures.with_failure(LOCKOUT, now), now).await?;
            tx.commit().await?;
            return Err(Error::invalid(
                "currentPassword",
                "custom",
                "this is not your password; nothing was changed",
            ));
        };
        tx.update_password_hash(user.id, &SecretString::new(hash.as_str()), now).await?;
        tx.end_other_sessions(user.id, signed_in.session, now).await?;
        self.tell_orgs(&tx, signed_in, "change-password", json!({})).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The person's open sessions, last used first.
    pub async fn list_sessions(&self, signed_in: &SignedIn) -> Result<Vec<SessionRecord>, Error> {
        Ok(self.store().read().list_open_sessions(signed_in.user.id, self.now()).await?)
    }

    /// Ends one of the person's sessions, wherever it is.
    pub async fn end_session(&self, signed_in: &SignedIn, id: SessionId) -> Result<(), Error> {
        let tx = self.store().write().await?;
        if tx.find_session(signed_in.user.id, id).await?.is_none() {
            return Err(Error::not_found(format!("no session with the id {id}")));
        }
        tx.end_session(signed_in.user.id, id, self.now()).await?;
        self.tell_orgs(&tx, signed_in, "end-session", json!({ "sessionId": id })).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends all of the person's sessions but the one they ask in.
    pub async fn end_other_sessions(&self, signed_in: &SignedIn) -> Result<(), Error> {
        let tx = self.store().write().await?;
        tx.end_other_sessions(signed_in.user.id, signed_in.session, self.now()).await?;
        self.tell_orgs(&tx, signed_in, "end-other-sessions", json!({})).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Writes what concerns a person into the audit log of each of their organizations.
    async fn tell_orgs(&self, tx: &Tx, signed_in: &SignedIn, event: &'static str, metadata: Value) -> Result<(), Error> {
        let by = AuditActor::User {
            id: signed_in.user.id,
            email: signed_in.user.email.clone(),
        };
        let orgs = tx.list_orgs_of(Principal::User(signed_in.user.id)).await?;
        let entries: Vec<_> = orgs
            .into_iter()
            .map(|(org, _member)| {
                let event = Event::in_org(event, metadata.clone());
                self.entry_of(org.id, by.clone(), signed_in.origin.clone(), event)
            })
            .collect();
        tx.insert_audit(&entries).await?;
        Ok(())
    }
}
