//! Machine identities as members of projects.

use std::collections::{HashMap, HashSet};

use kms_core::ids::{IdentityId, MembershipId, OrgId, ProjectId};
use sea_orm::sea_query::{Query, SelectStatement};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::entity::{identities, project_members, projects, token_auths, universal_auths};
use crate::identities::IdentityRecord;
use crate::organizations::Principal;
use crate::projects::ProjectMemberRecord;
use crate::{Session, StoreError};

/// An identity with its membership in a project.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectIdentityRecord {
    /// The membership.
    pub member: ProjectMemberRecord,
    /// The identity.
    pub identity: IdentityRecord,
    /// Ways in which it can log in, as the API names them (`universal-auth`), in alphabetical order.
    pub auth_methods: Vec<&'static str>,
}

/// Which memberships of identities are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All(ProjectId),
    One(ProjectId, IdentityId),
    Membership(MembershipId),
}

impl Wanted {
    /// Memberships of identities in projects of the organization.
    fn condition(self, org: OrgId) -> Condition {
        let own = Query::select()
            .column(projects::Column::Id)
            .from(projects::Entity)
            .and_where(projects::Column::OrgId.eq(org.0))
            .take();
        let condition = Condition::all()
            .add(project_members::Column::IdentityId.is_not_null())
            .add(project_members::Column::ProjectId.in_subquery(own));
        match self {
            Self::All(project) => condition.add(project_members::Column::ProjectId.eq(project.0)),
            Self::One(project, identity) => condition
                .add(project_members::Column::ProjectId.eq(project.0))
                .add(project_members::Column::IdentityId.eq(identity.0)),
            Self::Membership(id) => condition.add(project_members::Column::Id.eq(id.0)),
        }
    }

    /// Their identities.
    fn identities(self, org: OrgId) -> SelectStatement {
        Query::select()
            .column(project_members::Column::IdentityId)
            .from(project_members::Entity)
            .cond_where(self.condition(org))
            .take()
    }
}

impl Session {
    /// All identities of a project, in the order in which they joined.
    pub async fn list_project_identities(&self, org: OrgId, project: ProjectId) -> Result<Vec<ProjectIdentityRecord>, StoreError> {
        self.project_identities(org, Wanted::All(project)).await
    }

    /// An identity of a project.
    pub async fn find_project_identity(
        &self,
        org: OrgId,
        project: ProjectId,
        identity: IdentityId,
    ) -> Result<Option<ProjectIdentityRecord>, StoreError> {
        Ok(self.project_identities(org, Wanted::One(project, identity)).await?.pop())
    }

    /// An identity of any project of the organization, by the id of the membership.
    pub async fn find_project_identity_by_membership(
        &self,
        org: OrgId,
        id: MembershipId,
    ) -> Result<Option<ProjectIdentityRecord>, StoreError> {
        Ok(self.project_identities(org, Wanted::Membership(id)).await?.pop())
    }

    async fn project_identities(&self, org: OrgId, wanted: Wanted) -> Result<Vec<ProjectIdentityRecord>, StoreError> {
        let rows = project_members::Entity::find()
            .filter(wanted.condition(org))
            .order_by_asc(project_members::Column::CreatedAt)
            .order_by_asc(project_members::Column::Id)
            .all(self)
            .await?;
        let members = self.with_roles(rows).await?;
        let mut known: HashMap<Uuid, IdentityRecord> = identities::Entity::find()
            .filter(identities::Column::Id.in_subquery(wanted.identities(org)))
            .all(self)
            .await?
            .into_iter()
            .map(|row| (row.id, IdentityRecord::from(row)))
            .collect();
        let universal: HashSet<Uuid> = universal_auths::Entity::find()
            .filter(universal_auths::Column::IdentityId.in_subquery(wanted.identities(org)))
            .all(self)
            .await?
            .into_iter()
            .map(|row| row.identity_id)
            .collect();
        let token: HashSet<Uuid> = token_auths::Entity::find()
            .filter(token_auths::Column::IdentityId.in_subquery(wanted.identities(org)))
            .all(self)
            .await?
            .into_iter()
            .map(|row| row.identity_id)
            .collect();
        let mut found = Vec::with_capacity(members.len());
        for member in members {
            let Principal::Identity(id) = member.principal else {
                continue;
            };
            // An identity that was deleted between the two queries took its membership with it.
            if let Some(identity) = known.remove(&id.0) {
                let methods = [("token-auth", token.contains(&id.0)), ("universal-auth", universal.contains(&id.0))];
                found.push(ProjectIdentityRecord {
                    member,
                    identity,
                    auth_methods: methods.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect(),
                });
            }
        }
        Ok(found)
    }
}
