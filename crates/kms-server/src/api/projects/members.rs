//! Members of projects, as they are shown.

use kms_app::Error;
use kms_app::memberships::ProjectIdentity;
use kms_app::records::{Principal, ProjectMemberRecord};
use kms_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::roles::RoleBody;

/// The membership of an identity in a project.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityMembershipBody {
    id: Uuid,
    identity_id: Uuid,
    project_id: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl IdentityMembershipBody {
    pub(super) fn read(member: ProjectMemberRecord) -> Result<Self, Error> {
        let Principal::Identity(identity) = member.principal else {
            return Err(Error::internal("the membership of an identity is one of somebody else"));
        };
        Ok(Self {
            id: member.id.0,
            identity_id: identity.0,
            project_id: member.project.to_string(),
            created_at: member.created_at,
            updated_at: member.updated_at,
        })
    }
}

/// One membership.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityMembershipEnvelope {
    pub(super) identity_membership: IdentityMembershipBody,
}

/// An identity, as its membership shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberIdentityBody {
    id: Uuid,
    name: String,
    /// Ways in which it can log in.
    auth_methods: Vec<&'static str>,
}

/// A project, as a membership shows it.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberProjectBody {
    id: Uuid,
    name: String,
}

/// The membership of an identity with its roles.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityMemberBody {
    id: Uuid,
    identity_id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    roles: Vec<RoleBody>,
    identity: MemberIdentityBody,
    project: MemberProjectBody,
}

impl From<ProjectIdentity> for IdentityMemberBody {
    fn from(found: ProjectIdentity) -> Self {
        let record = found.record;
        Self {
            id: record.member.id.0,
            identity_id: record.identity.id.0,
            created_at: record.member.created_at,
            updated_at: record.member.updated_at,
            roles: record.member.roles.into_iter().map(RoleBody::from).collect(),
            identity: MemberIdentityBody {
                id: record.identity.id.0,
                name: record.identity.name,
                auth_methods: record.auth_methods,
            },
            project: MemberProjectBody {
                id: found.project.id.0,
                name: found.project.name,
            },
        }
    }
}

/// One membership with its roles.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityMemberEnvelope {
    pub(super) identity_membership: IdentityMemberBody,
}

/// Several memberships.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityMembersEnvelope {
    pub(super) identity_memberships: Vec<IdentityMemberBody>,
    /// How many there are in all.
    pub(super) total_count: usize,
}
