//! Failed logins, counted by what was tried: an e-mail address (known or not), or a client id of Universal Auth.

use kms_core::ids::IdentityId;
use kms_core::lockout::Failures;
use kms_core::time::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::entity::login_lockouts;
use crate::{Session, StoreError, Tx};

/// Which login is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockoutSubject {
    /// A person's, by the e-mail address that was tried.
    Email(String),
    /// A machine identity's, by the client id of its Universal Auth.
    UniversalAuth {
        /// Whose it is.
        identity: IdentityId,
        /// The client id.
        client_id: String,
    },
}

impl LockoutSubject {
    fn key(&self) -> String {
        match self {
            Self::Email(email) => format!("email:{email}"),
            Self::UniversalAuth { client_id, .. } => format!("universal-auth:{client_id}"),
        }
    }

    fn identity(&self) -> Option<uuid::Uuid> {
        match self {
            Self::Email(_) => None,
            Self::UniversalAuth { identity, .. } => Some(identity.0),
        }
    }
}

fn failures(row: &login_lockouts::Model) -> Result<Failures, StoreError> {
    Ok(Failures {
        count: u32::try_from(row.failures).map_err(|_negative| StoreError::inconsistent("login_lockouts", "failures"))?,
        last_at: Some(Timestamp::new(row.last_failure_at)),
        locked_until: row.locked_until.map(Timestamp::new),
    })
}

impl Session {
    /// The failures of a login so far.
    pub async fn find_failures(&self, subject: &LockoutSubject) -> Result<Failures, StoreError> {
        let row = login_lockouts::Entity::find_by_id(subject.key()).one(self).await?;
        row.as_ref().map(failures).transpose().map(Option::unwrap_or_default)
    }
}

impl Tx {
    /// The failures of a login so far, if there is a row about it. Others who ask here wait until this transaction ends.
    pub async fn lock_failures(&self, subject: &LockoutSubject) -> Result<Option<Failures>, StoreError> {
        let row = login_lockouts::Entity::find_by_id(subject.key())
            .lock_exclusive()
            .one(&**self)
            .await?;
        row.as_ref().map(failures).transpose()
    }

    /// As [`Tx::lock_failures`], with a row being made if there is none.
    pub async fn lock_failures_or_begin(&self, subject: &LockoutSubject, now: Timestamp) -> Result<Failures, StoreError> {
        // The row can be removed between the two statements, by a login that succeeds; not for ever.
        for _ in 0..8 {
            let row = login_lockouts::ActiveModel {
                subject: Set(subject.key()),
                identity_id: Set(subject.identity()),
                failures: Set(0),
                last_failure_at: Set(now.utc()),
                locked_until: Set(None),
            };
            login_lockouts::Entity::insert(row)
                .on_conflict_do_nothing()
                .exec_without_returning(&**self)
                .await?;
            if let Some(found) = self.lock_failures(subject).await? {
                return Ok(found);
            }
        }
        Err(StoreError::Unavailable(
            "a counter of failed logins is being removed all the time".to_owned(),
        ))
    }

    /// Writes back the failures of a login that [`Tx::lock_failures_or_begin`] has locked.
    pub async fn save_failures(&self, subject: &LockoutSubject, failures: Failures, now: Timestamp) -> Result<(), StoreError> {
        let row = login_lockouts::ActiveModel {
            subject: Set(subject.key()),
            identity_id: Set(subject.identity()),
            failures: Set(i32::try_from(failures.count).unwrap_or(i32::MAX)),
            last_failure_at: Set(failures.last_at.unwrap_or(now).utc()),
            locked_until: Set(failures.locked_until.map(Timestamp::utc)),
        };
        login_lockouts::Entity::update_many()
            .set(row)
            .filter(login_lockouts::Column::Subject.eq(subject.key()))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Forgets the failures of a login.
    pub async fn remove_failures(&self, subject: &LockoutSubject) -> Result<(), StoreError> {
        login_lockouts::Entity::delete_by_id(subject.key()).exec(&**self).await?;
        Ok(())
    }

    /// Forgets the failures of all logins of an identity. Answers how many of them were locked at `now`.
    pub async fn remove_failures_of(&self, identity: IdentityId, now: Timestamp) -> Result<u64, StoreError> {
        use login_lockouts::Column;
        let locked = login_lockouts::Entity::delete_many()
            .filter(Column::IdentityId.eq(identity.0))
            .filter(Column::LockedUntil.gt(now.utc()))
            .exec(&**self)
            .await?;
        login_lockouts::Entity::delete_many()
            .filter(Column::IdentityId.eq(identity.0))
            .exec(&**self)
            .await?;
        Ok(locked.rows_affected)
    }

    /// Forgets failures that ended before `before`. Strangers can try any address; what they leave must not grow for ever.
    pub async fn remove_failures_before(&self, before: Timestamp) -> Result<(), StoreError> {
        login_lockouts::Entity::delete_many()
            .filter(login_lockouts::Column::LastFailureAt.lt(before.utc()))
            .exec(&**self)
            .await?;
        Ok(())
    }
}
