//! Organizations and who belongs to them.

use kms_core::ids::{IdentityId, MembershipId, OrgId, UserId};
use kms_core::permission::OrgRole;
use kms_core::time::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::entity::{org_members, organizations};
use crate::{Session, StoreError, Tx};

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgRecord {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
    /// Its slug, unique in the instance.
    pub slug: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A person or a machine identity, as memberships name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Principal {
    /// A person.
    User(UserId),
    /// A machine identity.
    Identity(IdentityId),
}

impl Principal {
    pub(crate) fn columns(self) -> (Option<uuid::Uuid>, Option<uuid::Uuid>) {
        match self {
            Self::User(id) => (Some(id.0), None),
            Self::Identity(id) => (None, Some(id.0)),
        }
    }
}

/// A membership in an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgMemberRecord {
    /// Its id.
    pub id: MembershipId,
    /// Which organization.
    pub org: OrgId,
    /// Who.
    pub principal: Principal,
    /// With which role.
    pub role: OrgRole,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl From<organizations::Model> for OrgRecord {
    fn from(row: organizations::Model) -> Self {
        Self {
            id: OrgId(row.id),
            name: row.name,
            slug: row.slug,
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        }
    }
}

pub(crate) fn principal(user: Option<uuid::Uuid>, identity: Option<uuid::Uuid>, table: &'static str) -> Result<Principal, StoreError> {
    match (user, identity) {
        (Some(id), None) => Ok(Principal::User(UserId(id))),
        (None, Some(id)) => Ok(Principal::Identity(IdentityId(id))),
        _ => Err(StoreError::inconsistent(table, "user_id")),
    }
}

impl TryFrom<org_members::Model> for OrgMemberRecord {
    type Error = StoreError;
    fn try_from(row: org_members::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: MembershipId(row.id),
            org: OrgId(row.org_id),
            principal: principal(row.user_id, row.identity_id, "org_members")?,
            role: OrgRole::from_slug(&row.role).ok_or(StoreError::inconsistent("org_members", "role"))?,
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        })
    }
}

fn of(principal: Principal) -> sea_orm::Condition {
    match principal {
        Principal::User(id) => sea_orm::Condition::all().add(org_members::Column::UserId.eq(id.0)),
        Principal::Identity(id) => sea_orm::Condition::all().add(org_members::Column::IdentityId.eq(id.0)),
    }
}

impl Session {
    /// An organization.
    pub async fn find_org(&self, id: OrgId) -> Result<Option<OrgRecord>, StoreError> {
        Ok(organizations::Entity::find_by_id(id.0).one(self).await?.map(OrgRecord::from))
    }

    /// The organizations that somebody belongs to, with the role there, by name.
    pub async fn list_orgs_of(&self, who: Principal) -> Result<Vec<(OrgRecord, OrgMemberRecord)>, StoreError> {
        let members = org_members::Entity::find().filter(of(who)).all(self).await?;
        let mut found = Vec::with_capacity(members.len());
        for member in members {
            let member = OrgMemberRecord::try_from(member)?;
            if let Some(org) = self.find_org(member.org).await? {
                found.push((org, member));
            }
        }
        found.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        Ok(found)
    }

    /// Somebody's membership in an organization.
    pub async fn find_org_member(&self, org: OrgId, who: Principal) -> Result<Option<OrgMemberRecord>, StoreError> {
        let row = org_members::Entity::find()
            .filter(org_members::Column::OrgId.eq(org.0))
            .filter(of(who))
            .one(self)
            .await?;
        row.map(OrgMemberRecord::try_from).transpose()
    }

    /// All memberships of an organization, oldest first.
    pub async fn list_org_members(&self, org: OrgId) -> Result<Vec<OrgMemberRecord>, StoreError> {
        let rows = org_members::Entity::find()
            .filter(org_members::Column::OrgId.eq(org.0))
            .order_by_asc(org_members::Column::CreatedAt)
            .order_by_asc(org_members::Column::Id)
            .all(self)
            .await?;
        rows.into_iter().map(OrgMemberRecord::try_from).collect()
    }
}

impl Tx {
    /// An organization, locked until the end of the transaction: its members are then changed by nobody else.
    pub async fn lock_org(&self, id: OrgId) -> Result<Option<OrgRecord>, StoreError> {
        let row = organizations::Entity::find_by_id(id.0).lock_exclusive().one(&**self).await?;
        Ok(row.map(OrgRecord::from))
    }

    /// Adds an organization. Refused by `uq_organizations_slug` if the slug is taken.
    pub async fn insert_org(&self, org: &OrgRecord) -> Result<(), StoreError> {
        let row = organizations::ActiveModel {
            id: Set(org.id.0),
            name: Set(org.name.clone()),
            slug: Set(org.slug.clone()),
            created_at: Set(org.created_at.utc()),
            updated_at: Set(org.updated_at.utc()),
        };
        organizations::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(())
    }

    /// Writes an organization back. Refused by `uq_organizations_slug` if the slug is taken.
    pub async fn update_org(&self, org: &OrgRecord) -> Result<(), StoreError> {
        organizations::Entity::update_many()
            .col_expr(organizations::Column::Name, sea_orm::sea_query::Expr::value(org.name.as_str()))
            .col_expr(organizations::Column::Slug, sea_orm::sea_query::Expr::value(org.slug.as_str()))
            .col_expr(
                organizations::Column::UpdatedAt,
                sea_orm::sea_query::Expr::value(org.updated_at.utc()),
            )
            .filter(organizations::Column::Id.eq(org.id.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Adds a membership. Refused by `uq_org_members_user` or `uq_org_members_identity` if there is one.
    pub async fn insert_org_member(&self, member: &OrgMemberRecord) -> Result<(), StoreError> {
        let (user, identity) = member.principal.columns();
        let row = org_members::ActiveModel {
            id: Set(member.id.0),
            org_id: Set(member.org.0),
            user_id: Set(user),
            identity_id: Set(identity),
            role: Set(member.role.slug().to_owned()),
            created_at: Set(member.created_at.utc()),
            updated_at: Set(member.updated_at.utc()),
        };
        org_members::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(())
    }

    /// Gives a member another role.
    pub async fn update_org_role(&self, org: OrgId, who: Principal, role: OrgRole, now: Timestamp) -> Result<(), StoreError> {
        org_members::Entity::update_many()
            .col_expr(org_members::Column::Role, sea_orm::sea_query::Expr::value(role.slug()))
            .col_expr(org_members::Column::UpdatedAt, sea_orm::sea_query::Expr::value(now.utc()))
            .filter(org_members::Column::OrgId.eq(org.0))
            .filter(of(who))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Ends a membership.
    pub async fn remove_org_member(&self, org: OrgId, who: Principal) -> Result<(), StoreError> {
        org_members::Entity::delete_many()
            .filter(org_members::Column::OrgId.eq(org.0))
            .filter(of(who))
            .exec(&**self)
            .await?;
        Ok(())
    }
}
