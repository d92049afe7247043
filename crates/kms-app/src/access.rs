//! Access: the check gives a scope, and what matters takes only what a scope gives.
//!
//! Somebody who may not even see a thing gets "not found"; somebody who may see it but not do this gets "permission denied".

use kms_core::ids::{OrgId, ProjectId};
use kms_core::permission::{OrgRole, Permission, ProjectRole, Resource, RuleSet};
use kms_core::time::Timestamp;
use kms_store::Session;
use kms_store::organizations::OrgMemberRecord;
use kms_store::projects::{ProjectMemberRecord, ProjectRecord};

use crate::App;
use crate::actor::Actor;
use crate::error::Error;

/// What an actor may do in its organization.
#[derive(Debug, Clone)]
pub struct OrgScope {
    org: OrgId,
    member: OrgMemberRecord,
    rules: RuleSet,
}

impl OrgScope {
    /// The organization.
    pub fn org(&self) -> OrgId {
        self.org
    }

    /// The actor's role.
    pub fn role(&self) -> OrgRole {
        self.member.role
    }

    /// Whether the permission is given for this resource.
    pub fn allows(&self, permission: Permission, resource: &Resource<'_>) -> bool {
        self.rules.allows(permission, resource)
    }

    /// Demands the permission for this resource.
    pub fn require(&self, permission: Permission, resource: &Resource<'_>) -> Result<(), Error> {
        if self.rules.allows(permission, resource) {
            Ok(())
        } else {
            Err(Error::PermissionDenied { missing: permission })
        }
    }

    /// Demands the permission for at least something.
    pub fn require_somewhere(&self, permission: Permission) -> Result<(), Error> {
        if self.rules.allows_somewhere(permission) {
            Ok(())
        } else {
            Err(Error::PermissionDenied { missing: permission })
        }
    }
}

impl OrgScope {
    /// Demands that the actor has at least what `role` gives, before giving it to somebody or touching what has it.
    pub fn require_covers(&self, role: OrgRole) -> Result<(), Error> {
        if self.member.role.covers(role) {
            Ok(())
        } else {
            Err(Error::Boundary {
                message: format!("the role {} has more rights than yours", role.slug()),
            })
        }
    }
}

/// What an actor may do in a project.
#[derive(Debug, Clone)]
pub struct ProjectScope {
    project: ProjectRecord,
    member: ProjectMemberRecord,
    rules: RuleSet,
    now: Timestamp,
}

impl ProjectScope {
    /// The project.
    pub fn project(&self) -> &ProjectRecord {
        &self.project
    }

    /// The actor's membership.
    pub fn member(&self) -> &ProjectMemberRecord {
        &self.member
    }

    /// Whether the permission is given for this resource.
    pub fn allows(&self, permission: Permission, resource: &Resource<'_>) -> bool {
        self.rules.allows(permission, resource)
    }

    /// Whether the permission is given for at least something.
    pub fn allows_somewhere(&self, permission: Permission) -> bool {
        self.rules.allows_somewhere(permission)
    }

    /// Demands the permission for this resource.
    pub fn require(&self, permission: Permission, resource: &Resource<'_>) -> Result<(), Error> {
        if self.rules.allows(permission, resource) {
            Ok(())
        } else {
            Err(Error::PermissionDenied { missing: permission })
        }
    }

    /// Demands the permission for at least something.
    pub fn require_somewhere(&self, permission: Permission) -> Result<(), Error> {
        if self.rules.allows_somewhere(permission) {
            Ok(())
        } else {
            Err(Error::PermissionDenied { missing: permission })
        }
    }

    /// Demands that the actor has at least what `role` gives, before giving it to somebody.
    pub fn require_covers(&self, role: ProjectRole) -> Result<(), Error> {
        let covered = roles_at(&self.member, self.now).any(|own| own.covers(role));
        if covered {
            Ok(())
        } else {
            Err(Error::Boundary {
                message: format!("you cannot give the role {}: it has more rights than you", role.slug()),
            })
        }
    }
}

fn roles_at(member: &ProjectMemberRecord, now: Timestamp) -> impl Iterator<Item = ProjectRole> {
    member
        .roles
        .iter()
        .filter(move |role| role.temporary.as_ref().is_none_or(|t| t.start <= now && now < t.end))
        .map(|role| role.role)
}

impl App {
    /// What the actor may do in its organization, for showing only what can be done. Every use case decides for itself again.
    pub async fn org_access(&self, actor: &Actor) -> Result<OrgScope, Error> {
        org_scope(&self.store().read(), actor).await
    }

    /// What the actor may do in a project, for showing only what can be done. Every use case decides for itself again.
    pub async fn project_access(&self, actor: &Actor, id: ProjectId) -> Result<ProjectScope, Error> {
        project_scope(&self.store().read(), actor, id, self.now()).await
    }
}

/// The actor's scope in its organization.
pub(crate) async fn org_scope(session: &Session, actor: &Actor) -> Result<OrgScope, Error> {
    let member = session
        .find_org_member(actor.org, actor.principal())
        .await?
        .ok_or_else(|| Error::forbidden("you are not a member of this organization"))?;
    Ok(OrgScope {
        org: actor.org,
        rules: member.role.rules(),
        member,
    })
}

/// The actor's scope in a project of its organization.
pub(crate) async fn project_scope(session: &Session, actor: &Actor, id: ProjectId, now: Timestamp) -> Result<ProjectScope, Error> {
    let project = session
        .find_project(actor.org, id)
        .await?
        .ok_or_else(|| Error::not_found(format!("no project with the id {id}")))?;
    scope_of(session, actor, project, now).await
}

/// The actor's scope in a project that was found already.
pub(crate) async fn scope_of(session: &Session, actor: &Actor, project: ProjectRecord, now: Timestamp) -> Result<ProjectScope, Error> {
    let member = session
        .find_project_member(project.id, actor.principal())
        .await?
        .ok_or_else(|| Error::forbidden("you are not a member of this project"))?;
    let rules = roles_at(&member, now).fold(RuleSet::default(), |rules, role| rules.and(role.rules()));
    Ok(ProjectScope {
        project,
        member,
        rules,
        now,
    })
}
