//! Invitations: how people come into an organization.
//!
//! An invitation is a link with a token that is shown once. Whoever has it joins under the address that was invited: a newcomer by
//! choosing a password, somebody who has a login by being logged in. Its use, its end and its withdrawal make it worthless.

use std::time::Duration;

use kms_core::audit::{AuditActor, Origin};
use kms_core::ids::{InvitationId, MembershipId, OrgId, ProjectId, UserId};
use kms_core::names::Email;
use kms_core::permission::{OrgRole, ProjectRole, Resource, org, project};
use kms_core::secret::SecretString;
use kms_crypto::tokens::{self, PlainToken, TokenKind};
use kms_store::organizations::{OrgMemberRecord, OrgRecord, Principal};
use kms_store::projects::ProjectMemberRecord;
use kms_store::users::UserRecord;
use kms_store::{Session, Tx};
use serde_json::json;

use crate::access::{org_scope, project_scope};
use crate::actor::Actor;
use crate::audit::Event;
use crate::authentication::SignedIn;
use crate::error::on_constraint;
use crate::memberships::RoleGrant;
use crate::organizations::own;
use crate::people::people_of;
use crate::sessions::SessionGrant;
use crate::{App, Error};

pub use kms_store::invitations::InvitationRecord;

/// An invitation can be accepted for so long.
pub const VALID_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// Most people that one request invites.
pub const MOST_AT_ONCE: usize = 100;

/// Whom to invite, and to what.
#[derive(Debug, Clone)]
pub struct NewInvitations {
    /// Into which organization; it must be the actor's.
    pub org: OrgId,
    /// Whom.
    pub emails: Vec<Email>,
    /// The role that is given in the organization.
    pub role: OrgRole,
    /// Projects that they are made members of, with the role in each.
    pub projects: Vec<(ProjectId, ProjectRole)>,
}

/// An invitation that was just made.
#[derive(Debug, Clone)]
pub struct Invited {
    /// The invitation.
    pub record: InvitationRecord,
    /// The secret of its link.
    pub token: SecretString,
}

/// What the holder of a link is told.
#[derive(Debug, Clone)]
pub struct OpenInvitation {
    /// Into which organization.
    pub org: OrgRecord,
    /// Whom.
    pub email: String,
    /// Who invited.
    pub invited_by: String,
    /// The role that is given.
    pub role: OrgRole,
    /// Whether that address has a login already.
    pub has_login: bool,
}

/// Who a newcomer is.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// The password they choose.
    pub password: SecretString,
}

impl App {
    /// Invites people: all of them, or none. Whoever has an open invitation gets a new one in its place.
    ///
    /// # Errors
    /// [`Error::BadRequest`] if one of them is a member already; [`Error::Boundary`] for a role above the actor's.
    pub async fn invite(&self, actor: &Actor, new: NewInvitations) -> Result<Vec<Invited>, Error> {
        own(actor, new.org)?;
        let now = self.now();
        let tx = self.store().write().await?;
        let scope = org_scope(&tx, actor).await?;
        scope.require(org::MEMBER_CREATE, &Resource::ANY)?;
        scope.require_covers(new.role)?;
        for (id, role) in &new.projects {
            let scope = project_scope(&tx, actor, *id, now).await?;
            scope.require(project::MEMBER_CREATE, &Resource::ANY)?;
            scope.require_covers(*role)?;
        }
        let members = people_of(&tx, new.org).await?;
        let mut invited = Vec::with_capacity(new.emails.len());
        let mut entries = Vec::with_capacity(new.emails.len());
        for email in new.emails {
            if members.iter().any(|person| person.user.email == email.as_str()) {
                return Err(Error::bad_request(format!(
                    "{} is a member of the organization already; nobody was invited",
                    email.as_str()
                )));
            }
            tx.remove_invitation_of(new.org, email.as_str()).await?;
            let token = tokens::generate(TokenKind::Invitation, self.entropy());
            let record = InvitationRecord {
                id: InvitationId::random(self.entropy()),
                org: new.org,
                email: email.as_str().to_owned(),
                role: new.role,
                projects: new.projects.clone(),
                token_hash: token.hash().as_str().to_owned(),
                invited_by: actor.display_name().to_owned(),
                created_at: now,
                expires_at: now + VALID_FOR,
            };
            tx.insert_invitation(&record).await?;
            let noted = json!({ "email": record.email, "role": record.role.slug() });
            entries.push(self.entry(actor, Event::in_org("create-org-invitation", noted)));
            invited.push(Invited {
                record,
                token: token.into_secret(),
            });
        }
        tx.insert_audit(&entries).await?;
        tx.commit().await?;
        Ok(invited)
    }

    /// The invitations of the actor's organization that can still be accepted, oldest first.
    pub async fn list_invitations(&self, actor: &Actor) -> Result<Vec<InvitationRecord>, Error> {
        let session = self.store().read();
        org_scope(&session, actor).await?.require(org::MEMBER_READ, &Resource::ANY)?;
        let now = self.now();
        let mut all = session.list_invitations(actor.org).await?;
        all.retain(|invitation| now < invitation.expires_at);
        Ok(all)
    }

    /// Withdraws an invitation: its link is worthless.
    pub async fn withdraw_invitation(&self, actor: &Actor, id: InvitationId) -> Result<(), Error> {
        let tx = self.store().write().await?;
        let scope = org_scope(&tx, actor).await?;
        scope.require(org::MEMBER_DELETE, &Resource::ANY)?;
        let found = tx.list_invitations(actor.org).await?.into_iter().find(|one| one.id == id);
        let invitation = found.ok_or_else(|| Error::not_found(format!("no invitation with the id {id}")))?;
        scope.require_covers(invitation.role)?;
        tx.remove_invitation(actor.org, id).await?;
        let event = Event::in_org("delete-org-invitation", json!({ "email": invitation.email }));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What an invitation's link leads to.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an invitation that never was, was used or withdrawn, or whose time is over.
    pub async fn find_invitation(&self, token: SecretString) -> Result<OpenInvitation, Error> {
        let session = self.store().read();
        let (record, org) = self.open_invitation(&session, token).await?;
        let has_login = session.find_user_by_email(&record.email).await?.is_some();
        Ok(OpenInvitation {
            org,
            email: record.email,
            invited_by: record.invited_by,
            role: record.role,
            has_login,
        })
    }

    /// Accepts an invitation as somebody who has no login yet, and begins their session in the organization.
    ///
    /// # Errors
    /// [`Error::NotFound`] as [`App::find_invitation`]; [`Error::BadRequest`] if the address has a login: then
    /// [`App::join_by_invitation`] is the way.
    pub async fn accept_invitation(&self, token: SecretString, newcomer: Newcomer, origin: &Origin) -> Result<SessionGrant, Error> {
        // Hashing takes long: not for strangers, and not in the transaction.
        let open = self.find_invitation(token.clone()).await?;
        if open.has_login {
            return Err(has_login());
        }
        let hash = self.hash_password(newcomer.password).await?;
        let now = self.now();
        let tx = self.store().write().await?;
        let (record, org) = self.open_invitation(&tx, token).await?;
        let user = UserRecord {
            id: UserId::random(self.entropy()),
            email: record.email.clone(),
            first_name: newcomer.first_name,
            last_name: newcomer.last_name,
            password_hash: Some(SecretString::new(hash.as_str())),
            instance_admin: false,
            created_at: now,
            updated_at: now,
        };
        on_constraint(tx.insert_user(&user).await, "uq_users_email", has_login)?;
        self.join(&tx, &record, &user, origin).await?;
        let grant = self.begin_session(&tx, &user, Some(org.id), origin).await?;
        tx.commit().await?;
        Ok(grant)
    }

    /// Accepts an invitation as the person it is for, who is logged in.
    ///
    /// # Errors
    /// [`Error::NotFound`] as [`App::find_invitation`]; [`Error::Forbidden`] if it is for another address.
    pub async fn join_by_invitation(&self, signed_in: &SignedIn, token: SecretString) -> Result<OrgRecord, Error> {
        let tx = self.store().write().await?;
        let (record, org) = self.open_invitation(&tx, token).await?;
        if record.email != signed_in.user.email {
            return Err(Error::forbidden(format!(
                "this invitation is for {}; log in with that address to accept it",
                record.email
            )));
        }
        self.join(&tx, &record, &signed_in.user, &signed_in.origin).await?;
        tx.commit().await?;
        Ok(org)
    }

    /// The invitation of a token, if it can still be accepted.
    async fn open_invitation(&self, session: &Session, token: SecretString) -> Result<(InvitationRecord, OrgRecord), Error> {
        let presented = PlainToken::presented(token);
        if !tokens::looks_valid(TokenKind::Invitation, presented.expose()) {
            return Err(no_invitation());
        }
        let record = session
            .find_invitation_by_token(presented.hash().as_str())
            .await?
            .filter(|record| self.now() < record.expires_at)
            .ok_or_else(no_invitation)?;
        let org = session.find_org(record.org).await?.ok_or_else(no_invitation)?;
        Ok((record, org))
    }

    /// Makes the person a member of what the invitation gives, and ends it.
    async fn join(&self, tx: &Tx, invitation: &InvitationRecord, user: &UserRecord, origin: &Origin) -> Result<(), Error> {
        let now = self.now();
        if !tx.remove_invitation(invitation.org, invitation.id).await? {
            return Err(no_invitation());
        }
        let principal = Principal::User(user.id);
        let member = OrgMemberRecord {
            id: MembershipId::random(self.entropy()),
            org: invitation.org,
            principal,
            role: invitation.role,
            created_at: now,
            updated_at: now,
        };
        on_constraint(tx.insert_org_member(&member).await, "uq_org_members_user", || {
            Error::bad_request("you are a member of this organization already")
        })?;
        let by = AuditActor::User {
            id: user.id,
            email: user.email.clone(),
        };
        let noted = json!({ "userId": user.id, "email": user.email, "role": invitation.role.slug(), "invitedBy": invitation.invited_by });
        let mut events = vec![Event::in_org("create-org-membership", noted)];
        for (id, role) in &invitation.projects {
            // A project that was deleted meanwhile gives nothing.
            if tx.find_project(invitation.org, *id).await?.is_none() {
                continue;
            }
            let roles = self.assignments(vec![RoleGrant {
                role: *role,
                temporary: None,
            }]);
            tx.insert_project_member(&ProjectMemberRecord {
                id: MembershipId::random(self.entropy()),
                project: *id,
                principal,
                roles,
                created_at: now,
                updated_at: now,
            })
            .await?;
            let noted = json!({ "userId": user.id, "email": user.email, "roles": [role.slug()] });
            events.push(Event::in_project("add-project-member", *id, noted));
        }
        let entries: Vec<_> = events
            .into_iter()
            .map(|event| self.entry_of(invitation.org, by.clone(), origin.clone(), event))
            .collect();
        tx.insert_audit(&entries).await?;
        Ok(())
    }
}

fn no_invitation() -> Error {
    Error::not_found(
        "this invitation is not valid: it was used or withdrawn, its seven days are over, or the link is not complete. Ask for a new one",
    )
}

fn has_login() -> Error {
    Error::bad_request("this address has a login already; log in, then open the invitation's link again")
}
