//! App Connections.

use kms_core::ids::{ConnectionId, OrgId, ProjectId, RotationId};
use kms_core::seal::Sealed;
use kms_core::time::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;

use crate::entity::{app_connections, secret_rotations};
use crate::{Session, StoreError, Tx};

/// A connection.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionRecord {
    /// Its id.
    pub id: ConnectionId,
    /// Its organization.
    pub org: OrgId,
    /// Its project; none for a connection of the organization.
    pub project: Option<ProjectId>,
    /// Its name, unique in its scope over all apps.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Slug of the app.
    pub app: String,
    /// Slug of the way to authenticate.
    pub method: String,
    /// The credentials.
    pub sealed_credentials: Sealed,
    /// The fields of the credentials that are no secret.
    pub public_credentials: Value,
    /// Grows with each change of the credentials, from 1.
    pub credentials_revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A rotation that uses a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionUse {
    /// The rotation.
    pub rotation: RotationId,
    /// Its name.
    pub name: String,
    /// Its project.
    pub project: ProjectId,
}

impl From<app_connections::Model> for ConnectionRecord {
    fn from(row: app_connections::Model) -> Self {
        Self {
            id: ConnectionId(row.id),
            org: OrgId(row.org_id),
            project: row.project_id.map(ProjectId),
            name: row.name,
            description: row.description,
            app: row.app,
            method: row.method,
            sealed_credentials: Sealed::from_bytes(row.sealed_credentials),
            public_credentials: row.public_credentials,
            credentials_revision: row.credentials_revision,
            created_at: Timestamp::new(row.created_at),
            updated_at: Timestamp::new(row.updated_at),
        }
    }
}

fn row(connection: &ConnectionRecord) -> app_connections::ActiveModel {
    app_connections::ActiveModel {
        id: Set(connection.id.0),
        org_id: Set(connection.org.0),
        project_id: Set(connection.project.map(|id| id.0)),
        name: Set(connection.name.clone()),
        description: Set(connection.description.clone()),
        app: Set(connection.app.clone()),
        method: Set(connection.method.clone()),
        sealed_credentials: Set(connection.sealed_credentials.as_bytes().to_vec()),
        public_credentials: Set(connection.public_credentials.clone()),
        credentials_revision: Set(connection.credentials_revision),
        created_at: Set(connection.created_at.utc()),
        updated_at: Set(connection.updated_at.utc()),
    }
}

/// Which connections are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionScope {
    /// All of the organization, its projects' included.
    Everything,
    /// Those of the organization itself.
    Organization,
    /// Those of one project.
    Project(ProjectId),
}

impl Session {
    /// A connection of the organization.
    pub async fn find_connection(&self, org: OrgId, id: ConnectionId) -> Result<Option<ConnectionRecord>, StoreError> {
        let row = app_connections::Entity::find_by_id(id.0)
            .filter(app_connections::Column::OrgId.eq(org.0))
            .one(self)
            .await?;
        Ok(row.map(ConnectionRecord::from))
    }

    /// The connections of a scope, of one app or all, by name without regard to case.
    pub async fn list_connections(
        &self,
        org: OrgId,
        scope: ConnectionScope,
        app: Option<&str>,
    ) -> Result<Vec<ConnectionRecord>, StoreError> {
        let mut query = app_connections::Entity::find().filter(app_connections::Column::OrgId.eq(org.0));
        query = match scope {
            ConnectionScope::Everything => query,
            ConnectionScope::Organization => query.filter(app_connections::Column::ProjectId.is_null()),
            ConnectionScope::Project(project) => query.filter(app_connections::Column::ProjectId.eq(project.0)),
        };
        if let Some(app) = app {
            query = query.filter(app_connections::Column::App.eq(app));
        }
        let mut found: Vec<ConnectionRecord> = query.all(self).await?.into_iter().map(ConnectionRecord::from).collect();
        // Names are lower-case, so their order is that without regard to case.
        found.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        Ok(found)
    }

    /// The connection of that name: in the project, or among those of the organization itself.
    pub async fn find_connection_by_name(
        &self,
        org: OrgId,
        project: Option<ProjectId>,
        name: &str,
    ) -> Result<Option<ConnectionRecord>, StoreError> {
        let query = app_connections::Entity::find()
            .filter(app_connections::Column::OrgId.eq(org.0))
            .filter(app_connections::Column::Name.eq(name));
        let query = match project {
            Some(project) => query.filter(app_connections::Column::ProjectId.eq(project.0)),
            None => query.filter(app_connections::Column::ProjectId.is_null()),
        };
        Ok(query.one(self).await?.map(ConnectionRecord::from))
    }

    /// The rotations that use a connection, by name.
    pub async fn list_connection_uses(&self, org: OrgId, id: ConnectionId) -> Result<Vec<ConnectionUse>, StoreError> {
        let rows = secret_rotations::Entity::find()
            .filter(secret_rotations::Column::OrgId.eq(org.0))
            .filter(secret_rotations::Column::ConnectionId.eq(id.0))
            .order_by_asc(secret_rotations::Column::Name)
            .order_by_asc(secret_rotations::Column::Id)
            .all(self)
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| ConnectionUse {
                rotation: RotationId(row.id),
                name: row.name,
                project: ProjectId(row.project_id),
            })
            .collect())
    }
}

impl Tx {
    /// A connection, locked until the end of the transaction.
    pub async fn lock_connection(&self, org: OrgId, id: ConnectionId) -> Result<Option<ConnectionRecord>, StoreError> {
        let row = app_connections::Entity::find_by_id(id.0)
            .filter(app_connections::Column::OrgId.eq(org.0))
            .lock_exclusive()
            .one(&**self)
            .await?;
        Ok(row.map(ConnectionRecord::from))
    }

    /// Adds a connection. Refused by `uq_app_connections_project_name` or `uq_app_connections_org_name` if the name is taken.
    pub async fn insert_connection(&self, connection: &ConnectionRecord) -> Result<(), StoreError> {
        app_connections::Entity::insert(row(connection))
            .exec_without_returning(&**self)
            .await?;
        Ok(())
    }

    /// Writes a connection back. Refused as an insert is.
    pub async fn update_connection(&self, connection: &ConnectionRecord) -> Result<(), StoreError> {
        app_connections::Entity::update_many()
            .set(row(connection))
            .filter(app_connections::Column::Id.eq(connection.id.0))
            .filter(app_connections::Column::OrgId.eq(connection.org.0))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Removes a connection. Refused by `fk_secret_rotations_connection_id` while a rotation uses it.
    pub async fn remove_connection(&self, org: OrgId, id: ConnectionId) -> Result<(), StoreError> {
        app_connections::Entity::delete_many()
            .filter(app_connections::Column::Id.eq(id.0))
            .filter(app_connections::Column::OrgId.eq(org.0))
            .exec(&**self)
            .await?;
        Ok(())
    }
}
