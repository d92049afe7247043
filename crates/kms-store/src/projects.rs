//! Projects, who belongs to them, and their environments.

use kms_core::ids::{EnvironmentId, MembershipId, OrgId, ProjectId, RoleAssignmentId};
use kms_core::permission::ProjectRole;
use kms_core::time::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::entity::{environments, project_member_roles, project_members, projects};
use crate::organizations::{Principal, principal};
use crate::{Session, StoreError, Tx};

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRecord {
    /// Its id.
    pub id: ProjectId,
    /// Its organization.
    pub org: OrgId,
    /// Its name.
    pub name: String,
    /// Its slug, unique in the organization.
    pub slug: String,
    /// What it is for, in free words.
    pub description: Option<String>,
    /// `secret-manager` and so on; only shown.
    pub kind: String,
    /// Whether clients should write names in capitals; only shown.
    pub auto_capitalization: bool,
    /// How many versions of a secret are kept.
    pub version_limit: u32,
    /// How many days audit entries are kept; none = the instance's default.
    pub audit_retention_days: Option<u32>,
    /// Refuses deletion while set.
    pub delete_protection: bool,
    /// Whether secrets may be shared by link.
    pub secret_sharing: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An environment of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentRecord {
    /// Its id.
    pub id: EnvironmentId,
    /// Its project.
    pub project: ProjectId,
    /// Its name.
    pub name: String,
    /// Its slug, unique in the project.
    pub slug: String,
    /// Its place in lists, from 1, dense.
    pub position: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A membership in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectMemberRecord {
    /// Its id.
    pub id: MembershipId,
    /// Which project.
    pub project: ProjectId,
    /// Who.
    pub principal: Principal,
    /// The roles, in the order in which they were given.
    pub roles: Vec<RoleAssignment>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A role given to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAssignment {
    /// Its id.
    pub id: RoleAssignmentId,
    /// Which role.
    pub role: ProjectRole,
    /// Set if it ends by itself.
    pub temporary: Option<Temporary>,
}

/// When a temporary role holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Temporary {
    /// How long, as it was given (`1h`).
    pub range: String,
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
}

fn unsigned(value: i32, table: &'static str, column: &'static str) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_negative| StoreError::inconsistent(table, column))
}

fn signed(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

impl TryFrom<projects::Model> for ProjectRecord {
    type Error = StoreError;
    fn try_from(row: projects::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: ProjectId(row.id),
            org: OrgId(row.org_id),
            name: row.name,
            slug: row.slug,
            description: row.description,
            kind: row.kind,
            auto_capitalization: row.auto_capitalization,
            version_limit: unsigned(row.version_limit, "projects", "version_limit")?,
            audit_retention_days: row
                .audit_retention_days
                .map(|days| unsigned(days, "projects", "audit_retention_days"))
                .transpose()?,
            delete_protection: row.delete_protection,
            secret_sharing: row.secret_sharing,
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        })
    }
}

impl From<&ProjectRecord> for projects::ActiveModel {
    fn from(project: &ProjectRecord) -> Self {
        Self {
            id: Set(project.id.0),
            org_id: Set(project.org.0),
            name: Set(project.name.clone()),
            slug: Set(project.slug.clone()),
            description: Set(project.description.clone()),
            kind: Set(project.kind.clone()),
            auto_capitalization: Set(project.auto_capitalization),
            version_limit: Set(signed(project.version_limit)),
            audit_retention_days: Set(project.audit_retention_days.map(signed)),
            delete_protection: Set(project.delete_protection),
            secret_sharing: Set(project.secret_sharing),
            created_at: Set(project.created_at.utc()),
            updated_at: Set(project.updated_at.utc()),
        }
    }
}

impl TryFrom<environments::Model> for EnvironmentRecord {
    type Error = StoreError;
    fn try_from(row: environments::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: EnvironmentId(row.id),
            project: ProjectId(row.project_id),
            name: row.name,
            slug: row.slug,
            position: unsigned(row.position, "environments", "position")?,
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        })
    }
}

impl From<&EnvironmentRecord> for environments::ActiveModel {
    fn from(environment: &EnvironmentRecord) -> Self {
        Self {
            id: Set(environment.id.0),
            project_id: Set(environment.project.0),
            name: Set(environment.name.clone()),
            slug: Set(environment.slug.clone()),
            position: Set(signed(environment.position)),
            created_at: Set(environment.created_at.utc()),
            updated_at: Set(environment.updated_at.utc()),
        }
    }
}

fn assignment(row: project_member_roles::Model) -> Result<RoleAssignment, StoreError> {
    const TABLE: &str = "project_member_roles";
    let temporary = match (row.temporary, row.temporary_range, row.temporary_start, row.temporary_end) {
        (false, ..) => None,
        (true, Some(range), Some(start), Some(end)) => Some(Temporary {
            range,
            start: Timestamp::new(start),
            end: Timestamp::new(end),
        }),
        (true, ..) => return Err(StoreError::inconsistent(TABLE, "temporary_end")),
    };
    Ok(RoleAssignment {
        id: RoleAssignmentId(row.id),
        role: ProjectRole::from_slug(&row.role).ok_or(StoreError::inconsistent(TABLE, "role"))?,
        temporary,
    })
}

fn of(who: Principal) -> sea_orm::Condition {
    match who {
        Principal::User(id) => sea_orm::Condition::all().add(project_members::Column::UserId.eq(id.0)),
        Principal::Identity(id) => sea_orm::Condition::all().add(project_members::Column::IdentityId.eq(id.0)),
    }
}

impl Session {
    /// A project of the organization.
    pub async fn find_project(&self, org: OrgId, id: ProjectId) -> Result<Option<ProjectRecord>, StoreError> {
        let row = projects::Entity::find_by_id(id.0)
            .filter(projects::Column::OrgId.eq(org.0))
            .one(self)
            .await?;
        row.map(ProjectRecord::try_from).transpose()
    }

    /// The project of that slug in the organization.
    pub async fn find_project_by_slug(&self, org: OrgId, slug: &str) -> Result<Option<ProjectRecord>, StoreError> {
        // PostgreSQL refuses a NUL in any text, even to look for.
        if slug.contains('\0') {
            return Ok(None);
        }
        let row = projects::Entity::find()
            .filter(projects::Column::OrgId.eq(org.0))
            .filter(projects::Column::Slug.eq(slug))
            .one(self)
            .await?;
        row.map(ProjectRecord::try_from).transpose()
    }

    /// The projects of the organization that somebody is a member of, by name.
    pub async fn list_projects_of(&self, org: OrgId, who: Principal) -> Result<Vec<ProjectRecord>, StoreError> {
        let rows = projects::Entity::find()
            .filter(projects::Column::OrgId.eq(org.0))
            .filter(
                projects::Column::Id.in_subquery(
                    sea_orm::sea_query::Query::select()
                        .column(project_members::Column::ProjectId)
                        .from(project_members::Entity)
                        .cond_where(of(who))
                        .take(),
                ),
            )
            .order_by_asc(projects::Column::Name)
            .order_by_asc(projects::Column::Id)
            .all(self)
            .await?;
        rows.into_iter().map(ProjectRecord::try_from).collect()
    }

    /// All projects of the organization, by name.
    pub async fn list_projects(&self, org: OrgId) -> Result<Vec<ProjectRecord>, StoreError> {
        let rows = projects::Entity::find()
            .filter(projects::Column::OrgId.eq(org.0))
            .order_by_asc(projects::Column::Name)
            .order_by_asc(projects::Column::Id)
            .all(self)
            .await?;
        rows.into_iter().map(ProjectRecord::try_from).collect()
    }

    /// The projects of all organizations that say themselves how many days their audit entries are kept. For housekeeping.
    pub async fn list_audit_retentions(&self) -> Result<Vec<(ProjectId, u32)>, StoreError> {
        let rows = projects::Entity::find()
            .filter(projects::Column::AuditRetentionDays.is_not_null())
            .all(self)
            .await?;
        rows.into_iter()
            .map(ProjectRecord::try_from)
            .filter_map(|project| match project {
                Ok(project) => project.audit_retention_days.map(|days| Ok((project.id, days))),
                Err(error) => Some(Err(error)),
            })
            .collect()
    }

    pub(crate) async fn with_roles(&self, rows: Vec<project_members::Model>) -> Result<Vec<ProjectMemberRecord>, StoreError> {
        let ids: Vec<uuid::Uuid> = rows.iter().map(|row| row.id).collect();
        let roles = project_member_roles::Entity::find()
            .filter(project_member_roles::Column::MemberId.is_in(ids))
            .order_by_asc(project_member_roles::Column::CreatedAt)
            .order_by_asc(project_member_roles::Column::Id)
            .all(self)
            .await?;
        let mut members = Vec::with_capacity(rows.len());
        for row in rows {
            let roles = roles
                .iter()
                .filter(|role| role.member_id == row.id)
                .cloned()
                .map(assignment)
                .collect::<Result<_, _>>()?;
            members.push(ProjectMemberRecord {
                id: MembershipId(row.id),
                project: ProjectId(row.project_id),
                principal: principal(row.user_id, row.identity_id, "project_members")?,
                roles,
                created_at: Timestamp::new(row.created_at),
                updated_at: Timestamp::new(row.updated_at),
            });
        }
        Ok(members)
    }

    /// Somebody's membership in a project.
    pub async fn find_project_member(&self, project: ProjectId, who: Principal) -> Result<Option<ProjectMemberRecord>, StoreError> {
        let row = project_members::Entity::find()
            .filter(project_members::Column::ProjectId.eq(project.0))
            .filter(of(who))
            .one(self)
            .await?;
        Ok(self.with_roles(row.into_iter().collect()).await?.pop())
    }

    /// All memberships of a project, oldest first.
    pub async fn list_project_members(&self, project: ProjectId) -> Result<Vec<ProjectMemberRecord>, StoreError> {
        let rows = project_members::Entity::find()
            .filter(project_members::Column::ProjectId.eq(project.0))
            .order_by_asc(project_members::Column::CreatedAt)
            .order_by_asc(project_members::Column::Id)
            .all(self)
            .await?;
        self.with_roles(rows).await
    }

    /// The environments of a project, in their order.
    pub async fn list_environments(&self, project: ProjectId) -> Result<Vec<EnvironmentRecord>, StoreError> {
        Ok(self.list_environments_of(&[project]).await?)
    }

    /// The environments of several projects, in their order within each.
    pub async fn list_environments_of(&self, projects: &[ProjectId]) -> Result<Vec<EnvironmentRecord>, StoreError> {
        let rows = environments::Entity::find()
            .filter(environments::Column::ProjectId.is_in(projects.iter().map(|id| id.0)))
            .order_by_asc(environments::Column::Position)
            .order_by_asc(environments::Column::Id)
            .all(self)
            .await?;
        rows.into_iter().map(EnvironmentRecord::try_from).collect()
    }

    /// The environment of that slug in the project.
    pub async fn find_environment(&self, project: ProjectId, slug: &str) -> Result<Option<EnvironmentRecord>, StoreError> {
        // PostgreSQL refuses a NUL in any text, even to look for.
        if slug.contains('\0') {
            return Ok(None);
        }
        let row = environments::Entity::find()
            .filter(environments::Column::ProjectId.eq(project.0))
            .filter(environments::Column::Slug.eq(slug))
            .one(self)
            .await?;
        row.map(EnvironmentRecord::try_from).transpose()
    }

    /// An environment by its id. The caller checks the project it names.
    pub async fn find_environment_by_id(&self, id: EnvironmentId) -> Result<Option<EnvironmentRecord>, StoreError> {
        environments::Entity::find_by_id(id.0)
            .one(self)
            .await?
            .map(EnvironmentRecord::try_from)
            .transpose()
    }
}

impl Tx {
    /// A project of the organization, locked until the end of the transaction: it, its environments and its members are then changed by
    /// nobody else.
    pub async fn lock_project(&self, org: OrgId, id: ProjectId) -> Result<Option<ProjectRecord>, StoreError> {
        let row = projects::Entity::find_by_id(id.0)
            .filter(projects::Column::OrgId.eq(org.0))
            .lock_exclusive()
            .one(&**self)
            .await?;
        row.map(ProjectRecord::try_from).transpose()
    }

    /// Adds a project. Refused by `uq_projects_slug` if the slug is taken.
    pub async fn insert_project(&self, project: &ProjectRecord) -> Result<(), StoreError> {
        projects::Entity::insert(projects::ActiveModel::from(project))
            .exec_without_returning(&**self)
            .await?;
        Ok(())
    }

    /// Writes a project back. Refused by `uq_projects_slug` if the slug is taken.
    pub async fn update_project(&self, project: &ProjectRecord) -> Result<(), StoreError> {
        projects::Entity::update_many()
            .set(projects::ActiveModel::from(project))
            .filter(projects::Column::Id.eq(project.id.0))
            .filter(projects::Column::OrgId.eq(project.org.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Removes a project with everything in it. Its rotations must have been removed before (`fk_secret_rotations_project_id`).
    pub async fn remove_project(&self, org: OrgId, id: ProjectId) -> Result<(), StoreError> {
        projects::Entity::delete_many()
            .filter(projects::Column::Id.eq(id.0))
            .filter(projects::Column::OrgId.eq(org.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Adds a membership with its roles. Refused by `uq_project_members_user` or `uq_project_members_identity` if there is one.
    pub async fn insert_project_member(&self, member: &ProjectMemberRecord) -> Result<(), StoreError> {
        let (user, identity) = member.principal.columns();
        let row = project_members::ActiveModel {
            id: Set(member.id.0),
            project_id: Set(member.project.0),
            user_id: Set(user),
            identity_id: Set(identity),
            created_at: Set(member.created_at.utc()),
            updated_at: Set(member.updated_at.utc()),
        };
        project_members::Entity::insert(row).exec_without_returning(&**self).await?;
        self.insert_roles(member).await
    }

    async fn insert_roles(&self, member: &ProjectMemberRecord) -> Result<(), StoreError> {
        for (place, role) in member.roles.iter().enumerate() {
            let temporary = role.temporary.as_ref();
            // The order of the list is the order of the times.
            let given_at = member.updated_at + std::time::Duration::from_micros(u64::try_from(place).unwrap_or(0));
            let row = project_member_roles::ActiveModel {
                id: Set(role.id.0),
                member_id: Set(member.id.0),
                role: Set(role.role.slug().to_owned()),
                temporary: Set(temporary.is_some()),
                temporary_range: Set(temporary.map(|t| t.range.clone())),
                temporary_start: Set(temporary.map(|t| t.start.utc())),
                temporary_end: Set(temporary.map(|t| t.end.utc())),
                created_at: Set(given_at.utc()),
            };
            project_member_roles::Entity::insert(row).exec_without_returning(&**self).await?;
        }
        Ok(())
    }

    /// Replaces the roles of a membership.
    pub async fn update_project_member_roles(&self, member: &ProjectMemberRecord) -> Result<(), StoreError> {
        project_member_roles::Entity::delete_many()
            .filter(project_member_roles::Column::MemberId.eq(member.id.0))
            .exec(&**self)
            .await?;
        project_members::Entity::update_many()
            .col_expr(project_members::Column::UpdatedAt, Expr::value(member.updated_at.utc()))
            .filter(project_members::Column::Id.eq(member.id.0))
            .exec(&**self)
            .await?;
        self.insert_roles(member).await
    }

    /// Removes a membership.
    pub async fn remove_project_member(&self, project: ProjectId, id: MembershipId) -> Result<(), StoreError> {
        project_members::Entity::delete_many()
            .filter(project_members::Column::Id.eq(id.0))
            .filter(project_members::Column::ProjectId.eq(project.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Removes somebody's memberships in all projects of an organization.
    pub async fn remove_project_memberships_of(&self, org: OrgId, who: Principal) -> Result<(), StoreError> {
        project_members::Entity::delete_many()
            .filter(of(who))
            .filter(
                project_members::Column::ProjectId.in_subquery(
                    sea_orm::sea_query::Query::select()
                        .column(projects::Column::Id)
                        .from(projects::Entity)
                        .and_where(projects::Column::OrgId.eq(org.0))
                        .take(),
                ),
            )
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Adds an environment. Refused by `uq_environments_slug` if the slug is taken.
    pub async fn insert_environment(&self, environment: &EnvironmentRecord) -> Result<(), StoreError> {
        environments::Entity::insert(environments::ActiveModel::from(environment))
            .exec_without_returning(&**self)
            .await?;
        Ok(())
    }

    /// Writes an environment back. Refused by `uq_environments_slug` if the slug is taken.
    pub async fn update_environment(&self, environment: &EnvironmentRecord) -> Result<(), StoreError> {
        environments::Entity::update_many()
            .set(environments::ActiveModel::from(environment))
            .filter(environments::Column::Id.eq(environment.id.0))
            .filter(environments::Column::ProjectId.eq(environment.project.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Removes an environment with everything in it. Its rotations must have been removed before.
    pub async fn remove_environment(&self, project: ProjectId, id: EnvironmentId) -> Result<(), StoreError> {
        environments::Entity::delete_many()
            .filter(environments::Column::Id.eq(id.0))
            .filter(environments::Column::ProjectId.eq(project.0))
            .exec(&**self)
            .await?;
        Ok(())
    }
}
