//! The `appConnection` object and its requests.

use kms_app::connections::{Connection, GivenCredentials};
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::extract::{Issues, Wire};
use crate::api::rotations::wire::cleared;

/// What a new connection is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateConnectionRequest {
    /// Slug, unique in its scope over all apps.
    pub(super) name: String,
    /// How to authenticate.
    pub(super) method: String,
    /// The credentials of the method. They are sealed, and never given back.
    #[schema(value_type = Object, write_only)]
    pub(super) credentials: GivenCredentials,
    /// At most 256 characters.
    pub(super) description: Option<String>,
    /// The project; a connection of the organization if absent.
    pub(super) project_id: Option<String>,
    /// Not supported: only `false`.
    #[schema(value_type = Option<bool>)]
    is_platform_managed_credentials: Option<Value>,
    /// Not supported: only `null`.
    #[schema(value_type = Option<String>, format = Uuid)]
    gateway_id: Option<Value>,
    /// Not supported: only `null`.
    #[schema(value_type = Option<String>, format = Uuid)]
    gateway_pool_id: Option<Value>,
    /// Not supported: only `false`.
    #[schema(value_type = Option<bool>)]
    is_auto_rotation_enabled: Option<Value>,
    /// Not supported: only `null`.
    #[schema(value_type = Option<Object>)]
    rotation: Option<Value>,
}

impl CreateConnectionRequest {
    pub(super) fn unsupported(&self) -> Unsupported<'_> {
        Unsupported {
            switches: [
                ("isPlatformManagedCredentials", &self.is_platform_managed_credentials),
                ("isAutoRotationEnabled", &self.is_auto_rotation_enabled),
            ],
            things: [
                ("gatewayId", &self.gateway_id),
                ("gatewayPoolId", &self.gateway_pool_id),
                ("rotation", &self.rotation),
            ],
        }
    }
}

impl Wire for CreateConnectionRequest {}

/// Changes of a connection; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateConnectionRequest {
    /// Slug, unique in its scope over all apps.
    pub(super) name: Option<String>,
    /// At most 256 characters; `null` clears it.
    #[serde(default, deserialize_with = "cleared")]
    #[schema(value_type = Option<String>)]
    pub(super) description: Option<Option<String>>,
    /// New credentials, whole. They are sealed, and never given back.
    #[schema(value_type = Option<Object>, write_only)]
    pub(super) credentials: Option<GivenCredentials>,
    /// Not supported: only `false`.
    #[schema(value_type = Option<bool>)]
    is_platform_managed_credentials: Option<Value>,
    /// Not supported: only `null`.
    #[schema(value_type = Option<String>, format = Uuid)]
    gateway_id: Option<Value>,
    /// Not supported: only `null`.
    #[schema(value_type = Option<String>, format = Uuid)]
    gateway_pool_id: Option<Value>,
    /// Not supported: only `false`.
    #[schema(value_type = Option<bool>)]
    is_auto_rotation_enabled: Option<Value>,
    /// Not supported: only `null`.
    #[schema(value_type = Option<Object>)]
    rotation: Option<Value>,
}

impl UpdateConnectionRequest {
    pub(super) fn unsupported(&self) -> Unsupported<'_> {
        Unsupported {
            switches: [
                ("isPlatformManagedCredentials", &self.is_platform_managed_credentials),
                ("isAutoRotationEnabled", &self.is_auto_rotation_enabled),
            ],
            things: [
                ("gatewayId", &self.gateway_id),
                ("gatewayPoolId", &self.gateway_pool_id),
                ("rotation", &self.rotation),
            ],
        }
    }
}

impl Wire for UpdateConnectionRequest {
    const NULL_CLEARS: &'static [&'static str] = &["description"];
}

/// What some apps support and none of those offered here does.
pub(super) struct Unsupported<'a> {
    switches: [(&'static str, &'a Option<Value>); 2],
    things: [(&'static str, &'a Option<Value>); 3],
}

impl Unsupported<'_> {
    /// A switch may be off, anything else absent.
    pub(super) fn check(&self, issues: &mut Issues, app: &str) {
        let off = |value: &Option<Value>| matches!(value, None | Some(Value::Bool(false)));
        let switches = self.switches.iter().map(|(field, value)| (*field, off(value)));
        let things = self.things.iter().map(|(field, value)| (*field, value.is_none()));
        for (field, fine) in switches.chain(things) {
            issues.check(fine, field, "custom", &format!("is not supported for {app} Connections"));
        }
    }
}

/// A connection. Its credentials are never given back, only the fields that are no secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionBody {
    id: Uuid,
    name: String,
    description: Option<String>,
    app: String,
    method: String,
    /// The fields of the credentials that are no secret.
    #[schema(value_type = Object)]
    credentials: Value,
    /// Changes with every write of the credentials, and tells nothing about them.
    credentials_hash: String,
    version: u32,
    org_id: Uuid,
    project_id: Option<String>,
    is_platform_managed_credentials: bool,
    gateway_id: Option<Uuid>,
    gateway_pool_id: Option<Uuid>,
    is_auto_rotation_enabled: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Connection> for ConnectionBody {
    fn from(connection: Connection) -> Self {
        let record = connection.record;
        Self {
            id: record.id.0,
            name: record.name,
            description: record.description,
            app: record.app,
            method: record.method,
            credentials: record.public_credentials,
            credentials_hash: connection.credentials_hash,
            version: 1,
            org_id: record.org.0,
            project_id: record.project.map(|id| id.to_string()),
            is_platform_managed_credentials: false,
            gateway_id: None,
            gateway_pool_id: None,
            is_auto_rotation_enabled: false,
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

/// One connection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionEnvelope {
    app_connection: ConnectionBody,
}

impl From<Connection> for ConnectionEnvelope {
    fn from(connection: Connection) -> Self {
        Self {
            app_connection: connection.into(),
        }
    }
}
