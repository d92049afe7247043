//! Rotating now, checking, moving.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kms_app::rotations::Moved;
use kms_core::names::{EnvironmentSlug, SecretPath};

use super::read::known_type;
use super::wire::{MoveRotationRequest, NoBody, RotationEnvelope, checked};
use crate::api::error::{ApiError, ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, Issues, id};
use crate::state::ServerState;

/// Rotates now. Answers when the new key is served, or the run has failed (500, with the reason; the old key goes on working).
#[utoipa::path(post, path = "/v2/secret-rotations/{type}/{rotationId}/rotate-secrets", operation_id = "rotateSecrets",
    tag = "Secret Rotations", security(("token" = [])), params(("type" = String, Path), ("rotationId" = Uuid, Path)),
    responses((status = 200, body = RotationEnvelope), ApiErrors))]
pub(super) async fn rotate_now(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((kind, rotation)): ApiPath<(String, String)>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> ApiResult<RotationEnvelope> {
    known_type(&state, &kind)?;
    Ok(Json(
        state.app.rotate_now(&actor, &kind, id("rotationId", &rotation)?).await?.into(),
    ))
}

/// Asks the provider whether the served credential works. Changes nothing.
#[utoipa::path(post, path = "/v2/secret-rotations/{type}/{rotationId}/check-credentials", operation_id = "checkSecretRotationCredentials",
    tag = "Secret Rotations", security(("token" = [])), params(("type" = String, Path), ("rotationId" = Uuid, Path)),
    responses((status = 204, description = "The credential works."), ApiErrors))]
pub(super) async fn check(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((kind, rotation)): ApiPath<(String, String)>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> Result<StatusCode, ApiError> {
    known_type(&state, &kind)?;
    state.app.check_rotation(&actor, &kind, id("rotationId", &rotation)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Moves a rotation with its secrets to another folder. Nothing is rotated.
#[utoipa::path(post, path = "/v2/secret-rotations/{type}/{rotationId}/move", operation_id = "moveSecretRotation",
    tag = "Secret Rotations", security(("token" = [])), params(("type" = String, Path), ("rotationId" = Uuid, Path)),
    request_body = MoveRotationRequest, responses((status = 200, body = RotationEnvelope), ApiErrors))]
pub(super) async fn move_to(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((kind, rotation)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<MoveRotationRequest>,
) -> ApiResult<RotationEnvelope> {
    known_type(&state, &kind)?;
    let rotation = id("rotationId", &rotation)?;
    let mut issues = Issues::new();
    let environment = issues.take("destinationEnvironment", EnvironmentSlug::parse(&request.destination_environment));
    let path = issues.take("destinationSecretPath", SecretPath::parse(&request.destination_secret_path));
    issues.finish()?;
    let to = Moved {
        environment: checked(environment)?,
        path: checked(path)?,
        overwrite: request.overwrite_destination.unwrap_or(false),
    };
    Ok(Json(state.app.move_rotation(&actor, &kind, rotation, to).await?.into()))
}

/// Resets a password with the connection's own credentials: for types that log in as the account they rotate. None of the types
/// offered here does.
#[utoipa::path(post, path = "/v2/secret-rotations/{type}/{rotationId}/reconcile", operation_id = "reconcileSecretRotation",
    tag = "Secret Rotations", security(("token" = [])), params(("type" = String, Path), ("rotationId" = Uuid, Path)),
    responses((status = 204, description = "Never answered."), ApiErrors))]
pub(super) async fn reconcile(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((kind, rotation)): ApiPath<(String, String)>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> Result<StatusCode, ApiError> {
    known_type(&state, &kind)?;
    state.app.get_rotation(&actor, &kind, id("rotationId", &rotation)?).await?;
    Err(kms_app::Error::bad_request(format!("rotations of the type {kind} cannot be reconciled")).into())
}
