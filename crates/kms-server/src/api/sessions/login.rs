//! `POST /api/v3/auth/login` and `/api/v3/auth/select-organization`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kms_app::Error;
use kms_core::names::Email;
use kms_core::secret::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cookie::Place;
use crate::api::error::{ApiError, ApiErrors};
use crate::api::extract::{ApiJson, AuthenticatedUser, From, Issues, Wire, id};
use crate::state::ServerState;

/// A person's e-mail address and password.
#[derive(Debug, Deserialize, ToSchema)]
pub struct LoginRequest {
    /// E-mail address.
    email: String,
    /// Password.
    #[schema(value_type = String)]
    password: SecretString,
}

impl Wire for LoginRequest {}

/// An access token for no organization yet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginBody {
    access_token: String,
}

/// The organization to work in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelectOrganizationRequest {
    /// Its id.
    organization_id: String,
}

impl Wire for SelectOrganizationRequest {}

/// An access token for the organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelectOrganizationBody {
    token: String,
    /// Whether a second factor is owed; always false.
    is_mfa_enabled: bool,
}

/// Logs a person in. Select an organization next.
#[utoipa::path(post, path = "/v3/auth/login", operation_id = "logIn", tag = "Login",
    request_body = LoginRequest, responses((status = 200, body = LoginBody), ApiErrors))]
pub(super) async fn log_in(
    State(state): State<ServerState>,
    Place(place): Place,
    From(origin): From,
    ApiJson(request): ApiJson<LoginRequest>,
) -> Result<Response, ApiError> {
    let mut issues = Issues::new();
    let email = issues.take("email", Email::parse(&request.email));
    issues.password("password", &request.password);
    issues.finish()?;
    let email = email.ok_or_else(|| Error::internal("an invalid address went unnoticed"))?;
    let grant = state.app.log_in(&email, request.password, &origin).await?;
    let body = LoginBody {
        access_token: grant.access_token.expose().to_owned(),
    };
    Ok((place.set(&grant), Json(body)).into_response())
}

/// Gives an access token for an organization that the person belongs to.
#[utoipa::path(post, path = "/v3/auth/select-organization", operation_id = "selectOrganization", tag = "Login",
    security(("token" = [])), request_body = SelectOrganizationRequest, responses((status = 200, body = SelectOrganizationBody), ApiErrors))]
pub(super) async fn select_organization(
    State(state): State<ServerState>,
    AuthenticatedUser(signed_in): AuthenticatedUser,
    ApiJson(request): ApiJson<SelectOrganizationRequest>,
) -> Result<Json<SelectOrganizationBody>, ApiError> {
    let org = id("organizationId", &request.organization_id)?;
    let grant = state.app.select_org(&signed_in, org).await?;
    Ok(Json(SelectOrganizationBody {
        token: grant.access_token.expose().to_owned(),
        is_mfa_enabled: false,
    }))
}

fn older_login() -> ApiError {
    ApiError(Error::bad_request(
        "the login in two steps is not supported; log in with POST /api/v3/auth/login",
    ))
}

/// The login in two steps that older clients fall back to. Always refused.
#[utoipa::path(
    post,
    path = "/v3/auth/login1",
    operation_id = "logInOlderFirst",
    tag = "Login",
    responses(ApiErrors)
)]
pub(super) async fn older_login_first() -> ApiError {
    older_login()
}

/// The login in two steps that older clients fall back to. Always refused.
#[utoipa::path(
    post,
    path = "/v3/auth/login2",
    operation_id = "logInOlderSecond",
    tag = "Login",
    responses(ApiErrors)
)]
pub(super) async fn older_login_second() -> ApiError {
    older_login()
}
