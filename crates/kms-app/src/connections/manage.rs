//! Creating, reading, changing and deleting connections.

use std::fmt;

use kms_core::ids::{ConnectionId, ProjectId};
use kms_core::names::ResourceName;
use kms_core::permission::{Permission, Resource, org, project};
use kms_core::seal::Sealed;
use kms_providers::declaration::App as ConnectableApp;
use kms_store::connections::{ConnectionRecord, ConnectionScope, ConnectionUse};
use kms_store::projects::ProjectRecord;
use kms_store::{Session, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Connection, unknown};
use crate::access::{org_scope, project_scope};
use crate::actor::Actor;
use crate::audit::Event;
use crate::error::on_constraint;
use crate::{App, Error, FieldIssue};

/// Credentials as somebody gave them, not yet read. `Debug` shows nothing of them.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct GivenCredentials(Value);

impl GivenCredentials {
    /// Takes what was given.
    pub fn new(given: Value) -> Self {
        Self(given)
    }
}

impl fmt::Debug for GivenCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenCredentials(redacted)")
    }
}

/// What a new connection is given.
#[derive(Debug, Clone)]
pub struct NewConnection {
    /// Slug of the app.
    pub app: String,
    /// Its name.
    pub name: ResourceName,
    /// What it is for.
    pub description: Option<String>,
    /// Its project; none for one of the organization.
    pub project: Option<String>,
    /// Slug of the way to authenticate.
    pub method: String,
    /// The credentials.
    pub credentials: GivenCredentials,
}

/// Changes of a connection; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ConnectionChanges {
    /// Its name.
    pub name: Option<ResourceName>,
    /// What it is for; `Some(None)` clears it.
    pub description: Option<Option<String>>,
    /// New credentials, whole.
    pub credentials: Option<GivenCredentials>,
}

/// What of a project uses a connection.
#[derive(Debug, Clone)]
pub struct ProjectUses {
    /// The project.
    pub project: ProjectRecord,
    /// Its rotations that use the connection.
    pub rotations: Vec<ConnectionUse>,
}

fn below_credentials(issues: Vec<FieldIssue>) -> Vec<FieldIssue> {
    issues
        .into_iter()
        .map(|mut issue| {
            issue.path.insert(0, "credentials".to_owned());
            issue
        })
        .collect()
}

fn on_name<T>(result: Result<T, StoreError>, name: &str) -> Result<T, Error> {
    result.map_err(|error| {
        if error.is_constraint("uq_app_connections_project_name") || error.is_constraint("uq_app_connections_org_name") {
            Error::bad_request(format!("an app connection named \"{name}\" exists already"))
        } else {
            error.into()
        }
    })
}

impl App {
    /// The apps that connections can be made to, by display name.
    pub fn connectable_apps(&self) -> Vec<&'static ConnectableApp> {
        self.registry().apps().into_iter().map(|connector| connector.app()).collect()
    }

    /// Every problem with credentials for a method of an app, with paths from the request's body: nothing is asked outside.
    pub fn check_credentials(&self, app: &str, method: &str, credentials: &GivenCredentials) -> Vec<FieldIssue> {
        let Some(connector) = self.registry().app(app) else {
            return Vec::new();
        };
        if connector.app().method(method).is_none() {
            let known: Vec<&str> = connector.app().methods.iter().map(|method| method.slug).collect();
            let message = format!("{} has no such method; use one of {}", connector.app().name, known.join(", "));
            return vec![FieldIssue::at("method", "invalid_enum_value", message)];
        }
        connector
            .read(method, &credentials.0)
            .err()
            .map(below_credentials)
            .unwrap_or_default()
    }

    /// Demands a permission where a connection lives: in its project, or in the organization.
    async fn require_on_connection(
        &self,
        session: &Session,
        actor: &Actor,
        own: Option<ProjectId>,
        id: Option<ConnectionId>,
        (in_org, in_project): (Permission, Permission),
    ) -> Result<(), Error> {
        let id_text = id.map(|id| id.to_string());
        let resource = Resource {
            connection_id: id_text.as_deref(),
            ..Resource::ANY
        };
        match own {
            None => org_scope(session, actor).await?.require(in_org, &resource),
            Some(own) => project_scope(session, actor, own, self.now()).await?.require(in_project, &resource),
        }
    }

    /// A connection of the app, after the permission was checked.
    async fn permitted_connection(
        &self,
        session: &Session,
        actor: &Actor,
        app: &str,
        id: ConnectionId,
        needed: (Permission, Permission),
    ) -> Result<ConnectionRecord, Error> {
        let record = session.find_connection(actor.org, id).await?.ok_or_else(|| unknown(id))?;
        self.require_on_connection(session, actor, record.project, Some(id), needed).await?;
        require_app(&record, app)?;
        Ok(record)
    }

    /// Creates a connection, once the provider has accepted the credentials.
    pub async fn create_connection(&self, actor: &Actor, new: NewConnection) -> Result<Connection, Error> {
        const NEEDED: (Permission, Permission) = (org::APP_CONNECTIONS_CREATE, project::APP_CONNECTIONS_CREATE);
        let connector = self
            .registry()
            .app(&new.app)
            .ok_or_else(|| Error::not_found(format!("no app \"{}\"", new.app)))?;
        let issues = self.check_credentials(&new.app, &new.method, &new.credentials);
        if !issues.is_empty() {
            return Err(Error::Invalid { issues });
        }
        let read = connector
            .read(&new.method, &new.credentials.0)
            .map_err(|issues| Error::Invalid { issues })?;
        let session = self.store().read();
        let project = match &new.project {
            None => None,
            Some(text) => {
                let unknown = || Error::bad_request(format!("no project with the id {text}"));
                let id = text.parse::<ProjectId>().map_err(|_malformed| unknown())?;
                Some(session.find_project(actor.org, id).await?.ok_or_else(unknown)?.id)
            }
        };
        self.require_on_connection(&session, actor, project, None, NEEDED).await?;
        self.validate_credentials(connector, &new.method, &read.plaintext).await?;

        let now = self.now();
        let tx = self.store().write().await?;
        self.require_on_connection(&tx, actor, project, None, NEEDED).await?;
        let mut record = ConnectionRecord {
            id: ConnectionId::random(self.entropy()),
            org: actor.org,
            project,
            name: new.name.as_str().to_owned(),
            description: new.description,
            app: new.app,
            method: new.method,
            sealed_credentials: Sealed::from_bytes(Vec::new()),
            public_credentials: read.public,
            credentials_revision: 1,
            created_at: now,
            updated_at: now,
        };
        self.seal_credentials(&tx, &mut record, &read.plaintext).await?;
        on_name(tx.insert_connection(&record).await, &record.name)?;
        let metadata = json!({
            "name": record.name, "method": record.method, "app": record.app, "connectionId": record.id, "isPlatformManagedCredentials": false,
        });
        tx.insert_audit(&[self.entry(
            actor,
            Event {
                name: "create-app-connection",
                project,
                metadata,
            },
        )])
        .await?;
        tx.commit().await?;
        Ok(record.into())
    }

    /// Connections by name: of one project, or all of the organization. With the project that each belongs to.
    pub async fn list_connections(
        &self,
        actor: &Actor,
        app: Option<&str>,
        project_id: Option<ProjectId>,
    ) -> Result<Vec<(Connection, Option<ProjectRecord>)>, Error> {
        let session = self.store().read();
        let mut found = Vec::new();
        match project_id {
            Some(id) => {
                let scope = project_scope(&session, actor, id, self.now()).await?;
                scope.require_somewhere(project::APP_CONNECTIONS_READ)?;
                for record in session.list_connections(actor.org, ConnectionScope::Project(id), app).await? {
                    if scope.allows(project::APP_CONNECTIONS_READ, &Resource::ANY.through(&record.id.to_string())) {
                        found.push((Connection::from(record), Some(scope.project().clone())));
                    }
                }
            }
            // Whoever may read the organization's connections sees those of every project too: the contract wants it so.
            None => {
                let scope = org_scope(&session, actor).await?;
                scope.require_somewhere(org::APP_CONNECTIONS_READ)?;
                let projects = session.list_projects(actor.org).await?;
                for record in session.list_connections(actor.org, ConnectionScope::Everything, app).await? {
                    if scope.allows(org::APP_CONNECTIONS_READ, &Resource::ANY.through(&record.id.to_string())) {
                        let own = projects.iter().find(|project| Some(project.id) == record.project).cloned();
                        found.push((Connection::from(record), own));
                    }
                }
            }
        }
        let ids: Vec<ConnectionId> = found.iter().map(|(connection, _)| connection.record.id).collect();
        let metadata = match app {
            Some(app) => json!({ "app": app, "count": ids.len(), "connectionIds": ids }),
            None => json!({ "count": ids.len(), "connectionIds": ids }),
        };
        self.record_read(
            actor,
            Event {
                name: "get-app-connections",
                project: project_id,
                metadata,
            },
        )
        .await?;
        Ok(found)
    }

    /// Connections of an app that the actor may use, by name: those of the organization, and those of the project if one is named.
    pub async fn available_connections(
        &self,
        actor: &Actor,
        app: &str,
        project_id: Option<ProjectId>,
    ) -> Result<Vec<ConnectionRecord>, Error> {
        let session = self.store().read();
        let mut found = Vec::new();
        let scope = org_scope(&session, actor).await?;
        for record in session
            .list_connections(actor.org, ConnectionScope::Organization, Some(app))
            .await?
        {
            if scope.allows(org::APP_CONNECTIONS_CONNECT, &Resource::ANY.through(&record.id.to_string())) {
                found.push(record);
            }
        }
        if let Some(id) = project_id {
            if session.find_project(actor.org, id).await?.is_none() {
                return Err(Error::bad_request(format!("no project with the id {id}")));
            }
            let scope = project_scope(&session, actor, id, self.now()).await?;
            scope.require_somewhere(project::APP_CONNECTIONS_CONNECT)?;
            for record in session.list_connections(actor.org, ConnectionScope::Project(id), Some(app)).await? {
                if scope.allows(project::APP_CONNECTIONS_CONNECT, &Resource::ANY.through(&record.id.to_string())) {
                    found.push(record);
                }
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        let ids: Vec<ConnectionId> = found.iter().map(|record| record.id).collect();
        let metadata = json!({ "app": app, "count": ids.len(), "connectionIds": ids });
        self.record_read(
            actor,
            Event {
                name: "get-available-app-connections-details",
                project: project_id,
                metadata,
            },
        )
        .await?;
        Ok(found)
    }

    /// One connection.
    pub async fn get_connection(&self, actor: &Actor, app: &str, id: ConnectionId) -> Result<Connection, Error> {
        let session = self.store().read();
        let needed = (org::APP_CONNECTIONS_READ, project::APP_CONNECTIONS_READ);
        let record = self.permitted_connection(&session, actor, app, id, needed).await?;
        self.read_connection(actor, record).await
    }

    async fn read_connection(&self, actor: &Actor, record: ConnectionRecord) -> Result<Connection, Error> {
        let event = Event {
            name: "get-app-connection",
            project: record.project,
            metadata: json!({ "connectionId": record.id }),
        };
        self.record_read(actor, event).await?;
        Ok(record.into())
    }

    /// The connection of that name in the project, or among those of the organization itself.
    pub async fn get_connection_by_name(&self, actor: &Actor, app: &str, name: &str, own: Option<ProjectId>) -> Result<Connection, Error> {
        let session = self.store().read();
        let record = session.find_connection_by_name(actor.org, own, name.trim()).await?.ok_or_else(|| {
            let place = if own.is_some() { "project" } else { "organization" };
            Error::not_found(format!("no app connection named \"{}\" in this {place}", name.trim()))
        })?;
        let needed = (org::APP_CONNECTIONS_READ, project::APP_CONNECTIONS_READ);
        self.require_on_connection(&session, actor, own, Some(record.id), needed).await?;
        require_app(&record, app)?;
        self.read_connection(actor, record).await
    }

    /// Changes a connection. New credentials are validated first; rotations use them from their next action on.
    pub async fn update_connection(
        &self,
        actor: &Actor,
        app: &str,
        id: ConnectionId,
        changes: ConnectionChanges,
    ) -> Result<Connection, Error> {
        const NEEDED: (Permission, Permission) = (org::APP_CONNECTIONS_EDIT, project::APP_CONNECTIONS_EDIT);
        let session = self.store().read();
        let before = self.permitted_connection(&session, actor, app, id, NEEDED).await?;
        let new = match &changes.credentials {
            None => None,
            Some(given) => {
                let connector = self
                    .registry()
                    .app(app)
                    .ok_or_else(|| Error::internal("a connection's app is not offered"))?;
                let read = connector.read(&before.method, &given.0).map_err(|issues| {
                    let problems: Vec<String> = issues
                        .iter()
                        .map(|issue| format!("{}: {}", issue.path.join("."), issue.message))
                        .collect();
                    Error::bad_request(format!(
                        "the credentials do not fit the connection's method {}: {}",
                        before.method,
                        problems.join("; ")
                    ))
                })?;
                self.validate_credentials(connector, &before.method, &read.plaintext).await?;
                Some(read)
            }
        };

        let tx = self.store().write().await?;
        self.permitted_connection(&tx, actor, app, id, NEEDED).await?;
        let mut record = tx.lock_connection(actor.org, id).await?.ok_or_else(|| unknown(id))?;
        let mut metadata = json!({ "connectionId": id, "credentialsUpdated": new.is_some() });
        if let Some(name) = &changes.name {
            metadata["name"] = json!(name.as_str());
        }
        if let Some(description) = &changes.description {
            metadata["description"] = json!(description);
        }
        record.name = changes.name.map_or(record.name, |name| name.as_str().to_owned());
        record.description = changes.description.unwrap_or(record.description);
        record.updated_at = self.now();
        if let Some(new) = new {
            record.credentials_revision += 1;
            record.public_credentials = new.public;
            self.seal_credentials(&tx, &mut record, &new.plaintext).await?;
        }
        on_name(tx.update_connection(&record).await, &record.name)?;
        tx.insert_audit(&[self.entry(
            actor,
            Event {
                name: "update-app-connection",
                project: record.project,
                metadata,
            },
        )])
        .await?;
        tx.commit().await?;
        Ok(record.into())
    }

    /// Deletes a connection that nothing uses. Nothing is revoked at the provider. Answers it as it was.
    pub async fn delete_connection(&self, actor: &Actor, app: &str, id: ConnectionId) -> Result<Connection, Error> {
        let tx = self.store().write().await?;
        let needed = (org::APP_CONNECTIONS_DELETE, project::APP_CONNECTIONS_DELETE);
        let record = self.permitted_connection(&tx, actor, app, id, needed).await?;
        tx.lock_connection(actor.org, id).await?;
        let uses = tx.list_connection_uses(actor.org, id).await?;
        if !uses.is_empty() {
            let names: Vec<&str> = uses.iter().map(|used| used.name.as_str()).collect();
            return Err(Error::bad_request(format!(
                "the app connection is in use; delete these secret rotations first: {}",
                names.join(", ")
            )));
        }
        // The lock keeps new users away; the constraint is the last word.
        on_constraint(
            tx.remove_connection(actor.org, id).await,
            "fk_secret_rotations_connection_id",
            || Error::bad_request("the app connection is in use; delete the secret rotations that use it first"),
        )?;
        let event = Event {
            name: "delete-app-connection",
            project: record.project,
            metadata: json!({ "connectionId": id }),
        };
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(record.into())
    }

    /// What uses a connection, by project.
    pub async fn connection_usage(&self, actor: &Actor, app: &str, id: ConnectionId) -> Result<Vec<ProjectUses>, Error> {
        let session = self.store().read();
        let record = session.find_connection(actor.org, id).await?.ok_or_else(|| unknown(id))?;
        org_scope(&session, actor)
            .await?
            .require(org::APP_CONNECTIONS_READ, &Resource::ANY.through(&id.to_string()))?;
        require_app(&record, app)?;
        let mut projects: Vec<ProjectUses> = Vec::new();
        for used in session.list_connection_uses(actor.org, id).await? {
            match projects.iter_mut().find(|uses| uses.project.id == used.project) {
                Some(uses) => uses.rotations.push(used),
                None => {
                    if let Some(project) = session.find_project(actor.org, used.project).await? {
                        projects.push(ProjectUses {
                            project,
                            rotations: vec![used],
                        });
                    }
                }
            }
        }
        projects.sort_by(|a, b| a.project.name.cmp(&b.project.name).then(a.project.id.cmp(&b.project.id)));
        let event = Event {
            name: "get-app-connection-usage",
            project: record.project,
            metadata: json!({ "connectionId": id }),
        };
        self.record_read(actor, event).await?;
        Ok(projects)
    }
}

fn require_app(record: &ConnectionRecord, app: &str) -> Result<(), Error> {
    if record.app == app {
        Ok(())
    } else {
        Err(Error::bad_request(format!(
            "the app connection {} is one to {}, not to {app}",
            record.id, record.app
        )))
    }
}
