//! `GET /api/v1/user`: who am I.

use axum::Json;
use kms_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::UserBody;
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::AuthenticatedUser;

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnUserBody {
    user: OwnUser,
}

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnUser {
    #[serde(flatten)]
    user: UserBody,
    /// How they can log in.
    auth_methods: [&'static str; 1],
    /// Whether they have a second factor; always false.
    is_mfa_enabled: bool,
    /// When they were added.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When they were last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// The person who calls.
#[utoipa::path(get, path = "/v1/user", operation_id = "getOwnUser", tag = "Users", security(("token" = [])),
    responses((status = 200, body = OwnUserBody), ApiErrors))]
pub(super) async fn get_own_user(AuthenticatedUser(signed_in): AuthenticatedUser) -> ApiResult<OwnUserBody> {
    let user = signed_in.user();
    Ok(Json(OwnUserBody {
        user: OwnUser {
            user: UserBody::from(user),
            auth_methods: ["email"],
            is_mfa_enabled: false,
            created_at: user.created_at,
            updated_at: user.updated_at,
        },
    }))
}
