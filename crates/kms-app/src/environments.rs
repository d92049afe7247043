//! Environments of a project.

use kms_core::ids::{EnvironmentId, FolderId, ProjectId};
use kms_core::names::EnvironmentSlug;
use kms_core::permission::{Resource, project};
use kms_store::Tx;
use kms_store::projects::EnvironmentRecord;
use serde_json::json;

use crate::access::project_scope;
use crate::actor::Actor;
use crate::audit::Event;
use crate::error::on_constraint;
use crate::projects::gone;
use crate::{App, Error};

/// Changes of an environment; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentChanges {
    /// Its name.
    pub name: Option<String>,
    /// Its slug.
    pub slug: Option<EnvironmentSlug>,
    /// Its place in lists, from 1.
    pub position: Option<u32>,
}

/// How an environment of a project is named in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvironmentSelector {
    /// By its id.
    Id(EnvironmentId),
    /// By its slug.
    Slug(String),
}

fn taken(slug: &str) -> Error {
    Error::bad_request(format!("an environment with the slug \"{slug}\" exists already"))
}

impl App {
    /// Adds an environment at the end, or at the given position.
    pub async fn create_environment(
        &self,
        actor: &Actor,
        project_id: ProjectId,
        name: String,
        slug: EnvironmentSlug,
        position: Option<u32>,
    ) -> Result<EnvironmentRecord, Error> {
        let now = self.now();
        let tx = self.store().write().await?;
        let scope = project_scope(&tx, actor, project_id, now).await?;
        scope.require(project::ENVIRONMENTS_CREATE, &Resource::ANY)?;
        // Positions follow from all environments of the project.
        tx.lock_project(actor.org, project_id).await?.ok_or_else(|| gone(project_id))?;
        let mut others = tx.list_environments(project_id).await?;
        let last = u32::try_from(others.len()).unwrap_or(u32::MAX).saturating_add(1);
        let environment = EnvironmentRecord {
            id: EnvironmentId::random(self.entropy()),
            project: project_id,
            name,
            slug: slug.as_str().to_owned(),
            position: last,
            created_at: now,
            updated_at: now,
        };
        on_constraint(
            self.insert_environment_with_root(&tx, &environment).await,
            "uq_environments_slug",
            || taken(slug.as_str()),
        )?;
        let mut environment = environment;
        if let Some(position) = position {
            others.push(environment.clone());
            environment.position = self.place(&tx, others, environment.id, position).await?;
        }
        let event = Event::in_project(
            "create-environment",
            project_id,
            json!({ "environmentId": environment.id, "name": environment.name, "slug": environment.slug, "environment": environment.slug }),
        );
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(environment)
    }

    /// Changes an environment.
    pub async fn update_environment(
        &self,
        actor: &Actor,
        project_id: ProjectId,
        id: EnvironmentId,
        changes: EnvironmentChanges,
    ) -> Result<EnvironmentRecord, Error> {
        let now = self.now();
        let tx = self.store().write().await?;
        let scope = project_scope(&tx, actor, project_id, now).await?;
        scope.require(project::ENVIRONMENTS_EDIT, &Resource::ANY)?;
        tx.lock_project(actor.org, project_id).await?.ok_or_else(|| gone(project_id))?;
        let all = tx.list_environments(project_id).await?;
        let mut environment = all.iter().find(|other| other.id == id).cloned().ok_or_else(|| unknown(id))?;
        if let Some(position) = changes.position {
            environment.position = self.place(&tx, all, id, position).await?;
        }
        environment.name = changes.name.unwrap_or(environment.name);
        environment.slug = changes.slug.map_or(environment.slug, |slug| slug.as_str().to_owned());
        environment.updated_at = now;
        on_constraint(tx.update_environment(&environment).await, "uq_environments_slug", || {
            taken(&environment.slug)
        })?;
        let event = Event::in_project(
            "update-environment",
            project_id,
            json!({ "environmentId": id, "name": environment.name, "slug": environment.slug, "environment": environment.slug }),
        );
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(environment)
    }

    /// One environment of a project.
    pub async fn get_environment(
        &self,
        actor: &Actor,
        project_id: ProjectId,
        selector: &EnvironmentSelector,
    ) -> Result<EnvironmentRecord, Error> {
        let session = self.store().read();
        let scope = project_scope(&session, actor, project_id, self.now()).await?;
        scope.require(project::ENVIRONMENTS_READ, &Resource::ANY)?;
        let found = session
            .list_environments(project_id)
            .await?
            .into_iter()
            .find(|found| match selector {
                EnvironmentSelector::Id(id) => found.id == *id,
                EnvironmentSelector::Slug(slug) => found.slug == *slug,
            });
        let environment = found.ok_or_else(|| match selector {
            EnvironmentSelector::Id(id) => unknown(*id),
            EnvironmentSelector::Slug(slug) => Error::not_found(format!("no environment \"{slug}\" in this project")),
        })?;
        self.record_environment_read(actor, &environment).await?;
        Ok(environment)
    }

    /// An environment by its id alone, in a project that the actor can see.
    pub async fn get_environment_by_id(&self, actor: &Actor, id: EnvironmentId) -> Result<EnvironmentRecord, Error> {
        let session = self.store().read();
        let environment = session.find_environment_by_id(id).await?.ok_or_else(|| unknown(id))?;
        let scope = project_scope(&session, actor, environment.project, self.now())
            .await
            .map_err(|error| match error {
                Error::NotFound { .. } => unknown(id),
                other => other,
            })?;
        scope.require(project::ENVIRONMENTS_READ, &Resource::ANY)?;
        self.record_environment_read(actor, &environment).await?;
        Ok(environment)
    }

    async fn record_environment_read(&self, actor: &Actor, environment: &EnvironmentRecord) -> Result<(), Error> {
        let metadata = json!({ "environmentId": environment.id, "environment": environment.slug });
        self.record_read(actor, Event::in_project("get-environment", environment.project, metadata))
            .await
    }

    /// Moves an environment to a position and keeps the positions dense. Answers the position it got.
    async fn place(&self, tx: &Tx, mut all: Vec<EnvironmentRecord>, id: EnvironmentId, position: u32) -> Result<u32, Error> {
        let Some(from) = all.iter().position(|environment| environment.id == id) else {
            return Err(unknown(id));
        };
        let moved = all.remove(from);
        let to = usize::try_from(position.saturating_sub(1)).unwrap_or(usize::MAX).min(all.len());
        all.insert(to, moved);
        let mut got = position;
        for (place, mut environment) in (1_u32..).zip(all) {
            if environment.id == id {
                got = place;
            }
            if environment.position != place {
                environment.position = place;
                tx.update_environment(&environment).await?;
            }
        }
        Ok(got)
    }

    /// Adds an environment together with its root folder.
    pub(crate) async fn insert_environment_with_root(&self, tx: &Tx, environment: &EnvironmentRecord) -> Result<(), kms_store::StoreError> {
        tx.insert_environment(environment).await?;
        tx.insert_folder(&kms_store::folders::FolderRecord {
            id: FolderId::random(self.entropy()),
            project: environment.project,
            environment: environment.id,
            parent: None,
            name: "root".to_owned(),
            path: kms_core::names::SecretPath::root(),
            version: 1,
            description: None,
            created_at: environment.created_at,
            updated_at: environment.updated_at,
        })
        .await
    }
}

pub(crate) fn unknown(id: EnvironmentId) -> Error {
    Error::not_found(format!("no environment with the id {id}"))
}
