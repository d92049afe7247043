//! The history of a secret.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::wire::SecretBody;
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiPath, ApiQuery, Authenticated, id, query_number};
use crate::state::ServerState;

/// Which part of the history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VersionsQuery {
    /// Versions to skip.
    #[serde(default, deserialize_with = "query_number")]
    offset: Option<u64>,
    /// Most versions; 20 if absent, at most 100.
    #[serde(default, deserialize_with = "query_number")]
    limit: Option<u64>,
}

/// The history of a secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersionsBody {
    secret_versions: Vec<SecretBody>,
}

/// The kept versions of a secret, newest first.
#[utoipa::path(get, path = "/v1/secret/{secretId}/secret-versions", operation_id = "listSecretVersions", tag = "Secrets",
    security(("token" = [])), params(("secretId" = Uuid, Path), VersionsQuery), responses((status = 200, body = SecretVersionsBody), ApiErrors))]
pub(super) async fn list(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(secret): ApiPath<String>,
    ApiQuery(query): ApiQuery<VersionsQuery>,
) -> ApiResult<SecretVersionsBody> {
    let versions = state
        .app
        .list_secret_versions(
            &actor,
            id("secretId", &secret)?,
            query.offset.unwrap_or(0),
            query.limit.unwrap_or(20),
            true,
        )
        .await?;
    Ok(Json(SecretVersionsBody {
        secret_versions: versions.into_iter().map(SecretBody::version).collect(),
    }))
}
