//! Moving secrets to another folder.

use axum::Json;
use axum::extract::State;
use kms_app::secrets::Relocation;
use kms_core::names::SecretPath;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::project;
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, Authenticated, Issues, Wire, id};
use crate::api::rotations::wire::checked;
use crate::state::ServerState;

/// What is moved, and where to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoveRequest {
    /// The project.
    project_id: Option<String>,
    /// The project, under its older name; a slug is accepted.
    workspace_id: Option<String>,
    /// Slug of the project.
    project_slug: Option<String>,
    /// Slug of the environment to move from.
    source_environment: String,
    /// The folder to move from; `/` if absent.
    source_secret_path: Option<String>,
    /// Slug of the environment to move to.
    destination_environment: String,
    /// The folder to move to; `/` if absent.
    destination_secret_path: Option<String>,
    /// Which secrets, by id.
    secret_ids: Vec<String>,
    /// Whether they replace secrets of the same names.
    #[serde(default)]
    should_overwrite: bool,
}

impl Wire for MoveRequest {}

/// What a move has changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MovedBody {
    is_source_updated: bool,
    is_destination_updated: bool,
}

/// Moves secrets to another folder of their project, all or none. Id, value and history stay.
#[utoipa::path(post, path = "/v4/secrets/move", operation_id = "moveSecretsV4", tag = "Secrets", security(("token" = [])),
    request_body = MoveRequest, responses((status = 200, body = MovedBody), ApiErrors))]
pub(super) async fn move_v4(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<MoveRequest>,
) -> ApiResult<MovedBody> {
    let mut issues = Issues::new();
    let path =
        |issues: &mut Issues, field: &str, text: Option<String>| issues.take(field, SecretPath::parse(text.as_deref().unwrap_or("/")));
    let source = path(&mut issues, "sourceSecretPath", request.source_secret_path);
    let destination = path(&mut issues, "destinationSecretPath", request.destination_secret_path);
    issues.check(
        !request.secret_ids.is_empty(),
        "secretIds",
        "too_small",
        "must have at least 1 element",
    );
    issues.finish()?;
    let relocation = Relocation {
        project: project([request.project_id, request.workspace_id], [request.project_slug, None])?,
        source: (request.source_environment.trim().to_owned(), checked(source)?),
        destination: (request.destination_environment.trim().to_owned(), checked(destination)?),
        secrets: request
            .secret_ids
            .iter()
            .map(|text| id("secretIds", text))
            .collect::<Result<_, _>>()?,
        overwrite: request.should_overwrite,
    };
    let moved = state.app.move_secrets(&actor, &relocation).await?;
    Ok(Json(MovedBody {
        is_source_updated: moved.source,
        is_destination_updated: moved.destination,
    }))
}
