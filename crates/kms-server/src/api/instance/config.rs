//! `GET` and `PATCH /api/v1/admin/config`: is the instance set up, may people sign up.

use axum::Json;
use axum::extract::State;
use kms_app::instance::{InstanceChanges, InstanceRecord};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, Authenticated, Wire};
use crate::state::ServerState;

/// Settings of the instance.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceConfig {
    /// Whether an administrator exists.
    initialized: bool,
    /// Whether people may sign up by themselves.
    allow_sign_up: bool,
    /// Not part of this product; always false.
    is_migration_mode_on: bool,
    /// Not part of this product; always true.
    is_secret_scanning_disabled: bool,
    /// Slug of an organization that logins are sent to; none.
    default_auth_org_slug: Option<String>,
}

/// Settings of the instance.
#[derive(Debug, Serialize, ToSchema)]
pub struct InstanceConfigBody {
    config: InstanceConfig,
}

/// Changes of the instance's settings.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceConfigChanges {
    /// Whether people may sign up by themselves.
    allow_sign_up: Option<bool>,
}

impl Wire for InstanceConfigChanges {}

fn body(record: &InstanceRecord) -> Json<InstanceConfigBody> {
    Json(InstanceConfigBody {
        config: InstanceConfig {
            initialized: record.initialized,
            allow_sign_up: record.allow_sign_up,
            is_migration_mode_on: false,
            is_secret_scanning_disabled: true,
            default_auth_org_slug: None,
        },
    })
}

/// The instance's settings.
#[utoipa::path(get, path = "/v1/admin/config", operation_id = "getInstanceConfig", tag = "Instance",
    responses((status = 200, body = InstanceConfigBody), ApiErrors))]
pub(super) async fn get_config(State(state): State<ServerState>) -> ApiResult<InstanceConfigBody> {
    Ok(body(&state.app.get_instance().await?))
}

/// Changes the instance's settings.
#[utoipa::path(patch, path = "/v1/admin/config", operation_id = "updateInstanceConfig", tag = "Instance", security(("token" = [])),
    request_body = InstanceConfigChanges, responses((status = 200, body = InstanceConfigBody), ApiErrors))]
pub(super) async fn update_config(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(changes): ApiJson<InstanceConfigChanges>,
) -> ApiResult<InstanceConfigBody> {
    let changes = InstanceChanges {
        allow_sign_up: changes.allow_sign_up,
    };
    Ok(body(&state.app.update_instance(&actor, changes).await?))
}
