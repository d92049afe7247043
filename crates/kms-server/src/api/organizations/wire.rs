//! Wire shapes of organizations.

use kms_app::organizations::OrgRecord;
use kms_core::ids::OrgId;
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
