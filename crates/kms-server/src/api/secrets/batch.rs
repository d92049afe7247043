//! Writing several secrets at once: all or none.

use axum::Json;
use axum::extract::State;
use kms_app::actor::Actor;
use kms_app::secrets::{MissingMode, NewSecret, PlaceSelector, Secret, SecretChanges};
use kms_core::names::SecretName;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{MetadataEntry, SecretBody, SecretsEnvelope, metadata, only_shared, place, project, value};
use crate::api::error::{ApiError, ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, Authenticated, Issues, Wire};
use crate::state::ServerState;
use kms_app::Error;

/// One of the secrets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchElement {
    /// Its name.
    secret_key: String,
    /// Its value.
    secret_value: Option<String>,
    /// Its comment.
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
}

/// Where the secrets are, and what they are given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchRequest {
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
    /// What an update does about a secret that is not there: `failOnNotFound`, `upsert` or `ignore`.
    mode: Option<String>,
    /// The secrets.
    secrets: Vec<BatchElement>,
}

impl Wire for BatchRequest {}

/// Secrets in one request.
const MOST: usize = 1000;

impl BatchRequest {
    fn place(&mut self) -> Result<PlaceSelector, ApiError> {
        for element in &self.secrets {
            only_shared(element.kind.as_deref(), element.tag_ids.as_ref())?;
        }
        if self.secrets.is_empty() || self.secrets.len() > MOST {
            return Err(Error::invalid("secrets", "too_small", "must have from 1 to 1000 elements").into());
        }
        let project = project(
            [self.project_id.take(), self.workspace_id.take()],
            [self.project_slug.take(), self.workspace_slug.take()],
        )?;
        place(project, self.environment.take(), self.secret_path.as_deref())
    }
}

fn answer(secrets: Vec<Secret>) -> ApiResult<SecretsEnvelope> {
    Ok(Json(SecretsEnvelope {
        secrets: secrets.into_iter().map(SecretBody::from).collect(),
    }))
}

async fn made(state: &ServerState, actor: &Actor, mut request: BatchRequest) -> ApiResult<SecretsEnvelope> {
    let place = request.place()?;
    let mut issues = Issues::new();
    let mut new = Vec::with_capacity(request.secrets.len());
    for element in request.secrets {
        if let Some(name) = issues.take("secretKey", SecretName::parse(&element.secret_key)) {
            new.push(NewSecret {
                name,
                value: value(element.secret_value.as_deref().unwrap_or_default()),
                comment: element.secret_comment.unwrap_or_default(),
                metadata: metadata(element.secret_metadata.unwrap_or_default()),
                skip_multiline_encoding: element.skip_multiline_encoding,
                reminder_note: None,
                reminder_repeat_days: None,
            });
        }
    }
    issues.finish()?;
    answer(state.app.create_secrets(actor, &place, new).await?)
}

async fn changed(state: &ServerState, actor: &Actor, mut request: BatchRequest) -> ApiResult<SecretsEnvelope> {
    let place = request.place()?;
    let mode = match request.mode.as_deref() {
        None | Some("failOnNotFound") => MissingMode::Fail,
        Some("upsert") => MissingMode::Create,
        Some("ignore") => MissingMode::Skip,
        Some(_) => return Err(Error::invalid("mode", "invalid_enum_value", "must be failOnNotFound, upsert or ignore").into()),
    };
    let mut issues = Issues::new();
    let mut changes = Vec::with_capacity(request.secrets.len());
    for element in request.secrets {
        let name = element
            .new_secret_name
            .map(|text| issues.take("newSecretName", SecretName::parse(&text)));
        let change = SecretChanges {
            name: name.flatten(),
            value: element.secret_value.as_deref().map(value),
            comment: element.secret_comment,
            metadata: element.secret_metadata.map(metadata),
            skip_multiline_encoding: element.skip_multiline_encoding,
            reminder_note: None,
            reminder_repeat_days: None,
        };
        changes.push((SecretName::wanted(&element.secret_key), change));
    }
    issues.finish()?;
    answer(state.app.update_secrets(actor, &place, changes, mode).await?)
}

async fn gone(state: &ServerState, actor: &Actor, mut request: BatchRequest) -> ApiResult<SecretsEnvelope> {
    let place = request.place()?;
    let names: Vec<SecretName> = request
        .secrets
        .iter()
        .map(|element| SecretName::wanted(&element.secret_key))
        .collect();
    answer(state.app.delete_secrets(actor, &place, &names).await?)
}

/// Makes several secrets, all or none.
#[utoipa::path(post, path = "/v3/secrets/batch/raw", operation_id = "createSecretsBatchV3", tag = "Secrets", security(("token" = [])),
    request_body = BatchRequest, responses((status = 200, body = SecretsEnvelope), ApiErrors))]
pub(super) async fn create_v3(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<BatchRequest>,
) -> ApiResult<SecretsEnvelope> {
    made(&state, &actor, request).await
}

/// Changes several secrets, all or none. Name and value of rotated secrets stay.
#[utoipa::path(patch, path = "/v3/secrets/batch/raw", operation_id = "updateSecretsBatchV3", tag = "Secrets", security(("token" = [])),
    request_body = BatchRequest, responses((status = 200, body = SecretsEnvelope), ApiErrors))]
pub(super) async fn update_v3(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<BatchRequest>,
) -> ApiResult<SecretsEnvelope> {
    changed(&state, &actor, request).await
}

/// Deletes several secrets, all or none.
#[utoipa::path(delete, path = "/v3/secrets/batch/raw", operation_id = "deleteSecretsBatchV3", tag = "Secrets", security(("token" = [])),
    request_body = BatchRequest, responses((status = 200, body = SecretsEnvelope), ApiErrors))]
pub(super) async fn delete_v3(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<BatchRequest>,
) -> ApiResult<SecretsEnvelope> {
    gone(&state, &actor, request).await
}

/// Makes several secrets, all or none.
#[utoipa::path(post, path = "/v4/secrets/batch", operation_id = "createSecretsBatchV4", tag = "Secrets", security(("token" = [])),
    request_body = BatchRequest, responses((status = 200, body = SecretsEnvelope), ApiErrors))]
pub(super) async fn create_v4(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<BatchRequest>,
) -> ApiResult<SecretsEnvelope> {
    made(&state, &actor, request).await
}

/// Changes several secrets, all or none. Name and value of rotated secrets stay.
#[utoipa::path(patch, path = "/v4/secrets/batch", operation_id = "updateSecretsBatchV4", tag = "Secrets", security(("token" = [])),
    request_body = BatchRequest, responses((status = 200, body = SecretsEnvelope), ApiErrors))]
pub(super) async fn update_v4(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<BatchRequest>,
) -> ApiResult<SecretsEnvelope> {
    changed(&state, &actor, request).await
}

/// Deletes several secrets, all or none.
#[utoipa::path(delete, path = "/v4/secrets/batch", operation_id = "deleteSecretsBatchV4", tag = "Secrets", security(("token" = [])),
    request_body = BatchRequest, responses((status = 200, body = SecretsEnvelope), ApiErrors))]
pub(super) async fn delete_v4(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<BatchRequest>,
) -> ApiResult<SecretsEnvelope> {
    gone(&state, &actor, request).await
}
