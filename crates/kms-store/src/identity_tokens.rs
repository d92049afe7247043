//! Access tokens of machine identities, and the limits that a login method gives them.

use kms_core::ids::{ClientSecretId, IdentityId, IdentityTokenId};
use kms_core::network::TrustedAddress;
use kms_core::time::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter};
use serde_json::Value;

use crate::entity::identity_tokens;
use crate::{Session, StoreError, Tx};

/// What a login method says about the tokens it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenLimits {
    /// Life in seconds from login or renewal; 0 = without end.
    pub ttl: u64,
    /// Longest life in seconds with all renewals; 0 = without end.
    pub max_ttl: u64,
    /// Requests that a token is good for; 0 = any number.
    pub uses_limit: u64,
    /// If greater than 0: the life in seconds, renewable for ever; `ttl` and `max_ttl` do not count then.
    pub period: u64,
    /// Where the requests may come from.
    pub trusted: Vec<TrustedAddress>,
}

/// An access token of a machine identity. The token itself is not stored: it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityTokenRecord {
    /// Its id.
    pub id: IdentityTokenId,
    /// Whose it is.
    pub identity: IdentityId,
    /// The login method that gave it.
    pub auth_method: String,
    /// The client secret it was given for.
    pub client_secret: Option<ClientSecretId>,
    /// Its name, where tokens have names.
    pub name: Option<String>,
    /// Its limits; those of the login method at the time, but for the trusted addresses, which follow the method.
    pub limits: TokenLimits,
    /// Requests it was used for. Counted only where there is a limit.
    pub uses: u64,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was last renewed.
    pub last_renewed_at: Option<Timestamp>,
    /// When it ends; none = never.
    pub expires_at: Option<Timestamp>,
    /// Whether it was revoked.
    pub revoked: bool,
    /// When it was given.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A number of a column that is never negative.
pub(crate) fn unsigned(value: i64, table: &'static str, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_negative| StoreError::inconsistent(table, column))
}

/// A number for a column.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn trusted_from(value: Value, table: &'static str, column: &'static str) -> Result<Vec<TrustedAddress>, StoreError> {
    serde_json::from_value(value).map_err(|_malformed| StoreError::inconsistent(table, column))
}

pub(crate) fn trusted_to(list: &[TrustedAddress]) -> Value {
    Value::Array(list.iter().map(|address| Value::String(address.to_string())).collect())
}

const TABLE: &str = "identity_tokens";

impl TryFrom<identity_tokens::Model> for IdentityTokenRecord {
    type Error = StoreError;
    fn try_from(row: identity_tokens::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: IdentityTokenId(row.id),
            identity: IdentityId(row.identity_id),
            auth_method: row.auth_method,
            client_secret: row.client_secret_id.map(ClientSecretId),
            name: row.name,
            limits: TokenLimits {
                ttl: unsigned(row.ttl, TABLE, "ttl")?,
                max_ttl: unsigned(row.max_ttl, TABLE, "max_ttl")?,
                uses_limit: unsigned(row.uses_limit, TABLE, "uses_limit")?,
                period: unsigned(row.period, TABLE, "period")?,
                trusted: trusted_from(row.trusted, TABLE, "trusted")?,
            },
            uses: unsigned(row.uses, TABLE, "uses")?,
            last_used_at: row.last_used_at.map(Timestamp::new),
            last_renewed_at: row.last_renewed_at.map(Timestamp::new),
            expires_at: row.expires_at.map(Timestamp::new),
            revoked: row.revoked,
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        })
    }
}

impl Session {
    /// A token of an identity.
    pub async fn find_identity_token(&self, identity: IdentityId, id: IdentityTokenId) -> Result<Option<IdentityTokenRecord>, StoreError> {
        let row = identity_tokens::Entity::find_by_id(id.0)
            .filter(identity_tokens::Column::IdentityId.eq(identity.0))
            .one(self)
            .await?;
        row.map(IdentityTokenRecord::try_from).transpose()
    }
}

impl Tx {
    /// Adds a token.
    pub async fn insert_identity_token(&self, token: &IdentityTokenRecord) -> Result<(), StoreError> {
        let row = identity_tokens::ActiveModel {
            id: Set(token.id.0),
            identity_id: Set(token.identity.0),
            auth_method: Set(token.auth_method.clone()),
            client_secret_id: Set(token.client_secret.map(|id| id.0)),
            name: Set(token.name.clone()),
            ttl: Set(signed(token.limits.ttl)),
            max_ttl: Set(signed(token.limits.max_ttl)),
            period: Set(signed(token.limits.period)),
            uses: Set(signed(token.uses)),
            uses_limit: Set(signed(token.limits.uses_limit)),
            trusted: Set(trusted_to(&token.limits.trusted)),
            last_used_at: Set(token.last_used_at.map(Timestamp::utc)),
            last_renewed_at: Set(token.last_renewed_at.map(Timestamp::utc)),
            expires_at: Set(token.expires_at.map(Timestamp::utc)),
            revoked: Set(token.revoked),
            created_at: Set(token.created_at.utc()),
            updated_at: Set(token.updated_at.utc()),
        };
        identity_tokens::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(())
    }

    /// Counts one use of a token that has a limit. False if none was left, or the token was revoked meanwhile.
    pub async fn count_token_use(&self, id: IdentityTokenId, now: Timestamp) -> Result<bool, StoreError> {
        use identity_tokens::Column;
        let result = identity_tokens::Entity::update_many()
            .col_expr(Column::Uses, Expr::col(Column::Uses).add(1))
            .col_expr(Column::LastUsedAt, Expr::value(now.utc()))
            .filter(Column::Id.eq(id.0))
            .filter(Column::Revoked.eq(false))
            .filter(
                Condition::any()
                    .add(Column::UsesLimit.eq(0))
                    .add(Expr::col(Column::Uses).lt(Expr::col(Column::UsesLimit))),
            )
            .exec(&**self)
            .await?;
        Ok(result.rows_affected == 1)
    }

    /// Notes that a token is in use.
    pub async fn touch_identity_token(&self, id: IdentityTokenId, now: Timestamp) -> Result<(), StoreError> {
        identity_tokens::Entity::update_many()
            .col_expr(identity_tokens::Column::LastUsedAt, Expr::value(now.utc()))
            .filter(identity_tokens::Column::Id.eq(id.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Removes tokens that ended before `before`.
    pub async fn remove_tokens_ended_before(&self, before: Timestamp) -> Result<(), StoreError> {
        identity_tokens::Entity::delete_many()
            .filter(identity_tokens::Column::ExpiresAt.lt(before.utc()))
            .exec(&**self)
            .await?;
        Ok(())
    }
}
