//! Organizations.

use kms_core::ids::{MembershipId, OrgId};
use kms_core::names::Slug;
use kms_core::permission::{OrgRole, Resource, org};
use kms_core::seal::KeyScope;
use kms_store::Tx;
use kms_store::organizations::Principal;
use serde_json::json;

use crate::access::org_scope;
use crate::actor::Actor;
use crate::audit::Event;
use crate::authentication::SignedIn;
use crate::error::on_constraint;
use crate::{App, Error};

pub use kms_store::organizations::{OrgMemberRecord, OrgRecord};

/// Changes of an organization; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct OrgChanges {
    /// Its name.
    pub name: Option<String>,
    /// Its slug.
    pub slug: Option<Slug>,
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

    /// Founds another organization. Its founder becomes its administrator.
    ///
    /// # Errors
    /// [`Error::Forbidden`] unless the person administers the instance, or the instance lets people sign up by themselves.
    pub async fn create_org(&self, signed_in: &SignedIn, name: String) -> Result<OrgRecord, Error> {
        if !signed_in.user.instance_admin && !self.get_instance().await?.allow_sign_up {
            return Err(Error::forbidden(
                "only an administrator of the instance may found organizations here",
            ));
        }
        let tx = self.store().write().await?;
        let org = self.found_org(&tx, name, Principal::User(signed_in.user.id)).await?;
        let event = Event::in_org("create-org", json!({ "name": org.name, "slug": org.slug }));
        tx.insert_audit(&[self.entry(&signed_in.actor_in(org.id), event)]).await?;
        tx.commit().await?;
        Ok(org)
    }

    /// Makes an organization with its data key and its first administrator.
    pub(crate) async fn found_org(&self, tx: &Tx, name: String, founder: Principal) -> Result<OrgRecord, Error> {
        let now = self.now();
        let slug = Slug::generate(&name, &kms_providers::marker::random_part(self.entropy(), 4));
        let org = OrgRecord {
            id: OrgId::random(self.entropy()),
            name,
            slug: slug.as_str().to_owned(),
            created_at: now,
            updated_at: now,
        };
        on_constraint(tx.insert_org(&org).await, "uq_organizations_slug", || {
            Error::bad_request(format!("an organization with the slug \"{slug}\" exists already"))
        })?;
        self.create_data_key(tx, KeyScope::Organization(org.id)).await?;
        self.insert_org_admin(tx, org.id, founder).await?;
        Ok(org)
    }

    pub(crate) async fn insert_org_admin(&self, tx: &Tx, org: OrgId, who: Principal) -> Result<(), Error> {
        let now = self.now();
        tx.insert_org_member(&OrgMemberRecord {
            id: MembershipId::random(self.entropy()),
            org,
            principal: who,
            role: OrgRole::Admin,
            created_at: now,
            updated_at: now,
        })
        .await?;
        Ok(())
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
}

/// The organization of the token, or "not found".
pub(crate) fn own(actor: &Actor, id: OrgId) -> Result<(), Error> {
    if actor.org == id { Ok(()) } else { Err(unknown(id)) }
}

fn unknown(id: OrgId) -> Error {
    Error::not_found(format!("no organization with the id {id}"))
}
