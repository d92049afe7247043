//! Wire shapes of organizations.

use kms_app::organizations::{OrgMemberRecord, OrgRecord};
use kms_core::ids::OrgId;
use kms_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// How an organization is named.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrgName {
    /// Id.
    #[schema(value_type = String, format = Uuid)]
    id: OrgId,
    /// Name.
    name: String,
    /// Slug, unique in the instance.
    slug: String,
}

impl From<&OrgRecord> for OrgName {
    fn from(org: &OrgRecord) -> Self {
        Self {
            id: org.id,
            name: org.name.clone(),
            slug: org.slug.clone(),
        }
    }
}

/// An organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationBody {
    #[serde(flatten)]
    name: OrgName,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Whether single sign-on is enforced; always false.
    auth_enforced: bool,
    /// Whether people are provisioned by SCIM; always false.
    scim_enabled: bool,
}

impl From<&OrgRecord> for OrganizationBody {
    fn from(org: &OrgRecord) -> Self {
        Self {
            name: OrgName::from(org),
            created_at: org.created_at,
            updated_at: org.updated_at,
            auth_enforced: false,
            scim_enabled: false,
        }
    }
}

/// An organization that the caller belongs to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnOrganizationBody {
    #[serde(flatten)]
    organization: OrganizationBody,
    /// The caller's role there.
    user_role: &'static str,
    /// `accepted`.
    user_status: &'static str,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    user_joined_at: Timestamp,
}

impl From<&(OrgRecord, OrgMemberRecord)> for OwnOrganizationBody {
    fn from((org, member): &(OrgRecord, OrgMemberRecord)) -> Self {
        Self {
            organization: OrganizationBody::from(org),
            user_role: member.role.slug(),
            user_status: "accepted",
            user_joined_at: member.created_at,
        }
    }
}
