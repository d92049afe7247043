//! Project routes.

use axum::Json;
use axum::extract::State;
use kms_app::projects::ProjectSelector;
use kms_core::ids::ProjectId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::wire::{
    CreateProjectRequest, KINDS, ProjectBody, ProjectEnvelope, ProjectsEnvelope, RetentionRequest, UpdateProjectRequest, WorkspaceChanged,
    WorkspaceEnvelope, WorkspacesEnvelope,
};
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, ApiQuery, Authenticated, id, query_bool};
use crate::api::rotations::wire::NoBody;
use crate::state::ServerState;

/// Selects a project by an id that must be one.
fn by_id(text: &str) -> Result<ProjectSelector, kms_app::Error> {
    let id: ProjectId = id("projectId", text)?;
    Ok(ProjectSelector::Id(id.to_string()))
}

/// Makes a project.
#[utoipa::path(post, path = "/v2/workspace", operation_id = "createWorkspace", tag = "Projects", security(("token" = [])),
    request_body = CreateProjectRequest, responses((status = 200, body = ProjectEnvelope), ApiErrors))]
pub(super) async fn create_v2(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<CreateProjectRequest>,
) -> ApiResult<ProjectEnvelope> {
    let project = state.app.create_project(&actor, request.read(36)?).await?;
    Ok(Json(ProjectEnvelope { project: project.into() }))
}

/// Makes a project.
#[utoipa::path(post, path = "/v1/projects", operation_id = "createProject", tag = "Projects", security(("token" = [])),
    request_body = CreateProjectRequest, responses((status = 200, body = ProjectEnvelope), ApiErrors))]
pub(super) async fn create(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<CreateProjectRequest>,
) -> ApiResult<ProjectEnvelope> {
    let project = state.app.create_project(&actor, request.read(64)?).await?;
    Ok(Json(ProjectEnvelope { project: project.into() }))
}

/// Which projects.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only projects of that type; `all` for every type.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Whether the roles that members can have are listed with each project.
    #[serde(rename = "includeRoles", default, deserialize_with = "query_bool")]
    #[param(value_type = Option<bool>)]
    include_roles: Option<bool>,
}

async fn listed(state: &ServerState, actor: &kms_app::actor::Actor, query: &ListQuery) -> Result<Vec<ProjectBody>, kms_app::Error> {
    let wanted = query.kind.as_deref().filter(|kind| *kind != "all");
    if wanted.is_some_and(|kind| !KINDS.contains(&kind)) {
        return Err(kms_app::Error::invalid("type", "invalid_enum_value", "is no type of project"));
    }
    let roles = query.include_roles.unwrap_or(false);
    let projects = state.app.list_projects(actor).await?;
    Ok(projects
        .into_iter()
        .filter(|project| wanted.is_none_or(|kind| project.record.kind == kind))
        .map(ProjectBody::from)
        .map(|body| if roles { body.with_roles() } else { body })
        .collect())
}

/// The projects that the caller is a member of, by name.
#[utoipa::path(get, path = "/v1/projects", operation_id = "listProjects", tag = "Projects", security(("token" = [])), params(ListQuery),
    responses((status = 200, body = ProjectsEnvelope), ApiErrors))]
pub(super) async fn list(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> ApiResult<ProjectsEnvelope> {
    Ok(Json(ProjectsEnvelope {
        projects: listed(&state, &actor, &query).await?,
    }))
}

/// The projects that the caller is a member of, by name.
#[utoipa::path(get, path = "/v1/workspace", operation_id = "listWorkspaces", tag = "Projects", security(("token" = [])), params(ListQuery),
    responses((status = 200, body = WorkspacesEnvelope), ApiErrors))]
pub(super) async fn list_workspaces(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> ApiResult<WorkspacesEnvelope> {
    Ok(Json(WorkspacesEnvelope {
        workspaces: listed(&state, &actor, &query).await?,
    }))
}

/// One project.
#[utoipa::path(get, path = "/v1/projects/{projectId}", operation_id = "getProject", tag = "Projects", security(("token" = [])),
    params(("projectId" = String, Path)), responses((status = 200, body = ProjectEnvelope), ApiErrors))]
pub(super) async fn get_one(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
) -> ApiResult<ProjectEnvelope> {
    Ok(Json(ProjectEnvelope {
        project: state.app.get_project(&actor, &by_id(&project)?).await?.into(),
    }))
}

/// One project, by its slug. Not in an envelope.
#[utoipa::path(get, path = "/v1/projects/slug/{slug}", operation_id = "getProjectBySlug", tag = "Projects", security(("token" = [])),
    params(("slug" = String, Path)), responses((status = 200, body = ProjectBody), ApiErrors))]
pub(super) async fn get_by_slug(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(slug): ApiPath<String>,
) -> ApiResult<ProjectBody> {
    Ok(Json(state.app.get_project(&actor, &ProjectSelector::Slug(slug)).await?.into()))
}

/// One project.
#[utoipa::path(get, path = "/v1/workspace/{projectId}", operation_id = "getWorkspace", tag = "Projects", security(("token" = [])),
    params(("projectId" = String, Path)), responses((status = 200, body = WorkspaceEnvelope), ApiErrors))]
pub(super) async fn get_workspace(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
) -> ApiResult<WorkspaceEnvelope> {
    Ok(Json(WorkspaceEnvelope {
        workspace: state.app.get_project(&actor, &by_id(&project)?).await?.into(),
    }))
}

/// One project, by its slug. Not in an envelope.
#[utoipa::path(get, path = "/v2/workspace/{projectId}", operation_id = "getWorkspaceBySlug", tag = "Projects", security(("token" = [])),
    params(("projectId" = String, Path, description = "The slug")), responses((status = 200, body = ProjectBody), ApiErrors))]
pub(super) async fn get_workspace_bare(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(slug): ApiPath<String>,
) -> ApiResult<ProjectBody> {
    Ok(Json(state.app.get_project(&actor, &ProjectSelector::Id(slug)).await?.into()))
}

/// Changes a project.
#[utoipa::path(patch, path = "/v1/projects/{projectId}", operation_id = "updateProject", tag = "Projects", security(("token" = [])),
    params(("projectId" = String, Path)), request_body = UpdateProjectRequest, responses((status = 200, body = ProjectEnvelope), ApiErrors))]
pub(super) async fn update(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
    ApiJson(request): ApiJson<UpdateProjectRequest>,
) -> ApiResult<ProjectEnvelope> {
    Ok(Json(ProjectEnvelope {
        project: state.app.update_project(&actor, &by_id(&project)?, request.read()?).await?.into(),
    }))
}

/// Changes a project.
#[utoipa::path(patch, path = "/v1/workspace/{projectId}", operation_id = "updateWorkspace", tag = "Projects", security(("token" = [])),
    params(("projectId" = String, Path)), request_body = UpdateProjectRequest, responses((status = 200, body = WorkspaceEnvelope), ApiErrors))]
pub(super) async fn update_workspace(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
    ApiJson(request): ApiJson<UpdateProjectRequest>,
) -> ApiResult<WorkspaceEnvelope> {
    Ok(Json(WorkspaceEnvelope {
        workspace: state.app.update_project(&actor, &by_id(&project)?, request.read()?).await?.into(),
    }))
}

/// Changes a project, named by its slug. Not in an envelope.
#[utoipa::path(patch, path = "/v2/workspace/{projectId}", operation_id = "updateWorkspaceBySlug", tag = "Projects", security(("token" = [])),
    params(("projectId" = String, Path, description = "The slug")), request_body = UpdateProjectRequest,
    responses((status = 200, body = ProjectBody), ApiErrors))]
pub(super) async fn update_workspace_bare(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(slug): ApiPath<String>,
    ApiJson(request): ApiJson<UpdateProjectRequest>,
) -> ApiResult<ProjectBody> {
    Ok(Json(
        state
            .app
            .update_project(&actor, &ProjectSelector::Id(slug), request.read()?)
            .await?
            .into(),
    ))
}

/// Says how long audit entries of a project, named by its slug, are kept.
#[utoipa::path(put, path = "/v1/workspace/{projectId}/audit-logs-retention", operation_id = "updateWorkspaceAuditLogsRetention",
    tag = "Projects", security(("token" = [])), params(("projectId" = String, Path, description = "The slug")),
    request_body = RetentionRequest, responses((status = 200, body = WorkspaceChanged), ApiErrors))]
pub(super) async fn update_retention(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(slug): ApiPath<String>,
    ApiJson(request): ApiJson<RetentionRequest>,
) -> ApiResult<WorkspaceChanged> {
    let changed = state
        .app
        .update_project(&actor, &ProjectSelector::Id(slug), request.read()?)
        .await?;
    Ok(Json(WorkspaceChanged {
        message: "The retention of audit logs was changed",
        workspace: changed.into(),
    }))
}

/// Deletes a project with everything in it. Keys of rotations in it are revoked.
#[utoipa::path(delete, path = "/v1/projects/{projectId}", operation_id = "deleteProject", tag = "Projects", security(("token" = [])),
    params(("projectId" = String, Path)), responses((status = 200, body = ProjectEnvelope), ApiErrors))]
pub(super) async fn delete(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> ApiResult<ProjectEnvelope> {
    Ok(Json(ProjectEnvelope {
        project: state.app.delete_project(&actor, &by_id(&project)?).await?.into(),
    }))
}

/// Deletes a project with everything in it. Keys of rotations in it are revoked.
#[utoipa::path(delete, path = "/v1/workspace/{projectId}", operation_id = "deleteWorkspace", tag = "Projects", security(("token" = [])),
    params(("projectId" = String, Path)), responses((status = 200, body = WorkspaceEnvelope), ApiErrors))]
pub(super) async fn delete_workspace(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(project): ApiPath<String>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> ApiResult<WorkspaceEnvelope> {
    Ok(Json(WorkspaceEnvelope {
        workspace: state.app.delete_project(&actor, &by_id(&project)?).await?.into(),
    }))
}

/// Deletes a project, named by its slug. Not in an envelope.
#[utoipa::path(delete, path = "/v2/workspace/{projectId}", operation_id = "deleteWorkspaceBySlug", tag = "Projects", security(("token" = [])),
    params(("projectId" = String, Path, description = "The slug")), responses((status = 200, body = ProjectBody), ApiErrors))]
pub(super) async fn delete_workspace_bare(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(slug): ApiPath<String>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> ApiResult<ProjectBody> {
    Ok(Json(state.app.delete_project(&actor, &ProjectSelector::Id(slug)).await?.into()))
}
