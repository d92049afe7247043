//! Identifiers: one type for each kind of thing, so that two ids cannot be swapped.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::entropy::Entropy;

/// The text was no UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct InvalidId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh random identifier (UUID version 4).
            pub fn random(entropy: &dyn Entropy) -> Self {
                Self(random_uuid(entropy))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                // Only the hyphenated form: what we print is what we read.
                if text.len() != 36 {
                    return Err(InvalidId);
                }
                Uuid::parse_str(text).map(Self).map_err(|_malformed| InvalidId)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Uuid {
                id.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )+};
}

/// A random UUID (version 4) drawn from `entropy`.
pub fn random_uuid(entropy: &dyn Entropy) -> Uuid {
    let mut bytes = [0_u8; 16];
    entropy.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

ids! {
    /// An organization.
    OrgId,
    /// A person with a login.
    UserId,
    /// A person's login session.
    SessionId,
    /// A machine identity.
    IdentityId,
    /// An access token of a machine identity.
    IdentityTokenId,
    /// The Universal Auth configuration of an identity.
    UniversalAuthId,
    /// A client secret of Universal Auth.
    ClientSecretId,
    /// The Token Auth configuration of an identity.
    TokenAuthId,
    /// A membership of a user or identity in an organization or project.
    MembershipId,
    /// An invitation of a person into an organization.
    InvitationId,
    /// A role assignment within a membership.
    RoleAssignmentId,
    /// A project.
    ProjectId,
    /// An environment of a project.
    EnvironmentId,
    /// A folder of an environment (the root is a folder too).
    FolderId,
    /// A secret.
    SecretId,
    /// One version of a secret.
    SecretVersionId,
    /// An App Connection.
    ConnectionId,
    /// A Secret Rotation.
    RotationId,
    /// One attempt of a rotation to issue and publish a key.
    AttemptId,
    /// A key in the ledger of keys issued at providers.
    IssuedKeyId,
    /// An entry of the audit log.
    AuditEntryId,
    /// A data key.
    DataKeyId,
    /// A running server process.
    NodeId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_read() {
        let text = "3d0c9a52-71de-4a0b-9c6e-0a4f5f6f1b11";
        assert_eq!(text.parse::<ProjectId>().unwrap().to_string(), text);
        assert!("3d0c9a5271de4a0b9c6e0a4f5f6f1b11".parse::<ProjectId>().is_err());
        assert!("{3d0c9a52-71de-4a0b-9c6e-0a4f5f6f1b1".parse::<ProjectId>().is_err());
        assert!("".parse::<ProjectId>().is_err());
    }
}
