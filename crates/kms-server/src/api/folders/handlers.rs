//! Folder routes.

use axum::Json;
use axum::extract::State;
use kms_app::Error;
use kms_app::actor::Actor;
use kms_app::folders::FolderChange;
use kms_core::names::FolderName;

use super::wire::{FolderBody, FolderEnvelope, FolderQuery, FolderRequest, FoldersEnvelope};
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, ApiQuery, Authenticated, Issues, NUL_IN_DESCRIPTION, id};
use crate::api::rotations::wire::checked;
use crate::state::ServerState;

async fn listed(state: &ServerState, actor: &Actor, query: FolderQuery) -> ApiResult<FoldersEnvelope> {
    let recursive = query.recursive.unwrap_or(false);
    let place = query.place()?;
    let found = state.app.list_folders(actor, &place, recursive).await?;
    let folders = found
        .into_iter()
        .map(|record| {
            if recursive {
                FolderBody::relative_to(record, &place.path)
            } else {
                record.into()
            }
        })
        .collect();
    Ok(Json(FoldersEnvelope { folders }))
}

/// Name and description of a request.
fn name_and_description(request: &mut FolderRequest) -> Result<(FolderName, Option<String>), Error> {
    let mut issues = Issues::new();
    let (name, description) = (request.name.take(), request.description.take());
    issues.check(name.is_some(), "name", "invalid_type", "Required");
    let name = name.and_then(|text| issues.take("name", FolderName::parse(&text)));
    issues.storable("description", description.as_deref(), NUL_IN_DESCRIPTION);
    issues.finish()?;
    Ok((checked(name)?, description))
}

async fn made(state: &ServerState, actor: &Actor, mut request: FolderRequest) -> ApiResult<FolderEnvelope> {
    let (name, description) = name_and_description(&mut request)?;
    let place = request.place()?;
    let folder = state.app.create_folder(actor, &place, &name, description).await?;
    Ok(Json(FolderEnvelope {
        folder: folder.record.into(),
    }))
}

async fn found(state: &ServerState, actor: &Actor, folder: &str) -> ApiResult<FolderEnvelope> {
    let folder = state.app.get_folder(actor, id("folderId", folder)?).await?;
    Ok(Json(FolderEnvelope {
        folder: FolderBody::alone(folder),
    }))
}

async fn changed(state: &ServerState, actor: &Actor, folder: &str, mut request: FolderRequest) -> ApiResult<FolderEnvelope> {
    let (name, description) = name_and_description(&mut request)?;
    let place = request.place()?;
    let change = FolderChange {
        folder: folder.to_owned(),
        environment: place.environment,
        path: place.path,
        name,
        description,
    };
    let folder = state.app.update_folder(actor, &place.project, change).await?;
    Ok(Json(FolderEnvelope {
        folder: folder.record.into(),
    }))
}

pub(super) async fn gone(state: &ServerState, actor: &Actor, folder: &str, mut request: FolderRequest) -> ApiResult<FolderEnvelope> {
    let place = request.place()?;
    let folder = state.app.delete_folder(actor, &place, folder).await?;
    Ok(Json(FolderEnvelope {
        folder: folder.record.into(),
    }))
}

/// The folders in a folder; none for a path that does not exist.
#[utoipa::path(get, path = "/v1/folders", operation_id = "listFoldersV1", tag = "Folders", security(("token" = [])), params(FolderQuery),
    responses((status = 200, body = FoldersEnvelope), ApiErrors))]
pub(super) async fn list_v1(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<FolderQuery>,
) -> ApiResult<FoldersEnvelope> {
    listed(&state, &actor, query).await
}

/// Makes a folder, and those above it that are missing. One that exists is answered as it is.
#[utoipa::path(post, path = "/v1/folders", operation_id = "createFolderV1", tag = "Folders", security(("token" = [])),
    request_body = FolderRequest, responses((status = 200, body = FolderEnvelope), ApiErrors))]
pub(super) async fn create_v1(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<FolderRequest>,
) -> ApiResult<FolderEnvelope> {
    made(&state, &actor, request).await
}

/// One folder, by its id.
#[utoipa::path(get, path = "/v1/folders/{folderId}", operation_id = "getFolderV1", tag = "Folders", security(("token" = [])),
    params(("folderId" = String, Path)), responses((status = 200, body = FolderEnvelope), ApiErrors))]
pub(super) async fn get_v1(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(folder): ApiPath<String>,
) -> ApiResult<FolderEnvelope> {
    found(&state, &actor, &folder).await
}

/// Renames a folder, named by its name or id; everything below it moves along.
#[utoipa::path(patch, path = "/v1/folders/{folderId}", operation_id = "updateFolderV1", tag = "Folders", security(("token" = [])),
    params(("folderId" = String, Path)), request_body = FolderRequest, responses((status = 200, body = FolderEnvelope), ApiErrors))]
pub(super) async fn update_v1(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(folder): ApiPath<String>,
    ApiJson(request): ApiJson<FolderRequest>,
) -> ApiResult<FolderEnvelope> {
    changed(&state, &actor, &folder, request).await
}

/// Deletes a folder, named by its name or id, with everything below it. Keys of rotations in it are revoked.
#[utoipa::path(delete, path = "/v1/folders/{folderId}", operation_id = "deleteFolderV1", tag = "Folders", security(("token" = [])),
    params(("folderId" = String, Path)), request_body = FolderRequest, responses((status = 200, body = FolderEnvelope), ApiErrors))]
pub(super) async fn delete_v1(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(folder): ApiPath<String>,
    ApiJson(request): ApiJson<FolderRequest>,
) -> ApiResult<FolderEnvelope> {
    gone(&state, &actor, &folder, request).await
}

/// The folders in a folder; none for a path that does not exist.
#[utoipa::path(get, path = "/v2/folders", operation_id = "listFoldersV2", tag = "Folders", security(("token" = [])), params(FolderQuery),
    responses((status = 200, body = FoldersEnvelope), ApiErrors))]
pub(super) async fn list_v2(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<FolderQuery>,
) -> ApiResult<FoldersEnvelope> {
    listed(&state, &actor, query).await
}

/// Makes a folder, and those above it that are missing. One that exists is answered as it is.
#[utoipa::path(post, path = "/v2/folders", operation_id = "createFolderV2", tag = "Folders", security(("token" = [])),
    request_body = FolderRequest, responses((status = 200, body = FolderEnvelope), ApiErrors))]
pub(super) async fn create_v2(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<FolderRequest>,
) -> ApiResult<FolderEnvelope> {
    made(&state, &actor, request).await
}

/// One folder, by its id.
#[utoipa::path(get, path = "/v2/folders/{folderId}", operation_id = "getFolderV2", tag = "Folders", security(("token" = [])),
    params(("folderId" = String, Path)), responses((status = 200, body = FolderEnvelope), ApiErrors))]
pub(super) async fn get_v2(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(folder): ApiPath<String>,
) -> ApiResult<FolderEnvelope> {
    found(&state, &actor, &folder).await
}

/// Renames a folder, named by its name or id; everything below it moves along.
#[utoipa::path(patch, path = "/v2/folders/{folderId}", operation_id = "updateFolderV2", tag = "Folders", security(("token" = [])),
    params(("folderId" = String, Path)), request_body = FolderRequest, responses((status = 200, body = FolderEnvelope), ApiErrors))]
pub(super) async fn update_v2(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(folder): ApiPath<String>,
    ApiJson(request): ApiJson<FolderRequest>,
) -> ApiResult<FolderEnvelope> {
    changed(&state, &actor, &folder, request).await
}

/// Deletes a folder, named by its name or id, with everything below it. Keys of rotations in it are revoked.
#[utoipa::path(delete, path = "/v2/folders/{folderId}", operation_id = "deleteFolderV2", tag = "Folders", security(("token" = [])),
    params(("folderId" = String, Path)), request_body = FolderRequest, responses((status = 200, body = FolderEnvelope), ApiErrors))]
pub(super) async fn delete_v2(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(folder): ApiPath<String>,
    ApiJson(request): ApiJson<FolderRequest>,
) -> ApiResult<FolderEnvelope> {
    gone(&state, &actor, &folder, request).await
}
