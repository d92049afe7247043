//! Environment routes.

use axum::Json;
use axum::extract::State;
use kms_app::actor::Actor;
use kms_app::environments::{EnvironmentChanges, EnvironmentSelector};
use kms_app::records::EnvironmentRecord;
use kms_core::ids::ProjectId;
use kms_core::names::EnvironmentSlug;
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::error::{ApiError, ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, Issues, Wire, id};
use crate::api::rotations::wire::{NoBody, checked};
use crate::state::ServerState;

/// What a new environment is given.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateEnvironmentRequest {
    name: String,
    /// Unique in the project.
    slug: String,
    /// Place in lists, from 1; at the end if absent.
    #[schema(minimum = 1)]
    position: Option<u32>,
}

impl Wire for CreateEnvironmentRequest {}

/// Changes of an environment; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateEnvironmentRequest {
    name: Option<String>,
    /// Unique in the project.
    slug: Option<String>,
    /// Place in lists, from 1.
    #[schema(minimum = 1)]
    position: Option<u32>,
}

impl Wire for UpdateEnvironmentRequest {}

/// An environment.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentBody {
    id: Uuid,
    name: String,
    slug: String,
    position: u32,
    project_id: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<EnvironmentRecord> for EnvironmentBody {
    fn from(record: EnvironmentRecord) -> Self {
        Self {
            id: record.id.0,
            name: record.name,
            slug: record.slug,
            position: record.position,
            project_id: record.project.to_string(),
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

/// One environment.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentEnvelope {
    environment: EnvironmentBody,
}

/// One environment, nested and at the top level: clients read either.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentBothWays {
    environment: EnvironmentBody,
    #[serde(flatten)]
    itself: EnvironmentBody,
}

/// What was done to an environment of a project.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentChanged {
    message: &'static str,
    project_id: String,
    environment: EnvironmentBody,
}

/// What was done to an environment of a project, under its older name.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkspaceEnvironmentChanged {
    message: &'static str,
    /// Id of the project.
    workspace: String,
    environment: EnvironmentBody,
}

async fn make(
    state: &ServerState,
    actor: &Actor,
    project: ProjectId,
    request: CreateEnvironmentRequest,
) -> Result<EnvironmentRecord, ApiError> {
    let mut issues = Issues::new();
    let name = issues.short_text("name", &request.name);
    let slug = issues.take("slug", EnvironmentSlug::parse(&request.slug));
    issues.check(request.position != Some(0), "position", "too_small", "must be 1 or greater");
    issues.finish()?;
    Ok(state
        .app
        .create_environment(actor, project, name, checked(slug)?, request.position)
        .await?)
}

async fn change(
    state: &ServerState,
    actor: &Actor,
    project: ProjectId,
    environment: &str,
    request: UpdateEnvironmentRequest,
) -> Result<EnvironmentRecord, ApiError> {
    let mut issues = Issues::new();
    let name = request.name.map(|text| issues.short_text("name", &text));
    let slug = request.slug.and_then(|slug| issues.take("slug", EnvironmentSlug::parse(&slug)));
    issues.check(request.position != Some(0), "position", "too_small", "must be 1 or greater");
    issues.finish()?;
    let changes = EnvironmentChanges {
        name,
        slug,
        position: request.position,
    };
    Ok(state
        .app
        .update_environment(actor, project, id("envId", environment)?, changes)
        .await?)
}

fn with_workspace(message: &'static str, record: EnvironmentRecord) -> ApiResult<WorkspaceEnvironmentChanged> {
    Ok(Json(WorkspaceEnvironmentChanged {
        message,
        workspace: record.project.to_string(),
        environment: record.into(),
    }))
}

fn with_project(message: &'static str, record: EnvironmentRecord) -> ApiResult<EnvironmentChanged> {
    Ok(Json(EnvironmentChanged {
        message,
        project_id: record.project.to_string(),
        environment: record.into(),
    }))
}

const MADE: &str = "The environment was created";
const CHANGED: &str = "The environment was updated";
const GONE: &str = "The environment was deleted";

/// Adds an environment.
#[utoipa::path(post, path = "/v1/workspace/{projectId}/environments", operation_id = "createWorkspaceEnvironment", tag = "Environments",
    security(("token" = [])), params(("projectId" = Uuid, Path)), request_body = CreateEnvironmentRequest,
    responses((status = 200, body = WorkspaceEnvironmentChanged), ApiErrors))]
pub(super) async fn create_in_workspace(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
    ApiJson(request): ApiJson<CreateEnvironmentRequest>,
) -> ApiResult<WorkspaceEnvironmentChanged> {
    let record = make(&state, &actor, id("projectId", &project)?, request).await?;
    with_workspace(MADE, record)
}

/// Changes an environment.
#[utoipa::path(patch, path = "/v1/workspace/{projectId}/environments/{envId}", operation_id = "updateWorkspaceEnvironment",
    tag = "Environments", security(("token" = [])), params(("projectId" = Uuid, Path), ("envId" = Uuid, Path)),
    request_body = UpdateEnvironmentRequest, responses((status = 200, body = WorkspaceEnvironmentChanged), ApiErrors))]
pub(super) async fn update_in_workspace(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, environment)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<UpdateEnvironmentRequest>,
) -> ApiResult<WorkspaceEnvironmentChanged> {
    let record = change(&state, &actor, id("projectId", &project)?, &environment, request).await?;
    with_workspace(CHANGED, record)
}

/// Deletes an environment with everything in it. Keys of rotations in it are revoked.
#[utoipa::path(delete, path = "/v1/workspace/{projectId}/environments/{envId}", operation_id = "deleteWorkspaceEnvironment",
    tag = "Environments", security(("token" = [])), params(("projectId" = Uuid, Path), ("envId" = Uuid, Path)),
    responses((status = 200, body = WorkspaceEnvironmentChanged), ApiErrors))]
pub(super) async fn delete_in_workspace(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, environment)): ApiPath<(String, String)>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> ApiResult<WorkspaceEnvironmentChanged> {
    let record = state
        .app
        .delete_environment(&actor, id("projectId", &project)?, id("envId", &environment)?)
        .await?;
    with_workspace(GONE, record)
}

async fn found(state: &ServerState, actor: &Actor, project: &str, environment: &str) -> ApiResult<EnvironmentEnvelope> {
    let selector = EnvironmentSelector::Id(id("envId", environment)?);
    let record = state.app.get_environment(actor, id("projectId", project)?, &selector).await?;
    Ok(Json(EnvironmentEnvelope {
        environment: record.into(),
    }))
}

/// One environment.
#[utoipa::path(get, path = "/v1/workspace/{projectId}/environments/{envId}", operation_id = "getWorkspaceEnvironment", tag = "Environments",
    security(("token" = [])), params(("projectId" = Uuid, Path), ("envId" = Uuid, Path)),
    responses((status = 200, body = EnvironmentEnvelope), ApiErrors))]
pub(super) async fn get_in_workspace(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, environment)): ApiPath<(String, String)>,
) -> ApiResult<EnvironmentEnvelope> {
    found(&state, &actor, &project, &environment).await
}

/// One environment, by its id alone.
#[utoipa::path(get, path = "/v1/workspace/environments/{envId}", operation_id = "getEnvironmentById", tag = "Environments",
    security(("token" = [])), params(("envId" = Uuid, Path)), responses((status = 200, body = EnvironmentEnvelope), ApiErrors))]
pub(super) async fn get_alone(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(environment): ApiPath<String>,
) -> ApiResult<EnvironmentEnvelope> {
    let record = state.app.get_environment_by_id(&actor, id("envId", &environment)?).await?;
    Ok(Json(EnvironmentEnvelope {
        environment: record.into(),
    }))
}

/// Adds an environment.
#[utoipa::path(post, path = "/v1/projects/{projectId}/environments", operation_id = "createEnvironment", tag = "Environments",
    security(("token" = [])), params(("projectId" = Uuid, Path)), request_body = CreateEnvironmentRequest,
    responses((status = 200, body = EnvironmentChanged), ApiErrors))]
pub(super) async fn create(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
    ApiJson(request): ApiJson<CreateEnvironmentRequest>,
) -> ApiResult<EnvironmentChanged> {
    with_project(MADE, make(&state, &actor, id("projectId", &project)?, request).await?)
}

/// Changes an environment.
#[utoipa::path(patch, path = "/v1/projects/{projectId}/environments/{envId}", operation_id = "updateEnvironment", tag = "Environments",
    security(("token" = [])), params(("projectId" = Uuid, Path), ("envId" = Uuid, Path)), request_body = UpdateEnvironmentRequest,
    responses((status = 200, body = EnvironmentChanged), ApiErrors))]
pub(super) async fn update(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, environment)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<UpdateEnvironmentRequest>,
) -> ApiResult<EnvironmentChanged> {
    with_project(
        CHANGED,
        change(&state, &actor, id("projectId", &project)?, &environment, request).await?,
    )
}

/// Deletes an environment with everything in it. Keys of rotations in it are revoked.
#[utoipa::path(delete, path = "/v1/projects/{projectId}/environments/{envId}", operation_id = "deleteEnvironment", tag = "Environments",
    security(("token" = [])), params(("projectId" = Uuid, Path), ("envId" = Uuid, Path)),
    responses((status = 200, body = EnvironmentChanged), ApiErrors))]
pub(super) async fn delete(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, environment)): ApiPath<(String, String)>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> ApiResult<EnvironmentChanged> {
    with_project(
        GONE,
        state
            .app
            .delete_environment(&actor, id("projectId", &project)?, id("envId", &environment)?)
            .await?,
    )
}

/// One environment.
#[utoipa::path(get, path = "/v1/projects/{projectId}/environments/{envId}", operation_id = "getEnvironment", tag = "Environments",
    security(("token" = [])), params(("projectId" = Uuid, Path), ("envId" = Uuid, Path)),
    responses((status = 200, body = EnvironmentEnvelope), ApiErrors))]
pub(super) async fn get_one(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, environment)): ApiPath<(String, String)>,
) -> ApiResult<EnvironmentEnvelope> {
    found(&state, &actor, &project, &environment).await
}

/// One environment, by its slug.
#[utoipa::path(get, path = "/v1/projects/{projectId}/environments/slug/{slug}", operation_id = "getEnvironmentBySlug", tag = "Environments",
    security(("token" = [])), params(("projectId" = Uuid, Path), ("slug" = String, Path)),
    responses((status = 200, body = EnvironmentBothWays), ApiErrors))]
pub(super) async fn get_by_slug(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, slug)): ApiPath<(String, String)>,
) -> ApiResult<EnvironmentBothWays> {
    let selector = EnvironmentSelector::Slug(slug);
    let body: EnvironmentBody = state
        .app
        .get_environment(&actor, id("projectId", &project)?, &selector)
        .await?
        .into();
    Ok(Json(EnvironmentBothWays {
        environment: body.clone(),
        itself: body,
    }))
}
