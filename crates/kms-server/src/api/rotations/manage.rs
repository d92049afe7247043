//! Creating, changing and deleting rotations.

use axum::Json;
use axum::extract::State;
use kms_app::rotations::{NewRotation, Removal, RotationChanges};
use kms_core::names::{EnvironmentSlug, ResourceName, SecretPath};
use kms_core::rotation::schedule::RotateAt;
use serde::Deserialize;
use utoipa::IntoParams;

use super::read::known_type;
use super::wire::{CreateRotationRequest, NoBody, RotationEnvelope, UpdateRotationRequest, checked, description, interval, rotate_at};
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, ApiQuery, Authenticated, Issues, id};
use crate::state::ServerState;

/// Creates a rotation: issues the first key, tries it, and only then makes the rotation and its secrets.
#[utoipa::path(post, path = "/v2/secret-rotations/{type}", operation_id = "createSecretRotation", tag = "Secret Rotations",
    security(("token" = [])), params(("type" = String, Path)), request_body = CreateRotationRequest,
    responses((status = 200, body = RotationEnvelope), ApiErrors))]
pub(super) async fn create(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(kind): ApiPath<String>,
    ApiJson(request): ApiJson<CreateRotationRequest>,
) -> ApiResult<RotationEnvelope> {
    known_type(&state, &kind)?;
    let mut issues = Issues::new();
    let name = issues.take("name", ResourceName::parse(&request.name));
    let environment = issues.take("environment", EnvironmentSlug::parse(&request.environment));
    issues.check(
        !request.secret_path.trim().is_empty(),
        "secretPath",
        "too_small",
        "must not be empty",
    );
    let path = issues.take("secretPath", SecretPath::parse(&request.secret_path));
    issues.check(!request.project_id.trim().is_empty(), "projectId", "too_small", "must not be empty");
    let description = description(&mut issues, request.description);
    let interval_days = interval(&mut issues, &request.rotation_interval);
    let rotate_at = rotate_at(&mut issues, request.rotate_at_utc).unwrap_or(RotateAt { hours: 0, minutes: 0 });
    issues.check(request.parameters.is_object(), "parameters", "invalid_type", "must be an object");
    issues.check(
        request.secrets_mapping.is_object(),
        "secretsMapping",
        "invalid_type",
        "must be an object",
    );
    issues.finish()?;
    let new = NewRotation {
        kind,
        name: checked(name)?,
        description,
        project: request
            .project_id
            .trim()
            .parse()
            .map_err(|_malformed| kms_app::Error::bad_request(format!("no project with the id {}", request.project_id.trim())))?,
        connection: id("connectionId", &request.connection_id)?,
        environment: checked(environment)?,
        path: checked(path)?,
        auto_rotation: request.is_auto_rotation_enabled.unwrap_or(true),
        interval_days,
        rotate_at,
        parameters: request.parameters,
        mapping: request.secrets_mapping,
    };
    Ok(Json(state.app.create_rotation(&actor, new).await?.into()))
}

/// Changes a rotation. New parameters act from the next issue on; a changed mapping renames the secrets in place.
#[utoipa::path(patch, path = "/v2/secret-rotations/{type}/{rotationId}", operation_id = "updateSecretRotation", tag = "Secret Rotations",
    security(("token" = [])), params(("type" = String, Path), ("rotationId" = Uuid, Path)), request_body = UpdateRotationRequest,
    responses((status = 200, body = RotationEnvelope), ApiErrors))]
pub(super) async fn update(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((kind, rotation)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<UpdateRotationRequest>,
) -> ApiResult<RotationEnvelope> {
    known_type(&state, &kind)?;
    let rotation = id("rotationId", &rotation)?;
    let mut issues = Issues::new();
    let name = request.name.as_deref().map(|name| issues.take("name", ResourceName::parse(name)));
    let description = request.description.map(|text| description(&mut issues, text));
    let interval_days = request.rotation_interval.as_ref().map(|value| interval(&mut issues, value));
    let rotate_at = rotate_at(&mut issues, request.rotate_at_utc);
    issues.finish()?;
    let changes = RotationChanges {
        name: name.map(checked).transpose()?,
        description,
        auto_rotation: request.is_auto_rotation_enabled,
        interval_days,
        rotate_at,
        parameters: request.parameters,
        mapping: request.secrets_mapping,
    };
    Ok(Json(state.app.update_rotation(&actor, &kind, rotation, changes).await?.into()))
}

/// What goes with the rotation.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct DeleteQuery {
    /// `true`: its secrets are deleted; otherwise they stay as ordinary ones.
    delete_secrets: Option<String>,
    /// `true`: its keys are revoked; otherwise they stay alive.
    revoke_generated_credentials: Option<String>,
}

fn switch(issues: &mut Issues, field: &str, text: Option<&str>) -> bool {
    issues.check(
        matches!(text, None | Some("true" | "false")),
        field,
        "invalid_enum_value",
        "must be true or false",
    );
    text == Some("true")
}

/// Deletes a rotation. Answers it as it was.
#[utoipa::path(delete, path = "/v2/secret-rotations/{type}/{rotationId}", operation_id = "deleteSecretRotation", tag = "Secret Rotations",
    security(("token" = [])), params(("type" = String, Path), ("rotationId" = Uuid, Path), DeleteQuery),
    responses((status = 200, body = RotationEnvelope), ApiErrors))]
pub(super) async fn delete(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((kind, rotation)): ApiPath<(String, String)>,
    ApiQuery(query): ApiQuery<DeleteQuery>,
    ApiJson(_nothing): ApiJson<NoBody>,
) -> ApiResult<RotationEnvelope> {
    known_type(&state, &kind)?;
    let rotation = id("rotationId", &rotation)?;
    let mut issues = Issues::new();
    let removal = Removal {
        delete_secrets: switch(&mut issues, "deleteSecrets", query.delete_secrets.as_deref()),
        revoke_keys: switch(
            &mut issues,
            "revokeGeneratedCredentials",
            query.revoke_generated_credentials.as_deref(),
        ),
    };
    issues.finish()?;
    Ok(Json(state.app.delete_rotation(&actor, &kind, rotation, removal).await?.into()))
}
