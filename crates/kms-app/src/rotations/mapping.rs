//! The mapped secrets of a rotation: written together with a publication, and never by anybody else.

use std::collections::{BTreeMap, BTreeSet};

use kms_core::ids::{FolderId, ProjectId, SecretId};
use kms_core::seal::KeyScope;
use kms_core::secret::SecretString;
use kms_store::rotations::RotationRecord;
use kms_store::secrets::{SecretRecord, VersionAuthor};
use kms_store::{Session, Tx};

use super::creation::Creation;
use crate::{App, Error};

/// Refuses a mapping that names a secret twice.
pub(crate) fn require_distinct(mapping: &BTreeMap<String, String>) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    let twice: Vec<&str> = mapping.values().map(String::as_str).filter(|name| !seen.insert(*name)).collect();
    if twice.is_empty() {
        Ok(())
    } else {
        Err(Error::bad_request(format!(
            "the secrets mapping names a secret more than once: {}",
            twice.join(", ")
        )))
    }
}

/// Refuses names that stand in the folder already.
pub(crate) async fn require_free(session: &Session, folder: FolderId, path: &str, names: &BTreeSet<&str>) -> Result<(), Error> {
    let mut taken = Vec::new();
    for name in names {
        if session.find_secret(folder, name).await?.is_some() {
            taken.push(*name);
        }
    }
    if taken.is_empty() {
        Ok(())
    } else {
        Err(Error::bad_request(format!(
            "secrets with these names exist already in {path}: {}",
            taken.join(", ")
        )))
    }
}

impl App {
    /// What goes into which secret.
    fn values(
        &self,
        kind: &str,
        mapping: &BTreeMap<String, String>,
        credential: &SecretString,
    ) -> Result<Vec<(String, SecretString)>, Error> {
        let fields = self.rotator(kind)?.publish(credential).map_err(Error::internal)?;
        Ok(fields
            .into_iter()
            .filter_map(|(field, value)| mapping.get(field).map(|name| (name.clone(), value)))
            .collect())
    }

    /// Makes the mapped secrets of a new rotation.
    pub(super) async fn insert_mapped_secrets(&self, tx: &Tx, creation: &Creation, credential: &SecretString) -> Result<(), Error> {
        let rotation = &creation.rotation;
        let keys = self.data_keys(tx, KeyScope::Project(rotation.project)).await?;
        let now = self.now();
        for (name, value) in self.values(&rotation.kind, &rotation.mapping, credential)? {
            let id = SecretId::random(self.entropy());
            let record = SecretRecord {
                id,
                project: rotation.project,
                folder: rotation.folder,
                sealed_value: self.seal_secret_value(&keys, rotation.project, id, 1, &value),
                sealed_comment: None,
                metadata: serde_json::json!([]),
                version: 1,
                skip_multiline_encoding: None,
                reminder_note: None,
                reminder_repeat_days: None,
                rotation: Some(rotation.id),
                created_at: now,
                updated_at: now,
                key: name,
            };
            let inserted = tx.insert_secret(&record, &creation.author()).await;
            crate::error::on_constraint(inserted, "uq_secrets_key", || {
                Error::bad_request(format!("a secret named {} exists already in {}", record.key, creation.path))
            })?;
        }
        Ok(())
    }

    /// Writes a new credential into the mapped secrets of a locked rotation.
    pub(super) async fn write_mapped_secrets(
        &self,
        tx: &Tx,
        rotation: &RotationRecord,
        credential: &SecretString,
        author: &VersionAuthor,
    ) -> Result<(), Error> {
        tx.lock_folder(rotation.folder).await?;
        let keys = self.data_keys(tx, KeyScope::Project(rotation.project)).await?;
        let owned = tx.list_secrets_of_rotation(rotation.id).await?;
        for (name, value) in self.values(&rotation.kind, &rotation.mapping, credential)? {
            let mut record = owned
                .iter()
                .find(|secret| secret.key == name)
                .cloned()
                .ok_or_else(|| Error::internal("a mapped secret of a rotation is missing"))?;
            let version = record.version + 1;
            if let Some(comment) = &record.sealed_comment {
                let comment = self.open_secret_comment(&keys, record.project, record.id, record.version, comment)?;
                record.sealed_comment = Some(self.seal_secret_comment(&keys, record.project, record.id, version, &comment));
            }
            record.sealed_value = self.seal_secret_value(&keys, record.project, record.id, version, &value);
            record.version = version;
            record.updated_at = self.now();
            tx.update_secret(&record, author).await?;
        }
        Ok(())
    }

    /// Gives owned secrets other names, after a change of the mapping; values stay.
    pub(super) async fn rename_mapped_secrets(
        &self,
        tx: &Tx,
        rotation: &RotationRecord,
        mapping: &BTreeMap<String, String>,
        author: &VersionAuthor,
    ) -> Result<(), Error> {
        let keys = self.data_keys(tx, KeyScope::Project(rotation.project)).await?;
        for mut record in tx.list_secrets_of_rotation(rotation.id).await? {
            let field = rotation
                .mapping
                .iter()
                .find(|(_, name)| **name == record.key)
                .map(|(field, _)| field);
            let Some(name) = field.and_then(|field| mapping.get(field)).filter(|name| **name != record.key) else {
                continue;
            };
            let version = record.version + 1;
            let value = self.open_secret_value(&keys, record.project, record.id, record.version, &record.sealed_value)?;
            record.sealed_value = self.seal_secret_value(&keys, record.project, record.id, version, &value);
            if let Some(comment) = &record.sealed_comment {
                let comment = self.open_secret_comment(&keys, record.project, record.id, record.version, comment)?;
                record.sealed_comment = Some(self.seal_secret_comment(&keys, record.project, record.id, version, &comment));
            }
            record.key.clone_from(name);
            record.version = version;
            record.updated_at = self.now();
            tx.update_secret(&record, author).await?;
        }
        Ok(())
    }

    /// The secrets of a rotation become ordinary ones.
    pub(super) async fn release_mapped_secrets(&self, tx: &Tx, rotation: &RotationRecord) -> Result<(), Error> {
        tx.release_secrets_of_rotation(rotation.project, rotation.id).await?;
        Ok(())
    }

    /// The secrets of a rotation are removed.
    pub(super) async fn remove_mapped_secrets(&self, tx: &Tx, rotation: &RotationRecord) -> Result<(), Error> {
        let project: ProjectId = rotation.project;
        for secret in tx.list_secrets_of_rotation(rotation.id).await? {
            tx.remove_secret(project, secret.id).await?;
        }
        Ok(())
    }
}
