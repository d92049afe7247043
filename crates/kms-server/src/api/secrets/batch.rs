//! Writing several secrets at once: all or none.

use axum::Json;
use axum::extract::State;
use kms_app::actor::Actor;
use kms_app::secrets::{MissingMode, NewSecret, PlaceSelector, Secret, SecretChanges};
use kms_core::names::SecretName;
use kms_core::secret::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{MetadataInput, SecretBody, SecretsEnvelope, metadata, only_shared, place, project, value};
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
    #[schema(value_type = Option<String>)]
    secret_value: Option<SecretString>,
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
    secret_metadata: Option<Vec<MetadataInput>>,
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
    fn place(&mut self, actor: &Actor) -> Result<PlaceSelector, ApiError> {
        for element in &self.secrets {
            only_shared(actor, element.kind.as_deref(), element.tag_ids.as_ref())?;
        }
        if self.secrets.is_empty() {
            return Err(Error::invalid("secrets", "too_small", "must have at least 1 element").into());
        }
        if self.secrets.len() > MOST {
            return Err(Error::invalid("secrets", "too_big", "must have at most 1000 elements").into());
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

/// Reads every element; problems are told with the element's place in the list.
fn each<T>(elements: Vec<BatchElement>, read: impl Fn(BatchElement, &mut Issues) -> Option<T>) -> Result<Vec<T>, Error> {
    let mut all = Issues::new();
    let mut found = Vec::with_capacity(elements.len());
    for (place, element) in elements.into_iter().enumerate() {
        let mut issues = Issues::new();
        found.extend(read(element, &mut issues));
        if let Err(Error::Invalid { issues }) = issues.finish() {
            let below = issues.into_iter().map(|mut issue| {
                issue.path.insert(0, place.to_string());
                issue
            });
            all.extend("secrets", below.collect());
        }
    }
    all.finish()?;
    Ok(found)
}

async fn made(state: &ServerState, actor: &Actor, mut request: BatchRequest) -> ApiResult<SecretsEnvelope> {
    let place = request.place(actor)?;
    let new = each(request.secrets, |element, issues| {
        let metadata = metadata(issues, element.secret_metadata.unwrap_or_default());
        let name = issues.take("secretKey", SecretName::parse(&element.secret_key))?;
        Some(NewSecret {
            name,
            value: value(&element.secret_value.unwrap_or_default()),
            comment: element.secret_comment.unwrap_or_default().trim().to_owned(),
            metadata,
            skip_multiline_encoding: element.skip_multiline_encoding,
            reminder_note: None,
            reminder_repeat_days: None,
        })
    })?;
    answer(state.app.create_secrets(actor, &place, new).await?)
}

async fn changed(state: &ServerState, actor: &Actor, mut request: BatchRequest) -> ApiResult<SecretsEnvelope> {
    let place = request.place(actor)?;
    let mode = match request.mode.as_deref() {
        None | Some("failOnNotFound") => MissingMode::Fail,
        Some("upsert") => MissingMode::Create,
        Some("ignore") => MissingMode::Skip,
        Some(_) => return Err(Error::invalid("mode", "invalid_enum_value", "must be failOnNotFound, upsert or ignore").into()),
    };
    let changes = each(request.secrets, |element, issues| {
        let new_name = element.new_secret_name.as_deref().filter(|name| !name.is_empty());
        let change = SecretChanges {
            name: new_name.and_then(|name| issues.take("newSecretName", SecretName::parse(name))),
            value: element.secret_value.as_ref().map(value),
            comment: element.secret_comment.map(|comment| comment.trim().to_owned()),
            metadata: element.secret_metadata.map(|entries| metadata(issues, entries)),
            skip_multiline_encoding: element.skip_multiline_encoding,
            reminder_note: None,
            reminder_repeat_days: None,
        };
        Some((SecretName::wanted(&element.secret_key), change))
    })?;
    answer(state.app.update_secrets(actor, &place, changes, mode).await?)
}

async fn gone(state: &ServerState, actor: &Actor, mut request: BatchRequest) -> ApiResult<SecretsEnvelope> {
    let place = request.place(actor)?;
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
