//! `POST /api/v1/auth/token`, `/api/v1/auth/checkAuth` and `/api/v1/auth/logout`: what a running session needs.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kms_app::Error;
use kms_core::ids::OrgId;
use serde::Serialize;
use utoipa::ToSchema;

use super::cookie::{Place, RefreshCookie};
use crate::api::error::{ApiError, ApiErrors, ApiResult};
use crate::api::extract::AuthenticatedUser;
use crate::state::ServerState;

/// The next access token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenewedBody {
    token: String,
    /// The organization that the token is for; absent if none was selected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    organization_id: Option<OrgId>,
}

/// A short answer for people.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageBody {
    message: &'static str,
}

/// Gives the next access token to whoever has the session's cookie `jid`.
#[utoipa::path(post, path = "/v1/auth/token", operation_id = "renewSession", tag = "Login",
    responses((status = 200, body = RenewedBody), ApiErrors))]
pub(super) async fn renew(
    State(state): State<ServerState>,
    Place(place): Place,
    RefreshCookie(token): RefreshCookie,
) -> Result<Response, ApiError> {
    let token = token.ok_or_else(|| Error::unauthorized("no credentials: the session's cookie is missing; log in"))?;
    let grant = state.app.renew_session(token).await?;
    let body = RenewedBody {
        token: grant.access_token.expose().to_owned(),
        organization_id: grant.org,
    };
    Ok((place.set(&grant), Json(body)).into_response())
}

/// Tells whether the access token is still good.
#[utoipa::path(post, path = "/v1/auth/checkAuth", operation_id = "checkSession", tag = "Login", security(("token" = [])),
    responses((status = 200, body = MessageBody), ApiErrors))]
pub(super) async fn check(_signed_in: AuthenticatedUser) -> ApiResult<MessageBody> {
    Ok(Json(MessageBody { message: "Authenticated" }))
}

/// Ends the session: its tokens are good no longer.
#[utoipa::path(post, path = "/v1/auth/logout", operation_id = "logOut", tag = "Login", security(("token" = [])),
    responses((status = 200, body = MessageBody), ApiErrors))]
pub(super) async fn log_out(
    State(state): State<ServerState>,
    Place(place): Place,
    AuthenticatedUser(signed_in): AuthenticatedUser,
) -> Result<Response, ApiError> {
    state.app.log_out(&signed_in).await?;
    let body = MessageBody {
        message: "Successfully logged out",
    };
    Ok((place.clear(), Json(body)).into_response())
}
