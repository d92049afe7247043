//! Finding things by name, wherever the actor may see them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use kms_core::ids::{FolderId, ProjectId, SecretId};
use kms_core::names::SecretPath;
use kms_core::permission::{Resource, org, project};
use kms_store::connections::ConnectionScope;

use crate::access::{org_scope, project_scope};
use crate::actor::Actor;
use crate::connections::Connection;
use crate::projects::Project;
use crate::{App, Error};

/// A secret that was found. Its value was not looked at.
#[derive(Debug, Clone)]
pub struct FoundSecret {
    /// Its id.
    pub id: SecretId,
    /// Its name.
    pub key: String,
    /// Its project.
    pub project: ProjectId,
    /// Name of its project.
    pub project_name: String,
    /// Name of its environment.
    pub environment: String,
    /// Its folder.
    pub path: SecretPath,
}

/// What was found: some of each kind.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Projects.
    pub projects: Vec<Project>,
    /// Secrets.
    pub secrets: Vec<FoundSecret>,
    /// App Connections of the organization.
    pub connections: Vec<Connection>,
}

/// Most of each kind that are answered.
const MOST: usize = 12;

/// Secrets that are looked at, as some of them may not be for the actor to see.
const LOOKED_AT: u64 = 100;

impl App {
    /// Projects, secrets and App Connections whose name contains `text`, in any case, as far as the actor may see them.
    pub async fn find_by_name(&self, actor: &Actor, text: &str) -> Result<Found, Error> {
        let wanted = text.trim().to_lowercase();
        if wanted.is_empty() {
            return Ok(Found::default());
        }
        let session = self.store().read();
        let own = self.list_projects(actor).await?;
        let mut found = Found::default();

        let ids: Vec<ProjectId> = own.iter().map(|project| project.record.id).collect();
        let mut scopes = HashMap::new();
        let mut folders: HashMap<FolderId, Option<kms_store::folders::FolderRecord>> = HashMap::new();
        for place in session.find_secrets_named(&ids, &wanted, LOOKED_AT).await? {
            let Some(project) = own.iter().find(|project| project.record.id == place.project) else {
                continue;
            };
            let scope = match scopes.entry(place.project) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place_for_it) => place_for_it.insert(project_scope(&session, actor, place.project, self.now()).await?),
            };
            let folder = match folders.entry(place.folder) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place_for_it) => place_for_it.insert(session.find_folder_by_id(place.project, place.folder).await?),
            };
            let Some(folder) = folder else {
                continue;
            };
            let Some(environment) = project.environments.iter().find(|one| one.id == folder.environment) else {
                continue;
            };
            let resource = Resource::at(&environment.slug, folder.path.as_str()).named(&place.key);
            if scope.allows(project::SECRETS_DESCRIBE, &resource) {
                found.secrets.push(FoundSecret {
                    id: place.id,
                    key: place.key,
                    project: place.project,
                    project_name: project.record.name.clone(),
                    environment: environment.name.clone(),
                    path: folder.path.clone(),
                });
            }
        }
        found.secrets.sort_by(|a, b| {
            (a.key.len(), &a.key, &a.project_name, &a.environment).cmp(&(b.key.len(), &b.key, &b.project_name, &b.environment))
        });
        found.secrets.truncate(MOST);

        let scope = org_scope(&session, actor).await?;
        for record in session.list_connections(actor.org, ConnectionScope::Organization, None).await? {
            let seen = scope.allows(org::APP_CONNECTIONS_READ, &Resource::ANY.through(&record.id.to_string()));
            if seen && record.name.to_lowercase().contains(&wanted) && found.connections.len() < MOST {
                found.connections.push(record.into());
            }
        }
        found.projects = own;
        found
            .projects
            .retain(|project| project.record.name.to_lowercase().contains(&wanted));
        found.projects.truncate(MOST);
        Ok(found)
    }
}
