//! References in values that are written: they must lead somewhere, and they follow when what they lead to is renamed.

use std::collections::{BTreeMap, BTreeSet};

use kms_core::ids::{EnvironmentId, FolderId, SecretId};
use kms_core::names::SecretPath;
use kms_core::permission::{Resource, project};
use kms_core::reference::{Reference, references, rewrite};
use kms_core::seal::KeyScope;
use kms_core::secret::SecretString;
use kms_store::secrets::SecretRecord;
use kms_store::{Session, Tx};
use serde_json::json;

use super::author_of;
use super::expand::{Source, resolve};
use super::place::Place;
use crate::actor::Actor;
use crate::{App, Error};

/// A secret whose references followed a rename.
pub(super) struct Followed {
    /// The secret under its new version.
    pub(super) record: SecretRecord,
    /// Its new value.
    pub(super) value: SecretString,
    /// Where it is.
    pub(super) source: Source,
}

impl Place {
    /// The place that references in its secrets count from.
    pub(super) fn source(&self) -> Source {
        Source {
            project: self.scope.project().slug.clone(),
            environment: self.environment.slug.clone(),
            path: self.folder.path.clone(),
        }
    }
}

impl App {
    /// Refuses values whose references lead nowhere within the project, or to what the writer may not describe. Called once
    /// everything is written, so that secrets of one request may refer to each other. Other projects are not looked into.
    pub(super) async fn check_references(&self, tx: &Tx, place: &Place, values: &[&SecretString]) -> Result<(), Error> {
        let here = place.source();
        let targets: BTreeSet<(Source, String)> = values
            .iter()
            .flat_map(|value| references(value.expose()))
            .map(|reference| resolve(&reference, &here))
            .filter(|(source, _)| source.project == here.project)
            .collect();
        if targets.is_empty() {
            return Ok(());
        }
        let refused: Vec<_> = targets
            .iter()
            .filter(|(source, key)| {
                let resource = Resource::at(&source.environment, source.path.as_str()).named(key);
                !place.scope.allows(project::SECRETS_DESCRIBE, &resource)
            })
            .map(|(source, key)| {
                json!({
                    "action": project::SECRETS_DESCRIBE.action, "subject": project::SECRETS_DESCRIBE.subject,
                    "environment": source.environment, "secretPath": source.path.as_str(), "secretKey": key,
                })
            })
            .collect();
        if !refused.is_empty() {
            return Err(Error::Forbidden {
                message: "the value refers to secrets that you are not allowed to see".to_owned(),
                details: Some(refused.into()),
            });
        }
        let environments: BTreeMap<String, EnvironmentId> = tx
            .list_environments(place.scope.project().id)
            .await?
            .into_iter()
            .map(|environment| (environment.slug, environment.id))
            .collect();
        let places: BTreeSet<(EnvironmentId, SecretPath)> = targets
            .iter()
            .filter_map(|(source, _)| environments.get(&source.environment).map(|id| (*id, source.path.clone())))
            .collect();
        let places: Vec<_> = places.into_iter().collect();
        let folders: BTreeMap<(EnvironmentId, SecretPath), FolderId> = tx
            .find_folders(&places)
            .await?
            .into_iter()
            .map(|folder| ((folder.environment, folder.path), folder.id))
            .collect();
        let ids: Vec<FolderId> = folders.values().copied().collect();
        let names: BTreeSet<String> = targets.iter().map(|(_, key)| key.clone()).collect();
        let names: Vec<String> = names.into_iter().collect();
        let there: BTreeSet<(FolderId, String)> = tx.list_secret_names(&ids, &names).await?.into_iter().collect();
        for (source, key) in targets {
            let (environment, path) = (&source.environment, &source.path);
            let missing = match environments.get(environment) {
                None => format!("the environment \"{environment}\" does not exist"),
                Some(id) => match folders.get(&(*id, path.clone())) {
                    None => format!("the folder {path} does not exist in \"{environment}\""),
                    Some(folder) if !there.contains(&(*folder, key.clone())) => {
                        format!("there is no secret {key} in {path} of \"{environment}\"")
                    }
                    Some(_) => continue,
                },
            };
            return Err(Error::bad_request(format!(
                "the value refers to a secret that is not there: {missing}"
            )));
        }
        Ok(())
    }

    /// After renames in a folder: references to the old names in other secrets of the project follow. `fresh` are secrets whose
    /// value was given together with the renames; they speak of the new names already.
    pub(super) async fn follow_renames(
        &self,
        tx: &Tx,
        actor: &Actor,
        place: &Place,
        renames: &BTreeMap<String, String>,
        fresh: &BTreeSet<SecretId>,
    ) -> Result<Vec<Followed>, Error> {
        let project = place.scope.project();
        let target = place.source();
        let affected = self
            .referring(tx, place, &tx.list_secrets_of_project(project.id).await?, renames)
            .await?;
        let folders: BTreeSet<FolderId> = affected
            .iter()
            .filter(|(record, ..)| !fresh.contains(&record.id))
            .map(|(record, ..)| record.folder)
            .filter(|folder| *folder != place.folder.id)
            .collect();
        // Read again under the locks: others may have written meanwhile. The own folder is locked already.
        let mut folders: Vec<FolderId> = folders.into_iter().collect();
        tx.lock_folders(&folders).await?;
        folders.push(place.folder.id);
        let records = tx.list_secrets_of_folders(&folders).await?;
        let keys = self.data_keys(tx, KeyScope::Project(project.id)).await?;
        let mut followed = Vec::new();
        for (record, source, value) in self.referring(tx, place, &records, renames).await? {
            if fresh.contains(&record.id) {
                continue;
            }
            let renamed = |reference: &Reference| {
                let (source, key) = resolve(reference, &source);
                renames.get(&key).filter(|_| source == target).cloned()
            };
            let Some(rewritten) = rewrite(value.expose(), renamed) else {
                continue;
            };
            let value = SecretString::new(rewritten);
            let record = self.next_version(&keys, record, Some(&value))?;
            tx.update_secret(&record, &author_of(actor)).await?;
            tx.prune_secret_versions(record.id, record.version, project.version_limit).await?;
            followed.push(Followed { record, value, source });
        }
        Ok(followed)
    }

    /// Those of the secrets that refer to one of the old names, with their place and value. Values of rotations have no references.
    async fn referring(
        &self,
        session: &Session,
        place: &Place,
        records: &[SecretRecord],
        renames: &BTreeMap<String, String>,
    ) -> Result<Vec<(SecretRecord, Source, SecretString)>, Error> {
        let project = place.scope.project();
        let target = place.source();
        let keys = self.data_keys(session, KeyScope::Project(project.id)).await?;
        let mut candidates = Vec::new();
        for record in records.iter().filter(|record| record.rotation.is_none()) {
            let value = self.open_secret_value(&keys, project.id, record.id, record.version, &record.sealed_value)?;
            let mentions = references(value.expose()).iter().any(|reference| {
                let (Reference::Here { key } | Reference::InProject { key, .. } | Reference::InOtherProject { key, .. }) = reference;
                renames.contains_key(key)
            });
            if mentions {
                candidates.push((record.clone(), value));
            }
        }
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let environments: BTreeMap<EnvironmentId, String> = session
            .list_environments(project.id)
            .await?
            .into_iter()
            .map(|environment| (environment.id, environment.slug))
            .collect();
        let folders: BTreeMap<FolderId, Source> = session
            .list_folders_of_project(project.id)
            .await?
            .into_iter()
            .filter_map(|folder| {
                let source = Source {
                    project: project.slug.clone(),
                    environment: environments.get(&folder.environment)?.clone(),
                    path: folder.path,
                };
                Some((folder.id, source))
            })
            .collect();
        Ok(candidates
            .into_iter()
            .filter_map(|(record, value)| {
                let source = folders.get(&record.folder)?.clone();
                let refers = references(value.expose()).iter().any(|reference| {
                    let (there, key) = resolve(reference, &source);
                    there == target && renames.contains_key(&key)
                });
                refers.then_some((record, source, value))
            })
            .collect())
    }
}
