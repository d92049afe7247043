//! Making and changing secrets.

use std::collections::{BTreeMap, BTreeSet};

use kms_core::ids::SecretId;
use kms_core::names::SecretName;
use kms_core::permission::{Resource, project};
use kms_core::seal::KeyScope;
use kms_core::secret::SecretString;
use kms_store::Tx;
use kms_store::secrets::SecretRecord;
use serde_json::{Value, json};

use super::metadata::MetadataEntry;
use super::place::Place;
use super::read::{PlaceSelector, missing};
use super::{Secret, author_of};
use crate::actor::Actor;
use crate::audit::Event;
use crate::error::on_constraint;
use crate::{App, Error};

/// What a new secret is given.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// Its name.
    pub name: SecretName,
    /// Its value.
    pub value: SecretString,
    /// Its comment.
    pub comment: String,
    /// Its metadata.
    pub metadata: Vec<MetadataEntry>,
    /// For clients that write it into files.
    pub skip_multiline_encoding: Option<bool>,
    /// What to remind of.
    pub reminder_note: Option<String>,
    /// How often to remind; 0 is never.
    pub reminder_repeat_days: Option<u32>,
}

/// Changes of a secret; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct SecretChanges {
    /// Its new name.
    pub name: Option<SecretName>,
    /// Its new value.
    pub value: Option<SecretString>,
    /// Its new comment.
    pub comment: Option<String>,
    /// Its new metadata, whole.
    pub metadata: Option<Vec<MetadataEntry>>,
    /// For clients that write it into files.
    pub skip_multiline_encoding: Option<bool>,
    /// What to remind of.
    pub reminder_note: Option<String>,
    /// How often to remind; 0 is never.
    pub reminder_repeat_days: Option<u32>,
}

/// What a change of several secrets does about one that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingMode {
    /// Changes nothing at all.
    #[default]
    Fail,
    /// Makes it.
    Create,
    /// Leaves it out.
    Skip,
}

/// What one request writes.
#[derive(Default)]
struct Batch {
    /// As they will be answered.
    secrets: Vec<Secret>,
    /// Those whose value was given.
    fresh: BTreeSet<SecretId>,
    /// Old names to new ones.
    renames: BTreeMap<String, String>,
}

impl App {
    /// Makes secrets, all or none. They may refer to each other.
    pub async fn create_secrets(&self, actor: &Actor, selector: &PlaceSelector, new: Vec<NewSecret>) -> Result<Vec<Secret>, Error> {
        let tx = self.store().write().await?;
        let place = self.lock_place(&tx, actor, selector).await?;
        let mut batch = Batch::default();
        for secret in new {
            self.create_one(&tx, actor, &place, secret, &mut batch).await?;
        }
        self.finish(tx, actor, &place, batch, ("create-secret", "create-secrets")).await
    }

    /// Changes one secret.
    pub async fn update_secret(
        &self,
        actor: &Actor,
        selector: &PlaceSelector,
        name: &SecretName,
        changes: SecretChanges,
    ) -> Result<Secret, Error> {
        let tx = self.store().write().await?;
        let place = self.lock_place(&tx, actor, selector).await?;
        let record = tx
            .find_secret(place.folder.id, name.as_str())
            .await?
            .ok_or_else(|| missing(name.as_str()))?;
        let mut batch = Batch::default();
        self.update_one(&tx, actor, &place, record, changes, &mut batch).await?;
        let mut written = self.finish(tx, actor, &place, batch, ("update-secret", "update-secrets")).await?;
        written.pop().ok_or_else(|| Error::internal("a changed secret was lost"))
    }

    /// Changes several secrets, all or none, one after the other. Of a rotated secret, name and value are left as they are.
    pub async fn update_secrets(
        &self,
        actor: &Actor,
        selector: &PlaceSelector,
        changes: Vec<(SecretName, SecretChanges)>,
        mode: MissingMode,
    ) -> Result<Vec<Secret>, Error> {
        let tx = self.store().write().await?;
        let place = self.lock_place(&tx, actor, selector).await?;
        let mut batch = Batch::default();
        for (name, mut change) in changes {
            match (tx.find_secret(place.folder.id, name.as_str()).await?, mode) {
                (Some(record), _) => {
                    if record.rotation.is_some() {
                        change.name = None;
                        change.value = None;
                    }
                    self.update_one(&tx, actor, &place, record, change, &mut batch).await?;
                }
                (None, MissingMode::Fail) => return Err(missing(name.as_str())),
                (None, MissingMode::Skip) => {}
                (None, MissingMode::Create) => {
                    let name = change.name.as_ref().unwrap_or(&name);
                    let new = NewSecret {
                        name: SecretName::parse(name.as_str()).map_err(|error| Error::invalid("secretKey", error.code, error.message))?,
                        value: change.value.unwrap_or_default(),
                        comment: change.comment.unwrap_or_default(),
                        metadata: change.metadata.unwrap_or_default(),
                        skip_multiline_encoding: change.skip_multiline_encoding,
                        reminder_note: change.reminder_note,
                        reminder_repeat_days: change.reminder_repeat_days,
                    };
                    self.create_one(&tx, actor, &place, new, &mut batch).await?;
                }
            }
        }
        self.finish(tx, actor, &place, batch, ("update-secret", "update-secrets")).await
    }

    async fn create_one(&self, tx: &Tx, actor: &Actor, place: &Place, new: NewSecret, batch: &mut Batch) -> Result<(), Error> {
        let (environment, path) = (place.environment.slug.as_str(), &place.folder.path);
        let resource = Resource::at(environment, path.as_str()).named(new.name.as_str());
        place.scope.require(project::SECRETS_CREATE, &resource)?;
        let project = place.scope.project().id;
        let keys = self.data_keys(tx, KeyScope::Project(project)).await?;
        let now = self.now();
        let id = SecretId::random(self.entropy());
        let comment = SecretString::new(new.comment.as_str());
        let record = SecretRecord {
            id,
            project,
            folder: place.folder.id,
            key: new.name.as_str().to_owned(),
            sealed_value: self.seal_secret_value(&keys, project, id, 1, &new.value),
            sealed_comment: (!comment.is_empty()).then(|| self.seal_secret_comment(&keys, project, id, 1, &comment)),
            metadata: self.seal_metadata(&keys, project, id, &new.metadata),
            version: 1,
            skip_multiline_encoding: new.skip_multiline_encoding,
            reminder_note: new.reminder_note,
            reminder_repeat_days: new.reminder_repeat_days.filter(|days| *days > 0),
            rotation: None,
            created_at: now,
            updated_at: now,
        };
        on_constraint(tx.insert_secret(&record, &author_of(actor)).await, "uq_secrets_key", || {
            taken(&record.key)
        })?;
        batch.fresh.insert(id);
        batch.secrets.push(Secret {
            record,
            value: Some(new.value),
            comment: new.comment,
            metadata: new.metadata,
            environment: environment.to_owned(),
            path: path.clone(),
        });
        Ok(())
    }

    async fn update_one(
        &self,
        tx: &Tx,
        actor: &Actor,
        place: &Place,
        record: SecretRecord,
        changes: SecretChanges,
        batch: &mut Batch,
    ) -> Result<(), Error> {
        let (environment, path) = (place.environment.slug.as_str(), &place.folder.path);
        let resource = Resource::at(environment, path.as_str());
        if !place.scope.allows(project::SECRETS_DESCRIBE, &resource.named(&record.key)) {
            return Err(missing(&record.key));
        }
        place.scope.require(project::SECRETS_EDIT, &resource.named(&record.key))?;
        let old_name = record.key.clone();
        let new_name = changes.name.map(|name| name.as_str().to_owned()).filter(|name| *name != old_name);
        if let Some(name) = &new_name {
            place.scope.require(project::SECRETS_EDIT, &resource.named(name))?;
        }
        if record.rotation.is_some() && (new_name.is_some() || changes.value.is_some()) {
            return Err(Error::bad_request(
                "Cannot update rotated secret: its name and value belong to a secret rotation",
            ));
        }
        let (project, id) = (record.project, record.id);
        let keys = self.data_keys(tx, KeyScope::Project(project)).await?;
        let mut record = self.next_version(&keys, record, changes.value.as_ref())?;
        let version = record.version;
        if let Some(comment) = &changes.comment {
            let comment = SecretString::new(comment.as_str());
            record.sealed_comment = (!comment.is_empty()).then(|| self.seal_secret_comment(&keys, project, id, version, &comment));
        }
        if let Some(metadata) = &changes.metadata {
            record.metadata = self.seal_metadata(&keys, project, id, metadata);
        }
        record.skip_multiline_encoding = changes.skip_multiline_encoding.or(record.skip_multiline_encoding);
        record.reminder_note = changes.reminder_note.or(record.reminder_note);
        if let Some(days) = changes.reminder_repeat_days {
            record.reminder_repeat_days = Some(days).filter(|days| *days > 0);
        }
        if let Some(name) = new_name {
            record.key.clone_from(&name);
            batch.renames.insert(old_name.clone(), name);
        }
        on_constraint(tx.update_secret(&record, &author_of(actor)).await, "uq_secrets_key", || {
            taken(&record.key)
        })?;
        tx.prune_secret_versions(id, version, place.scope.project().version_limit).await?;
        let given = changes.value.is_some();
        if given {
            batch.fresh.insert(id);
        }
        let readable = given || place.scope.allows(project::SECRETS_READ_VALUE, &resource.named(&old_name));
        batch.secrets.push(self.show_secret(&keys, record, environment, path, readable)?);
        Ok(())
    }

    /// What comes after the writing: references are checked and follow renames, the audit log is told, all is made durable.
    async fn finish(
        &self,
        tx: Tx,
        actor: &Actor,
        place: &Place,
        mut batch: Batch,
        (one, several): (&'static str, &'static str),
    ) -> Result<Vec<Secret>, Error> {
        let given = batch.secrets.iter().filter(|secret| batch.fresh.contains(&secret.record.id));
        let values: Vec<&SecretString> = given.filter_map(|secret| secret.value.as_ref()).collect();
        self.check_references(&tx, place, &values).await?;
        let mut elsewhere = Vec::new();
        if !batch.renames.is_empty() {
            for followed in self.follow_renames(&tx, actor, place, &batch.renames, &batch.fresh).await? {
                let own = batch.secrets.iter_mut().find(|secret| secret.record.id == followed.record.id);
                match own {
                    Some(secret) => {
                        secret.value = secret.value.as_ref().map(|_| followed.value);
                        secret.record = followed.record;
                    }
                    None => elsewhere.push(json!({
                        "secretId": followed.record.id, "secretKey": followed.record.key, "secretVersion": followed.record.version,
                        "environment": followed.source.environment, "secretPath": followed.source.path.as_str(),
                    })),
                }
            }
        }
        let mut event = written(one, several, place, &batch.secrets);
        if !elsewhere.is_empty()
            && let Some(metadata) = event.metadata.as_object_mut()
        {
            metadata.insert("referencesFollowedIn".to_owned(), elsewhere.into());
        }
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(batch.secrets)
    }
}

fn taken(name: &str) -> Error {
    Error::bad_request(format!(
        "a secret named \"{name}\" exists already here; update it, or choose another name"
    ))
}

/// The event about what was written, whether one secret or several.
pub(super) fn written(one: &'static str, several: &'static str, place: &Place, secrets: &[Secret]) -> Event {
    let project = place.scope.project().id;
    let (environment, path) = (&place.environment.slug, place.folder.path.as_str());
    if let [secret] = secrets {
        let record = &secret.record;
        let metadata = json!({
            "environment": environment, "secretPath": path, "secretId": record.id, "secretKey": record.key, "secretVersion": record.version,
        });
        return Event::in_project(one, project, metadata);
    }
    let list: Vec<Value> = secrets
        .iter()
        .map(|secret| json!({ "secretId": secret.record.id, "secretKey": secret.record.key, "secretVersion": secret.record.version }))
        .collect();
    Event::in_project(
        several,
        project,
        json!({ "environment": environment, "secretPath": path, "secrets": list }),
    )
}
