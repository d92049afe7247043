//! The secret object, and how requests name projects and places.

use kms_app::projects::ProjectSelector;
use kms_app::secrets::{PlaceSelector, Secret};
use kms_core::names::SecretPath;
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::error::ApiError;
use crate::api::extract::Issues;
use crate::api::rotations::wire::checked;
use kms_app::Error;

/// What stands in for a value that is not shown. Published clients compare with this text.
const HIDDEN: &str = "<hidden-by-infisical>";

/// A secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretBody {
    id: Uuid,
    /// The same as `id`.
    #[serde(rename = "_id")]
    same_id: Uuid,
    /// The project.
    workspace: String,
    /// Slug of the environment.
    environment: String,
    version: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    secret_key: String,
    secret_value: String,
    secret_comment: String,
    secret_path: String,
    secret_value_hidden: bool,
    #[schema(value_type = Vec<Object>)]
    secret_metadata: Value,
    tags: Vec<TagBody>,
    skip_multiline_encoding: Option<bool>,
    secret_reminder_note: Option<String>,
    secret_reminder_repeat_days: Option<u32>,
    is_rotated_secret: bool,
    rotation_id: Option<Uuid>,
    #[schema(value_type = Option<Object>)]
    actor: Option<Value>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A tag of a secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct TagBody {
    id: Uuid,
    slug: String,
    name: String,
    color: String,
}

impl From<Secret> for SecretBody {
    fn from(secret: Secret) -> Self {
        let record = secret.record;
        Self {
            id: record.id.0,
            same_id: record.id.0,
            workspace: record.project.to_string(),
            environment: secret.environment,
            version: record.version,
            kind: "shared",
            secret_key: record.key,
            secret_value_hidden: secret.value.is_none(),
            // The one place where a value goes out.
            secret_value: secret.value.map_or_else(|| HIDDEN.to_owned(), |value| value.expose().to_owned()),
            secret_comment: secret.comment,
            secret_path: secret.path,
            secret_metadata: record.metadata,
            tags: Vec::new(),
            skip_multiline_encoding: record.skip_multiline_encoding,
            secret_reminder_note: record.reminder_note,
            secret_reminder_repeat_days: record.reminder_repeat_days,
            is_rotated_secret: record.rotation.is_some(),
            rotation_id: record.rotation.map(|id| id.0),
            actor: None,
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

impl SecretBody {
    /// A version, with who made it.
    pub(super) fn version(version: kms_app::secrets::SecretVersion) -> Self {
        let author = version.author;
        let actor = serde_json::json!({
            "actorId": author.id, "actorType": author.kind, "name": author.name, "membershipId": null, "groupId": null,
        });
        Self {
            actor: Some(actor),
            ..Self::from(version.secret)
        }
    }
}

/// One secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretEnvelope {
    pub(super) secret: SecretBody,
}

impl From<Secret> for SecretEnvelope {
    fn from(secret: Secret) -> Self {
        Self { secret: secret.into() }
    }
}

/// Several secrets.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretsEnvelope {
    pub(super) secrets: Vec<SecretBody>,
}

/// The secrets of a folder.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretListBody {
    pub(super) secrets: Vec<SecretBody>,
    /// Secrets of other folders that this one imports.
    #[schema(value_type = Vec<Object>)]
    pub(super) imports: Vec<Value>,
}

/// The project a request names, whichever key it uses.
pub(super) fn project(ids: [Option<String>; 2], slugs: [Option<String>; 2]) -> Result<ProjectSelector, Error> {
    let given = |texts: [Option<String>; 2]| {
        texts
            .into_iter()
            .flatten()
            .map(|text| text.trim().to_owned())
            .find(|text| !text.is_empty())
    };
    match (given(ids), given(slugs)) {
        (Some(id), _) => Ok(ProjectSelector::Id(id)),
        (None, Some(slug)) => Ok(ProjectSelector::Slug(slug)),
        (None, None) => Err(Error::bad_request("name a project: projectId, workspaceId or workspaceSlug")),
    }
}

/// The place a request names.
pub(super) fn place(project: ProjectSelector, environment: Option<String>, path: Option<&str>) -> Result<PlaceSelector, ApiError> {
    let mut issues = Issues::new();
    let environment = environment.map(|slug| slug.trim().to_owned()).filter(|slug| !slug.is_empty());
    issues.check(environment.is_some(), "environment", "invalid_type", "Required");
    let path = issues.take("secretPath", SecretPath::parse(path.unwrap_or("/")));
    issues.finish()?;
    Ok(PlaceSelector {
        project,
        environment: environment.unwrap_or_default(),
        path: checked(path)?,
    })
}

/// A value as it is stored: trimmed, but one newline at its end survives.
pub(super) fn value(text: &str) -> kms_core::secret::SecretString {
    let trimmed = text.trim();
    kms_core::secret::SecretString::new(if text.ends_with('\n') && !trimmed.is_empty() {
        format!("{trimmed}\n")
    } else {
        trimmed.to_owned()
    })
}

/// A metadata entry.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetadataEntry {
    key: String,
    #[serde(default)]
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is_encrypted: Option<bool>,
}

/// Metadata as it is stored: by key, so that answers are the same each time.
pub(super) fn metadata(entries: Vec<MetadataEntry>) -> Value {
    let mut entries = entries;
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    serde_json::json!(entries)
}

/// Refuses what is not there yet: secrets of one's own beside the shared ones, and tags.
pub(super) fn only_shared(kind: Option<&str>, tags: Option<&Vec<String>>) -> Result<(), Error> {
    match kind {
        None | Some("shared") => {}
        Some("personal") => return Err(Error::bad_request("personal overrides are not available; use a shared secret")),
        Some(_) => return Err(Error::invalid("type", "invalid_enum_value", "must be shared or personal")),
    }
    match tags.and_then(|tags| tags.first()) {
        Some(tag) => Err(Error::not_found(format!("no tag with the id {tag}"))),
        None => Ok(()),
    }
}
