//! Organizations.

use kms_core::ids::OrgId;
use kms_core::names::Slug;
use kms_core::permission::{Resource, org};
use kms_store::organizations::Principal;
use serde_json::json;

use crate::access::org_scope;
use crate::actor::Actor;
use crate::audit::Event;
use crate::authentication::SignedIn;
use crate::error::on_constraint;
use crate::{App, Error};

pub use kms_store::organizations::{OrgMemberRecord, OrgRecord};
use kms_store::users::UserRecord;

/// Changes of an organization; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct OrgChanges {
    /// Its name.
    pub name: Option<String>,
    /// Its slug.
    pub slug: Option<Slug>,
}

/// A person in an organization.
#[derive(Debug, Clone)]
pub struct OrgPerson {
    /// The membership.
    pub member: OrgMemberRecord,
    /// The person.
    pub user: UserRecord,
}

impl App {
    /// The organizations that a person belongs to, with the membership there, by name.
    pub async fn list_own_orgs(&self, signed_in: &SignedIn) -> Result<Vec<(OrgRecord, OrgMemberRecord)>, Error> {
        Ok(self.store().read().list_orgs_of(Principal::User(signed_in.user.id)).await?)
    }

    /// The actor's organization. Others are not visible.
    pub async fn get_org(&self, actor: &Actor, id: OrgId) -> Result<OrgRecord, Error> {
        let session = self.store().read();
        own(actor, id)?;
        org_scope(&session, actor).await?;
        session.find_org(id).await?.ok_or_else(|| unknown(id))
    }

    /// Changes the actor's organization.
    pub async fn update_org(&self, actor: &Actor, id: OrgId, changes: OrgChanges) -> Result<OrgRecord, Error> {
        own(actor, id)?;
        let tx = self.store().write().await?;
        org_scope(&tx, actor).await?.require(org::SETTINGS_EDIT, &Resource::ANY)?;
        let mut record = tx.find_org(id).await?.ok_or_else(|| unknown(id))?;
        let noted = json!({ "name": changes.name, "slug": changes.slug.as_ref().map(Slug::as_str) });
        record.name = changes.name.unwrap_or(record.name);
        record.slug = changes.slug.map_or(record.slug, |slug| slug.as_str().to_owned());
        record.updated_at = self.now();
        on_constraint(tx.update_org(&record).await, "uq_organizations_slug", || {
            Error::bad_request(format!("an organization with the slug \"{}\" exists already", record.slug))
        })?;
        tx.insert_audit(&[self.entry(actor, Event::in_org("update-org", noted))]).await?;
        tx.commit().await?;
        Ok(record)
    }

    /// The people of the actor's organization, in the order in which they joined.
    pub async fn list_org_people(&self, actor: &Actor, id: OrgId) -> Result<Vec<OrgPerson>, Error> {
        own(actor, id)?;
        let session = self.store().read();
        org_scope(&session, actor).await?.require(org::MEMBER_READ, &Resource::ANY)?;
        let mut users = session.list_users_of(id).await?;
        let members = session.list_org_members(id).await?;
        Ok(members
            .into_iter()
            .filter_map(|member| {
                let Principal::User(user) = member.principal else {
                    return None;
                };
                let position = users.iter().position(|candidate| candidate.id == user)?;
                Some(OrgPerson {
                    member,
                    user: users.swap_remove(position),
                })
            })
            .collect())
    }
}

/// The organization of the token, or "not found".
pub(crate) fn own(actor: &Actor, id: OrgId) -> Result<(), Error> {
    if actor.org == id { Ok(()) } else { Err(unknown(id)) }
}

fn unknown(id: OrgId) -> Error {
    Error::not_found(format!("no organization with the id {id}"))
}
