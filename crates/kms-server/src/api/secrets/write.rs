//! Writing single secrets.

use axum::Json;
use axum::extract::State;
use kms_app::actor::Actor;
use kms_app::secrets::{NewSecret, PlaceSelector, SecretChanges};
use kms_core::names::SecretName;
use kms_core::secret::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{MetadataInput, SecretEnvelope, check_reminder, metadata, only_shared, place, project, value};
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
    #[schema(value_type = Option<String>)]
    secret_value: Option<SecretString>,
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
    secret_metadata: Option<Vec<MetadataInput>>,
    /// What to remind of.
    secret_reminder_note: Option<String>,
    /// How often to remind.
    secret_reminder_repeat_days: Option<u32>,
}

impl Wire for SecretRequest {}

impl SecretRequest {
    fn place(&mut self, actor: &Actor) -> Result<PlaceSelector, ApiError> {
        only_shared(actor, self.kind.as_deref(), self.tag_ids.as_ref())?;
        let project = project(
            [self.project_id.take(), self.workspace_id.take()],
            [self.project_slug.take(), self.workspace_slug.take()],
        )?;
        place(project, self.environment.take(), self.secret_path.as_deref())
    }
}

async fn made(state: &ServerState, actor: &Actor, name: &str, mut request: SecretRequest) -> ApiResult<SecretEnvelope> {
    let mut issues = Issues::new();
    let name = issues.take("secretName", SecretName::parse(name));
    let metadata = metadata(&mut issues, request.secret_metadata.take().unwrap_or_default());
    check_reminder(
        &mut issues,
        request.secret_reminder_note.as_deref(),
        request.secret_reminder_repeat_days,
    );
    issues.finish()?;
    let place = request.place(actor)?;
    let new = NewSecret {
        name: checked(name)?,
        value: value(&request.secret_value.unwrap_or_default()),
        comment: request.secret_comment.unwrap_or_default().trim().to_owned(),
        metadata,
        skip_multiline_encoding: request.skip_multiline_encoding,
        reminder_note: request.secret_reminder_note,
        reminder_repeat_days: request.secret_reminder_repeat_days,
    };
    let mut made = state.app.create_secrets(actor, &place, vec![new]).await?;
    let secret = made.pop().ok_or_else(|| Error::internal("a created secret was lost"))?;
    Ok(Json(secret.into()))
}

pub(super) async fn changed(state: &ServerState, actor: &Actor, name: &str, mut request: SecretRequest) -> ApiResult<SecretEnvelope> {
    let mut issues = Issues::new();
    // Clients that always send the key mean "the same name" with an empty one.
    let new_name = request.new_secret_name.as_deref().filter(|name| !name.is_empty());
    let new_name = new_name.and_then(|name| issues.take("newSecretName", SecretName::parse(name)));
    let metadata = request.secret_metadata.take().map(|entries| metadata(&mut issues, entries));
    check_reminder(
        &mut issues,
        request.secret_reminder_note.as_deref(),
        request.secret_reminder_repeat_days,
    );
    issues.finish()?;
    let place = request.place(actor)?;
    let changes = SecretChanges {
        name: new_name,
        value: request.secret_value.as_ref().map(value),
        comment: request.secret_comment.map(|comment| comment.trim().to_owned()),
        metadata,
        skip_multiline_encoding: request.skip_multiline_encoding,
        reminder_note: request.secret_reminder_note,
        reminder_repeat_days: request.secret_reminder_repeat_days,
    };
    let name = SecretName::wanted(name);
    Ok(Json(state.app.update_secret(actor, &place, &name, changes).await?.into()))
}

pub(super) async fn gone(state: &ServerState, actor: &Actor, name: &str, mut request: SecretRequest) -> ApiResult<SecretEnvelope> {
    let place = request.place(actor)?;
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
