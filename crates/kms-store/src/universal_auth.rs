//! Universal Auth: client ids and client secrets of machine identities.

use std::time::Duration;

use kms_core::ids::{ClientSecretId, IdentityId, UniversalAuthId};
use kms_core::lockout::LockoutPolicy;
use kms_core::network::TrustedAddress;
use kms_core::time::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder};

use crate::entity::{client_secrets, universal_auths};
use crate::identity_tokens::{TokenLimits, signed, trusted_from, trusted_to, unsigned};
use crate::{Session, StoreError, Tx};

/// Universal Auth of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniversalAuthRecord {
    /// Its id.
    pub id: UniversalAuthId,
    /// Whose it is.
    pub identity: IdentityId,
    /// The client id, unique in the instance.
    pub client_id: String,
    /// What its tokens are limited to.
    pub limits: TokenLimits,
    /// Where logins may come from.
    pub login_trusted: Vec<TrustedAddress>,
    /// Whether failed logins lock it.
    pub lockout_enabled: bool,
    /// How, if they do. Whole seconds.
    pub lockout: LockoutPolicy,
    /// When it was attached.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A client secret. The secret itself is stored as a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSecretRecord {
    /// Its id.
    pub id: ClientSecretId,
    /// The Universal Auth it belongs to.
    pub universal_auth: UniversalAuthId,
    /// What it is for.
    pub description: String,
    /// Its first characters, by which people tell secrets apart.
    pub prefix: String,
    /// Logins with it.
    pub uses: u64,
    /// Most logins; 0 = any number.
    pub uses_limit: u64,
    /// Life in seconds; 0 = without end.
    pub ttl: u64,
    /// Whether it was revoked.
    pub revoked: bool,
    /// When somebody last logged in with it.
    pub last_used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl ClientSecretRecord {
    /// Whether its life is over at `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.ttl > 0 && now >= self.created_at + Duration::from_secs(self.ttl)
    }

    /// Whether it was used as often as it may be.
    pub fn is_used_up(&self) -> bool {
        self.uses_limit > 0 && self.uses >= self.uses_limit
    }
}

const AUTHS: &str = "universal_auths";
const SECRETS: &str = "client_secrets";

fn small(value: i32, column: &'static str) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_negative| StoreError::inconsistent(AUTHS, column))
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

impl TryFrom<universal_auths::Model> for UniversalAuthRecord {
    type Error = StoreError;
    fn try_from(row: universal_auths::Model) -> Result<Self, StoreError> {
        let duration = |value, column| small(value, column).map(|seconds| Duration::from_secs(seconds.into()));
        Ok(Self {
            id: UniversalAuthId(row.id),
            identity: IdentityId(row.identity_id),
            client_id: row.client_id,
            limits: TokenLimits {
                ttl: unsigned(row.access_token_ttl, AUTHS, "access_token_ttl")?,
                max_ttl: unsigned(row.access_token_max_ttl, AUTHS, "access_token_max_ttl")?,
                uses_limit: unsigned(row.access_token_uses_limit, AUTHS, "access_token_uses_limit")?,
                period: unsigned(row.access_token_period, AUTHS, "access_token_period")?,
                trusted: trusted_from(row.access_token_trusted, AUTHS, "access_token_trusted")?,
            },
            login_trusted: trusted_from(row.client_secret_trusted, AUTHS, "client_secret_trusted")?,
            lockout_enabled: row.lockout_enabled,
            lockout: LockoutPolicy {
                threshold: small(row.lockout_threshold, "lockout_threshold")?,
                duration: duration(row.lockout_duration_seconds, "lockout_duration_seconds")?,
                reset: duration(row.lockout_reset_seconds, "lockout_reset_seconds")?,
            },
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        })
    }
}

impl From<&UniversalAuthRecord> for universal_auths::ActiveModel {
    fn from(auth: &UniversalAuthRecord) -> Self {
        Self {
            id: Set(auth.id.0),
            identity_id: Set(auth.identity.0),
            client_id: Set(auth.client_id.clone()),
            access_token_ttl: Set(signed(auth.limits.ttl)),
            access_token_max_ttl: Set(signed(auth.limits.max_ttl)),
            access_token_uses_limit: Set(signed(auth.limits.uses_limit)),
            access_token_period: Set(signed(auth.limits.period)),
            access_token_trusted: Set(trusted_to(&auth.limits.trusted)),
            client_secret_trusted: Set(trusted_to(&auth.login_trusted)),
            lockout_enabled: Set(auth.lockout_enabled),
            lockout_threshold: Set(i32::try_from(auth.lockout.threshold).unwrap_or(i32::MAX)),
            lockout_duration_seconds: Set(seconds(auth.lockout.duration)),
            lockout_reset_seconds: Set(seconds(auth.lockout.reset)),
            created_at: Set(auth.created_at.utc()),
            updated_at: Set(auth.updated_at.utc()),
        }
    }
}

impl TryFrom<client_secrets::Model> for ClientSecretRecord {
    type Error = StoreError;
    fn try_from(row: client_secrets::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: ClientSecretId(row.id),
            universal_auth: UniversalAuthId(row.universal_auth_id),
            description: row.description,
            prefix: row.prefix,
            uses: unsigned(row.uses, SECRETS, "uses")?,
            uses_limit: unsigned(row.uses_limit, SECRETS, "uses_limit")?,
            ttl: unsigned(row.ttl, SECRETS, "ttl")?,
            revoked: row.revoked,
            last_used_at: row.last_used_at.map(Timestamp::new),
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        })
    }
}

impl Session {
    /// Universal Auth of an identity, if it is attached.
    pub async fn find_universal_auth(&self, identity: IdentityId) -> Result<Option<UniversalAuthRecord>, StoreError> {
        let row = universal_auths::Entity::find()
            .filter(universal_auths::Column::IdentityId.eq(identity.0))
            .one(self)
            .await?;
        row.map(UniversalAuthRecord::try_from).transpose()
    }

    /// Universal Auth with that client id, in whichever organization, for a login.
    pub async fn find_universal_auth_by_client(&self, client_id: &str) -> Result<Option<UniversalAuthRecord>, StoreError> {
        let row = universal_auths::Entity::find()
            .filter(universal_auths::Column::ClientId.eq(client_id))
            .one(self)
            .await?;
        row.map(UniversalAuthRecord::try_from).transpose()
    }

    /// The client secrets that were not revoked, oldest first.
    pub async fn list_client_secrets(&self, auth: UniversalAuthId) -> Result<Vec<ClientSecretRecord>, StoreError> {
        let rows = client_secrets::Entity::find()
            .filter(client_secrets::Column::UniversalAuthId.eq(auth.0))
            .filter(client_secrets::Column::Revoked.eq(false))
            .order_by_asc(client_secrets::Column::CreatedAt)
            .order_by_asc(client_secrets::Column::Id)
            .all(self)
            .await?;
        rows.into_iter().map(ClientSecretRecord::try_from).collect()
    }

    /// A client secret.
    pub async fn find_client_secret(&self, auth: UniversalAuthId, id: ClientSecretId) -> Result<Option<ClientSecretRecord>, StoreError> {
        let row = client_secrets::Entity::find_by_id(id.0)
            .filter(client_secrets::Column::UniversalAuthId.eq(auth.0))
            .one(self)
            .await?;
        row.map(ClientSecretRecord::try_from).transpose()
    }

    /// The client secret of that hash.
    pub async fn find_client_secret_by_hash(&self, auth: UniversalAuthId, hash: &str) -> Result<Option<ClientSecretRecord>, StoreError> {
        let row = client_secrets::Entity::find()
            .filter(client_secrets::Column::Hash.eq(hash))
            .filter(client_secrets::Column::UniversalAuthId.eq(auth.0))
            .one(self)
            .await?;
        row.map(ClientSecretRecord::try_from).transpose()
    }
}

impl Tx {
    /// Attaches Universal Auth. Refused by `uq_universal_auths_identity` if it is attached already.
    pub async fn insert_universal_auth(&self, auth: &UniversalAuthRecord) -> Result<(), StoreError> {
        universal_auths::Entity::insert(universal_auths::ActiveModel::from(auth))
            .exec_without_returning(&**self)
            .await?;
        Ok(())
    }

    /// Writes Universal Auth back.
    pub async fn update_universal_auth(&self, auth: &UniversalAuthRecord) -> Result<(), StoreError> {
        universal_auths::Entity::update_many()
            .set(universal_auths::ActiveModel::from(auth))
            .filter(universal_auths::Column::Id.eq(auth.id.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Detaches Universal Auth, with its client secrets and the tokens that were given for them.
    pub async fn remove_universal_auth(&self, identity: IdentityId) -> Result<(), StoreError> {
        universal_auths::Entity::delete_many()
            .filter(universal_auths::Column::IdentityId.eq(identity.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Adds a client secret; of the secret itself, `hash` is kept.
    pub async fn insert_client_secret(&self, secret: &ClientSecretRecord, hash: &str) -> Result<(), StoreError> {
        let row = client_secrets::ActiveModel {
            id: Set(secret.id.0),
            universal_auth_id: Set(secret.universal_auth.0),
            description: Set(secret.description.clone()),
            prefix: Set(secret.prefix.clone()),
            hash: Set(hash.to_owned()),
            uses: Set(signed(secret.uses)),
            uses_limit: Set(signed(secret.uses_limit)),
            ttl: Set(signed(secret.ttl)),
            revoked: Set(secret.revoked),
            last_used_at: Set(secret.last_used_at.map(Timestamp::utc)),
            created_at: Set(secret.created_at.utc()),
            updated_at: Set(secret.updated_at.utc()),
        };
        client_secrets::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(())
    }

    /// Counts one login with a client secret. False if none was left, or the secret was revoked meanwhile.
    pub async fn count_secret_use(&self, id: ClientSecretId, now: Timestamp) -> Result<bool, StoreError> {
        use client_secrets::Column;
        let result = client_secrets::Entity::update_many()
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

    /// Revokes a client secret.
    pub async fn revoke_client_secret(&self, auth: UniversalAuthId, id: ClientSecretId, now: Timestamp) -> Result<(), StoreError> {
        client_secrets::Entity::update_many()
            .col_expr(client_secrets::Column::Revoked, Expr::value(true))
            .col_expr(client_secrets::Column::UpdatedAt, Expr::value(now.utc()))
            .filter(client_secrets::Column::Id.eq(id.0))
            .filter(client_secrets::Column::UniversalAuthId.eq(auth.0))
            .exec(&**self)
            .await?;
        Ok(())
    }
}
