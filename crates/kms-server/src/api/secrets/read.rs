//! Reading secrets.

use axum::Json;
use axum::extract::State;
use kms_app::actor::Actor;
use kms_app::secrets::{ListQuery, MetadataFilter, ReadOptions};
use kms_core::names::SecretName;
use serde::Deserialize;
use utoipa::IntoParams;

use super::wire::{Kind, SecretBody, SecretEnvelope, SecretListBody, kind, place, project};
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

    fn metadata(&self) -> Result<Vec<MetadataFilter>, Error> {
        let wanted: Option<Vec<MetadataFilter>> = self
            .metadata_filter
            .as_deref()
            .map_or_else(|| Some(Vec::new()), |text| text.split('|').map(metadata_filter).collect());
        wanted.filter(|wanted| wanted.len() <= MOST_FILTERS).ok_or_else(|| {
            let message = "must look like key=a,value=b|key=c, with at most 10 parts";
            Error::invalid("metadataFilter", "invalid_string", message)
        })
    }
}

/// Parts of a metadata filter.
const MOST_FILTERS: usize = 10;

/// Reads `key=a`, `key=a,value=b` or `value=b`. A value may have commas.
fn metadata_filter(part: &str) -> Option<MetadataFilter> {
    let part = part.trim();
    let (key, value) = match part.strip_prefix("key=") {
        Some(rest) => match rest.split_once(",value=") {
            Some((key, value)) => (Some(key), Some(value)),
            None => (Some(rest), None),
        },
        None => (None, Some(part.strip_prefix("value=")?)),
    };
    Some(MetadataFilter {
        key: key.map(|key| key.trim().to_owned()),
        value: value.map(|value| value.trim().to_owned()),
    })
}

async fn listed(state: &ServerState, actor: &Actor, mut query: SecretQuery, expand: bool) -> ApiResult<SecretListBody> {
    let wanted = ListQuery {
        options: query.options(expand),
        recursive: query.recursive.unwrap_or(false),
        metadata: query.metadata()?,
        tags: query
            .tag_slugs
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .map(|slug| slug.trim().to_owned())
            .filter(|slug| !slug.is_empty())
            .collect(),
        place: query.place()?,
    };
    let secrets = state.app.list_secrets(actor, &wanted).await?;
    Ok(Json(SecretListBody {
        secrets: secrets.into_iter().map(SecretBody::from).collect(),
        imports: Vec::new(),
    }))
}

pub(super) async fn found(
    state: &ServerState,
    actor: &Actor,
    name: &str,
    mut query: SecretQuery,
    expand: bool,
) -> ApiResult<SecretEnvelope> {
    if kind(query.kind.as_deref())? == Kind::Personal {
        // Absent, not refused: clients then go on to the shared secret.
        return Err(Error::not_found(format!("no personal override of \"{name}\" here")).into());
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_filters() {
        for (text, expected) in [
            ("key=a", Some((Some("a"), None))),
            ("key=a,value=b,c", Some((Some("a"), Some("b,c")))),
            (" value=b", Some((None, Some("b")))),
            ("key=,value=", Some((Some(""), Some("")))),
            ("", None),
            ("a=b", None),
        ] {
            let expected = expected.map(|(key, value): (Option<&str>, Option<&str>)| MetadataFilter {
                key: key.map(str::to_owned),
                value: value.map(str::to_owned),
            });
            assert_eq!(metadata_filter(text), expected, "{text}");
        }
    }
}
