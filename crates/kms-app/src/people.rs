//! People as members of an organization and of projects.
//!
//! Nobody gives more than they have, or changes somebody who has more. An organization and a project always keep somebody who
//! administers them for good.

use kms_core::ids::{MembershipId, OrgId, ProjectId, UserId};
use kms_core::names::Email;
use kms_core::permission::{OrgRole, ProjectRole, Resource, org, project};
use kms_store::organizations::{OrgMemberRecord, Principal};
use kms_store::projects::ProjectMemberRecord;
use kms_store::users::UserRecord;
use kms_store::{Session, Tx};
use serde_json::json;

use crate::access::{OrgScope, ProjectScope, org_scope, project_scope};
use crate::actor::Actor;
use crate::audit::Event;
use crate::error::on_constraint;
use crate::memberships::RoleGrant;
use crate::organizations::own;
use crate::projects::gone;
use crate::{App, Error};

/// A person in an organization.
#[derive(Debug, Clone)]
pub struct OrgPerson {
    /// The membership.
    pub member: OrgMemberRecord,
    /// The person.
    pub user: UserRecord,
}

/// A person in a project.
#[derive(Debug, Clone)]
pub struct ProjectPerson {
    /// The membership.
    pub member: ProjectMemberRecord,
    /// The person.
    pub user: UserRecord,
}

/// How a person of a project is named in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonSelector {
    /// By the id of the membership.
    Membership(MembershipId),
    /// By the person's id.
    User(UserId),
    /// By e-mail address.
    Email(Email),
}

impl App {
    /// The people of the actor's organization, in the order in which they joined.
    pub async fn list_org_people(&self, actor: &Actor, id: OrgId) -> Result<Vec<OrgPerson>, Error> {
        own(actor, id)?;
        let session = self.store().read();
        org_scope(&session, actor).await?.require(org::MEMBER_READ, &Resource::ANY)?;
        people_of(&session, id).await
    }

    /// A person of the actor's organization.
    pub async fn get_org_person(&self, actor: &Actor, org_id: OrgId, id: MembershipId) -> Result<OrgPerson, Error> {
        own(actor, org_id)?;
        let session = self.store().read();
        org_scope(&session, actor).await?.require(org::MEMBER_READ, &Resource::ANY)?;
        find_person(&session, org_id, id).await
    }

    /// Gives a person of the actor's organization another role there.
    ///
    /// # Errors
    /// [`Error::Boundary`] if the person has, or would get, more rights than the actor; [`Error::BadRequest`] if nobody would be left
    /// who administers the organization.
    pub async fn update_org_person(&self, actor: &Actor, org_id: OrgId, id: MembershipId, role: OrgRole) -> Result<OrgPerson, Error> {
        let (tx, scope, mut person) = self.reach_person(actor, org_id, id, org::MEMBER_EDIT).await?;
        scope.require_covers(role)?;
        if role != OrgRole::Admin {
            keep_an_admin(&tx, &person.member).await?;
        }
        person.member.role = role;
        person.member.updated_at = self.now();
        tx.update_org_role(org_id, person.member.principal, role, person.member.updated_at)
            .await?;
        let event = Event::in_org(
            "update-org-membership",
            json!({ "userId": person.user.id, "email": person.user.email, "role": role.slug() }),
        );
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(person)
    }

    /// Takes a person out of the actor's organization and out of all its projects, at once.
    ///
    /// # Errors
    /// As [`App::update_org_person`].
    pub async fn remove_org_person(&self, actor: &Actor, org_id: OrgId, id: MembershipId) -> Result<OrgPerson, Error> {
        let (tx, _scope, person) = self.reach_person(actor, org_id, id, org::MEMBER_DELETE).await?;
        keep_an_admin(&tx, &person.member).await?;
        tx.remove_project_memberships_of(org_id, person.member.principal).await?;
        tx.remove_org_member(org_id, person.member.principal).await?;
        let event = Event::in_org(
            "delete-org-membership",
            json!({ "userId": person.user.id, "email": person.user.email }),
        );
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(person)
    }

    async fn reach_person(
        &self,
        actor: &Actor,
        org_id: OrgId,
        id: MembershipId,
        permission: kms_core::permission::Permission,
    ) -> Result<(Tx, OrgScope, OrgPerson), Error> {
        own(actor, org_id)?;
        let tx = self.store().write().await?;
        // Who is left as administrator follows from all members.
        tx.lock_org(org_id).await?;
        let scope = org_scope(&tx, actor).await?;
        scope.require(permission, &Resource::ANY)?;
        let person = find_person(&tx, org_id, id).await?;
        scope.require_covers(person.member.role)?;
        Ok((tx, scope, person))
    }

    /// The people of a project, in the order in which they joined.
    pub async fn list_project_people(&self, actor: &Actor, project_id: ProjectId) -> Result<Vec<ProjectPerson>, Error> {
        let session = self.store().read();
        let scope = project_scope(&session, actor, project_id, self.now()).await?;
        scope.require(project::MEMBER_READ, &Resource::ANY)?;
        project_people(&session, &scope).await
    }

    /// A person of a project.
    pub async fn get_project_person(&self, actor: &Actor, project_id: ProjectId, who: &PersonSelector) -> Result<ProjectPerson, Error> {
        let people = self.list_project_people(actor, project_id).await?;
        selected(people, who)
    }

    /// Gives people of the organization access to a project: all of them, or none.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for an address that nobody of the organization has, or somebody who is a member already.
    pub async fn add_people_to_project(
        &self,
        actor: &Actor,
        project_id: ProjectId,
        emails: &[Email],
        roles: &[ProjectRole],
    ) -> Result<Vec<ProjectPerson>, Error> {
        let now = self.now();
        let tx = self.store().write().await?;
        let scope = project_scope(&tx, actor, project_id, now).await?;
        scope.require(project::MEMBER_CREATE, &Resource::ANY)?;
        for role in roles {
            scope.require_covers(*role)?;
        }
        let people = people_of(&tx, actor.org).await?;
        let mut added = Vec::with_capacity(emails.len());
        for email in emails {
            let person = people.iter().find(|person| person.user.email == email.as_str()).ok_or_else(|| {
                Error::bad_request(format!(
                    "nobody in the organization has the address {}; invite them first. Nothing was changed",
                    email.as_str()
                ))
            })?;
            let grants = roles.iter().map(|role| RoleGrant {
                role: *role,
                temporary: None,
            });
            let member = ProjectMemberRecord {
                id: MembershipId::random(self.entropy()),
                project: project_id,
                principal: person.member.principal,
                roles: self.assignments(grants.collect()),
                created_at: now,
                updated_at: now,
            };
            on_constraint(tx.insert_project_member(&member).await, "uq_project_members_user", || {
                Error::bad_request(format!(
                    "{} is a member of this project already; nothing was changed",
                    email.as_str()
                ))
            })?;
            added.push(ProjectPerson {
                member,
                user: person.user.clone(),
            });
        }
        let noted: Vec<_> = added
            .iter()
            .map(|person| json!({ "userId": person.user.id, "email": person.user.email }))
            .collect();
        let event = Event::in_project("add-project-members", project_id, json!(noted));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(added)
    }

    /// Replaces the roles of a person in a project.
    ///
    /// # Errors
    /// [`Error::Boundary`] if the person has, or would get, more rights than the actor; [`Error::BadRequest`] if nobody would be left
    /// who administers the project.
    pub async fn update_person_in_project(
        &self,
        actor: &Actor,
        project_id: ProjectId,
        who: &PersonSelector,
        roles: Vec<RoleGrant>,
    ) -> Result<ProjectPerson, Error> {
        let (tx, scope, mut person) = self.reach_project_person(actor, project_id, who, project::MEMBER_EDIT).await?;
        for grant in &roles {
            scope.require_covers(grant.role)?;
        }
        person.member.roles = self.assignments(roles);
        person.member.updated_at = self.now();
        if !administers(&person.member) {
            keep_a_project_admin(&tx, &person.member).await?;
        }
        tx.update_project_member_roles(&person.member).await?;
        let slugs: Vec<_> = person.member.roles.iter().map(|role| role.role.slug()).collect();
        let event = Event::in_project(
            "update-user-project-role",
            project_id,
            json!({ "userId": person.user.id, "email": person.user.email, "roles": slugs }),
        );
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(person)
    }

    /// Takes people's access to a project: all of them, or none.
    ///
    /// # Errors
    /// As [`App::update_person_in_project`].
    pub async fn remove_people_from_project(
        &self,
        actor: &Actor,
        project_id: ProjectId,
        who: &[PersonSelector],
    ) -> Result<Vec<ProjectPerson>, Error> {
        let tx = self.store().write().await?;
        let scope = project_scope(&tx, actor, project_id, self.now()).await?;
        scope.require(project::MEMBER_DELETE, &Resource::ANY)?;
        tx.lock_project(actor.org, project_id).await?.ok_or_else(|| gone(project_id))?;
        let mut removed = Vec::with_capacity(who.len());
        let mut entries = Vec::with_capacity(who.len());
        for selector in who {
            let person = selected(project_people(&tx, &scope).await?, selector)?;
            require_covers_all(&scope, &person.member)?;
            keep_a_project_admin(&tx, &person.member).await?;
            tx.remove_project_member(project_id, person.member.id).await?;
            let noted = json!({ "userId": person.user.id, "email": person.user.email });
            entries.push(self.entry(actor, Event::in_project("remove-project-member", project_id, noted)));
            removed.push(person);
        }
        tx.insert_audit(&entries).await?;
        tx.commit().await?;
        Ok(removed)
    }

    async fn reach_project_person(
        &self,
        actor: &Actor,
        project_id: ProjectId,
        who: &PersonSelector,
        permission: kms_core::permission::Permission,
    ) -> Result<(Tx, ProjectScope, ProjectPerson), Error> {
        let tx = self.store().write().await?;
        let scope = project_scope(&tx, actor, project_id, self.now()).await?;
        scope.require(permission, &Resource::ANY)?;
        tx.lock_project(actor.org, project_id).await?.ok_or_else(|| gone(project_id))?;
        let person = selected(project_people(&tx, &scope).await?, who)?;
        require_covers_all(&scope, &person.member)?;
        Ok((tx, scope, person))
    }
}

/// The people of an organization, in the order in which they joined.
pub(crate) async fn people_of(session: &Session, id: OrgId) -> Result<Vec<OrgPerson>, Error> {
    let mut users = session.list_users_of(id).await?;
    let members = session.list_org_members(id).await?;
    Ok(members
        .into_iter()
        .filter_map(|member| {
            let user = take_user(&mut users, member.principal)?;
            Some(OrgPerson { member, user })
        })
        .collect())
}

fn take_user(users: &mut Vec<UserRecord>, who: Principal) -> Option<UserRecord> {
    let Principal::User(id) = who else {
        return None;
    };
    let position = users.iter().position(|candidate| candidate.id == id)?;
    Some(users.swap_remove(position))
}

async fn find_person(session: &Session, org_id: OrgId, id: MembershipId) -> Result<OrgPerson, Error> {
    people_of(session, org_id)
        .await?
        .into_iter()
        .find(|person| person.member.id == id)
        .ok_or_else(|| Error::not_found(format!("no membership with the id {id}")))
}

async fn keep_an_admin(tx: &Tx, without: &OrgMemberRecord) -> Result<(), Error> {
    let members = tx.list_org_members(without.org).await?;
    let others = members
        .iter()
        .any(|member| member.id != without.id && member.role == OrgRole::Admin && matches!(member.principal, Principal::User(_)));
    if others || without.role != OrgRole::Admin {
        Ok(())
    } else {
        Err(Error::bad_request(
            "this is the last person who administers the organization; make somebody else an administrator first. Nothing was changed",
        ))
    }
}

async fn project_people(session: &Session, scope: &ProjectScope) -> Result<Vec<ProjectPerson>, Error> {
    let mut users = session.list_users_of(scope.project().org).await?;
    let members = session.list_project_members(scope.project().id).await?;
    Ok(members
        .into_iter()
        .filter_map(|member| {
            let user = take_user(&mut users, member.principal)?;
            Some(ProjectPerson { member, user })
        })
        .collect())
}

fn selected(people: Vec<ProjectPerson>, who: &PersonSelector) -> Result<ProjectPerson, Error> {
    people
        .into_iter()
        .find(|person| match who {
            PersonSelector::Membership(id) => person.member.id == *id,
            PersonSelector::User(id) => person.user.id == *id,
            PersonSelector::Email(email) => person.user.email == email.as_str(),
        })
        .ok_or_else(|| Error::not_found("this person is not a member of the project"))
}

fn require_covers_all(scope: &ProjectScope, member: &ProjectMemberRecord) -> Result<(), Error> {
    member.roles.iter().try_for_each(|role| scope.require_covers(role.role))
}

/// Whether a member administers the project for good.
fn administers(member: &ProjectMemberRecord) -> bool {
    member
        .roles
        .iter()
        .any(|role| role.role == ProjectRole::Admin && role.temporary.is_none())
}

async fn keep_a_project_admin(tx: &Tx, without: &ProjectMemberRecord) -> Result<(), Error> {
    let members = tx.list_project_members(without.project).await?;
    let is_the_last = members.iter().any(|member| member.id == without.id && administers(member))
        && !members.iter().any(|member| member.id != without.id && administers(member));
    if is_the_last {
        Err(Error::bad_request(
            "nobody else administers this project; make somebody else an administrator first. Nothing was changed",
        ))
    } else {
        Ok(())
    }
}
