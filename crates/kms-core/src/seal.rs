//! Ciphertext as everybody but `kms-crypto` sees it: opaque, and bound to one place.

use std::fmt;

use uuid::Uuid;

use crate::ids::{OrgId, ProjectId};

/// A ciphertext with its header (format byte and key number). Only `kms-crypto` makes and opens one.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Wraps bytes that `kms-crypto` made, or that were read back from the database.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes as they are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as they are stored.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Whose key seals a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyScope {
    /// The instance itself: what belongs to no organization.
    Instance,
    /// An organization's data key.
    Organization(OrgId),
    /// A project's data key.
    Project(ProjectId),
}

/// What a sealed value is. The numbers are part of stored ciphertexts and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Purpose {
    /// A key of the keyring, sealed under the root key.
    KeyringKey = 1,
    /// A data key, sealed under the keyring.
    DataKey = 2,
    /// The key that signs access tokens.
    TokenSigningKey = 3,
    /// A secret's value.
    SecretValue = 10,
    /// A secret's comment.
    SecretComment = 11,
    /// A secret's metadata entries that were asked to be encrypted.
    SecretMetadata = 12,
    /// The credentials of an App Connection.
    ConnectionCredentials = 20,
    /// The text of a key issued at a provider.
    IssuedKeyText = 30,
    /// A copy of what is needed to reach a provider, kept with a debt.
    ProviderReach = 31,
    /// The last failure message of a rotation (provider texts may contain secrets).
    RotationMessage = 32,
}

/// Where a sealed value belongs: associated data of the encryption. A ciphertext moved to another row, column, tenant or
/// version does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SealContext {
    /// What it is.
    pub purpose: Purpose,
    /// Whose it is.
    pub scope: KeyScope,
    /// The row it stands in.
    pub row: Uuid,
    /// The version of that row's content; 0 where the row is never rewritten.
    pub version: u64,
}

impl SealContext {
    /// The unambiguous byte form that is authenticated together with the ciphertext.
    pub fn to_bytes(self) -> Vec<u8> {
        let (kind, owner) = match self.scope {
            KeyScope::Instance => (0_u8, Uuid::nil()),
            KeyScope::Organization(id) => (1, id.0),
            KeyScope::Project(id) => (2, id.0),
        };
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(b"hanzo-kms seal 1");
        bytes.extend_from_slice(&(self.purpose as u16).to_be_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(owner.as_bytes());
        bytes.extend_from_slice(self.row.as_bytes());
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_that_differ_anywhere_differ_in_bytes() {
        let base = SealContext {
            purpose: Purpose::SecretValue,
            scope: KeyScope::Instance,
            row: Uuid::nil(),
            version: 1,
        };
        let others = [
            SealContext {
                purpose: Purpose::SecretComment,
                ..base
            },
            SealContext {
                scope: KeyScope::Organization(OrgId(Uuid::nil())),
                ..base
            },
            SealContext {
                scope: KeyScope::Project(ProjectId(Uuid::nil())),
                ..base
            },
            SealContext {
                row: Uuid::from_u128(1),
                ..base
            },
            SealContext { version: 2, ..base },
        ];
        for other in others {
            assert_ne!(base.to_bytes(), other.to_bytes());
        }
        assert_eq!(base.to_bytes().len(), 16 + 2 + 1 + 16 + 16 + 8);
    }
}
