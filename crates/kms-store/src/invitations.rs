//! Invitations of people into organizations.

use kms_core::ids::{InvitationId, OrgId, ProjectId};
use kms_core::permission::{OrgRole, ProjectRole};
use kms_core::time::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::entity::invitations;
use crate::{Session, StoreError, Tx};

/// An invitation that was not accepted yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationRecord {
    /// Its id.
    pub id: InvitationId,
    /// Into which organization.
    pub org: OrgId,
    /// Whom: an e-mail address, lower-cased. One invitation for each in an organization.
    pub email: String,
    /// The role that is given there.
    pub role: OrgRole,
    /// Projects that the person is made a member of, with the role in each.
    pub projects: Vec<(ProjectId, ProjectRole)>,
    /// Hash of the token in the link.
    pub token_hash: String,
    /// Who invited: an e-mail address or an identity's name.
    pub invited_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A project of an invitation, as it is stored.
#[derive(Serialize, Deserialize)]
struct Place {
    project: Uuid,
    role: String,
}

fn damaged(column: &'static str) -> StoreError {
    StoreError::inconsistent("invitations", column)
}

impl TryFrom<invitations::Model> for InvitationRecord {
    type Error = StoreError;
    fn try_from(row: invitations::Model) -> Result<Self, StoreError> {
        let places: Vec<Place> = serde_json::from_value(row.projects).map_err(|_malformed| damaged("projects"))?;
        let projects = places
            .into_iter()
            .map(|place| Some((ProjectId(place.project), ProjectRole::from_slug(&place.role)?)))
            .collect::<Option<_>>()
            .ok_or_else(|| damaged("projects"))?;
        Ok(Self {
            id: InvitationId(row.id),
            org: OrgId(row.org_id),
            email: row.email,
            role: OrgRole::from_slug(&row.role).ok_or_else(|| damaged("role"))?,
            projects,
            token_hash: row.token_hash,
            invited_by: row.invited_by,
            created_at: Timestamp::new(row.created_at),
            expires_at: Timestamp::new(row.expires_at),
        })
    }
}

impl Session {
    /// The invitations of an organization that wait to be accepted, oldest first; also those whose time is over.
    pub async fn list_invitations(&self, org: OrgId) -> Result<Vec<InvitationRecord>, StoreError> {
        let rows = invitations::Entity::find()
            .filter(invitations::Column::OrgId.eq(org.0))
            .order_by_asc(invitations::Column::CreatedAt)
            .order_by_asc(invitations::Column::Email)
            .all(self)
            .await?;
        rows.into_iter().map(InvitationRecord::try_from).collect()
    }

    /// The invitation whose link holds the token of this hash.
    pub async fn find_invitation_by_token(&self, token_hash: &str) -> Result<Option<InvitationRecord>, StoreError> {
        let row = invitations::Entity::find()
            .filter(invitations::Column::TokenHash.eq(token_hash))
            .one(self)
            .await?;
        row.map(InvitationRecord::try_from).transpose()
    }
}

impl Tx {
    /// Adds an invitation. Refused by `uq_invitations_email` if the organization has one for that address.
    pub async fn insert_invitation(&self, invitation: &InvitationRecord) -> Result<(), StoreError> {
        let places = invitation.projects.iter().map(|(project, role)| Place {
            project: project.0,
            role: role.slug().to_owned(),
        });
        let projects = serde_json::to_value(places.collect::<Vec<_>>()).map_err(|error| StoreError::Database(error.to_string()))?;
        let row = invitations::ActiveModel {
            id: Set(invitation.id.0),
            org_id: Set(invitation.org.0),
            email: Set(invitation.email.clone()),
            role: Set(invitation.role.slug().to_owned()),
            projects: Set(projects),
            token_hash: Set(invitation.token_hash.clone()),
            invited_by: Set(invitation.invited_by.clone()),
            created_at: Set(invitation.created_at.utc()),
            expires_at: Set(invitation.expires_at.utc()),
        };
        invitations::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(())
    }

    /// Removes an invitation: false if it is gone already. Of several who accept one, only the first gets true.
    pub async fn remove_invitation(&self, org: OrgId, id: InvitationId) -> Result<bool, StoreError> {
        let result = invitations::Entity::delete_many()
            .filter(invitations::Column::Id.eq(id.0))
            .filter(invitations::Column::OrgId.eq(org.0))
            .exec(&**self)
            .await?;
        Ok(result.rows_affected == 1)
    }

    /// Removes the invitation of an address, if there is one.
    pub async fn remove_invitation_of(&self, org: OrgId, email: &str) -> Result<(), StoreError> {
        invitations::Entity::delete_many()
            .filter(invitations::Column::OrgId.eq(org.0))
            .filter(invitations::Column::Email.eq(email))
            .exec(&**self)
            .await?;
        Ok(())
    }
}
