//! `POST /api/v1/admin/bootstrap` and `/api/v1/admin/signup`: the first start.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kms_app::instance::FirstAdmin;
use kms_core::names::Email;
use kms_core::secret::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::error::{ApiError, ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, From, Issues, Wire};
use crate::api::organizations::wire::OrgName;
use crate::api::sessions::cookie;
use crate::api::users::wire::UserBody;
use crate::state::ServerState;

/// Who administers the new instance.
#[derive(Debug, Deserialize, ToSchema)]
pub struct BootstrapRequest {
    /// E-mail address of the administrator.
    email: String,
    /// Their password.
    #[schema(value_type = String)]
    password: SecretString,
    /// Name of the organization.
    organization: String,
}

impl Wire for BootstrapRequest {}

/// Who administers the new instance.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignUpRequest {
    /// E-mail address of the administrator.
    email: String,
    /// Their password.
    #[schema(value_type = String)]
    password: SecretString,
    /// First name.
    first_name: String,
    /// Last name.
    last_name: Option<String>,
}

impl Wire for SignUpRequest {}

/// What the first start made.
#[derive(Debug, Serialize, ToSchema)]
pub struct BootstrapBody {
    message: &'static str,
    user: UserBody,
    organization: OrgName,
    identity: BootstrapIdentity,
}

/// A machine identity that administers instance and organization.
#[derive(Debug, Serialize, ToSchema)]
pub struct BootstrapIdentity {
    #[schema(value_type = String, format = Uuid)]
    id: kms_core::ids::IdentityId,
    name: String,
    credentials: BootstrapCredentials,
}

/// Its access token, without an end. It is shown only here.
#[derive(Debug, Serialize, ToSchema)]
pub struct BootstrapCredentials {
    token: String,
}

/// What the first start made.
#[derive(Debug, Serialize, ToSchema)]
pub struct SignUpBody {
    message: &'static str,
    user: UserBody,
    organization: OrgName,
    /// An access token for the new organization.
    token: String,
    /// Whether the account is new; always true.
    new: bool,
}

fn admin(issues: Issues, email: Option<Email>, admin: impl FnOnce(Email) -> FirstAdmin) -> Result<FirstAdmin, ApiError> {
    issues.finish()?;
    // Without an address there was an issue.
    let email = email.ok_or_else(|| kms_app::Error::internal("an invalid address went unnoticed"))?;
    Ok(admin(email))
}

/// The unattended first start. Refused once an administrator exists.
#[utoipa::path(post, path = "/v1/admin/bootstrap", operation_id = "bootstrapInstance", tag = "Instance",
    request_body = BootstrapRequest, responses((status = 200, body = BootstrapBody), ApiErrors))]
pub(super) async fn bootstrap(
    State(state): State<ServerState>,
    From(origin): From,
    ApiJson(request): ApiJson<BootstrapRequest>,
) -> ApiResult<BootstrapBody> {
    let mut issues = Issues::new();
    let email = issues.take("email", Email::parse(&request.email));
    issues.password("password", &request.password);
    let organization = issues.short_text("organization", &request.organization);
    let admin = admin(issues, email, |email| FirstAdmin {
        email,
        password: request.password,
        first_name: Some("Admin".to_owned()),
        last_name: Some("User".to_owned()),
        organization,
    })?;
    let made = state.app.bootstrap(admin, &origin).await?;
    Ok(Json(BootstrapBody {
        message: "Successfully bootstrapped instance",
        user: UserBody::from(&made.user),
        organization: OrgName::from(&made.org),
        identity: BootstrapIdentity {
            id: made.identity.id,
            name: made.identity.name,
            credentials: BootstrapCredentials {
                token: made.token.expose().to_owned(),
            },
        },
    }))
}

/// The first start on the screen. Refused once an administrator exists.
#[utoipa::path(post, path = "/v1/admin/signup", operation_id = "signUpInstanceAdmin", tag = "Instance",
    request_body = SignUpRequest, responses((status = 200, body = SignUpBody), ApiErrors))]
pub(super) async fn sign_up(
    State(state): State<ServerState>,
    cookie::Place(place): cookie::Place,
    From(origin): From,
    ApiJson(request): ApiJson<SignUpRequest>,
) -> Result<Response, ApiError> {
    let mut issues = Issues::new();
    let email = issues.take("email", Email::parse(&request.email));
    issues.password("password", &request.password);
    let first_name = issues.short_text("firstName", &request.first_name);
    let last_name = request.last_name.filter(|text| !text.trim().is_empty());
    let last_name = last_name.map(|text| issues.short_text("lastName", &text));
    let admin = admin(issues, email, |email| FirstAdmin {
        email,
        password: request.password,
        organization: format!("{first_name}'s Organization"),
        first_name: Some(first_name),
        last_name,
    })?;
    let made = state.app.sign_up_first_admin(admin, &origin).await?;
    let body = SignUpBody {
        message: "Successfully set up admin account",
        user: UserBody::from(&made.user),
        organization: OrgName::from(&made.org),
        token: made.session.access_token.expose().to_owned(),
        new: true,
    };
    Ok((place.set(&made.session), Json(body)).into_response())
}
