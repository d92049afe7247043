//! Machine identities.
//!
//! Whoever changes an identity or what belongs to it (login methods, client secrets, tokens that are issued) locks its row first:
//! [`Tx::lock_identity`]. So a login and the removal of what it needs happen one after the other, and never wait for each other in
//! a circle.

use std::collections::HashMap;

use kms_core::ids::{IdentityId, OrgId};
use kms_core::time::Timestamp;
use sea_orm::sea_query::{Expr, Order};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, JoinType, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, SelectTwo,
};
use serde_json::Value;

use crate::entity::{identities, org_members, token_auths, universal_auths};
use crate::organizations::OrgMemberRecord;
use crate::text::contains;
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

/// By what a list of identities is ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdentityOrder {
    /// By name.
    #[default]
    Name,
    /// By role in the organization.
    Role,
    /// By the time they were made.
    CreatedAt,
}

/// Which identities are listed.
#[derive(Debug, Clone, Default)]
pub struct IdentityFilter {
    /// Those whose name contains this, in any case.
    pub search: Option<String>,
    /// In this order.
    pub order: IdentityOrder,
    /// The other way round.
    pub descending: bool,
    /// Identities to skip.
    pub offset: u64,
    /// Most identities.
    pub limit: u64,
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

    /// The identities of the organization that satisfy the filter, with their memberships, and how many there are in all.
    pub async fn list_identities(
        &self,
        org: OrgId,
        filter: &IdentityFilter,
    ) -> Result<(Vec<(IdentityRecord, OrgMemberRecord)>, u64), StoreError> {
        let select = || -> SelectTwo<identities::Entity, org_members::Entity> {
            let member = identities::Entity::belongs_to(org_members::Entity)
                .from(identities::Column::Id)
                .to(org_members::Column::IdentityId);
            let mut wanted = Condition::all()
                .add(identities::Column::OrgId.eq(org.0))
                .add(org_members::Column::OrgId.eq(org.0));
            if let Some(search) = &filter.search {
                wanted = wanted.add(contains(Expr::col((identities::Entity, identities::Column::Name)), search));
            }
            identities::Entity::find()
                .join(JoinType::InnerJoin, member.into())
                .select_also(org_members::Entity)
                .filter(wanted)
        };
        let total = select().count(self).await?;
        let direction = if filter.descending { Order::Desc } else { Order::Asc };
        let ordered = match filter.order {
            IdentityOrder::Name => select().order_by(identities::Column::Name, direction),
            IdentityOrder::Role => select().order_by(org_members::Column::Role, direction),
            IdentityOrder::CreatedAt => select().order_by(identities::Column::CreatedAt, direction),
        };
        let rows = ordered
            .order_by(identities::Column::Id, Order::Asc)
            .offset(filter.offset)
            .limit(filter.limit)
            .all(self)
            .await?;
        let found = rows
            .into_iter()
            .map(|(identity, member)| {
                let member = member.ok_or(StoreError::inconsistent("org_members", "identity_id"))?;
                Ok((IdentityRecord::from(identity), OrgMemberRecord::try_from(member)?))
            })
            .collect::<Result<_, StoreError>>()?;
        Ok((found, total))
    }

    /// The login methods that are attached to each of the identities, in a fixed order.
    pub async fn list_auth_methods(&self, identities: &[IdentityId]) -> Result<HashMap<IdentityId, Vec<&'static str>>, StoreError> {
        let ids = || identities.iter().map(|id| id.0);
        let mut methods: HashMap<IdentityId, Vec<&'static str>> = HashMap::new();
        let universal: Vec<uuid::Uuid> = universal_auths::Entity::find()
            .select_only()
            .column(universal_auths::Column::IdentityId)
            .filter(universal_auths::Column::IdentityId.is_in(ids()))
            .into_tuple()
            .all(self)
            .await?;
        let token: Vec<uuid::Uuid> = token_auths::Entity::find()
            .select_only()
            .column(token_auths::Column::IdentityId)
            .filter(token_auths::Column::IdentityId.is_in(ids()))
            .into_tuple()
            .all(self)
            .await?;
        for (method, found) in [("universal-auth", universal), ("token-auth", token)] {
            for id in found {
                methods.entry(IdentityId(id)).or_default().push(method);
            }
        }
        Ok(methods)
    }
}

impl Tx {
    /// An identity of the organization. Others who ask here wait until this transaction ends.
    pub async fn lock_identity(&self, org: OrgId, id: IdentityId) -> Result<Option<IdentityRecord>, StoreError> {
        let row = identities::Entity::find_by_id(id.0)
            .filter(identities::Column::OrgId.eq(org.0))
            .lock_exclusive()
            .one(&**self)
            .await?;
        Ok(row.map(IdentityRecord::from))
    }

    /// As [`Tx::lock_identity`], in whichever organization: a login tells the organization.
    pub async fn lock_identity_for_login(&self, id: IdentityId) -> Result<Option<IdentityRecord>, StoreError> {
        let row = identities::Entity::find_by_id(id.0).lock_exclusive().one(&**self).await?;
        Ok(row.map(IdentityRecord::from))
    }

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

    /// Writes back what can be changed of an identity: name, protection, metadata.
    pub async fn update_identity(&self, identity: &IdentityRecord) -> Result<(), StoreError> {
        identities::Entity::update_many()
            .col_expr(identities::Column::Name, Expr::value(identity.name.as_str()))
            .col_expr(identities::Column::DeleteProtection, Expr::value(identity.delete_protection))
            .col_expr(identities::Column::Metadata, Expr::value(identity.metadata.clone()))
            .col_expr(identities::Column::UpdatedAt, Expr::value(identity.updated_at.utc()))
            .filter(identities::Column::Id.eq(identity.id.0))
            .filter(identities::Column::OrgId.eq(identity.org.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Removes an identity with its login methods, tokens and memberships, unless it is protected at this moment: then false.
    pub async fn remove_identity(&self, org: OrgId, id: IdentityId) -> Result<bool, StoreError> {
        let result = identities::Entity::delete_many()
            .filter(identities::Column::Id.eq(id.0))
            .filter(identities::Column::OrgId.eq(org.0))
            .filter(identities::Column::DeleteProtection.eq(false))
            .exec(&**self)
            .await?;
        Ok(result.rows_affected == 1)
    }
}
