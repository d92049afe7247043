//! The secret object, and how requests name projects and places.

use kms_app::actor::Actor;
use kms_app::projects::ProjectSelector;
use kms_app::secrets::{MetadataEntry, PlaceSelector, Secret};
use kms_core::names::SecretPath;
use kms_core::secret::SecretString;
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::error::ApiError;
use crate::api::extract::Issues;
use crate::api::rotations::wire::checked;
use kms_app::Error;

/// What stands in for a value that is not shown. Published clients compare with this text.
const HIDDEN: &str = "<hidden-by-infisical>";

/// The one place where values go out.
fn exposed<S: Serializer>(value: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.expose())
}

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
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    secret_value: SecretString,
    secret_comment: String,
    secret_path: String,
    secret_value_hidden: bool,
    secret_metadata: Vec<MetadataBody>,
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
            secret_value: secret.value.unwrap_or_else(|| HIDDEN.into()),
            secret_comment: secret.comment,
            secret_path: secret.path.as_str().to_owned(),
            secret_metadata: secret.metadata.into_iter().map(MetadataBody::from).collect(),
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
pub(super) fn value(given: &SecretString) -> SecretString {
    let text = given.expose();
    let trimmed = text.trim();
    SecretString::new(if text.ends_with('\n') {
        format!("{trimmed}\n")
    } else {
        trimmed.to_owned()
    })
}

/// An entry of a secret's metadata.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetadataBody {
    key: String,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    value: SecretString,
    is_encrypted: bool,
}

impl From<MetadataEntry> for MetadataBody {
    fn from(entry: MetadataEntry) -> Self {
        Self {
            key: entry.key,
            value: entry.value.unwrap_or_else(|| HIDDEN.into()),
            is_encrypted: entry.encrypted,
        }
    }
}

/// An entry of a secret's metadata, as it is given.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetadataInput {
    /// Its key, 1 to 255 characters.
    key: String,
    /// Its value.
    #[serde(default)]
    #[schema(value_type = String)]
    value: SecretString,
    /// Whether it is stored encrypted.
    #[serde(default)]
    is_encrypted: bool,
}

/// Metadata that is given.
pub(super) fn metadata(issues: &mut Issues, entries: Vec<MetadataInput>) -> Vec<MetadataEntry> {
    entries
        .into_iter()
        .map(|entry| {
            let key = entry.key.trim().to_owned();
            issues.check(
                !key.is_empty(),
                "secretMetadata",
                "too_small",
                "a key must have at least 1 character",
            );
            issues.check(
                key.chars().count() <= 255,
                "secretMetadata",
                "too_big",
                "a key must have at most 255 characters",
            );
            let stored = !key.contains('\0') && !entry.value.expose().contains('\0');
            issues.check(stored, "secretMetadata", "invalid_string", "metadata has no NUL characters");
            MetadataEntry {
                key,
                value: Some(entry.value),
                encrypted: entry.is_encrypted,
            }
        })
        .collect()
}

/// A reminder that is given.
pub(super) fn check_reminder(issues: &mut Issues, note: Option<&str>, repeat_days: Option<u32>) {
    let stored = note.is_none_or(|note| !note.contains('\0'));
    issues.check(stored, "secretReminderNote", "invalid_string", "a note has no NUL characters");
    let days = repeat_days.unwrap_or(0);
    issues.check(days <= 365, "secretReminderRepeatDays", "too_big", "must be from 0 to 365");
}

/// Which secrets a request is about: the shared ones, or somebody's own beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Shared,
    Personal,
}

/// Reads `type`; an empty text is an absent one.
pub(super) fn kind(text: Option<&str>) -> Result<Kind, Error> {
    match text {
        None | Some("" | "shared") => Ok(Kind::Shared),
        Some("personal") => Ok(Kind::Personal),
        Some(_) => Err(Error::invalid("type", "invalid_enum_value", "must be shared or personal")),
    }
}

/// Refuses to write what is not there yet: secrets of one's own beside the shared ones, and tags.
pub(super) fn only_shared(actor: &Actor, type_text: Option<&str>, tags: Option<&Vec<String>>) -> Result<(), Error> {
    if kind(type_text)? == Kind::Personal {
        return Err(Error::bad_request(if actor.identity_id().is_some() {
            "personal overrides belong to people; a machine identity writes shared secrets"
        } else {
            "personal overrides are not available yet; use a shared secret"
        }));
    }
    match tags.and_then(|tags| tags.first()) {
        Some(tag) => Err(Error::not_found(format!("no tag with the id {tag}"))),
        None => Ok(()),
    }
}
