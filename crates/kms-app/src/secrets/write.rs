//! Writing secrets.

use std::collections::BTreeMap;

use kms_core::ids::{ProjectId, SecretId};
use kms_core::names::SecretName;
use kms_core::permission::{Resource, project};
use kms_core::reference::{Reference, references, rewrite};
use kms_core::seal::KeyScope;
use kms_core::secret::SecretString;
use kms_store::Tx;
use kms_store::secrets::SecretRecord;
use serde_json::{Value, json};

use super::expand::resolve;
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
    /// Its metadata: an array of `{key, value, isEncrypted?}`.
    pub metadata: Value,
    /// For clients that write it into files.
    pub skip_multiline_encoding: Option<bool>,
    /// What to remind of.
    pub reminder_note: Option<String>,
    /// How often to remind.
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
    pub metadata: Option<Value>,
    /// For clients that write it into files.
    pub skip_multiline_encoding: Option<bool>,
    /// What to remind of.
    pub reminder_note: Option<String>,
    /// How often to remind.
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

fn rotated() -> Error {
    Error::bad_request("Cannot update rotated secret: its name and value belong to a secret rotation")
}

impl App {
    /// Makes secrets, all or none.
    pub async fn create_secrets(&self, actor: &Actor, place: &PlaceSelector, new: Vec<NewSecret>) -> Result<Vec<Secret>, Error> {
        let tx = self.store().write().await?;
        let found = self.find_place_for(&tx, actor, place).await?;
        tx.lock_folder(found.folder.id).await?;
        let mut made = Vec::with_capacity(new.len());
        for secret in new {
            made.push(self.create_one(&tx, actor, &found, secret).await?);
        }
        let event = written("create-secret", "create-secrets", &found, &made);
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(made)
    }

    async fn create_one(&self, tx: &Tx, actor: &Actor, place: &Place, new: NewSecret) -> Result<Secret, Error> {
        let (environment, path) = (place.environment.slug.as_str(), &place.folder.path);
        let resource = Resource::at(environment, path.as_str()).named(new.name.as_str());
        place.scope.require(project::SECRETS_CREATE, &resource)?;
        self.check_references(tx, place, new.name.as_str(), new.value.expose()).await?;
        let project = place.scope.project().id;
        let keys = self.data_keys(tx, KeyScope::Project(project)).await?;
        let now = self.now();
        let id = SecretId::random(self.entropy());
        let record = SecretRecord {
            id,
            project,
            folder: place.folder.id,
            key: new.name.as_str().to_owned(),
            sealed_value: self.seal_secret_value(&keys, project, id, 1, &new.value),
            sealed_comment: self.seal_comment_text(&keys, project, id, 1, &new.comment),
            metadata: new.metadata,
            version: 1,
            skip_multiline_encoding: new.skip_multiline_encoding,
            reminder_note: new.reminder_note,
            reminder_repeat_days: new.reminder_repeat_days,
            rotation: None,
            created_at: now,
            updated_at: now,
        };
        on_constraint(tx.insert_secret(&record, &author_of(actor)).await, "uq_secrets_key", || {
            Error::bad_request(format!("a secret named \"{}\" exists already here", record.key))
        })?;
        Ok(Secret {
            record,
            value: Some(new.value),
            comment: new.comment,
            environment: environment.to_owned(),
            path: path.as_str().to_owned(),
        })
    }

    fn seal_comment_text(
        &self,
        keys: &kms_crypto::data::DataKeys,
        project: ProjectId,
        id: SecretId,
        version: u32,
        comment: &str,
    ) -> Option<kms_core::seal::Sealed> {
        (!comment.is_empty()).then(|| self.seal_secret_comment(keys, project, id, version, &SecretString::new(comment)))
    }

    /// Changes one secret.
    pub async fn update_secret(
        &self,
        actor: &Actor,
        place: &PlaceSelector,
        name: &SecretName,
        changes: SecretChanges,
    ) -> Result<Secret, Error> {
        let tx = self.store().write().await?;
        let found = self.find_place_for(&tx, actor, place).await?;
        tx.lock_folder(found.folder.id).await?;
        let record = tx
            .find_secret(found.folder.id, name.as_str())
            .await?
            .ok_or_else(|| missing(name.as_str()))?;
        if record.rotation.is_some() && (changes.name.is_some() || changes.value.is_some()) {
            return Err(rotated());
        }
        let secret = self.update_one(&tx, actor, &found, record, changes).await?;
        let event = written("update-secret", "update-secrets", &found, std::slice::from_ref(&secret));
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(secret)
    }

    /// Changes several secrets, all or none. Of a rotated secret, name and value are left as they are.
    pub async fn update_secrets(
        &self,
        actor: &Actor,
        place: &PlaceSelector,
        changes: Vec<(SecretName, SecretChanges)>,
        mode: MissingMode,
    ) -> Result<Vec<Secret>, Error> {
        let tx = self.store().write().await?;
        let found = self.find_place_for(&tx, actor, place).await?;
        tx.lock_folder(found.folder.id).await?;
        let mut written_secrets = Vec::with_capacity(changes.len());
        for (name, mut change) in changes {
            match tx.find_secret(found.folder.id, name.as_str()).await? {
                Some(record) => {
                    if record.rotation.is_some() {
                        change.name = None;
                        change.value = None;
                    }
                    written_secrets.push(self.update_one(&tx, actor, &found, record, change).await?);
                }
                None => match mode {
                    MissingMode::Fail => return Err(missing(name.as_str())),
                    MissingMode::Skip => {}
                    MissingMode::Create => {
                        let new = NewSecret {
                            name: SecretName::parse(change.name.as_ref().unwrap_or(&name).as_str())
                                .map_err(|error| Error::invalid("secretKey", error.code, error.message))?,
                            value: change.value.unwrap_or_default(),
                            comment: change.comment.unwrap_or_default(),
                            metadata: change.metadata.unwrap_or_else(|| json!([])),
                            skip_multiline_encoding: change.skip_multiline_encoding,
                            reminder_note: change.reminder_note,
                            reminder_repeat_days: change.reminder_repeat_days,
                        };
                        written_secrets.push(self.create_one(&tx, actor, &found, new).await?);
                    }
                },
            }
        }
        let event = written("update-secret", "update-secrets", &found, &written_secrets);
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(written_secrets)
    }

    async fn update_one(
        &self,
        tx: &Tx,
        actor: &Actor,
        place: &Place,
        mut record: SecretRecord,
        changes: SecretChanges,
    ) -> Result<Secret, Error> {
        let (environment, path) = (place.environment.slug.clone(), place.folder.path.as_str().to_owned());
        let old_name = record.key.clone();
        let resource = Resource::at(&environment, &path).named(&old_name);
        if !place.scope.allows(project::SECRETS_DESCRIBE, &resource) {
            return Err(missing(&old_name));
        }
        place.scope.require(project::SECRETS_EDIT, &resource)?;
        let project = record.project;
        let keys = self.data_keys(tx, KeyScope::Project(project)).await?;
        let shown = self.show_secret(&keys, record.clone(), &environment, &path, true)?;
        let value_given = changes.value.is_some();
        let value = changes.value.or(shown.value).unwrap_or_default();
        if value_given {
            self.check_references(tx, place, &old_name, value.expose()).await?;
        }
        let comment = changes.comment.unwrap_or(shown.comment);
        let version = record.version.saturating_add(1);
        if let Some(name) = &changes.name
            && name.as_str() != old_name
        {
            place
                .scope
                .require(project::SECRETS_EDIT, &Resource::at(&environment, &path).named(name.as_str()))?;
            record.key = name.as_str().to_owned();
        }
        record.version = version;
        record.sealed_value = self.seal_secret_value(&keys, project, record.id, version, &value);
        record.sealed_comment = self.seal_comment_text(&keys, project, record.id, version, &comment);
        record.metadata = changes.metadata.unwrap_or(record.metadata);
        record.skip_multiline_encoding = changes.skip_multiline_encoding.or(record.skip_multiline_encoding);
        record.reminder_note = changes.reminder_note.or(record.reminder_note);
        record.reminder_repeat_days = changes.reminder_repeat_days.or(record.reminder_repeat_days);
        record.updated_at = self.now();
        on_constraint(tx.update_secret(&record, &author_of(actor)).await, "uq_secrets_key", || {
            Error::bad_request(format!("a secret named \"{}\" exists already here", record.key))
        })?;
        tx.prune_secret_versions(record.id, version, place.scope.project().version_limit)
            .await?;
        if record.key != old_name {
            self.rewrite_references(tx, actor, place, &old_name, &record.key).await?;
        }
        let readable = value_given || place.scope.allows(project::SECRETS_READ_VALUE, &resource);
        Ok(Secret {
            value: readable.then_some(value),
            comment,
            environment,
            path,
            record,
        })
    }

    /// Deletes secrets, all or none.
    pub async fn delete_secrets(&self, actor: &Actor, place: &PlaceSelector, names: &[SecretName]) -> Result<Vec<Secret>, Error> {
        let tx = self.store().write().await?;
        let found = self.find_place_for(&tx, actor, place).await?;
        tx.lock_folder(found.folder.id).await?;
        let (environment, path) = (found.environment.slug.as_str(), found.folder.path.as_str());
        let keys = self.data_keys(&tx, KeyScope::Project(found.scope.project().id)).await?;
        let mut gone = Vec::with_capacity(names.len());
        for name in names {
            let resource = Resource::at(environment, path).named(name.as_str());
            let record = tx
                .find_secret(found.folder.id, name.as_str())
                .await?
                .ok_or_else(|| missing(name.as_str()))?;
            if !found.scope.allows(project::SECRETS_DESCRIBE, &resource) {
                return Err(missing(name.as_str()));
            }
            found.scope.require(project::SECRETS_DELETE, &resource)?;
            if record.rotation.is_some() {
                return Err(Error::bad_request(
                    "Cannot delete rotated secrets: delete the secret rotation that they belong to",
                ));
            }
            tx.remove_secret(record.project, record.id).await?;
            let readable = found.scope.allows(project::SECRETS_READ_VALUE, &resource);
            gone.push(self.show_secret(&keys, record, environment, path, readable)?);
        }
        let event = written("delete-secret", "delete-secrets", &found, &gone);
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(gone)
    }

    /// Refuses a value whose references lead nowhere within the project, or to what the writer may not describe.
    async fn check_references(&self, tx: &Tx, place: &Place, own: &str, value: &str) -> Result<(), Error> {
        let here = Self::source_of(&place.environment.slug, &place.folder.path);
        let project = place.scope.project().id;
        for reference in references(value) {
            if matches!(reference, Reference::InOtherProject { .. }) {
                continue;
            }
            let (source, key) = resolve(&reference, &here);
            if source == here && key == own {
                continue;
            }
            let nowhere = || {
                Error::bad_request(format!(
                    "the value refers to {key} in {} of \"{}\", which does not exist",
                    source.path, source.environment
                ))
            };
            let environment = tx.find_environment(project, &source.environment).await?.ok_or_else(nowhere)?;
            let path = kms_core::names::SecretPath::from_stored(source.path.clone());
            let folder = tx.find_folder(environment.id, &path).await?.ok_or_else(nowhere)?;
            tx.find_secret(folder.id, &key).await?.ok_or_else(nowhere)?;
            let resource = Resource::at(&environment.slug, &source.path).named(&key);
            place.scope.require(project::SECRETS_DESCRIBE, &resource)?;
        }
        Ok(())
    }

    /// After a rename: references to the old name in other secrets of the project follow.
    async fn rewrite_references(&self, tx: &Tx, actor: &Actor, place: &Place, old: &str, new: &str) -> Result<(), Error> {
        let project = place.scope.project().id;
        let keys = self.data_keys(tx, KeyScope::Project(project)).await?;
        let target = Self::source_of(&place.environment.slug, &place.folder.path);
        let mut folders = BTreeMap::new();
        for mut record in tx.list_secrets_of_project(project).await? {
            if record.rotation.is_some() {
                continue;
            }
            let value = self.open_secret_value(&keys, project, record.id, record.version, &record.sealed_value)?;
            if !value.expose().contains("${") {
                continue;
            }
            if let std::collections::btree_map::Entry::Vacant(slot) = folders.entry(record.folder) {
                let Some(folder) = tx.find_folder_by_id(project, record.folder).await? else {
                    continue;
                };
                let Some(environment) = tx.find_environment_by_id(folder.environment).await? else {
                    continue;
                };
                slot.insert(Self::source_of(&environment.slug, &folder.path));
            }
            let Some(here) = folders.get(&record.folder) else {
                continue;
            };
            let follows = |reference: &Reference| {
                let (source, key) = resolve(reference, here);
                (source == target && key == old).then(|| new.to_owned())
            };
            let Some(rewritten) = rewrite(value.expose(), follows) else {
                continue;
            };
            let version = record.version.saturating_add(1);
            if let Some(sealed) = &record.sealed_comment {
                let comment = self.open_secret_comment(&keys, project, record.id, record.version, sealed)?;
                record.sealed_comment = Some(self.seal_secret_comment(&keys, project, record.id, version, &comment));
            }
            record.sealed_value = self.seal_secret_value(&keys, project, record.id, version, &SecretString::new(rewritten));
            record.version = version;
            record.updated_at = self.now();
            tx.update_secret(&record, &author_of(actor)).await?;
        }
        Ok(())
    }
}

fn written(one: &'static str, several: &'static str, place: &Place, secrets: &[Secret]) -> Event {
    let project = place.scope.project().id;
    let (environment, path) = (&place.environment.slug, place.folder.path.as_str());
    match secrets {
        [secret] => {
            let record = &secret.record;
            let metadata = json!({
                "environment": environment, "secretPath": path, "secretId": record.id, "secretKey": record.key, "secretVersion": record.version,
            });
            Event::in_project(one, project, metadata)
        }
        _ => {
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
    }
}
