//! The folder object and its requests. Both generations are read by one type: the older names are accepted everywhere.

use kms_app::projects::ProjectSelector;
use kms_app::records::FolderRecord;
use kms_app::secrets::PlaceSelector;
use kms_core::names::SecretPath;
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::error::ApiError;
use crate::api::extract::{Issues, Wire, query_bool};
use crate::api::rotations::wire::checked;

/// Where a folder is, and what is to be done with it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FolderRequest {
    /// The project.
    project_id: Option<String>,
    /// The project, under its older name.
    workspace_id: Option<String>,
    /// Slug of the environment.
    environment: Option<String>,
    /// Name of the folder.
    pub(super) name: Option<String>,
    /// The folder it is in; `/` if absent.
    path: Option<String>,
    /// The same as `path`.
    directory: Option<String>,
    /// What it is for.
    pub(super) description: Option<String>,
}

impl Wire for FolderRequest {}

/// Which folders.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct FolderQuery {
    /// The project.
    project_id: Option<String>,
    /// The project, under its older name.
    workspace_id: Option<String>,
    /// Slug of the environment.
    environment: Option<String>,
    /// The folder to look in; `/` if absent.
    path: Option<String>,
    /// The same as `path`.
    directory: Option<String>,
    /// Whether folders below are listed too.
    #[serde(default, deserialize_with = "query_bool")]
    pub(super) recursive: Option<bool>,
}

fn place(project: Option<String>, environment: Option<String>, path: Option<String>) -> Result<PlaceSelector, ApiError> {
    let given = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let (project, environment) = (given(project), given(environment));
    let mut issues = Issues::new();
    issues.check(project.is_some(), "projectId", "invalid_type", "Required");
    issues.check(environment.is_some(), "environment", "invalid_type", "Required");
    let path = issues.take("path", SecretPath::parse(path.as_deref().unwrap_or("/")));
    issues.finish()?;
    Ok(PlaceSelector {
        project: ProjectSelector::Id(project.unwrap_or_default()),
        environment: environment.unwrap_or_default(),
        path: checked(path)?,
    })
}

impl FolderRequest {
    pub(super) fn place(&mut self) -> Result<PlaceSelector, ApiError> {
        place(
            self.project_id.take().or(self.workspace_id.take()),
            self.environment.take(),
            self.path.take().or(self.directory.take()),
        )
    }
}

impl FolderQuery {
    pub(super) fn place(self) -> Result<PlaceSelector, ApiError> {
        place(
            self.project_id.or(self.workspace_id),
            self.environment,
            self.path.or(self.directory),
        )
    }
}

/// A folder.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FolderBody {
    id: Uuid,
    name: String,
    version: u32,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    env_id: Uuid,
    parent_id: Option<Uuid>,
    is_reserved: bool,
    description: Option<String>,
    last_secret_modified: Option<String>,
    /// Absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// In recursive lists: the path from the folder that was listed, with a leading slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    relative_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<FolderEnvironment>,
}

/// The environment of a folder.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FolderEnvironment {
    env_id: Uuid,
    env_name: String,
    env_slug: String,
}

impl From<FolderRecord> for FolderBody {
    fn from(record: FolderRecord) -> Self {
        Self {
            id: record.id.0,
            name: record.name,
            version: record.version,
            created_at: record.created_at,
            updated_at: record.updated_at,
            env_id: record.environment.0,
            parent_id: record.parent.map(|id| id.0),
            is_reserved: false,
            description: record.description,
            last_secret_modified: None,
            path: Some(record.path.as_str().to_owned()),
            relative_path: None,
            project_id: None,
            environment: None,
        }
    }
}

impl FolderBody {
    /// With what a single folder shows besides.
    pub(super) fn alone(folder: kms_app::folders::Folder) -> Self {
        let project = folder.record.project.to_string();
        let environment = FolderEnvironment {
            env_id: folder.environment.id.0,
            env_name: folder.environment.name,
            env_slug: folder.environment.slug,
        };
        Self {
            project_id: Some(project),
            environment: Some(environment),
            ..Self::from(folder.record)
        }
    }

    /// With the path from `base`.
    pub(super) fn relative_to(record: FolderRecord, base: &SecretPath) -> Self {
        let whole = record.path.as_str();
        let rest = if base.is_root() {
            whole
        } else {
            whole.strip_prefix(base.as_str()).unwrap_or(whole)
        };
        Self {
            relative_path: Some(rest.to_owned()),
            ..Self::from(record)
        }
    }
}

/// One folder.
#[derive(Debug, Serialize, ToSchema)]
pub struct FolderEnvelope {
    pub(super) folder: FolderBody,
}

/// Several folders.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoldersEnvelope {
    pub(super) folders: Vec<FolderBody>,
}
