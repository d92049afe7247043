//! Projects.

use kms_core::ids::{EnvironmentId, MembershipId, ProjectId};
use kms_core::names::Slug;
use kms_core::permission::{ProjectRole, Resource, org, project};
use kms_core::seal::KeyScope;
use kms_store::projects::{EnvironmentRecord, ProjectMemberRecord, ProjectRecord};
use serde_json::json;

use crate::access::{ProjectScope, org_scope, scope_of};
use crate::actor::Actor;
use crate::audit::Event;
use crate::error::on_constraint;
use crate::memberships::RoleGrant;
use crate::{App, Error};

/// A project with its environments.
#[derive(Debug, Clone)]
pub struct Project {
    /// The project.
    pub record: ProjectRecord,
    /// Its environments, in their order.
    pub environments: Vec<EnvironmentRecord>,
}

/// How a project is named in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectSelector {
    /// By its id; a text that is no known id is tried as a slug (some clients send slugs in id fields).
    Id(String),
    /// By its slug.
    Slug(String),
}

/// What a new project is given.
#[derive(Debug, Clone)]
pub struct NewProject {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its slug; made from the name if absent.
    pub slug: Option<Slug>,
    /// Its type, only shown.
    pub kind: String,
    /// Whether to make Development, Staging and Production.
    pub default_environments: bool,
    /// Refuses deletion while set.
    pub delete_protection: bool,
}

/// Changes of a project; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ProjectChanges {
    /// Its name.
    pub name: Option<String>,
    /// What it is for; an empty text clears it.
    pub description: Option<String>,
    /// Its slug.
    pub slug: Option<Slug>,
    /// Whether clients should write names in capitals.
    pub auto_capitalization: Option<bool>,
    /// Refuses deletion while set.
    pub delete_protection: Option<bool>,
    /// How many versions of a secret are kept.
    pub version_limit: Option<u32>,
    /// Whether secrets may be shared by link.
    pub secret_sharing: Option<bool>,
    /// How many days audit entries are kept; 0 = as long as the instance keeps them.
    pub audit_retention_days: Option<u32>,
}

impl App {
    /// Makes a project. Its maker becomes its administrator.
    pub async fn create_project(&self, actor: &Actor, new: NewProject) -> Result<Project, Error> {
        let now = self.now();
        let tx = self.store().write().await?;
        org_scope(&tx, actor).await?.require(org::PROJECT_CREATE, &Resource::ANY)?;
        let slug = new
            .slug
            .unwrap_or_else(|| Slug::generate(&new.name, &kms_providers::marker::random_part(self.entropy(), 4)));
        let record = ProjectRecord {
            id: ProjectId::random(self.entropy()),
            org: actor.org,
            name: new.name,
            slug: slug.as_str().to_owned(),
            description: new.description,
            kind: new.kind,
            auto_capitalization: false,
            version_limit: 10,
            audit_retention_days: None,
            delete_protection: new.delete_protection,
            secret_sharing: true,
            created_at: now,
            updated_at: now,
        };
        on_constraint(tx.insert_project(&record).await, "uq_projects_slug", || {
            Error::bad_request(format!("a project with the slug \"{slug}\" exists already"))
        })?;
        self.create_data_key(&tx, KeyScope::Project(record.id)).await?;
        tx.insert_project_member(&ProjectMemberRecord {
            id: MembershipId::random(self.entropy()),
            project: record.id,
            principal: actor.principal(),
            roles: self.assignments(vec![RoleGrant {
                role: ProjectRole::Admin,
                temporary: None,
            }]),
            created_at: now,
            updated_at: now,
        })
        .await?;
        let mut environments = Vec::new();
        if new.default_environments {
            for (position, (name, slug)) in (1..).zip([("Development", "dev"), ("Staging", "staging"), ("Production", "prod")]) {
                let environment = EnvironmentRecord {
                    id: EnvironmentId::random(self.entropy()),
                    project: record.id,
                    name: name.to_owned(),
                    slug: slug.to_owned(),
                    position,
                    created_at: now,
                    updated_at: now,
                };
                self.insert_environment_with_root(&tx, &environment).await?;
                environments.push(environment);
            }
        }
        let event = Event::in_project(
            "create-project",
            record.id,
            json!({ "name": record.name, "slug": record.slug, "type": record.kind }),
        );
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(Project { record, environments })
    }

    /// The projects that the actor is a member of, by name.
    pub async fn list_projects(&self, actor: &Actor) -> Result<Vec<Project>, Error> {
        let session = self.store().read();
        let records = session.list_projects_of(actor.org, actor.principal()).await?;
        let ids: Vec<ProjectId> = records.iter().map(|record| record.id).collect();
        let mut environments = session.list_environments_of(&ids).await?;
        Ok(records
            .into_iter()
            .map(|record| {
                let (own, others) = environments.drain(..).partition(|environment| environment.project == record.id);
                environments = others;
                Project { record, environments: own }
            })
            .collect())
    }

    /// One project.
    pub async fn get_project(&self, actor: &Actor, selector: &ProjectSelector) -> Result<Project, Error> {
        let session = self.store().read();
        let scope = self.select_project(&session, actor, selector).await?;
        let environments = session.list_environments(scope.project().id).await?;
        Ok(Project {
            record: scope.project().clone(),
            environments,
        })
    }

    /// The actor's scope in the project that a request names.
    pub(crate) async fn select_project(
        &self,
        session: &kms_store::Session,
        actor: &Actor,
        selector: &ProjectSelector,
    ) -> Result<ProjectScope, Error> {
        let by_id = match selector {
            ProjectSelector::Id(text) => match text.parse::<ProjectId>() {
                Ok(id) => session.find_project(actor.org, id).await?,
                Err(_no_id) => None,
            },
            ProjectSelector::Slug(_) => None,
        };
        let (ProjectSelector::Id(text) | ProjectSelector::Slug(text)) = selector;
        let found = match by_id {
            Some(project) => Some(project),
            None => session.find_project_by_slug(actor.org, text).await?,
        };
        let project = found.ok_or_else(|| Error::not_found(format!("no project \"{text}\"")))?;
        scope_of(session, actor, project, self.now()).await
    }

    /// Changes a project.
    pub async fn update_project(&self, actor: &Actor, selector: &ProjectSelector, changes: ProjectChanges) -> Result<Project, Error> {
        let tx = self.store().write().await?;
        let scope = self.select_project(&tx, actor, selector).await?;
        scope.require(project::PROJECT_EDIT, &Resource::ANY)?;
        let id = scope.project().id;
        let mut record = tx.lock_project(actor.org, id).await?.ok_or_else(|| gone(id))?;
        let noted = json!({
            "name": changes.name, "slug": changes.slug.as_ref().map(Slug::as_str), "description": changes.description,
            "hasDeleteProtection": changes.delete_protection, "auditLogsRetentionDays": changes.audit_retention_days,
        });
        record.name = changes.name.unwrap_or(record.name);
        record.slug = changes.slug.map_or(record.slug, |slug| slug.as_str().to_owned());
        if let Some(description) = changes.description {
            record.description = Some(description).filter(|text| !text.is_empty());
        }
        record.auto_capitalization = changes.auto_capitalization.unwrap_or(record.auto_capitalization);
        record.delete_protection = changes.delete_protection.unwrap_or(record.delete_protection);
        record.version_limit = changes.version_limit.unwrap_or(record.version_limit);
        record.secret_sharing = changes.secret_sharing.unwrap_or(record.secret_sharing);
        if let Some(days) = changes.audit_retention_days {
            record.audit_retention_days = Some(days).filter(|days| *days > 0);
        }
        record.updated_at = self.now();
        on_constraint(tx.update_project(&record).await, "uq_projects_slug", || {
            Error::bad_request(format!("a project with the slug \"{}\" exists already", record.slug))
        })?;
        let environments = tx.list_environments(record.id).await?;
        tx.insert_audit(&[self.entry(actor, Event::in_project("update-project", record.id, noted))])
            .await?;
        tx.commit().await?;
        Ok(Project { record, environments })
    }
}

pub(crate) fn gone(id: ProjectId) -> Error {
    Error::not_found(format!("no project with the id {id}"))
}
