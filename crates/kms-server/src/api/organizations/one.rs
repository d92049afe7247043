//! `GET` and `PATCH /api/v1/organization/{organizationId}`, `POST /api/v2/organizations`.

use axum::Json;
use axum::extract::State;
use kms_app::organizations::OrgChanges;
use kms_core::names::Slug;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::OrganizationBody;
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiPath, Authenticated, AuthenticatedUser, Issues, Wire, id};
use crate::state::ServerState;

/// An organization.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneOrganizationBody {
    organization: OrganizationBody,
}

/// Changes of an organization.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OrganizationChanges {
    /// Its name, 1 to 64 characters.
    name: Option<String>,
    /// Its slug, 1 to 64 characters.
    slug: Option<String>,
}

impl Wire for OrganizationChanges {}

/// The organization of the caller's token.
#[utoipa::path(get, path = "/v1/organization/{organizationId}", operation_id = "getOrganization", tag = "Organizations",
    security(("token" = [])), params(("organizationId" = String, Path)),
    responses((status = 200, body = OneOrganizationBody), ApiErrors))]
pub(super) async fn get_organization(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(org): ApiPath<String>,
) -> ApiResult<OneOrganizationBody> {
    let org = state.app.get_org(&actor, id("organizationId", &org)?).await?;
    Ok(Json(OneOrganizationBody {
        organization: OrganizationBody::from(&org),
    }))
}

/// Changes the organization of the caller's token.
#[utoipa::path(patch, path = "/v1/organization/{organizationId}", operation_id = "updateOrganization", tag = "Organizations",
    security(("token" = [])), params(("organizationId" = String, Path)), request_body = OrganizationChanges,
    responses((status = 200, body = OneOrganizationBody), ApiErrors))]
pub(super) async fn update_organization(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiPath(org): ApiPath<String>,
    ApiJson(request): ApiJson<OrganizationChanges>,
) -> ApiResult<OneOrganizationBody> {
    let org = id("organizationId", &org)?;
    let mut issues = Issues::new();
    let name = request.name.map(|name| issues.short_text("name", &name));
    let slug = request.slug.and_then(|slug| issues.take("slug", Slug::parse(&slug, 1, 64)));
    issues.finish()?;
    let org = state.app.update_org(&actor, org, OrgChanges { name, slug }).await?;
    Ok(Json(OneOrganizationBody {
        organization: OrganizationBody::from(&org),
    }))
}

/// A new organization.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewOrganization {
    /// Its name, 1 to 64 characters.
    name: String,
}

impl Wire for NewOrganization {}

/// Founds another organization, whose administrator the caller becomes. For administrators of the instance, and for everybody where
/// people may sign up by themselves.
#[utoipa::path(post, path = "/v2/organizations", operation_id = "createOrganization", tag = "Organizations", security(("token" = [])),
    request_body = NewOrganization, responses((status = 200, body = OneOrganizationBody), ApiErrors))]
pub(super) async fn create_organization(
    State(state): State<ServerState>,
    AuthenticatedUser(signed_in): AuthenticatedUser,
    ApiJson(request): ApiJson<NewOrganization>,
) -> ApiResult<OneOrganizationBody> {
    let mut issues = Issues::new();
    let name = issues.short_text("name", &request.name);
    issues.finish()?;
    let org = state.app.create_org(&signed_in, name).await?;
    Ok(Json(OneOrganizationBody {
        organization: OrganizationBody::from(&org),
    }))
}
