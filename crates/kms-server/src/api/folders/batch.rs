//! Several folders at once, and folders by their path.

use axum::Json;
use axum::extract::State;
use axum::routing;
use kms_app::Error;
use kms_app::actor::Actor;
use kms_app::folders::FolderChange;
use kms_app::projects::ProjectSelector;
use kms_app::secrets::PlaceSelector;
use kms_core::names::{FolderName, SecretPath};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::handlers::gone;
use super::wire::{FolderBody, FolderEnvelope, FolderRequest, FoldersEnvelope};
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, Issues, NUL_IN_DESCRIPTION, Wire};
use crate::api::rotations::wire::checked;
use crate::state::ServerState;

/// One of the folders.
#[derive(Debug, Deserialize, ToSchema)]
pub struct FolderElement {
    /// Its id, or its name in the folder that it is in.
    id: String,
    /// Slug of its environment.
    environment: String,
    /// Its name from now on.
    name: String,
    /// The folder that it is in; `/` if absent.
    path: Option<String>,
    /// What it is for.
    description: Option<String>,
}

/// Changes of several folders.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoldersRequest {
    /// The project.
    project_id: Option<String>,
    /// The project, under its older name.
    workspace_id: Option<String>,
    /// Slug of the project.
    project_slug: Option<String>,
    /// The folders.
    folders: Vec<FolderElement>,
}

impl Wire for FoldersRequest {}

/// Folders in one request.
const MOST: usize = 1000;

fn change(element: FolderElement) -> Result<FolderChange, Error> {
    let mut issues = Issues::new();
    let name = issues.take("name", FolderName::parse(&element.name));
    let path = issues.take("path", SecretPath::parse(element.path.as_deref().unwrap_or("/")));
    issues.storable("description", element.description.as_deref(), NUL_IN_DESCRIPTION);
    issues.finish()?;
    Ok(FolderChange {
        folder: element.id,
        environment: element.environment.trim().to_owned(),
        path: checked(path)?,
        name: checked(name)?,
        description: element.description,
    })
}

async fn changed(state: &ServerState, actor: &Actor, request: FoldersRequest) -> ApiResult<FoldersEnvelope> {
    let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let id = given(request.project_id).or(given(request.workspace_id));
    let project = match (id, given(request.project_slug)) {
        (Some(id), _) => ProjectSelector::Id(id),
        (None, Some(slug)) => ProjectSelector::Slug(slug),
        (None, None) => return Err(Error::invalid("projectId", "invalid_type", "Required").into()),
    };
    let mut issues = Issues::new();
    issues.check(!request.folders.is_empty(), "folders", "too_small", "must have at least 1 element");
    issues.check(
        request.folders.len() <= MOST,
        "folders",
        "too_big",
        "must have at most 1000 elements",
    );
    let mut changes = Vec::with_capacity(request.folders.len());
    for (place, element) in request.folders.into_iter().enumerate() {
        match change(element) {
            Ok(change) => changes.push(change),
            Err(Error::Invalid { issues: mut below }) => {
                for issue in &mut below {
                    issue.path.insert(0, place.to_string());
                }
                issues.extend("folders", below);
            }
            Err(other) => return Err(other.into()),
        }
    }
    issues.finish()?;
    let folders = state.app.update_folders(actor, &project, changes).await?;
    Ok(Json(FoldersEnvelope {
        folders: folders.into_iter().map(|folder| FolderBody::from(folder.record)).collect(),
    }))
}

/// Renames several folders, one after the other, all or none.
#[utoipa::path(patch, path = "/v1/folders/batch", operation_id = "updateFoldersBatchV1", tag = "Folders", security(("token" = [])),
    request_body = FoldersRequest, responses((status = 200, body = FoldersEnvelope), ApiErrors))]
pub(super) async fn update_v1(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<FoldersRequest>,
) -> ApiResult<FoldersEnvelope> {
    changed(&state, &actor, request).await
}

/// Renames several folders, one after the other, all or none.
#[utoipa::path(patch, path = "/v2/folders/batch", operation_id = "updateFoldersBatchV2", tag = "Folders", security(("token" = [])),
    request_body = FoldersRequest, responses((status = 200, body = FoldersEnvelope), ApiErrors))]
pub(super) async fn update_v2(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<FoldersRequest>,
) -> ApiResult<FoldersEnvelope> {
    changed(&state, &actor, request).await
}

async fn by_path(state: &ServerState, actor: &Actor, project: String, environment: String, path: &str) -> ApiResult<FolderEnvelope> {
    let mut issues = Issues::new();
    let path = issues.take("path", SecretPath::parse(path));
    issues.finish()?;
    let place = PlaceSelector {
        project: ProjectSelector::Id(project),
        environment,
        path: checked(path)?,
    };
    let folder = state.app.get_folder_by_path(actor, &place).await?;
    Ok(Json(FolderEnvelope {
        folder: FolderBody::alone(folder),
    }))
}

/// One folder, by its place. The path stands in one segment, percent-encoded. (The first parameter is the project; it shares its
/// name with the folder's id in the routes beside.)
#[utoipa::path(get, path = "/v1/folders/{folderId}/{environment}/{path}", operation_id = "getFolderByPathV1", tag = "Folders",
    security(("token" = [])), params(("folderId" = String, Path), ("environment" = String, Path), ("path" = String, Path)),
    responses((status = 200, body = FolderEnvelope), ApiErrors))]
pub(super) async fn get_by_path(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, environment, path)): ApiPath<(String, String, String)>,
) -> ApiResult<FolderEnvelope> {
    by_path(&state, &actor, project, environment, &path).await
}

/// The root of an environment: a path that is empty, or that lost its only slash as the last one of the address.
#[utoipa::path(get, path = "/v1/folders/{folderId}/{environment}", operation_id = "getRootFolderV1", tag = "Folders",
    security(("token" = [])), params(("folderId" = String, Path), ("environment" = String, Path)),
    responses((status = 200, body = FolderEnvelope), ApiErrors))]
pub(super) async fn get_root(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((project, environment)): ApiPath<(String, String)>,
) -> ApiResult<FolderEnvelope> {
    by_path(&state, &actor, project, environment, "/").await
}

/// A folder named `batch` can be deleted by its name all the same: a fixed path goes before a parameter.
pub(super) fn named() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .route("/v1/folders/batch", routing::delete(delete_batch))
        .route("/v2/folders/batch", routing::delete(delete_batch))
}

async fn delete_batch(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<FolderRequest>,
) -> ApiResult<FolderEnvelope> {
    gone(&state, &actor, "batch", request).await
}
