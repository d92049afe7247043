//! The `secretRotation` object and its requests.

use kms_app::rotations::Rotation;
use kms_core::rotation::schedule::RotateAt;
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::extract::{DESCRIPTION_LIMIT, Issues, Wire};
use kms_app::Error;

/// A time of day in UTC.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct RotateAtBody {
    /// 0 to 23.
    #[schema(minimum = 0, maximum = 23)]
    hours: i64,
    /// 0 to 59.
    #[schema(minimum = 0, maximum = 59)]
    minutes: i64,
}

impl RotateAtBody {
    fn read(self, issues: &mut Issues) -> RotateAt {
        let hours = u8::try_from(self.hours).ok().filter(|hours| *hours < 24);
        let minutes = u8::try_from(self.minutes).ok().filter(|minutes| *minutes < 60);
        issues.check(
            hours.is_some(),
            "rotateAtUtc",
            "too_big",
            "hours must be a whole number from 0 to 23",
        );
        issues.check(
            minutes.is_some(),
            "rotateAtUtc",
            "too_big",
            "minutes must be a whole number from 0 to 59",
        );
        RotateAt {
            hours: hours.unwrap_or(0),
            minutes: minutes.unwrap_or(0),
        }
    }
}

/// What a new rotation is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateRotationRequest {
    /// Slug, unique in the folder.
    pub(super) name: String,
    /// The project.
    pub(super) project_id: String,
    /// The connection to issue through.
    #[schema(format = Uuid)]
    pub(super) connection_id: String,
    /// Slug of the environment.
    pub(super) environment: String,
    /// The folder; it must exist.
    pub(super) secret_path: String,
    /// At most 256 characters.
    pub(super) description: Option<String>,
    /// Whether it runs by itself; true if absent.
    pub(super) is_auto_rotation_enabled: Option<bool>,
    /// Days between two runs, 1 to 3650.
    #[schema(value_type = i32, minimum = 1, maximum = 3650)]
    pub(super) rotation_interval: Value,
    /// When on that day; midnight if absent.
    pub(super) rotate_at_utc: Option<RotateAtBody>,
    /// Parameters of the type.
    #[schema(value_type = Object)]
    pub(super) parameters: Value,
    /// Field of the credential → name of the secret.
    #[schema(value_type = Object)]
    pub(super) secrets_mapping: Value,
}

impl Wire for CreateRotationRequest {}

/// Changes of a rotation; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateRotationRequest {
    pub(super) name: Option<String>,
    /// `null` clears it.
    #[serde(default, deserialize_with = "cleared")]
    #[schema(value_type = Option<String>)]
    pub(super) description: Option<Option<String>>,
    pub(super) is_auto_rotation_enabled: Option<bool>,
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 3650)]
    pub(super) rotation_interval: Option<Value>,
    pub(super) rotate_at_utc: Option<RotateAtBody>,
    #[schema(value_type = Option<Object>)]
    pub(super) parameters: Option<Value>,
    #[schema(value_type = Option<Object>)]
    pub(super) secrets_mapping: Option<Value>,
}

impl Wire for UpdateRotationRequest {
    const NULL_CLEARS: &'static [&'static str] = &["description"];
}

/// Where a rotation is moved to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoveRotationRequest {
    /// Slug of the destination's environment.
    pub(super) destination_environment: String,
    /// The destination's folder.
    pub(super) destination_secret_path: String,
    /// Whether secrets with the mapped names there are replaced; false if absent.
    pub(super) overwrite_destination: Option<bool>,
}

impl Wire for MoveRotationRequest {}

/// A body that says nothing.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NoBody {}

impl Wire for NoBody {}

/// Tells `null` from absent.
pub(in crate::api) fn cleared<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

/// Reads an interval: a whole number, or one as text.
pub(super) fn interval(issues: &mut Issues, value: &Value) -> u16 {
    let number = match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            number
                .as_f64()
                .filter(|n| n.fract() == 0.0)
                .and_then(|n| format!("{n}").parse().ok())
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    issues.interval("rotationInterval", number)
}

/// Reads a time of day.
pub(super) fn rotate_at(issues: &mut Issues, body: Option<RotateAtBody>) -> Option<RotateAt> {
    body.map(|body| body.read(issues))
}

/// Reads a description: trimmed, at most 256 characters.
pub(in crate::api) fn description(issues: &mut Issues, text: Option<String>) -> Option<String> {
    issues.note("description", text, DESCRIPTION_LIMIT)
}

/// A value that was checked; its absence means that an issue went unnoticed.
pub(in crate::api) fn checked<T>(value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::internal("an invalid field went unnoticed"))
}

/// A rotation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotationBody {
    id: Uuid,
    name: String,
    description: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[schema(value_type = Object)]
    parameters: Value,
    #[schema(value_type = Object)]
    secrets_mapping: Value,
    connection_id: Uuid,
    connection: ConnectionSummary,
    project_id: String,
    environment: RotationEnvironment,
    folder_id: Uuid,
    folder: FolderSummary,
    is_auto_rotation_enabled: bool,
    rotation_interval: u16,
    #[schema(value_type = RotateAtBody)]
    rotate_at_utc: RotateAt,
    active_index: usize,
    rotation_status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    last_rotation_attempted_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_rotated_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    next_rotation_at: Option<Timestamp>,
    is_last_rotation_manual: bool,
    last_rotation_job_id: Option<String>,
    last_rotation_message: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// The connection of a rotation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectionSummary {
    app: String,
    name: String,
    id: Uuid,
}

/// The environment of a rotation.
#[derive(Debug, Serialize, ToSchema)]
pub struct RotationEnvironment {
    id: Uuid,
    slug: String,
    name: String,
}

/// The folder of a rotation.
#[derive(Debug, Serialize, ToSchema)]
pub struct FolderSummary {
    id: Uuid,
    path: String,
}

impl From<Rotation> for RotationBody {
    fn from(rotation: Rotation) -> Self {
        let Rotation {
            record,
            connection,
            environment,
            folder,
            last_message,
        } = rotation;
        Self {
            id: record.id.0,
            name: record.name,
            description: record.description,
            kind: record.kind,
            parameters: record.parameters,
            secrets_mapping: serde_json::json!(record.mapping),
            connection_id: record.connection.0,
            connection: ConnectionSummary {
                app: connection.app,
                name: connection.name,
                id: connection.id.0,
            },
            project_id: record.project.to_string(),
            environment: RotationEnvironment {
                id: environment.id.0,
                slug: environment.slug,
                name: environment.name,
            },
            folder_id: folder.id.0,
            folder: FolderSummary {
                id: folder.id.0,
                path: folder.path.as_str().to_owned(),
            },
            is_auto_rotation_enabled: record.auto_rotation,
            rotation_interval: record.interval_days,
            rotate_at_utc: record.rotate_at,
            active_index: record.active_slot,
            rotation_status: record.status.as_str(),
            last_rotation_attempted_at: record.last_attempted_at,
            last_rotated_at: record.last_rotated_at,
            next_rotation_at: record.next_at,
            is_last_rotation_manual: record.last_manual,
            last_rotation_job_id: record.last_job,
            last_rotation_message: last_message,
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

/// One rotation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotationEnvelope {
    secret_rotation: RotationBody,
}

impl From<Rotation> for RotationEnvelope {
    fn from(rotation: Rotation) -> Self {
        Self {
            secret_rotation: rotation.into(),
        }
    }
}

/// Several rotations.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotationsEnvelope {
    secret_rotations: Vec<RotationBody>,
}

impl From<Vec<Rotation>> for RotationsEnvelope {
    fn from(rotations: Vec<Rotation>) -> Self {
        Self {
            secret_rotations: rotations.into_iter().map(RotationBody::from).collect(),
        }
    }
}
