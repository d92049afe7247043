//! Token Auth: tokens made by hand instead of by a login.

use kms_core::ids::{IdentityId, TokenAuthId};
use kms_core::time::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use crate::entity::token_auths;
use crate::identity_tokens::{TokenLimits, signed, trusted_from, trusted_to, unsigned};
use crate::{Session, StoreError, Tx};

/// Token Auth of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAuthRecord {
    /// Its id.
    pub id: TokenAuthId,
    /// Whose it is.
    pub identity: IdentityId,
    /// What its tokens are limited to.
    pub limits: TokenLimits,
    /// When it was attached.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

const TABLE: &str = "token_auths";

impl TryFrom<token_auths::Model> for TokenAuthRecord {
    type Error = StoreError;
    fn try_from(row: token_auths::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: TokenAuthId(row.id),
            identity: IdentityId(row.identity_id),
            limits: TokenLimits {
                ttl: unsigned(row.access_token_ttl, TABLE, "access_token_ttl")?,
                max_ttl: unsigned(row.access_token_max_ttl, TABLE, "access_token_max_ttl")?,
                uses_limit: unsigned(row.access_token_uses_limit, TABLE, "access_token_uses_limit")?,
                period: unsigned(row.access_token_period, TABLE, "access_token_period")?,
                trusted: trusted_from(row.access_token_trusted, TABLE, "access_token_trusted")?,
            },
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        })
    }
}

impl From<&TokenAuthRecord> for token_auths::ActiveModel {
    fn from(auth: &TokenAuthRecord) -> Self {
        Self {
            id: Set(auth.id.0),
            identity_id: Set(auth.identity.0),
            access_token_ttl: Set(signed(auth.limits.ttl)),
            access_token_max_ttl: Set(signed(auth.limits.max_ttl)),
            access_token_uses_limit: Set(signed(auth.limits.uses_limit)),
            access_token_period: Set(signed(auth.limits.period)),
            access_token_trusted: Set(trusted_to(&auth.limits.trusted)),
            created_at: Set(auth.created_at.utc()),
            updated_at: Set(auth.updated_at.utc()),
        }
    }
}

impl Session {
    /// Token Auth of an identity, if it is attached.
    pub async fn find_token_auth(&self, identity: IdentityId) -> Result<Option<TokenAuthRecord>, StoreError> {
        let row = token_auths::Entity::find()
            .filter(token_auths::Column::IdentityId.eq(identity.0))
            .one(self)
            .await?;
        row.map(TokenAuthRecord::try_from).transpose()
    }
}

impl Tx {
    /// Attaches Token Auth. Refused by `uq_token_auths_identity` if it is attached already.
    pub async fn insert_token_auth(&self, auth: &TokenAuthRecord) -> Result<(), StoreError> {
        token_auths::Entity::insert(token_auths::ActiveModel::from(auth))
            .exec_without_returning(&**self)
            .await?;
        Ok(())
    }

    /// Writes Token Auth back.
    pub async fn update_token_auth(&self, auth: &TokenAuthRecord) -> Result<(), StoreError> {
        token_auths::Entity::update_many()
            .set(token_auths::ActiveModel::from(auth))
            .filter(token_auths::Column::Id.eq(auth.id.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Detaches Token Auth. Its tokens are another matter: see [`Tx::remove_tokens_of_method`].
    pub async fn remove_token_auth(&self, identity: IdentityId) -> Result<(), StoreError> {
        token_auths::Entity::delete_many()
            .filter(token_auths::Column::IdentityId.eq(identity.0))
            .exec(&**self)
            .await?;
        Ok(())
    }
}
