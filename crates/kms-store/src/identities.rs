//! Machine identities.

use kms_core::ids::{IdentityId, OrgId};
use kms_core::time::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::Value;

use crate::entity::identities;
use crate::{Session, StoreError, Tx};

/// A machine identity.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentityRecord {
    /// Its id.
    pub id: IdentityId,
    /// Its organization.
    pub org: OrgId,
    /// Its name; several may have the same.
    pub name: String,
    /// Refuses deletion while set.
    pub delete_protection: bool,
    /// Whether it may administer the whole instance.
    pub instance_admin: bool,
    /// What people note about it: a list of `{id, key, value}`.
    pub metadata: Value,
    /// How it logged in last.
    pub last_login_method: Option<String>,
    /// When it logged in last.
    pub last_login_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl From<identities::Model> for IdentityRecord {
    fn from(row: identities::Model) -> Self {
        Self {
            id: IdentityId(row.id),
            org: OrgId(row.org_id),
            name: row.name,
            delete_protection: row.delete_protection,
            instance_admin: row.instance_admin,
            metadata: row.metadata,
            last_login_method: row.last_login_method,
            last_login_at: row.last_login_at.map(Timestamp::new),
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        }
    }
}

impl Session {
    /// An identity of the organization.
    pub async fn find_identity(&self, org: OrgId, id: IdentityId) -> Result<Option<IdentityRecord>, StoreError> {
        let row = identities::Entity::find_by_id(id.0)
            .filter(identities::Column::OrgId.eq(org.0))
            .one(self)
            .await?;
        Ok(row.map(IdentityRecord::from))
    }

    /// An identity in whichever organization, for a login: that is what tells the organization.
    pub async fn find_identity_for_login(&self, id: IdentityId) -> Result<Option<IdentityRecord>, StoreError> {
        Ok(identities::Entity::find_by_id(id.0).one(self).await?.map(IdentityRecord::from))
    }
}

impl Tx {
    /// Adds an identity.
    pub async fn insert_identity(&self, identity: &IdentityRecord) -> Result<(), StoreError> {
        let row = identities::ActiveModel {
            id: Set(identity.id.0),
            org_id: Set(identity.org.0),
            name: Set(identity.name.clone()),
            delete_protection: Set(identity.delete_protection),
            instance_admin: Set(identity.instance_admin),
            metadata: Set(identity.metadata.clone()),
            last_login_method: Set(identity.last_login_method.clone()),
            last_login_at: Set(identity.last_login_at.map(Timestamp::utc)),
            created_at: Set(identity.created_at.utc()),
            updated_at: Set(identity.updated_at.utc()),
        };
        identities::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(())
    }

    /// Notes a login.
    pub async fn update_last_login(&self, org: OrgId, id: IdentityId, method: &str, now: Timestamp) -> Result<(), StoreError> {
        identities::Entity::update_many()
            .col_expr(identities::Column::LastLoginMethod, Expr::value(method))
            .col_expr(identities::Column::LastLoginAt, Expr::value(now.utc()))
            .filter(identities::Column::Id.eq(id.0))
            .filter(identities::Column::OrgId.eq(org.0))
            .exec(&**self)
            .await?;
        Ok(())
    }
}
