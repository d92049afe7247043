//! Machine identities.
//!
//! Whoever may change an identity could log in as it. So every change demands, besides the permission, at least the rights that the
//! identity has.

use kms_core::entropy::Entropy;
use kms_core::ids::{IdentityId, MembershipId, OrgId, random_uuid};
use kms_core::permission::{OrgRole, Permission, Resource, org};
use kms_store::organizations::{OrgMemberRecord, Principal};
use kms_store::{Session, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::access::{OrgScope, org_scope};
use crate::actor::Actor;
use crate::audit::Event;
use crate::organizations::{OrgRecord, own};
use crate::{App, Error};

pub use kms_store::identities::{IdentityFilter, IdentityOrder, IdentityRecord};

/// A note about an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataEntry {
    /// Its id.
    pub id: Uuid,
    /// What it says something about.
    pub key: String,
    /// What it says.
    pub value: String,
}

/// A note that is to be made: key and value.
pub type NewMetadata = (String, String);

/// What a new identity is given.
#[derive(Debug, Clone)]
pub struct NewIdentity {
    /// Its organization, if the request names one; it must be the actor's.
    pub org: Option<OrgId>,
    /// Its name.
    pub name: String,
    /// Its role in the organization.
    pub role: OrgRole,
    /// Refuses deletion while set.
    pub delete_protection: bool,
    /// Notes.
    pub metadata: Vec<NewMetadata>,
}

/// Changes of an identity; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct IdentityChanges {
    /// Its name.
    pub name: Option<String>,
    /// Its role in the organization.
    pub role: Option<OrgRole>,
    /// Refuses deletion while set.
    pub delete_protection: Option<bool>,
    /// All notes.
    pub metadata: Option<Vec<NewMetadata>>,
}

/// An identity with what belongs to it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The identity.
    pub record: IdentityRecord,
    /// Its membership in the organization.
    pub member: OrgMemberRecord,
    /// Its login methods.
    pub auth_methods: Vec<&'static str>,
}

impl Identity {
    /// The notes about it.
    pub fn metadata(&self) -> Vec<MetadataEntry> {
        // Written by this module alone.
        serde_json::from_value(self.record.metadata.clone()).unwrap_or_default()
    }
}

/// Identities of a list, and how many there are in all.
#[derive(Debug, Clone)]
pub struct IdentityPage {
    /// The identities.
    pub identities: Vec<Identity>,
    /// All that satisfy the filter.
    pub total: u64,
}

impl App {
    /// Makes an identity.
    pub async fn create_identity(&self, actor: &Actor, new: NewIdentity) -> Result<Identity, Error> {
        if let Some(org) = new.org {
            own(actor, org)?;
        }
        let now = self.now();
        let tx = self.store().write().await?;
        let scope = org_scope(&tx, actor).await?;
        scope.require(org::IDENTITY_CREATE, &Resource::ANY)?;
        scope.require_covers(new.role)?;
        let record = IdentityRecord {
            id: IdentityId::random(self.entropy()),
            org: actor.org,
            name: new.name,
            delete_protection: new.delete_protection,
            instance_admin: false,
            metadata: entries(new.metadata, self.entropy()),
            last_login_method: None,
            last_login_at: None,
            created_at: now,
            updated_at: now,
        };
        tx.insert_identity(&record).await?;
        let member = OrgMemberRecord {
            id: MembershipId::random(self.entropy()),
            org: actor.org,
            principal: Principal::Identity(record.id),
            role: new.role,
            created_at: now,
            updated_at: now,
        };
        tx.insert_org_member(&member).await?;
        let noted = json!({
            "identityId": record.id, "name": record.name, "role": new.role.slug(), "hasDeleteProtection": record.delete_protection,
        });
        tx.insert_audit(&[self.entry(actor, Event::in_org("create-identity", noted))])
            .await?;
        tx.commit().await?;
        Ok(Identity {
            record,
            member,
            auth_methods: Vec::new(),
        })
    }

    /// Changes an identity.
    pub async fn update_identity(&self, actor: &Actor, id: IdentityId, changes: IdentityChanges) -> Result<Identity, Error> {
        let tx = self.store().write().await?;
        let Reached {
            scope,
            mut record,
            mut member,
        } = reach_to_change(&tx, actor, id, org::IDENTITY_EDIT).await?;
        let now = self.now();
        let noted = json!({
            "identityId": id, "name": changes.name, "role": changes.role.map(OrgRole::slug), "hasDeleteProtection": changes.delete_protection,
        });
        if let Some(role) = changes.role {
            scope.require_covers(role)?;
            member.role = role;
            member.updated_at = now;
            tx.update_org_role(actor.org, member.principal, role, now).await?;
        }
        record.name = changes.name.unwrap_or(record.name);
        record.delete_protection = changes.delete_protection.unwrap_or(record.delete_protection);
        if let Some(metadata) = changes.metadata {
            record.metadata = entries(metadata, self.entropy());
        }
        record.updated_at = now;
        tx.update_identity(&record).await?;
        let auth_methods = methods_of(&tx, id).await?;
        tx.insert_audit(&[self.entry(actor, Event::in_org("update-identity", noted))])
            .await?;
        tx.commit().await?;
        Ok(Identity {
            record,
            member,
            auth_methods,
        })
    }

    /// Removes an identity with its login methods, memberships and tokens, which are good no longer.
    pub async fn delete_identity(&self, actor: &Actor, id: IdentityId) -> Result<Identity, Error> {
        let tx = self.store().write().await?;
        let Reached { record, member, .. } = reach_to_change(&tx, actor, id, org::IDENTITY_DELETE).await?;
        if record.delete_protection {
            return Err(Error::bad_request(
                "the identity is protected against deletion; switch the protection off first",
            ));
        }
        let auth_methods = methods_of(&tx, id).await?;
        tx.remove_failures_of(id, self.now()).await?;
        if !tx.remove_identity(actor.org, id).await? {
            return Err(unknown(id));
        }
        let noted = json!({ "identityId": id, "name": record.name });
        tx.insert_audit(&[self.entry(actor, Event::in_org("delete-identity", noted))])
            .await?;
        tx.commit().await?;
        Ok(Identity {
            record,
            member,
            auth_methods,
        })
    }

    /// One identity.
    pub async fn get_identity(&self, actor: &Actor, id: IdentityId) -> Result<Identity, Error> {
        let session = self.store().read();
        let (record, member) = reach_to_read(&session, actor, id, org::IDENTITY_READ).await?;
        Ok(Identity {
            record,
            member,
            auth_methods: methods_of(&session, id).await?,
        })
    }

    /// The identities of the actor's organization.
    pub async fn list_identities(&self, actor: &Actor, org: Option<OrgId>, filter: &IdentityFilter) -> Result<IdentityPage, Error> {
        if let Some(org) = org {
            own(actor, org)?;
        }
        let session = self.store().read();
        org_scope(&session, actor).await?.require(org::IDENTITY_READ, &Resource::ANY)?;
        let (rows, total) = session.list_identities(actor.org, filter).await?;
        let ids: Vec<IdentityId> = rows.iter().map(|(record, _member)| record.id).collect();
        let mut methods = session.list_auth_methods(&ids).await?;
        let identities = rows
            .into_iter()
            .map(|(record, member)| Identity {
                auth_methods: methods.remove(&record.id).unwrap_or_default(),
                record,
                member,
            })
            .collect();
        Ok(IdentityPage { identities, total })
    }

    /// The organization of the machine identity that asks. Whatever its role, this it may know.
    pub async fn get_own_org(&self, actor: &Actor) -> Result<OrgRecord, Error> {
        if actor.identity_id().is_none() {
            return Err(Error::forbidden("this is for machine identities"));
        }
        let org = self.store().read().find_org(actor.org).await?;
        org.ok_or_else(|| Error::internal("the organization of a token is missing"))
    }
}

/// An identity that the actor may change, and the actor's scope.
pub(crate) struct Reached {
    pub(crate) scope: OrgScope,
    pub(crate) record: IdentityRecord,
    pub(crate) member: OrgMemberRecord,
}

/// The identity, locked, if the actor has the permission on it and at least its rights.
pub(crate) async fn reach_to_change(tx: &Tx, actor: &Actor, id: IdentityId, permission: Permission) -> Result<Reached, Error> {
    let scope = org_scope(tx, actor).await?;
    require(&scope, permission, id)?;
    let record = tx.lock_identity(actor.org, id).await?.ok_or_else(|| unknown(id))?;
    let member = member(tx, actor, id).await?;
    scope.require_covers(member.role)?;
    if record.instance_admin && !actor.is_instance_admin() {
        return Err(Error::Boundary {
            message: "this identity administers the instance; you do not".to_owned(),
        });
    }
    Ok(Reached { scope, record, member })
}

/// The identity, if the actor has the permission on it.
pub(crate) async fn reach_to_read(
    session: &Session,
    actor: &Actor,
    id: IdentityId,
    permission: Permission,
) -> Result<(IdentityRecord, OrgMemberRecord), Error> {
    let scope = org_scope(session, actor).await?;
    require(&scope, permission, id)?;
    let record = session.find_identity(actor.org, id).await?.ok_or_else(|| unknown(id))?;
    let member = member(session, actor, id).await?;
    Ok((record, member))
}

fn require(scope: &OrgScope, permission: Permission, id: IdentityId) -> Result<(), Error> {
    let id = id.to_string();
    scope.require(
        permission,
        &Resource {
            identity_id: Some(&id),
            ..Resource::ANY
        },
    )
}

async fn member(session: &Session, actor: &Actor, id: IdentityId) -> Result<OrgMemberRecord, Error> {
    let member = session.find_org_member(actor.org, Principal::Identity(id)).await?;
    member.ok_or_else(|| unknown(id))
}

async fn methods_of(session: &Session, id: IdentityId) -> Result<Vec<&'static str>, Error> {
    let mut methods = session.list_auth_methods(&[id]).await?;
    Ok(methods.remove(&id).unwrap_or_default())
}

fn entries(metadata: Vec<NewMetadata>, entropy: &dyn Entropy) -> Value {
    metadata
        .into_iter()
        .map(|(key, value)| {
            let entry = MetadataEntry {
                id: random_uuid(entropy),
                key,
                value,
            };
            json!(entry)
        })
        .collect()
}

pub(crate) fn unknown(id: IdentityId) -> Error {
    Error::not_found(format!("no identity with the id {id}"))
}
