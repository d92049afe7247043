//! Reading rotations.

use axum::Json;
use axum::extract::State;
use kms_core::names::{EnvironmentSlug, SecretPath};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::wire::{RotationEnvelope, RotationsEnvelope};
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiPath, ApiQuery, Authenticated, Issues, id};
use crate::state::ServerState;

/// The types of rotation that are offered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRotationOptionsBody {
    secret_rotation_options: Vec<OptionBody>,
}

/// A type of rotation.
#[derive(Debug, Serialize, ToSchema)]
pub struct OptionBody {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    connection: &'static str,
    template: Template,
}

/// What a form begins with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    #[schema(value_type = Object)]
    secrets_mapping: Map<String, Value>,
}

/// The types of rotation that are offered, by display name.
#[utoipa::path(get, path = "/v2/secret-rotations/options", operation_id = "listSecretRotationOptions", tag = "Secret Rotations",
    security(("token" = [])), responses((status = 200, body = SecretRotationOptionsBody), ApiErrors))]
pub(super) async fn options(
    State(state): State<ServerState>,
    Authenticated(_actor): Authenticated,
) -> ApiResult<SecretRotationOptionsBody> {
    let options = state
        .app
        .rotation_options()
        .into_iter()
        .map(|option| OptionBody {
            name: option.name,
            kind: option.kind,
            connection: option.connection,
            template: Template {
                secrets_mapping: option
                    .mapping
                    .into_iter()
                    .map(|(field, name)| (field.to_owned(), name.into()))
                    .collect(),
            },
        })
        .collect();
    Ok(Json(SecretRotationOptionsBody {
        secret_rotation_options: options,
    }))
}

/// Which project.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// The project.
    project_id: String,
}

/// All rotations of a project that the caller may see, by name.
#[utoipa::path(get, path = "/v2/secret-rotations", operation_id = "listSecretRotations", tag = "Secret Rotations",
    security(("token" = [])), params(ListQuery), responses((status = 200, body = RotationsEnvelope), ApiErrors))]
pub(super) async fn list(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> ApiResult<RotationsEnvelope> {
    let rotations = state.app.list_rotations(&actor, id("projectId", &query.project_id)?, None).await?;
    Ok(Json(rotations.into()))
}

/// The rotations of one type.
#[utoipa::path(get, path = "/v2/secret-rotations/{type}", operation_id = "listSecretRotationsOfType", tag = "Secret Rotations",
    security(("token" = [])), params(("type" = String, Path), ListQuery), responses((status = 200, body = RotationsEnvelope), ApiErrors))]
pub(super) async fn list_of_type(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(kind): ApiPath<String>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> ApiResult<RotationsEnvelope> {
    known_type(&state, &kind)?;
    let rotations = state
        .app
        .list_rotations(&actor, id("projectId", &query.project_id)?, Some(&kind))
        .await?;
    Ok(Json(rotations.into()))
}

/// Refuses a type that does not exist.
pub(super) fn known_type(state: &ServerState, kind: &str) -> Result<(), kms_app::Error> {
    if state.app.knows_rotation_type(kind) {
        Ok(())
    } else {
        Err(kms_app::Error::not_found(format!("there is no rotation type \"{kind}\"")))
    }
}

/// One rotation.
#[utoipa::path(get, path = "/v2/secret-rotations/{type}/{rotationId}", operation_id = "getSecretRotation", tag = "Secret Rotations",
    security(("token" = [])), params(("type" = String, Path), ("rotationId" = Uuid, Path)),
    responses((status = 200, body = RotationEnvelope), ApiErrors))]
pub(super) async fn get_one(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((kind, rotation)): ApiPath<(String, String)>,
) -> ApiResult<RotationEnvelope> {
    known_type(&state, &kind)?;
    Ok(Json(
        state.app.get_rotation(&actor, &kind, id("rotationId", &rotation)?).await?.into(),
    ))
}

/// Where the rotation is.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct NameQuery {
    /// The project.
    project_id: String,
    /// Slug of the environment.
    environment: String,
    /// The folder.
    secret_path: String,
}

/// The rotation of that name in a folder.
#[utoipa::path(get, path = "/v2/secret-rotations/{type}/rotation-name/{rotationName}", operation_id = "getSecretRotationByName",
    tag = "Secret Rotations", security(("token" = [])), params(("type" = String, Path), ("rotationName" = String, Path), NameQuery),
    responses((status = 200, body = RotationEnvelope), ApiErrors))]
pub(super) async fn get_by_name(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((kind, name)): ApiPath<(String, String)>,
    ApiQuery(query): ApiQuery<NameQuery>,
) -> ApiResult<RotationEnvelope> {
    known_type(&state, &kind)?;
    let project = id("projectId", &query.project_id)?;
    let mut issues = Issues::new();
    let environment = issues.take("environment", EnvironmentSlug::parse(&query.environment));
    let path = issues.take("secretPath", SecretPath::parse(&query.secret_path));
    issues.finish()?;
    let (environment, path) = (super::wire::checked(environment)?, super::wire::checked(path)?);
    Ok(Json(
        state
            .app
            .get_rotation_by_name(&actor, &kind, &name, project, &environment, &path)
            .await?
            .into(),
    ))
}

/// Both slots in clear.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GeneratedCredentialsBody {
    rotation_id: Uuid,
    #[serde(rename = "type")]
    kind: String,
    active_index: usize,
    /// In slot order; the credential's fields depend on the type.
    #[schema(value_type = Vec<Object>)]
    generated_credentials: Vec<Value>,
}

/// The credentials of both slots, in clear.
#[utoipa::path(get, path = "/v2/secret-rotations/{type}/{rotationId}/generated-credentials", operation_id = "getSecretRotationCredentials",
    tag = "Secret Rotations", security(("token" = [])), params(("type" = String, Path), ("rotationId" = Uuid, Path)),
    responses((status = 200, body = GeneratedCredentialsBody), ApiErrors))]
pub(super) async fn generated_credentials(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath((kind, rotation)): ApiPath<(String, String)>,
) -> ApiResult<GeneratedCredentialsBody> {
    known_type(&state, &kind)?;
    let found = state.app.generated_credentials(&actor, &kind, id("rotationId", &rotation)?).await?;
    let credentials: Result<Vec<Value>, _> = found
        .credentials
        .iter()
        .map(|credential| serde_json::from_str(credential.expose()))
        .collect();
    Ok(Json(GeneratedCredentialsBody {
        rotation_id: found.rotation.0,
        kind: found.kind,
        active_index: found.active_slot,
        generated_credentials: credentials.map_err(|_shape| kms_app::Error::internal("a stored credential cannot be read"))?,
    }))
}
