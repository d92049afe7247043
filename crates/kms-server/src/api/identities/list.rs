//! `GET /api/v1/identities` and `POST /api/v2/identities/search`.

use axum::Json;
use axum::extract::State;
use kms_app::identities::{IdentityFilter, IdentityOrder, IdentityPage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::wire::OrgIdentityBody;
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiJson, ApiQuery, Authenticated, Issues, Wire, id, query_number};
use crate::state::ServerState;

/// Most identities of one answer.
const MOST: u64 = 1000;

/// Identities of one answer if nothing else is asked for.
const USUAL: u64 = 100;

/// Which identities, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListIdentitiesQuery {
    /// The organization; that of the token if absent.
    org_id: Option<String>,
    /// Identities to skip; 0 if absent.
    #[serde(default, deserialize_with = "query_number")]
    #[param(value_type = Option<u64>)]
    offset: Option<u64>,
    /// Most identities, at most 1000; 100 if absent.
    #[serde(default, deserialize_with = "query_number")]
    #[param(value_type = Option<u64>)]
    limit: Option<u64>,
    /// `name` (if absent), `role` or `createdAt`.
    order_by: Option<String>,
    /// `asc` (if absent) or `desc`.
    order_direction: Option<String>,
    /// Part of the name.
    search: Option<String>,
}

/// Which identities.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SearchIdentitiesRequest {
    /// `organization`, `project` or both (if absent). Identities belong to organizations, so `project` alone finds none.
    scope: Option<Vec<String>>,
    /// Part of the name.
    search: Option<String>,
    /// Identities to skip; 0 if absent.
    offset: Option<u64>,
    /// Most identities, at most 1000; 100 if absent.
    limit: Option<u64>,
}

impl Wire for SearchIdentitiesRequest {}

/// Machine identities, and how many there are in all.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentitiesBody {
    identities: Vec<OrgIdentityBody>,
    total_count: u64,
}

impl From<IdentityPage> for IdentitiesBody {
    fn from(page: IdentityPage) -> Self {
        Self {
            identities: page.identities.into_iter().map(OrgIdentityBody::from).collect(),
            total_count: page.total,
        }
    }
}

fn window(issues: &mut Issues, offset: Option<u64>, limit: Option<u64>) -> (u64, u64) {
    let (offset, limit) = (offset.unwrap_or(0), limit.unwrap_or(USUAL));
    issues.check(limit <= MOST, "limit", "too_big", "must be at most 1000");
    issues.check(u32::try_from(offset).is_ok(), "offset", "too_big", "is beyond every list");
    (offset, limit)
}

/// The machine identities of the organization.
#[utoipa::path(get, path = "/v1/identities", operation_id = "listIdentities", tag = "Machine Identities", security(("token" = [])),
    params(ListIdentitiesQuery), responses((status = 200, body = IdentitiesBody), ApiErrors))]
pub(super) async fn list_identities(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListIdentitiesQuery>,
) -> ApiResult<IdentitiesBody> {
    let mut issues = Issues::new();
    let (offset, limit) = window(&mut issues, query.offset, query.limit);
    let order = match query.order_by.as_deref() {
        None | Some("name") => Some(IdentityOrder::Name),
        Some("role") => Some(IdentityOrder::Role),
        Some("createdAt") => Some(IdentityOrder::CreatedAt),
        Some(_) => None,
    };
    let message = "must be name, role or createdAt";
    issues.check(order.is_some(), "orderBy", "invalid_enum_value", message);
    let direction = query.order_direction.map(|text| text.to_ascii_lowercase());
    let descending = match direction.as_deref() {
        None | Some("asc") => Some(false),
        Some("desc") => Some(true),
        Some(_) => None,
    };
    let message = "must be asc or desc";
    issues.check(descending.is_some(), "orderDirection", "invalid_enum_value", message);
    issues.finish()?;
    let filter = IdentityFilter {
        search: query.search,
        order: order.unwrap_or_default(),
        descending: descending.unwrap_or_default(),
        offset,
        limit,
    };
    let org = query.org_id.map(|text| id("orgId", &text)).transpose()?;
    Ok(Json(state.app.list_identities(&actor, org, &filter).await?.into()))
}

/// Finds machine identities of the organization by name.
#[utoipa::path(post, path = "/v2/identities/search", operation_id = "searchIdentities", tag = "Machine Identities",
    security(("token" = [])), request_body = SearchIdentitiesRequest, responses((status = 200, body = IdentitiesBody), ApiErrors))]
pub(super) async fn search_identities(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<SearchIdentitiesRequest>,
) -> ApiResult<IdentitiesBody> {
    let mut issues = Issues::new();
    let (offset, limit) = window(&mut issues, request.offset, request.limit);
    issues.finish()?;
    let filter = IdentityFilter {
        search: request.search.filter(|text| !text.is_empty()),
        offset,
        limit,
        ..IdentityFilter::default()
    };
    // Asked in any case: who may not see identities must not see that there are none.
    let page = state.app.list_identities(&actor, None, &filter).await?;
    let wanted = request
        .scope
        .is_none_or(|scope| scope.is_empty() || scope.iter().any(|part| part == "organization"));
    Ok(Json(if wanted {
        page.into()
    } else {
        IdentitiesBody {
            identities: Vec::new(),
            total_count: 0,
        }
    }))
}
