//! The project object, in every envelope it comes in.

use kms_app::projects::{Project, ProjectChanges};
use kms_core::names::Slug;
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::error::ApiError;
use crate::api::extract::{Issues, PROJECT_DESCRIPTION_LIMIT, Wire};

/// What a new project is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateProjectRequest {
    /// At most 64 characters.
    pub(super) project_name: String,
    /// At most 1024 characters.
    pub(super) project_description: Option<String>,
    /// Made from the name if absent or empty.
    pub(super) slug: Option<String>,
    /// `secret-manager` if absent; only shown.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// Whether to make Development, Staging and Production; true if absent.
    pub(super) should_create_default_envs: Option<bool>,
    /// Refuses deletion while set; false if absent.
    pub(super) has_delete_protection: Option<bool>,
}

impl Wire for CreateProjectRequest {}

/// Changes of a project; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateProjectRequest {
    /// At most 64 characters.
    name: Option<String>,
    /// At most 1024 characters; an empty text clears it.
    description: Option<String>,
    /// 5 to 64 characters; an empty text counts as absent.
    slug: Option<String>,
    /// Whether clients should write names in capitals.
    auto_capitalization: Option<bool>,
    /// Refuses deletion while set.
    has_delete_protection: Option<bool>,
    /// How many versions of a secret are kept, 1 to 100.
    #[schema(minimum = 1, maximum = 100)]
    pit_version_limit: Option<u32>,
    /// Whether secrets may be shared by link.
    secret_sharing: Option<bool>,
    /// How many days audit entries are kept, up to 3650; 0 = as long as the instance keeps them.
    #[schema(maximum = 3650)]
    audit_logs_retention_days: Option<u32>,
}

impl Wire for UpdateProjectRequest {}

/// How long audit entries of a project are kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionRequest {
    /// Days, up to 3650; 0 = as long as the instance keeps them.
    #[schema(maximum = 3650)]
    audit_logs_retention_days: u32,
}

impl Wire for RetentionRequest {}

impl RetentionRequest {
    pub(super) fn read(&self) -> Result<ProjectChanges, ApiError> {
        let mut issues = Issues::new();
        let days = retention(&mut issues, Some(self.audit_logs_retention_days));
        issues.finish()?;
        Ok(ProjectChanges {
            audit_retention_days: days,
            ..ProjectChanges::default()
        })
    }
}

fn retention(issues: &mut Issues, days: Option<u32>) -> Option<u32> {
    issues.check(
        days.is_none_or(|days| days <= 3650),
        "auditLogsRetentionDays",
        "too_big",
        "must be 3650 or less",
    );
    days
}

/// Types that a project can have; a project of any type can hold secrets.
pub(super) const KINDS: [&str; 7] = ["secret-manager", "cert-manager", "kms", "ssh", "secret-scanning", "pam", "ai"];

impl CreateProjectRequest {
    pub(super) fn read(self, longest_slug: usize) -> Result<kms_app::projects::NewProject, ApiError> {
        let mut issues = Issues::new();
        let name = issues.short_text("projectName", &self.project_name);
        let description = issues.note("projectDescription", self.project_description, PROJECT_DESCRIPTION_LIMIT);
        let slug = self.slug.filter(|slug| !slug.trim().is_empty());
        let slug = slug.and_then(|slug| issues.take("slug", Slug::parse(&slug, 5, longest_slug)));
        let kind = self
            .kind
            .filter(|kind| !kind.is_empty())
            .unwrap_or_else(|| "secret-manager".to_owned());
        issues.check(
            KINDS.contains(&kind.as_str()),
            "type",
            "invalid_enum_value",
            "is no type of project",
        );
        issues.finish()?;
        Ok(kms_app::projects::NewProject {
            name,
            description: description.filter(|text| !text.is_empty()),
            slug,
            kind,
            default_environments: self.should_create_default_envs.unwrap_or(true),
            delete_protection: self.has_delete_protection.unwrap_or(false),
        })
    }
}

impl UpdateProjectRequest {
    pub(super) fn read(self) -> Result<ProjectChanges, ApiError> {
        let mut issues = Issues::new();
        let new_name = self.name.map(|text| issues.short_text("name", &text));
        let slug = self.slug.filter(|slug| !slug.trim().is_empty());
        let slug = slug.and_then(|slug| issues.take("slug", Slug::parse(&slug, 5, 64)));
        issues.check(
            self.pit_version_limit.is_none_or(|limit| (1..=100).contains(&limit)),
            "pitVersionLimit",
            "too_big",
            "must be a whole number from 1 to 100",
        );
        let audit_retention_days = retention(&mut issues, self.audit_logs_retention_days);
        let description = issues.note("description", self.description, PROJECT_DESCRIPTION_LIMIT);
        issues.finish()?;
        Ok(ProjectChanges {
            name: new_name,
            description,
            slug,
            auto_capitalization: self.auto_capitalization,
            delete_protection: self.has_delete_protection,
            version_limit: self.pit_version_limit,
            secret_sharing: self.secret_sharing,
            audit_retention_days,
        })
    }
}

/// An environment of a project, as projects list it.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentSummary {
    id: Uuid,
    name: String,
    slug: String,
}

/// A project.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectBody {
    id: Uuid,
    /// The same as `id`.
    #[serde(rename = "_id")]
    same_id: Uuid,
    name: String,
    slug: String,
    description: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    default_product: Option<String>,
    org_id: Uuid,
    auto_capitalization: bool,
    version: u32,
    upgrade_status: Option<String>,
    pit_version_limit: u32,
    kms_certificate_key_id: Option<Uuid>,
    kms_secret_manager_key_id: Option<Uuid>,
    audit_logs_retention_days: Option<u32>,
    has_delete_protection: bool,
    secret_sharing: bool,
    show_snapshots_legacy: bool,
    secret_detection_ignore_values: Option<Vec<String>>,
    enforce_encrypted_secret_manager_secret_metadata: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    environments: Vec<EnvironmentSummary>,
    /// The roles that members can have, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    roles: Option<Vec<RoleSummary>>,
}

/// A role that members can have.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleSummary {
    slug: &'static str,
    name: &'static str,
}

impl ProjectBody {
    pub(super) fn with_roles(self) -> Self {
        let roles = [
            ("admin", "Admin"),
            ("member", "Developer"),
            ("viewer", "Viewer"),
            ("no-access", "No Access"),
        ];
        Self {
            roles: Some(roles.into_iter().map(|(slug, name)| RoleSummary { slug, name }).collect()),
            ..self
        }
    }
}

impl From<Project> for ProjectBody {
    fn from(project: Project) -> Self {
        let record = project.record;
        Self {
            id: record.id.0,
            same_id: record.id.0,
            name: record.name,
            slug: record.slug,
            description: record.description,
            kind: record.kind,
            default_product: None,
            org_id: record.org.0,
            auto_capitalization: record.auto_capitalization,
            version: 3,
            upgrade_status: None,
            pit_version_limit: record.version_limit,
            kms_certificate_key_id: None,
            kms_secret_manager_key_id: None,
            audit_logs_retention_days: record.audit_retention_days,
            has_delete_protection: record.delete_protection,
            secret_sharing: record.secret_sharing,
            show_snapshots_legacy: false,
            secret_detection_ignore_values: None,
            enforce_encrypted_secret_manager_secret_metadata: false,
            created_at: record.created_at,
            updated_at: record.updated_at,
            environments: project
                .environments
                .into_iter()
                .map(|environment| EnvironmentSummary {
                    id: environment.id.0,
                    name: environment.name,
                    slug: environment.slug,
                })
                .collect(),
            roles: None,
        }
    }
}

/// One project.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectEnvelope {
    pub(super) project: ProjectBody,
}

/// Several projects.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectsEnvelope {
    pub(super) projects: Vec<ProjectBody>,
}

/// One project, under its older name.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkspaceEnvelope {
    pub(super) workspace: ProjectBody,
}

/// What was done to a project, under its older name.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkspaceChanged {
    pub(super) message: &'static str,
    pub(super) workspace: ProjectBody,
}

/// Several projects, under their older name.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkspacesEnvelope {
    pub(super) workspaces: Vec<ProjectBody>,
}
