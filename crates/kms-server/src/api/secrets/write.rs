//! Writing single secrets.

use axum::Json;
use axum::extract::State;
use kms_app::actor::Actor;
use kms_app::secrets::{NewSecret, PlaceSelector, SecretChanges};
use kms_core::names::SecretName;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{MetadataEntry, SecretEnvelope, metadata, only_shared, place, project, value};
use crate::api::error::{ApiError, ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, Issues, Wire};
use crate::api::rotations::wire::checked;
use crate::state::ServerState;
use kms_app::Error;

/// Where a secret is, and what it is given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRequest {
    /// The project.
    project_id: Option<String>,
    /// The project, under its older name; a slug is accepted.
    workspace_id: Option<String>,
    /// Slug of the project.
    project_slug: Option<String>,
    /// Slug of the project.
    workspace_slug: Option<String>,
    /// Slug of the environment.
    environment: Option<String>,
    /// The folder; `/` if absent.
    secret_path: Option<String>,
    /// The value; on creation empty if absent.
    secret_value: Option<String>,
    /// The comment.
    secret_comment: Option<String>,
    /// `shared`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Tags.
    tag_ids: Option<Vec<String>>,
    /// A new name.
    new_secret_name: Option<String>,
    /// For clients that write it into files.
    skip_multiline_encoding: Option<bool>,
    /// Free metadata.
    secret_metadata: Option<Vec<MetadataEntry>>,
    /// What to remind of.
    secret_reminder_note: Option<String>,
    /// How often to remind.
    secret_reminder_repeat_days: Option<u32>,
}

impl Wire for SecretRequest {}

impl SecretRequest {
    fn place(&mut self) -> Result<PlaceSelector, ApiError> {
        only_shared(self.kind.as_deref(), self.tag_ids.as_ref())?;
        let project = project(
            [self.project_id.take(), self.workspace_id.take()],
            [self.project_slug.take(), self.workspace_slug.take()],
        )?;
        place(project, self.environment.take(), self.secret_path.as_deref())
    }
}

fn new_name(field: &str, text: &str) -> Result<SecretName, Error> {
    let mut issues = Issues::new();
    let name = issues.take(field, SecretName::parse(text));
    issues.finish()?;
    checked(name)
}

async fn made(state: &ServerState, actor: &Actor, name: &str, mut request: SecretRequest) -> ApiResult<SecretEnvelope> {
    let name = new_name("secretName", name)?;
    let place = request.place()?;
    let new = NewSecret {
        name,
        value: value(request.secret_value.as_deref().unwrap_or_default()),
        comment: request.secret_comment.unwrap_or_default(),
        metadata: metadata(request.secret_metadata.unwrap_or_default()),
        skip_multiline_encoding: request.skip_multiline_encoding,
        reminder_note: request.secret_reminder_note,
        reminder_repeat_days: request.secret_reminder_repeat_days,
    };
    let mut made = state.app.create_secrets(actor, &place, vec![new]).await?;
    let secret = made.pop().ok_or_else(|| Error::internal("a created secret was lost"))?;
    Ok(Json(secret.into()))
}

async fn changed(state: &ServerState, actor: &Actor, name: &str, mut request: SecretRequest) -> ApiResult<SecretEnvelope> {
    let place = request.place()?;
    let changes = SecretChanges {
        name: request
            .new_secret_name
            .as_deref()
            .map(|text| new_name("newSecretName", text))
            .transpose()?,
        value: request.secret_value.as_deref().map(value),
        comment: request.secret_comment,
        metadata: request.secret_metadata.map(metadata),
        skip_multiline_encoding: request.skip_multiline_encoding,
        reminder_note: request.secret_reminder_note,
        reminder_repeat_days: request.secret_reminder_repeat_days,
    };
    Ok(Json(
        state
            .app
            .update_secret(actor, &place, &SecretName::wanted(name), changes)
            .await?
            .into(),
    ))
}

async fn gone(state: &ServerState, actor: &Actor, name: &str, mut request: SecretRequest) -> ApiResult<SecretEnvelope> {
    let place = request.place()?;
    let mut gone = state.app.delete_secrets(actor, &place, &[SecretName::wanted(name)]).await?;
    let secret = gone.pop().ok_or_else(|| Error::internal("a deleted secret was lost"))?;
    Ok(Json(secret.into()))
}

/// Makes a secret.
#[utoipa::path(post, path = "/v3/secrets/raw/{secretName}", operation_id = "createSecretV3", tag = "Secrets", security(("token" = [])),
    params(("secretName" = String, Path)), request_body = SecretRequest, responses((status = 200, body = SecretEnvelope), ApiErrors))]
pub(super) async fn create_v3(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(name): ApiPath<String>,
    ApiJson(request): ApiJson<SecretRequest>,
) -> ApiResult<SecretEnvelope> {
    made(&state, &actor, &name, request).await
}

/// Changes a secret; what is absent or null stays.
#[utoipa::path(patch, path = "/v3/secrets/raw/{secretName}", operation_id = "updateSecretV3", tag = "Secrets", security(("token" = [])),
    params(("secretName" = String, Path)), request_body = SecretRequest, responses((status = 200, body = SecretEnvelope), ApiErrors))]
pub(super) async fn update_v3(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(name): ApiPath<String>,
    ApiJson(request): ApiJson<SecretRequest>,
) -> ApiResult<SecretEnvelope> {
    changed(&state, &actor, &name, request).await
}

/// Deletes a secret.
#[utoipa::path(delete, path = "/v3/secrets/raw/{secretName}", operation_id = "deleteSecretV3", tag = "Secrets", security(("token" = [])),
    params(("secretName" = String, Path)), request_body = SecretRequest, responses((status = 200, body = SecretEnvelope), ApiErrors))]
pub(super) async fn delete_v3(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(name): ApiPath<String>,
    ApiJson(request): ApiJson<SecretRequest>,
) -> ApiResult<SecretEnvelope> {
    gone(&state, &actor, &name, request).await
}

/// Makes a secret.
#[utoipa::path(post, path = "/v4/secrets/{secretName}", operation_id = "createSecretV4", tag = "Secrets", security(("token" = [])),
    params(("secretName" = String, Path)), request_body = SecretRequest, responses((status = 200, body = SecretEnvelope), ApiErrors))]
pub(super) async fn create_v4(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(name): ApiPath<String>,
    ApiJson(request): ApiJson<SecretRequest>,
) -> ApiResult<SecretEnvelope> {
    made(&state, &actor, &name, request).await
}

/// Changes a secret; what is absent or null stays.
#[utoipa::path(patch, path = "/v4/secrets/{secretName}", operation_id = "updateSecretV4", tag = "Secrets", security(("token" = [])),
    params(("secretName" = String, Path)), request_body = SecretRequest, responses((status = 200, body = SecretEnvelope), ApiErrors))]
pub(super) async fn update_v4(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(name): ApiPath<String>,
    ApiJson(request): ApiJson<SecretRequest>,
) -> ApiResult<SecretEnvelope> {
    changed(&state, &actor, &name, request).await
}

/// Deletes a secret.
#[utoipa::path(delete, path = "/v4/secrets/{secretName}", operation_id = "deleteSecretV4", tag = "Secrets", security(("token" = [])),
    params(("secretName" = String, Path)), request_body = SecretRequest, responses((status = 200, body = SecretEnvelope), ApiErrors))]
pub(super) async fn delete_v4(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(name): ApiPath<String>,
    ApiJson(request): ApiJson<SecretRequest>,
) -> ApiResult<SecretEnvelope> {
    gone(&state, &actor, &name, request).await
}
