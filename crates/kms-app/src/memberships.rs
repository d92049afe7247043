//! Machine identities as members of projects.

use kms_core::ids::{IdentityId, MembershipId, ProjectId, RoleAssignmentId};
use kms_core::permission::{Permission, ProjectRole, Resource, project};
use kms_store::memberships::ProjectIdentityRecord;
use kms_store::organizations::Principal;
use kms_store::projects::{ProjectMemberRecord, ProjectRecord, RoleAssignment, Temporary};
use serde_json::json;

use crate::access::{ProjectScope, project_scope};
use crate::actor::Actor;
use crate::audit::Event;
use crate::error::on_constraint;
use crate::projects::gone;
use crate::{App, Error};

/// A role to give to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleGrant {
    /// Which role.
    pub role: ProjectRole,
    /// Set if it ends by itself.
    pub temporary: Option<Temporary>,
}

/// An identity of a project.
#[derive(Debug, Clone)]
pub struct ProjectIdentity {
    /// The identity with its membership.
    pub record: ProjectIdentityRecord,
    /// The project.
    pub project: ProjectRecord,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Only what has this in its name, without regard to case.
    pub search: Option<String>,
    /// How many to leave out at the beginning.
    pub offset: usize,
    /// At most how many; all if absent.
    pub limit: Option<usize>,
}

fn allows_on(scope: &ProjectScope, permission: Permission, identity: IdentityId) -> bool {
    let id_text = identity.to_string();
    scope.allows(
        permission,
        &Resource {
            identity_id: Some(&id_text),
            ..Resource::ANY
        },
    )
}

fn require_on(scope: &ProjectScope, permission: Permission, identity: IdentityId) -> Result<(), Error> {
    if allows_on(scope, permission, identity) {
        Ok(())
    } else {
        Err(Error::PermissionDenied { missing: permission })
    }
}

impl App {
    /// The identities of a project, in the order in which they joined, and how many there are in all.
    pub async fn list_project_identities(
        &self,
        actor: &Actor,
        project_id: ProjectId,
        page: &Page,
    ) -> Result<(Vec<ProjectIdentity>, usize), Error> {
        let session = self.store().read();
        let scope = project_scope(&session, actor, project_id, self.now()).await?;
        scope.require_somewhere(project::IDENTITY_READ)?;
        let wanted = page.search.as_deref().map(str::to_lowercase);
        let mut found = session.list_project_identities(actor.org, project_id).await?;
        found.retain(|record| {
            allows_on(&scope, project::IDENTITY_READ, record.identity.id)
                && wanted
                    .as_ref()
                    .is_none_or(|text| record.identity.name.to_lowercase().contains(text))
        });
        let total = found.len();
        let part = found
            .into_iter()
            .skip(page.offset)
            .take(page.limit.unwrap_or(usize::MAX))
            .map(|record| ProjectIdentity {
                record,
                project: scope.project().clone(),
            })
            .collect();
        Ok((part, total))
    }

    /// An identity of a project.
    pub async fn get_project_identity(&self, actor: &Actor, project_id: ProjectId, identity: IdentityId) -> Result<ProjectIdentity, Error> {
        let session = self.store().read();
        let scope = project_scope(&session, actor, project_id, self.now()).await?;
        require_on(&scope, project::IDENTITY_READ, identity)?;
        let record = session
            .find_project_identity(actor.org, project_id, identity)
            .await?
            .ok_or_else(|| no_member(identity))?;
        Ok(ProjectIdentity {
            record,
            project: scope.project().clone(),
        })
    }

    /// An identity of any project of the organization, by the id of its membership.
    pub async fn get_project_identity_by_membership(&self, actor: &Actor, id: MembershipId) -> Result<ProjectIdentity, Error> {
        let session = self.store().read();
        let record = session
            .find_project_identity_by_membership(actor.org, id)
            .await?
            .ok_or_else(|| Error::not_found(format!("no membership with the id {id}")))?;
        let scope = project_scope(&session, actor, record.member.project, self.now()).await?;
        require_on(&scope, project::IDENTITY_READ, record.identity.id)?;
        Ok(ProjectIdentity {
            record,
            project: scope.project().clone(),
        })
    }

    /// Gives an identity access to a project.
    pub async fn add_identity_to_project(
        &self,
        actor: &Actor,
        project_id: ProjectId,
        identity: IdentityId,
        roles: Vec<RoleGrant>,
    ) -> Result<ProjectMemberRecord, Error> {
        let now = self.now();
        let tx = self.store().write().await?;
        let scope = project_scope(&tx, actor, project_id, now).await?;
        require_on(&scope, project::IDENTITY_CREATE, identity)?;
        for grant in &roles {
            scope.require_covers(grant.role)?;
        }
        if tx.find_org_member(actor.org, Principal::Identity(identity)).await?.is_none() {
            return Err(Error::not_found(format!("no identity with the id {identity}")));
        }
        let member = ProjectMemberRecord {
            id: MembershipId::random(self.entropy()),
            project: project_id,
            principal: Principal::Identity(identity),
            roles: self.assignments(roles),
            created_at: now,
            updated_at: now,
        };
        on_constraint(tx.insert_project_member(&member).await, "uq_project_members_identity", || {
            Error::bad_request("the identity is a member of this project already")
        })?;
        let event = Event::in_project("create-identity-project-membership", project_id, json!({ "identityId": identity }));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(member)
    }

    /// Replaces the roles of an identity in a project.
    pub async fn update_identity_in_project(
        &self,
        actor: &Actor,
        project_id: ProjectId,
        identity: IdentityId,
        roles: Vec<RoleGrant>,
    ) -> Result<ProjectMemberRecord, Error> {
        let now = self.now();
        let tx = self.store().write().await?;
        let scope = project_scope(&tx, actor, project_id, now).await?;
        require_on(&scope, project::IDENTITY_EDIT, identity)?;
        for grant in &roles {
            scope.require_covers(grant.role)?;
        }
        tx.lock_project(actor.org, project_id).await?.ok_or_else(|| gone(project_id))?;
        let mut member = find_member(&tx, project_id, identity).await?;
        for role in &member.roles {
            scope.require_covers(role.role)?;
        }
        member.roles = self.assignments(roles);
        member.updated_at = now;
        tx.update_project_member_roles(&member).await?;
        let event = Event::in_project("update-identity-project-membership", project_id, json!({ "identityId": identity }));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(member)
    }

    /// Takes an identity's access to a project.
    pub async fn remove_identity_from_project(
        &self,
        actor: &Actor,
        project_id: ProjectId,
        identity: IdentityId,
    ) -> Result<ProjectMemberRecord, Error> {
        let tx = self.store().write().await?;
        let scope = project_scope(&tx, actor, project_id, self.now()).await?;
        require_on(&scope, project::IDENTITY_DELETE, identity)?;
        tx.lock_project(actor.org, project_id).await?.ok_or_else(|| gone(project_id))?;
        let member = find_member(&tx, project_id, identity).await?;
        for role in &member.roles {
            scope.require_covers(role.role)?;
        }
        tx.remove_project_member(project_id, member.id).await?;
        let event = Event::in_project("delete-identity-project-membership", project_id, json!({ "identityId": identity }));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(member)
    }

    pub(crate) fn assignments(&self, grants: Vec<RoleGrant>) -> Vec<RoleAssignment> {
        grants
            .into_iter()
            .map(|grant| RoleAssignment {
                id: RoleAssignmentId::random(self.entropy()),
                role: grant.role,
                temporary: grant.temporary,
            })
            .collect()
    }
}

fn no_member(identity: IdentityId) -> Error {
    Error::not_found(format!("the identity {identity} is not a member of this project"))
}

async fn find_member(session: &kms_store::Session, project: ProjectId, identity: IdentityId) -> Result<ProjectMemberRecord, Error> {
    session
        .find_project_member(project, Principal::Identity(identity))
        .await?
        .ok_or_else(|| no_member(identity))
}
