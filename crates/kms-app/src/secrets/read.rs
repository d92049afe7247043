//! Reading secrets.

use std::collections::BTreeMap;

use kms_core::ids::{FolderId, SecretId};
use kms_core::names::{SecretName, SecretPath};
use kms_core::permission::{Resource, project};
use kms_core::seal::KeyScope;
use kms_crypto::data::DataKeys;
use kms_store::Session;
use kms_store::secrets::{SecretRecord, SecretVersionRecord};
use serde_json::json;

use super::Secret;
use super::metadata::MetadataFilter;
pub use super::place::PlaceSelector;
use super::place::{missing_environment, missing_folder};
use crate::access::{ProjectScope, project_scope};
use crate::actor::Actor;
use crate::audit::Event;
use crate::{App, Error};

/// How secrets are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// Whether values are shown.
    pub values: bool,
    /// Whether references are expanded.
    pub expand: bool,
}

/// Which secrets are listed.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// Where.
    pub place: PlaceSelector,
    /// Whether folders below are listed too.
    pub recursive: bool,
    /// Only secrets whose metadata satisfies all of these.
    pub metadata: Vec<MetadataFilter>,
    /// Only secrets with one of these tags (slugs), if there are any.
    pub tags: Vec<String>,
    /// How they are shown.
    pub options: ReadOptions,
}

/// A version of a secret as it is shown.
#[derive(Debug, Clone)]
pub struct SecretVersion {
    /// The secret as it was then.
    pub secret: Secret,
    /// Who made it: kind, id, name.
    pub author: kms_store::secrets::VersionAuthor,
}

/// How deep a recursive list goes.
const DEPTH: usize = 20;

impl App {
    /// The secrets of a folder, or of all folders below it, by name.
    pub async fn list_secrets(&self, actor: &Actor, query: &ListQuery) -> Result<Vec<Secret>, Error> {
        let session = self.store().read();
        let (scope, found) = self.look_for(&session, actor, &query.place).await?;
        scope.require_somewhere(project::SECRETS_DESCRIBE)?;
        let project = scope.project().id;
        let (environment, folder) = match found {
            Some((environment, Some(folder))) => (environment, folder),
            Some((_, None)) if query.recursive => return Err(missing_folder(&query.place)),
            None if query.recursive => return Err(missing_environment(&query.place.environment)),
            // A folder that is not there has no secrets.
            _ => return Ok(Vec::new()),
        };
        let mut paths: BTreeMap<FolderId, SecretPath> = BTreeMap::from([(folder.id, folder.path.clone())]);
        if query.recursive {
            let depth = folder.path.segments().count();
            for below in session.list_folders_below(environment.id, &folder.path).await? {
                if below.path.segments().count() - depth <= DEPTH {
                    paths.insert(below.id, below.path);
                }
            }
        }
        let folders: Vec<FolderId> = paths.keys().copied().collect();
        let mut records = session.list_secrets_of_folders(&folders).await?;
        // No secret has a tag yet.
        records.retain(|_| query.tags.is_empty());
        let mut shown = Vec::with_capacity(records.len());
        let keys = self.data_keys(&session, KeyScope::Project(project)).await?;
        for record in records {
            let Some(path) = paths.get(&record.folder) else {
                continue;
            };
            let resource = Resource::at(&environment.slug, path.as_str()).named(&record.key);
            if !scope.allows(project::SECRETS_DESCRIBE, &resource) {
                continue;
            }
            if !query.metadata.is_empty() {
                let entries = self.open_metadata(&keys, &record)?;
                if !query.metadata.iter().all(|wanted| wanted.holds(&entries)) {
                    continue;
                }
            }
            if query.options.values && !scope.allows(project::SECRETS_READ_VALUE, &resource) {
                if query.recursive {
                    continue;
                }
                return Err(Error::PermissionDenied {
                    missing: project::SECRETS_READ_VALUE,
                });
            }
            shown.push(self.show_secret(&keys, record, &environment.slug, path, query.options.values)?);
        }
        if query.options.values && query.options.expand {
            self.expand_all(&session, actor, &scope, &mut shown).await?;
        }
        let metadata = json!({
            "environment": environment.slug, "secretPath": folder.path.as_str(), "numberOfSecrets": shown.len(), "recursive": query.recursive,
        });
        self.record_read(actor, Event::in_project("get-secrets", project, metadata)).await?;
        Ok(shown)
    }

    /// One secret by its name, now or in an earlier version.
    pub async fn get_secret(
        &self,
        actor: &Actor,
        place: &PlaceSelector,
        name: &SecretName,
        version: Option<u32>,
        options: ReadOptions,
    ) -> Result<Secret, Error> {
        let session = self.store().read();
        let found = self.find_place_for(&session, actor, place).await?;
        let record = session
            .find_secret(found.folder.id, name.as_str())
            .await?
            .ok_or_else(|| missing(name.as_str()))?;
        self.answer_one(
            &session,
            actor,
            &found.scope,
            record,
            (&found.environment.slug, &found.folder.path),
            version,
            options,
        )
        .await
    }

    /// One secret by its id.
    pub async fn get_secret_by_id(&self, actor: &Actor, id: SecretId, options: ReadOptions) -> Result<Secret, Error> {
        let session = self.store().read();
        let unknown = || Error::not_found(format!("no secret with the id {id}"));
        let record = session.find_secret_by_id(id).await?.ok_or_else(unknown)?;
        let scope = project_scope(&session, actor, record.project, self.now())
            .await
            .map_err(|error| match error {
                Error::NotFound { .. } => unknown(),
                other => other,
            })?;
        let folder = session
            .find_folder_by_id(record.project, record.folder)
            .await?
            .ok_or_else(unknown)?;
        let environment = session.find_environment_by_id(folder.environment).await?.ok_or_else(unknown)?;
        self.answer_one(&session, actor, &scope, record, (&environment.slug, &folder.path), None, options)
            .await
    }

    #[expect(clippy::too_many_arguments, reason = "private; both callers have all of these at hand")]
    async fn answer_one(
        &self,
        session: &Session,
        actor: &Actor,
        scope: &ProjectScope,
        record: SecretRecord,
        (environment, path): (&str, &SecretPath),
        version: Option<u32>,
        options: ReadOptions,
    ) -> Result<Secret, Error> {
        let resource = Resource::at(environment, path.as_str()).named(&record.key);
        if !scope.allows(project::SECRETS_DESCRIBE, &resource) {
            return Err(Error::PermissionDenied {
                missing: project::SECRETS_DESCRIBE,
            });
        }
        if options.values {
            scope.require(project::SECRETS_READ_VALUE, &resource)?;
        }
        let record = match version.filter(|wanted| *wanted != record.version) {
            None => record,
            Some(wanted) => {
                let old = session
                    .find_secret_version(record.id, wanted)
                    .await?
                    .ok_or_else(|| Error::not_found(format!("the secret {} has no version {wanted}", record.key)))?;
                as_it_was(record, &old)
            }
        };
        let keys = self.data_keys(session, KeyScope::Project(record.project)).await?;
        let mut shown = vec![self.show_secret(&keys, record, environment, path, options.values)?];
        if options.values && options.expand {
            self.expand_all(session, actor, scope, &mut shown).await?;
        }
        let secret = shown.pop().ok_or_else(|| Error::internal("a secret was lost"))?;
        let metadata = json!({
            "environment": environment, "secretPath": path.as_str(), "secretId": secret.record.id, "secretKey": secret.record.key,
            "secretVersion": secret.record.version,
        });
        self.record_read(actor, Event::in_project("get-secret", secret.record.project, metadata))
            .await?;
        Ok(secret)
    }

    /// The kept versions of a secret, newest first. Their values are opened only if they are asked for, and only for those who may read
    /// them.
    pub async fn list_secret_versions(
        &self,
        actor: &Actor,
        id: SecretId,
        offset: u64,
        limit: u64,
        values: bool,
    ) -> Result<Vec<SecretVersion>, Error> {
        let session = self.store().read();
        let unknown = || Error::not_found(format!("no secret with the id {id}"));
        let record = session.find_secret_by_id(id).await?.ok_or_else(unknown)?;
        let scope = project_scope(&session, actor, record.project, self.now())
            .await
            .map_err(|error| match error {
                Error::NotFound { .. } => unknown(),
                other => other,
            })?;
        let folder = session
            .find_folder_by_id(record.project, record.folder)
            .await?
            .ok_or_else(unknown)?;
        let environment = session.find_environment_by_id(folder.environment).await?.ok_or_else(unknown)?;
        let resource = Resource::at(&environment.slug, folder.path.as_str()).named(&record.key);
        scope.require(project::SECRETS_DESCRIBE, &resource)?;
        let values = values && scope.allows(project::SECRETS_READ_VALUE, &resource);
        let keys = self.data_keys(&session, KeyScope::Project(record.project)).await?;
        let mut versions = Vec::new();
        for old in session.list_secret_versions(id, offset, limit.min(100)).await? {
            let then = as_it_was(record.clone(), &old);
            let secret = self.show_secret(&keys, then, &environment.slug, &folder.path, values)?;
            versions.push(SecretVersion {
                secret,
                author: old.author,
            });
        }
        let metadata =
            json!({ "environment": environment.slug, "secretPath": folder.path.as_str(), "secretId": id, "secretKey": record.key });
        self.record_read(actor, Event::in_project("get-secret", record.project, metadata))
            .await?;
        Ok(versions)
    }

    pub(super) fn show_secret(
        &self,
        keys: &DataKeys,
        record: SecretRecord,
        environment: &str,
        path: &SecretPath,
        values: bool,
    ) -> Result<Secret, Error> {
        let value = if values {
            Some(self.open_secret_value(keys, record.project, record.id, record.version, &record.sealed_value)?)
        } else {
            None
        };
        let comment = match &record.sealed_comment {
            Some(sealed) => self
                .open_secret_comment(keys, record.project, record.id, record.version, sealed)?
                .expose()
                .to_owned(),
            None => String::new(),
        };
        let mut metadata = self.open_metadata(keys, &record)?;
        if !values {
            for entry in metadata.iter_mut().filter(|entry| entry.encrypted) {
                entry.value = None;
            }
        }
        Ok(Secret {
            record,
            value,
            comment,
            metadata,
            environment: environment.to_owned(),
            path: path.clone(),
        })
    }
}

pub(super) fn missing(name: &str) -> Error {
    Error::not_found(format!("no secret named \"{name}\" here"))
}

fn as_it_was(record: SecretRecord, old: &SecretVersionRecord) -> SecretRecord {
    SecretRecord {
        key: old.key.clone(),
        sealed_value: old.sealed_value.clone(),
        sealed_comment: old.sealed_comment.clone(),
        metadata: old.metadata.clone(),
        skip_multiline_encoding: old.skip_multiline_encoding,
        version: old.version,
        updated_at: old.created_at,
        ..record
    }
}
