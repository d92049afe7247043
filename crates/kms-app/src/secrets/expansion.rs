//! Expansion of what a request answers: loads the folders that references lead to, as far as the caller may read them.
//!
//! All folders that are asked for at the same time are loaded together, so a request costs a few queries for each level of
//! references, however many secrets it is about.

use std::collections::{BTreeMap, BTreeSet};

use kms_core::ids::{FolderId, ProjectId};
use kms_core::permission::{Resource, project};
use kms_core::seal::KeyScope;
use kms_core::secret::SecretString;
use kms_store::Session;
use kms_store::projects::EnvironmentRecord;
use serde_json::json;

use super::Secret;
use super::expand::{Allowance, Expansion, Loaded, Source, Target, expand};
use crate::access::{ProjectScope, scope_of};
use crate::actor::Actor;
use crate::{App, Error};

/// Folders that the references of one request may lead to.
const MOST_FOLDERS: usize = 1000;

/// A project that references lead to.
struct Known {
    id: ProjectId,
    /// None for somebody who is no member.
    scope: Option<ProjectScope>,
    environments: Vec<EnvironmentRecord>,
}

impl App {
    /// Replaces the references in all values by what they lead to.
    pub(super) async fn expand_all(
        &self,
        session: &Session,
        actor: &Actor,
        scope: &ProjectScope,
        secrets: &mut [Secret],
    ) -> Result<(), Error> {
        let mut loaded = Loaded::new();
        let mut known = BTreeMap::new();
        loop {
            let mut needs = BTreeSet::new();
            let mut forbidden: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            let mut allowance = Allowance::default();
            let mut expanded = Vec::new();
            for (place, secret) in secrets.iter().enumerate() {
                // What a rotation writes has no references, whatever it looks like.
                let value = secret.value.as_ref().filter(|_| secret.record.rotation.is_none());
                let Some(value) = value.filter(|value| value.expose().contains("${")) else {
                    continue;
                };
                let here = Source {
                    project: scope.project().slug.clone(),
                    environment: secret.environment.clone(),
                    path: secret.path.clone(),
                };
                match expand(value, &here, &secret.record.key, &loaded, &mut allowance) {
                    Expansion::Done(text) => expanded.push((place, text)),
                    Expansion::Needs(more) => needs.extend(more),
                    Expansion::Forbidden(references) => {
                        forbidden.insert(secret.record.key.clone(), references);
                    }
                    Expansion::TooMuch => {
                        return Err(Error::bad_request(format!(
                            "the references in {} multiply each other too often; read it without expanding them",
                            secret.record.key
                        )));
                    }
                }
            }
            if needs.is_empty() {
                if !forbidden.is_empty() {
                    return Err(refused(&forbidden));
                }
                for (place, text) in expanded {
                    if let Some(secret) = secrets.get_mut(place) {
                        secret.value = Some(encoded(text, secret.record.skip_multiline_encoding));
                    }
                }
                return Ok(());
            }
            if loaded.len() + needs.len() > MOST_FOLDERS {
                return Err(Error::bad_request(format!(
                    "the references lead to more than {MOST_FOLDERS} folders; read fewer secrets at once"
                )));
            }
            self.load(session, actor, scope, &mut known, needs, &mut loaded).await?;
        }
    }

    /// Loads folders, project by project.
    async fn load(
        &self,
        session: &Session,
        actor: &Actor,
        own: &ProjectScope,
        known: &mut BTreeMap<String, Option<Known>>,
        needs: BTreeSet<Source>,
        loaded: &mut Loaded,
    ) -> Result<(), Error> {
        let mut by_project: BTreeMap<String, Vec<Source>> = BTreeMap::new();
        for source in needs {
            by_project.entry(source.project.clone()).or_default().push(source);
        }
        for (slug, sources) in by_project {
            if !known.contains_key(&slug) {
                let project = self.known(session, actor, own, &slug).await?;
                known.insert(slug.clone(), project);
            }
            let mut folders = match known.get(&slug) {
                Some(Some(project)) => self.read_folders(session, project, &sources).await?,
                _ => BTreeMap::new(),
            };
            for source in sources {
                let values = folders.remove(&source).unwrap_or_default();
                loaded.insert(source, values);
            }
        }
        Ok(())
    }

    async fn known(&self, session: &Session, actor: &Actor, own: &ProjectScope, slug: &str) -> Result<Option<Known>, Error> {
        let (id, scope) = if slug == own.project().slug {
            (own.project().id, Some(own.clone()))
        } else {
            let Some(project) = session.find_project_by_slug(actor.org, slug).await? else {
                return Ok(None);
            };
            let id = project.id;
            match scope_of(session, actor, project, self.now()).await {
                Ok(scope) => (id, Some(scope)),
                Err(Error::Forbidden { .. } | Error::PermissionDenied { .. } | Error::NotFound { .. }) => (id, None),
                Err(other) => return Err(other),
            }
        };
        Ok(Some(Known {
            id,
            scope,
            environments: session.list_environments(id).await?,
        }))
    }

    async fn read_folders(
        &self,
        session: &Session,
        project: &Known,
        sources: &[Source],
    ) -> Result<BTreeMap<Source, BTreeMap<String, Target>>, Error> {
        let environment = |slug: &str| project.environments.iter().find(|environment| environment.slug == slug);
        let places: Vec<_> = sources
            .iter()
            .filter_map(|source| environment(&source.environment).map(|found| (found.id, source.path.clone())))
            .collect();
        let mut folders: BTreeMap<FolderId, Source> = BTreeMap::new();
        for folder in session.find_folders(&places).await? {
            let place = sources.iter().find(|source| {
                source.path == folder.path && environment(&source.environment).is_some_and(|found| found.id == folder.environment)
            });
            if let Some(source) = place {
                folders.insert(folder.id, source.clone());
            }
        }
        let ids: Vec<FolderId> = folders.keys().copied().collect();
        let keys = self.data_keys(session, KeyScope::Project(project.id)).await?;
        let mut values: BTreeMap<Source, BTreeMap<String, Target>> = BTreeMap::new();
        for record in session.list_secrets_of_folders(&ids).await? {
            let Some(source) = folders.get(&record.folder) else {
                continue;
            };
            let resource = Resource::at(&source.environment, source.path.as_str()).named(&record.key);
            let readable = project
                .scope
                .as_ref()
                .is_some_and(|scope| scope.allows(project::SECRETS_READ_VALUE, &resource));
            let target = if readable {
                let value = self.open_secret_value(&keys, project.id, record.id, record.version, &record.sealed_value)?;
                match record.rotation {
                    Some(_) => Target::Literal(value),
                    None => Target::Readable(value),
                }
            } else {
                Target::Forbidden
            };
            values.entry(source.clone()).or_default().insert(record.key, target);
        }
        Ok(values)
    }
}

fn refused(forbidden: &BTreeMap<String, BTreeSet<String>>) -> Error {
    let details: Vec<_> = forbidden
        .iter()
        .flat_map(|(key, references)| references.iter().map(move |reference| (key, reference)))
        .map(|(key, reference)| {
            json!({
                "action": project::SECRETS_READ_VALUE.action, "subject": project::SECRETS_READ_VALUE.subject,
                "secretKey": key, "reference": reference,
            })
        })
        .collect();
    Error::Forbidden {
        message: "a value refers to secrets that you are not allowed to read".to_owned(),
        details: Some(details.into()),
    }
}

/// The value as clients that write it into files want it.
fn encoded(text: SecretString, skip_multiline_encoding: Option<bool>) -> SecretString {
    if skip_multiline_encoding == Some(true) && text.expose().contains('\n') {
        SecretString::new(format!("\"{}\"", text.expose().replace('\n', "\\n")))
    } else {
        text
    }
}
