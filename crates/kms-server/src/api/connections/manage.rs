//! Creating, changing and deleting connections.

use axum::Json;
use axum::extract::State;
use kms_app::connections::{ConnectionChanges, NewConnection};
use kms_core::names::ResourceName;

use super::read::known_app;
use super::wire::{ConnectionEnvelope, CreateConnectionRequest, UpdateConnectionRequest};
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, Issues, id};
use crate::api::rotations::wire::{NoBody, checked, description};
use crate::state::ServerState;

/// Creates a connection, once the app has accepted the credentials.
#[utoipa::path(post, path = "/v1/app-connections/{app}", operation_id = "createAppConnection", tag = "App Connections",
    security(("token" = [])), params(("app" = String, Path)), request_body = CreateConnectionRequest,
    responses((status = 200, body = ConnectionEnvelope), ApiErrors))]
pub(super) async fn create(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(app): ApiPath<String>,
    ApiJson(request): ApiJson<CreateConnectionRequest>,
) -> ApiResult<ConnectionEnvelope> {
    known_app(&state, &app)?;
    let mut issues = Issues::new();
    let name = issues.take("name", ResourceName::parse(&request.name));
    let description = description(&mut issues, request.description);
    let offered = state
        .app
        .connection_options()
        .into_iter()
        .find(|option| option.app == app)
        .is_some_and(|option| option.methods.contains(&request.method.as_str()));
    issues.check(offered, "method", "invalid_enum_value", "is no method of this app");
    request.unsupported.check(&mut issues);
    issues.finish()?;
    let new = NewConnection {
        app,
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

/// Changes a connection. New credentials are validated first.
#[utoipa::path(patch, path = "/v1/app-connections/{app}/{connectionId}", operation_id = "updateAppConnection", tag = "App Connections",
    security(("token" = [])), params(("app" = String, Path), ("connectionId" = Uuid, Path)), request_body = UpdateConnectionRequest,
    responses((status = 200, body = ConnectionEnvelope), ApiErrors))]
pub(super) async fn update(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((app, connection)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<UpdateConnectionRequest>,
) -> ApiResult<ConnectionEnvelope> {
    known_app(&state, &app)?;
    let connection = id("connectionId", &connection)?;
    let mut issues = Issues::new();
    let name = request.name.as_deref().map(|name| issues.take("name", ResourceName::parse(name)));
    let description = request.description.map(|text| description(&mut issues, text));
    request.unsupported.check(&mut issues);
    issues.finish()?;
    let changes = ConnectionChanges {
        name: name.map(checked).transpose()?,
        description,
        credentials: request.credentials,
    };
    Ok(Json(state.app.update_connection(&actor, &app, connection, changes).await?.into()))
}

/// Deletes a connection that nothing uses. Nothing is revoked at the app. Answers it as it was.
#[utoipa::path(delete, path = "/v1/app-connections/{app}/{connectionId}", operation_id = "deleteAppConnection", tag = "App Connections",
    security(("token" = [])), params(("app" = String, Path), ("connectionId" = Uuid, Path)),
    responses((status = 200, body = ConnectionEnvelope), ApiErrors))]
pub(super) async fn delete(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((app, connection)): ApiPath<(String, String)>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> ApiResult<ConnectionEnvelope> {
    known_app(&state, &app)?;
    Ok(Json(
        state
            .app
            .delete_connection(&actor, &app, id("connectionId", &connection)?)
            .await?
            .into(),
    ))
}
