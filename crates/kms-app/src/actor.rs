//! Who acts. Without an [`Actor`] no use case can be called; only authentication makes one.

use kms_core::audit::{AuditActor, Origin};
use kms_core::ids::{IdentityId, OrgId, SessionId, UserId};
use kms_store::organizations::Principal;

/// Somebody who has proved who they are, in one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub(crate) org: OrgId,
    pub(crate) who: Who,
    pub(crate) origin: Origin,
}

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// A person.
    User {
        id: UserId,
        email: String,
        session: SessionId,
        instance_admin: bool,
    },
    /// A machine identity.
    Identity {
        id: IdentityId,
        name: String,
        auth_method: String,
        instance_admin: bool,
    },
}

impl Actor {
    /// The organization that the actor's token is for.
    pub fn org(&self) -> OrgId {
        self.org
    }

    /// Where the request came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The person, if it is one.
    pub fn user_id(&self) -> Option<UserId> {
        match self.who {
            Who::User { id, .. } => Some(id),
            Who::Identity { .. } => None,
        }
    }

    /// The person's session, if it is one.
    pub fn session_id(&self) -> Option<SessionId> {
        match self.who {
            Who::User { session, .. } => Some(session),
            Who::Identity { .. } => None,
        }
    }

    /// The machine identity, if it is one.
    pub fn identity_id(&self) -> Option<IdentityId> {
        match self.who {
            Who::Identity { id, .. } => Some(id),
            Who::User { .. } => None,
        }
    }

    /// Whether the actor may administer the whole instance.
    pub fn is_instance_admin(&self) -> bool {
        match self.who {
            Who::User { instance_admin, .. } | Who::Identity { instance_admin, .. } => instance_admin,
        }
    }

    /// A name for histories.
    pub fn display_name(&self) -> &str {
        match &self.who {
            Who::User { email, .. } => email,
            Who::Identity { name, .. } => name,
        }
    }

    pub(crate) fn principal(&self) -> Principal {
        match self.who {
            Who::User { id, .. } => Principal::User(id),
            Who::Identity { id, .. } => Principal::Identity(id),
        }
    }

    pub(crate) fn audit_actor(&self) -> AuditActor {
        match &self.who {
            Who::User { id, email, .. } => AuditActor::User {
                id: *id,
                email: email.clone(),
            },
            Who::Identity { id, name, auth_method, .. } => AuditActor::Identity {
                id: *id,
                name: name.clone(),
                auth_method: Some(auth_method.clone()),
            },
        }
    }
}

#[cfg(feature = "testing")]
impl Actor {
    /// A machine identity as if it had logged in, for tests below the login.
    pub fn identity_for_tests(org: OrgId, id: IdentityId, name: &str) -> Self {
        Self {
            org,
            who: Who::Identity {
                id,
                name: name.to_owned(),
                auth_method: "token-auth".to_owned(),
                instance_admin: false,
            },
            origin: Origin::default(),
        }
    }
}
