//! Reading secrets.

use axum::Json;
use axum::extract::State;
use kms_app::actor::Actor;
use kms_app::secrets::{ListQuery, ReadOptions};
use kms_core::names::SecretName;
use serde::Deserialize;
use utoipa::IntoParams;

use super::wire::{SecretBody, SecretEnvelope, SecretListBody, only_shared, place, project};
use crate::api::error::{ApiError, ApiErrors, ApiResult};
use crate::api::extract::{ApiPath, ApiQuery, Authenticated, id, query_bool, query_number};
use crate::state::ServerState;
use kms_app::Error;

/// Which secrets, and how they are shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct SecretQuery {
    /// The project.
    project_id: Option<String>,
    /// The project, under its older name; a slug is accepted.
    workspace_id: Option<String>,
    /// Slug of the project.
    workspace_slug: Option<String>,
    /// Slug of the project.
    project_slug: Option<String>,
    /// Slug of the environment.
    environment: Option<String>,
    /// The folder; `/` if absent.
    secret_path: Option<String>,
    /// Whether values are shown; true if absent.
    #[serde(default, deserialize_with = "query_bool")]
    view_secret_value: Option<bool>,
    /// Whether references are replaced by what they lead to.
    #[serde(default, deserialize_with = "query_bool")]
    expand_secret_references: Option<bool>,
    /// Whether folders below are listed too.
    #[serde(default, deserialize_with = "query_bool")]
    recursive: Option<bool>,
    /// Accepted; there are no imports.
    #[serde(default, deserialize_with = "query_bool")]
    #[expect(dead_code, reason = "clients send it; there are no imports yet")]
    include_imports: Option<bool>,
    /// Accepted; there are no imports.
    #[serde(default, rename = "include_imports", deserialize_with = "query_bool")]
    #[param(rename = "include_imports")]
    #[expect(dead_code, reason = "clients send it; there are no imports yet")]
    include_imports_too: Option<bool>,
    /// Only secrets with this metadata: `key=a,value=b|key=c,value=d`.
    metadata_filter: Option<String>,
    /// Only secrets with one of these tags.
    tag_slugs: Option<String>,
    /// `shared`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// An earlier version.
    #[serde(default, deserialize_with = "query_number")]
    version: Option<u64>,
}

impl SecretQuery {
    fn options(&self, expand_by_default: bool) -> ReadOptions {
        ReadOptions {
            values: self.view_secret_value.unwrap_or(true),
            expand: self.expand_secret_references.unwrap_or(expand_by_default),
        }
    }

    fn place(&mut self) -> Result<kms_app::secrets::PlaceSelector, ApiError> {
        let project = project(
            [self.project_id.take(), self.workspace_id.take()],
            [self.workspace_slug.take(), self.project_slug.take()],
        )?;
        place(project, self.environment.take(), self.secret_path.as_deref())
    }

    fn metadata(&self) -> Result<Vec<Vec<(String, String)>>, Error> {
        let Some(text) = &self.metadata_filter else {
            return Ok(Vec::new());
        };
        let bad = || {
            Error::invalid(
                "metadataFilter",
                "invalid_string",
                "must look like key=a,value=b|key=c,value=d, at most 10",
            )
        };
        let mut wanted = Vec::new();
        for part in text.split('|') {
            let mut key = None;
            let mut value = None;
            for pair in part.split(',') {
                match pair.split_once('=') {
                    Some(("key", text)) => key = Some(text.trim().to_owned()),
                    Some(("value", text)) => value = Some(text.trim().to_owned()),
                    _ => return Err(bad()),
                }
            }
            wanted.push((key.ok_or_else(bad)?, value.unwrap_or_default()));
        }
        if wanted.len() > 10 {
            return Err(bad());
        }
        Ok(vec![wanted])
    }
}

async fn listed(state: &ServerState, actor: &Actor, mut query: SecretQuery, expand: bool) -> ApiResult<SecretListBody> {
    let options = query.options(expand);
    let (recursive, metadata) = (query.recursive.unwrap_or(false), query.metadata()?);
    if query.tag_slugs.is_some() {
        // Nothing has a tag.
        query.place()?;
        return Ok(Json(SecretListBody {
            secrets: Vec::new(),
            imports: Vec::new(),
        }));
    }
    let wanted = ListQuery {
        place: query.place()?,
        recursive,
        metadata,
        options,
    };
    let (secrets, _project) = state.app.list_secrets(actor, &wanted).await?;
    Ok(Json(SecretListBody {
        secrets: secrets.into_iter().map(SecretBody::from).collect(),
        imports: Vec::new(),
    }))
}

async fn found(state: &ServerState, actor: &Actor, name: &str, mut query: SecretQuery, expand: bool) -> ApiResult<SecretEnvelope> {
    only_shared(query.kind.as_deref(), None)?;
    let options = query.options(expand);
    let version = query.version.map(|version| u32::try_from(version).unwrap_or(u32::MAX));
    let place = query.place()?;
    Ok(Json(
        state
            .app
            .get_secret(actor, &place, &SecretName::wanted(name), version, options)
            .await?
            .into(),
    ))
}

/// The secrets of a folder, by name. References are left as they are unless told otherwise.
#[utoipa::path(get, path = "/v3/secrets/raw", operation_id = "listSecretsV3", tag = "Secrets", security(("token" = [])), params(SecretQuery),
    responses((status = 200, body = SecretListBody), ApiErrors))]
pub(super) async fn list_v3(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<SecretQuery>,
) -> ApiResult<SecretListBody> {
    listed(&state, &actor, query, false).await
}

/// One secret, now or in an earlier version.
#[utoipa::path(get, path = "/v3/secrets/raw/{secretName}", operation_id = "getSecretV3", tag = "Secrets", security(("token" = [])),
    params(("secretName" = String, Path), SecretQuery), responses((status = 200, body = SecretEnvelope), ApiErrors))]
pub(super) async fn get_v3(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<SecretQuery>,
) -> ApiResult<SecretEnvelope> {
    found(&state, &actor, &name, query, false).await
}

/// One secret, by its id.
#[utoipa::path(get, path = "/v3/secrets/raw/id/{secretId}", operation_id = "getSecretByIdV3", tag = "Secrets", security(("token" = [])),
    params(("secretId" = Uuid, Path), SecretQuery), responses((status = 200, body = SecretEnvelope), ApiErrors))]
pub(super) async fn get_by_id_v3(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(secret): ApiPath<String>,
    ApiQuery(query): ApiQuery<SecretQuery>,
) -> ApiResult<SecretEnvelope> {
    let options = query.options(false);
    Ok(Json(
        state.app.get_secret_by_id(&actor, id("secretId", &secret)?, options).await?.into(),
    ))
}

/// The secrets of a folder, by name. References are expanded unless told otherwise.
#[utoipa::path(get, path = "/v4/secrets", operation_id = "listSecretsV4", tag = "Secrets", security(("token" = [])), params(SecretQuery),
    responses((status = 200, body = SecretListBody), ApiErrors))]
pub(super) async fn list_v4(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<SecretQuery>,
) -> ApiResult<SecretListBody> {
    listed(&state, &actor, query, true).await
}

/// One secret, now or in an earlier version.
#[utoipa::path(get, path = "/v4/secrets/{secretName}", operation_id = "getSecretV4", tag = "Secrets", security(("token" = [])),
    params(("secretName" = String, Path), SecretQuery), responses((status = 200, body = SecretEnvelope), ApiErrors))]
pub(super) async fn get_v4(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<SecretQuery>,
) -> ApiResult<SecretEnvelope> {
    found(&state, &actor, &name, query, true).await
}

/// One secret, by its id.
#[utoipa::path(get, path = "/v4/secrets/id/{secretId}", operation_id = "getSecretByIdV4", tag = "Secrets", security(("token" = [])),
    params(("secretId" = Uuid, Path), SecretQuery), responses((status = 200, body = SecretEnvelope), ApiErrors))]
pub(super) async fn get_by_id_v4(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(secret): ApiPath<String>,
    ApiQuery(query): ApiQuery<SecretQuery>,
) -> ApiResult<SecretEnvelope> {
    let options = query.options(true);
    Ok(Json(
        state.app.get_secret_by_id(&actor, id("secretId", &secret)?, options).await?.into(),
    ))
}
