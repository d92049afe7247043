//! Creating, changing and deleting connections.

use axum::Json;
use axum::extract::State;
use kms_app::connections::{ConnectionChanges, NewConnection};
use kms_core::names::ResourceName;

use super::per_app::ForApp;
use super::wire::{ConnectionEnvelope, CreateConnectionRequest, UpdateConnectionRequest};
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, Issues, id};
use crate::api::rotations::wire::{NoBody, checked, description};
use crate::state::ServerState;

/// Creates a connection to {app}, once {app} has accepted the credentials.
#[utoipa::path(post, path = "/v1/app-connections/{app}", operation_id = "create_App_Connection", tag = "App Connections",
    security(("token" = [])), request_body = CreateConnectionRequest,
    responses((status = 200, body = ConnectionEnvelope), ApiErrors))]
pub(super) async fn create(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ForApp(app): ForApp,
    ApiJson(request): ApiJson<CreateConnectionRequest>,
) -> ApiResult<ConnectionEnvelope> {
    let mut issues = Issues::new();
    request.unsupported().check(&mut issues, app.name);
    let name = issues.take("name", ResourceName::parse(&request.name));
    let description = description(&mut issues, request.description);
    issues.append(state.app.check_credentials(app.slug, &request.method, &request.credentials));
    issues.finish()?;
    let new = NewConnection {
        app: app.slug.to_owned(),
        name: checked(name)?,
        description,
        project: request
            .project_id
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty()),
        method: request.method,
        credentials: request.credentials,
    };
    Ok(Json(state.app.create_connection(&actor, new).await?.into()))
}

/// Changes a connection to {app}. New credentials are validated first.
#[utoipa::path(patch, path = "/v1/app-connections/{app}/{connectionId}", operation_id = "update_App_Connection", tag = "App Connections",
    security(("token" = [])), params(("connectionId" = Uuid, Path)), request_body = UpdateConnectionRequest,
    responses((status = 200, body = ConnectionEnvelope), ApiErrors))]
pub(super) async fn update(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ForApp(app): ForApp,
    ApiPath(connection): ApiPath<String>,
    ApiJson(request): ApiJson<UpdateConnectionRequest>,
) -> ApiResult<ConnectionEnvelope> {
    let connection = id("connectionId", &connection)?;
    let mut issues = Issues::new();
    request.unsupported().check(&mut issues, app.name);
    let name = request.name.as_deref().map(|name| issues.take("name", ResourceName::parse(name)));
    let description = request.description.map(|text| description(&mut issues, text));
    issues.finish()?;
    let changes = ConnectionChanges {
        name: name.map(checked).transpose()?,
        description,
        credentials: request.credentials,
    };
    Ok(Json(
        state.app.update_connection(&actor, app.slug, connection, changes).await?.into(),
    ))
}

/// Deletes a connection to {app} that nothing uses. Nothing is revoked at {app}. Answers it as it was.
#[utoipa::path(delete, path = "/v1/app-connections/{app}/{connectionId}", operation_id = "delete_App_Connection", tag = "App Connections",
    security(("token" = [])), params(("connectionId" = Uuid, Path)),
    responses((status = 200, body = ConnectionEnvelope), ApiErrors))]
pub(super) async fn delete(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ForApp(app): ForApp,
    ApiPath(connection): ApiPath<String>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> ApiResult<ConnectionEnvelope> {
    Ok(Json(
        state
            .app
            .delete_connection(&actor, app.slug, id("connectionId", &connection)?)
            .await?
            .into(),
    ))
}
