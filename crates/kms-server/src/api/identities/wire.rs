//! Wire shapes of machine identities.

use kms_app::Error;
use kms_app::identities::{Identity, MetadataEntry, NewMetadata};
use kms_core::ids::{IdentityId, MembershipId, OrgId};
use kms_core::permission::OrgRole;
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::extract::Issues;

/// A note about an identity that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct MetadataRequest {
    /// What it says something about, 1 to 255 characters.
    key: String,
    /// What it says, at most 1020 characters.
    #[serde(default)]
    value: String,
}

/// A note about an identity.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentityMetadataBody {
    id: Uuid,
    key: String,
    value: String,
}

impl From<MetadataEntry> for IdentityMetadataBody {
    fn from(entry: MetadataEntry) -> Self {
        Self {
            id: entry.id,
            key: entry.key,
            value: entry.value,
        }
    }
}

/// A machine identity, as it is answered when it is made, changed or deleted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityBody {
    /// Id.
    #[schema(value_type = String, format = Uuid)]
    id: IdentityId,
    /// Name.
    name: String,
    /// Organization.
    #[schema(value_type = String, format = Uuid)]
    org_id: OrgId,
    /// Identities belong to organizations; always null.
    project_id: Option<Uuid>,
    /// Always null; see `authMethods`.
    auth_method: Option<String>,
    /// Login methods that are attached.
    auth_methods: Vec<&'static str>,
    /// Refuses deletion while set.
    has_delete_protection: bool,
    /// Notes.
    metadata: Vec<IdentityMetadataBody>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Identity> for IdentityBody {
    fn from(identity: Identity) -> Self {
        Self {
            id: identity.record.id,
            org_id: identity.record.org,
            project_id: None,
            auth_method: None,
            has_delete_protection: identity.record.delete_protection,
            metadata: identity.metadata().into_iter().map(IdentityMetadataBody::from).collect(),
            created_at: identity.record.created_at,
            updated_at: identity.record.updated_at,
            name: identity.record.name,
            auth_methods: identity.auth_methods,
        }
    }
}

/// A machine identity.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentityEnvelope {
    identity: IdentityBody,
}

impl From<Identity> for IdentityEnvelope {
    fn from(identity: Identity) -> Self {
        Self { identity: identity.into() }
    }
}

/// A machine identity within its organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrgIdentityBody {
    /// Id of the membership.
    #[schema(value_type = String, format = Uuid)]
    id: MembershipId,
    /// Role in the organization.
    role: &'static str,
    /// Id of a role of the organization's own; null for a built-in role.
    role_id: Option<Uuid>,
    /// Organization.
    #[schema(value_type = String, format = Uuid)]
    org_id: OrgId,
    /// Id of the identity.
    #[schema(value_type = String, format = Uuid)]
    identity_id: IdentityId,
    /// Notes.
    metadata: Vec<IdentityMetadataBody>,
    /// When the membership was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When the membership was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// How the identity logged in last.
    last_login_auth_method: Option<String>,
    /// When it did.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_login_time: Option<Timestamp>,
    /// The identity.
    identity: IdentitySummary,
}

/// A machine identity, in short.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentitySummary {
    /// Id.
    #[schema(value_type = String, format = Uuid)]
    id: IdentityId,
    /// Name.
    name: String,
    /// Login methods that are attached.
    auth_methods: Vec<&'static str>,
    /// Refuses deletion while set.
    has_delete_protection: bool,
}

impl From<Identity> for OrgIdentityBody {
    fn from(identity: Identity) -> Self {
        Self {
            id: identity.member.id,
            role: identity.member.role.slug(),
            role_id: None,
            org_id: identity.record.org,
            identity_id: identity.record.id,
            metadata: identity.metadata().into_iter().map(IdentityMetadataBody::from).collect(),
            created_at: identity.member.created_at,
            updated_at: identity.member.updated_at,
            last_login_auth_method: identity.record.last_login_method,
            last_login_time: identity.record.last_login_at,
            identity: IdentitySummary {
                id: identity.record.id,
                name: identity.record.name,
                auth_methods: identity.auth_methods,
                has_delete_protection: identity.record.delete_protection,
            },
        }
    }
}

/// Reads the slug of a role.
pub(super) fn role(slug: &str) -> Result<OrgRole, Error> {
    OrgRole::from_slug(slug.trim()).ok_or_else(|| {
        Error::bad_request(format!(
            "there is no role \"{}\"; the roles are admin, member and no-access",
            slug.chars().take(64).collect::<String>()
        ))
    })
}

/// Reads an identity's name.
pub(super) fn name(issues: &mut Issues, text: &str) -> String {
    let text = text.trim();
    issues.check(!text.is_empty(), "name", "too_small", "must not be empty");
    issues.check(text.chars().count() <= 255, "name", "too_big", "must have at most 255 characters");
    text.to_owned()
}

/// Reads notes; at most 100.
pub(super) fn metadata(issues: &mut Issues, list: Vec<MetadataRequest>) -> Vec<NewMetadata> {
    issues.check(list.len() <= 100, "metadata", "too_big", "must have at most 100 elements");
    list.into_iter()
        .map(|entry| {
            let key = entry.key.trim();
            issues.check(!key.is_empty(), "metadata", "too_small", "a key must not be empty");
            issues.check(
                key.chars().count() <= 255 && entry.value.chars().count() <= 1020,
                "metadata",
                "too_big",
                "a key has at most 255 characters, a value at most 1020",
            );
            (key.to_owned(), entry.value)
        })
        .collect()
}
