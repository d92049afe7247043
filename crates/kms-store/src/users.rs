//! People with a login, and their sessions.

use kms_core::ids::{OrgId, SessionId, UserId};
use kms_core::secret::SecretString;
use kms_core::time::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::entity::{org_members, sessions, users};
use crate::{Session, StoreError, Tx};

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// Their id.
    pub id: UserId,
    /// Their e-mail address, lower-cased; unique in the instance.
    pub email: String,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// The password's hash; none for a person who cannot log in with one.
    pub password_hash: Option<SecretString>,
    /// Whether they may administer the whole instance.
    pub instance_admin: bool,
    /// When they were added.
    pub created_at: Timestamp,
    /// When they were last changed.
    pub updated_at: Timestamp,
}

/// A login session of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// The organization that was selected last.
    pub org: Option<OrgId>,
    /// Hash of the token that renews it.
    pub refresh_hash: String,
    /// Access tokens of another version are no longer good.
    pub access_version: u32,
    /// Where it began.
    pub address: Option<String>,
    /// The client it began with.
    pub user_agent: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last renewed.
    pub last_used_at: Timestamp,
    /// When it ends if it is not renewed.
    pub expires_at: Timestamp,
    /// When somebody ended it.
    pub ended_at: Option<Timestamp>,
}

impl SessionRecord {
    /// Whether the session is good at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

impl From<users::Model> for UserRecord {
    fn from(row: users::Model) -> Self {
        Self {
            id: UserId(row.id),
            email: row.email,
            first_name: row.first_name,
            last_name: row.last_name,
            password_hash: row.password_hash.map(SecretString::new),
            instance_admin: row.instance_admin,
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        }
    }
}

impl TryFrom<sessions::Model> for SessionRecord {
    type Error = StoreError;
    fn try_from(row: sessions::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: SessionId(row.id),
            user: UserId(row.user_id),
            org: row.org_id.map(OrgId),
            refresh_hash: row.refresh_hash,
            access_version: u32::try_from(row.access_version)
                .map_err(|_negative| StoreError::inconsistent("sessions", "access_version"))?,
            address: row.address,
            user_agent: row.user_agent,
            created_at: Timestamp::new(row.created_at),
            last_used_at: Timestamp::new(row.last_used_at),
            expires_at: Timestamp::new(row.expires_at),
            ended_at: row.ended_at.map(Timestamp::new),
        })
    }
}

impl Session {
    /// A person by their id.
    pub async fn find_user(&self, id: UserId) -> Result<Option<UserRecord>, StoreError> {
        Ok(users::Entity::find_by_id(id.0).one(self).await?.map(UserRecord::from))
    }

    /// The person with that e-mail address (lower-cased).
    pub async fn find_user_by_email(&self, email: &str) -> Result<Option<UserRecord>, StoreError> {
        let row = users::Entity::find().filter(users::Column::Email.eq(email)).one(self).await?;
        Ok(row.map(UserRecord::from))
    }

    /// The people who belong to an organization, in no order.
    pub async fn list_users_of(&self, org: OrgId) -> Result<Vec<UserRecord>, StoreError> {
        let rows = users::Entity::find()
            .filter(
                users::Column::Id.in_subquery(
                    sea_orm::sea_query::Query::select()
                        .column(org_members::Column::UserId)
                        .from(org_members::Entity)
                        .and_where(org_members::Column::OrgId.eq(org.0))
                        .and_where(org_members::Column::UserId.is_not_null())
                        .take(),
                ),
            )
            .all(self)
            .await?;
        Ok(rows.into_iter().map(UserRecord::from).collect())
    }

    /// A person's session.
    pub async fn find_session(&self, user: UserId, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let row = sessions::Entity::find_by_id(id.0)
            .filter(sessions::Column::UserId.eq(user.0))
            .one(self)
            .await?;
        row.map(SessionRecord::try_from).transpose()
    }

    /// The sessions of a person that are good at `now`, last used first.
    pub async fn list_open_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<SessionRecord>, StoreError> {
        let rows = sessions::Entity::find()
            .filter(sessions::Column::UserId.eq(user.0))
            .filter(sessions::Column::EndedAt.is_null())
            .filter(sessions::Column::ExpiresAt.gt(now.utc()))
            .order_by_desc(sessions::Column::LastUsedAt)
            .order_by_asc(sessions::Column::Id)
            .all(self)
            .await?;
        rows.into_iter().map(SessionRecord::try_from).collect()
    }

    /// The session that the token of this hash renews.
    pub async fn find_session_by_refresh(&self, refresh_hash: &str) -> Result<Option<SessionRecord>, StoreError> {
        let row = sessions::Entity::find()
            .filter(sessions::Column::RefreshHash.eq(refresh_hash))
            .one(self)
            .await?;
        row.map(SessionRecord::try_from).transpose()
    }
}

impl Tx {
    /// Adds a person. Refused by `uq_users_email` if the address is taken.
    pub async fn insert_user(&self, user: &UserRecord) -> Result<(), StoreError> {
        let row = users::ActiveModel {
            id: Set(user.id.0),
            email: Set(user.email.clone()),
            first_name: Set(user.first_name.clone()),
            last_name: Set(user.last_name.clone()),
            password_hash: Set(user.password_hash.as_ref().map(|hash| hash.expose().to_owned())),
            instance_admin: Set(user.instance_admin),
            created_at: Set(user.created_at.utc()),
            updated_at: Set(user.updated_at.utc()),
        };
        users::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(())
    }

    /// Gives a person another password hash.
    pub async fn update_password_hash(&self, user: UserId, hash: &SecretString, now: Timestamp) -> Result<(), StoreError> {
        users::Entity::update_many()
            .col_expr(users::Column::PasswordHash, Expr::value(hash.expose()))
            .col_expr(users::Column::UpdatedAt, Expr::value(now.utc()))
            .filter(users::Column::Id.eq(user.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Begins a session.
    pub async fn insert_session(&self, session: &SessionRecord) -> Result<(), StoreError> {
        let row = sessions::ActiveModel {
            id: Set(session.id.0),
            user_id: Set(session.user.0),
            org_id: Set(session.org.map(|id| id.0)),
            refresh_hash: Set(session.refresh_hash.clone()),
            access_version: Set(i32::try_from(session.access_version).unwrap_or(i32::MAX)),
            address: Set(session.address.clone()),
            user_agent: Set(session.user_agent.clone()),
            created_at: Set(session.created_at.utc()),
            last_used_at: Set(session.last_used_at.utc()),
            expires_at: Set(session.expires_at.utc()),
            ended_at: Set(session.ended_at.map(Timestamp::utc)),
        };
        sessions::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(())
    }

    /// Writes back what a renewal or the choice of an organization changes, unless the session was ended meanwhile: then false.
    pub async fn renew_session(&self, session: &SessionRecord) -> Result<bool, StoreError> {
        let result = sessions::Entity::update_many()
            .col_expr(sessions::Column::OrgId, Expr::value(session.org.map(|id| id.0)))
            .col_expr(sessions::Column::RefreshHash, Expr::value(session.refresh_hash.as_str()))
            .col_expr(sessions::Column::LastUsedAt, Expr::value(session.last_used_at.utc()))
            .col_expr(sessions::Column::ExpiresAt, Expr::value(session.expires_at.utc()))
            .filter(sessions::Column::Id.eq(session.id.0))
            .filter(sessions::Column::UserId.eq(session.user.0))
            .filter(sessions::Column::EndedAt.is_null())
            .exec(&**self)
            .await?;
        Ok(result.rows_affected == 1)
    }

    /// Ends a session. What was ended before stays as it is.
    pub async fn end_session(&self, user: UserId, id: SessionId, now: Timestamp) -> Result<(), StoreError> {
        sessions::Entity::update_many()
            .col_expr(sessions::Column::EndedAt, Expr::value(now.utc()))
            .filter(sessions::Column::Id.eq(id.0))
            .filter(sessions::Column::UserId.eq(user.0))
            .filter(sessions::Column::EndedAt.is_null())
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Ends all sessions of a person but one.
    pub async fn end_other_sessions(&self, user: UserId, kept: SessionId, now: Timestamp) -> Result<(), StoreError> {
        sessions::Entity::update_many()
            .col_expr(sessions::Column::EndedAt, Expr::value(now.utc()))
            .filter(sessions::Column::Id.ne(kept.0))
            .filter(sessions::Column::UserId.eq(user.0))
            .filter(sessions::Column::EndedAt.is_null())
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Removes the sessions of a person that have expired.
    pub async fn remove_expired_sessions(&self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        sessions::Entity::delete_many()
            .filter(sessions::Column::UserId.eq(user.0))
            .filter(sessions::Column::ExpiresAt.lte(now.utc()))
            .exec(&**self)
            .await?;
        Ok(())
    }
}
