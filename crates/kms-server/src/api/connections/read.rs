//! Reading connections.

use axum::Json;
use axum::extract::State;
use kms_app::Error;
use kms_core::ids::ProjectId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::per_app::ForApp;
use super::wire::{ConnectionBody, ConnectionEnvelope};
use crate::api::error::{ApiErrors, ApiResult};
use crate::api::extract::{ApiPath, ApiQuery, Authenticated, id};
use crate::state::ServerState;

/// The apps that connections can be made to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppConnectionOptionsBody {
    app_connection_options: Vec<AppOptionBody>,
}

/// An app.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppOptionBody {
    name: &'static str,
    app: &'static str,
    methods: Vec<&'static str>,
}

/// What the apps are for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct OptionsQuery {
    /// Only apps that are useful to that product.
    project_type: Option<String>,
}

/// The apps that connections can be made to, by display name.
#[utoipa::path(get, path = "/v1/app-connections/options", operation_id = "listAppConnectionOptions", tag = "App Connections",
    security(("token" = [])), params(OptionsQuery), responses((status = 200, body = AppConnectionOptionsBody), ApiErrors))]
pub(super) async fn options(
    State(state): State<ServerState>,
    Authenticated(_actor): Authenticated,
    ApiQuery(query): ApiQuery<OptionsQuery>,
) -> ApiResult<AppConnectionOptionsBody> {
    const KINDS: [&str; 6] = ["secret-manager", "cert-manager", "kms", "ssh", "secret-scanning", "pam"];
    let kind = query.project_type.as_deref();
    if kind.is_some_and(|kind| !KINDS.contains(&kind)) {
        return Err(Error::invalid("projectType", "invalid_enum_value", "is no type of project").into());
    }
    // All apps serve the management of secrets.
    let apps = if matches!(kind, None | Some("secret-manager")) {
        state.app.connectable_apps()
    } else {
        Vec::new()
    };
    let app_connection_options = apps
        .into_iter()
        .map(|app| AppOptionBody {
            name: app.name,
            app: app.slug,
            methods: app.methods.iter().map(|method| method.slug).collect(),
        })
        .collect();
    Ok(Json(AppConnectionOptionsBody { app_connection_options }))
}

/// Which project.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ProjectQuery {
    /// The project.
    #[param(format = Uuid)]
    project_id: Option<String>,
}

impl ProjectQuery {
    fn read(&self) -> Result<Option<ProjectId>, Error> {
        self.project_id.as_deref().map(|text| id("projectId", text)).transpose()
    }
}

/// The project of a connection.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectSummary {
    id: Uuid,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    slug: String,
}

/// A connection in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedConnection {
    #[serde(flatten)]
    connection: ConnectionBody,
    project: Option<ProjectSummary>,
}

/// Several connections.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionsEnvelope {
    app_connections: Vec<ListedConnection>,
}

async fn listed(
    state: &ServerState,
    actor: &kms_app::actor::Actor,
    app: Option<&str>,
    query: &ProjectQuery,
) -> ApiResult<ConnectionsEnvelope> {
    let found = state.app.list_connections(actor, app, query.read()?).await?;
    let app_connections = found
        .into_iter()
        .map(|(connection, project)| ListedConnection {
            connection: connection.into(),
            project: project.map(|project| ProjectSummary {
                id: project.id.0,
                name: project.name,
                kind: project.kind,
                slug: project.slug,
            }),
        })
        .collect();
    Ok(Json(ConnectionsEnvelope { app_connections }))
}

/// All connections: of one project, or of the organization with all its projects.
#[utoipa::path(get, path = "/v1/app-connections", operation_id = "listAppConnections", tag = "App Connections",
    security(("token" = [])), params(ProjectQuery), responses((status = 200, body = ConnectionsEnvelope), ApiErrors))]
pub(super) async fn list(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ProjectQuery>,
) -> ApiResult<ConnectionsEnvelope> {
    listed(&state, &actor, None, &query).await
}

/// The connections to {app}, by name: of one project, or of the organization with all its projects.
#[utoipa::path(get, path = "/v1/app-connections/{app}", operation_id = "list_App_Connections", tag = "App Connections",
    security(("token" = [])), params(ProjectQuery), responses((status = 200, body = ConnectionsEnvelope), ApiErrors))]
pub(super) async fn list_of_app(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ForApp(app): ForApp,
    ApiQuery(query): ApiQuery<ProjectQuery>,
) -> ApiResult<ConnectionsEnvelope> {
    listed(&state, &actor, Some(app.slug), &query).await
}

/// A connection that can be used.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AvailableConnection {
    app: String,
    id: Uuid,
    name: String,
    project_id: Option<String>,
    org_id: Uuid,
}

/// Connections that can be used.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AvailableEnvelope {
    app_connections: Vec<AvailableConnection>,
}

/// The connections to {app} that the caller may use: those of the organization, and those of the project if one is named.
#[utoipa::path(get, path = "/v1/app-connections/{app}/available", operation_id = "listAvailable_App_Connections", tag = "App Connections",
    security(("token" = [])), params(ProjectQuery), responses((status = 200, body = AvailableEnvelope), ApiErrors))]
pub(super) async fn available(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ForApp(app): ForApp,
    ApiQuery(query): ApiQuery<ProjectQuery>,
) -> ApiResult<AvailableEnvelope> {
    // A project that does not exist is a mistake in the request here, whatever its id looks like.
    let project = match &query.project_id {
        None => None,
        Some(text) => {
            let unknown = |_malformed| Error::bad_request(format!("no project with the id {text}"));
            Some(text.parse().map_err(unknown)?)
        }
    };
    let found = state.app.available_connections(&actor, app.slug, project).await?;
    let app_connections = found
        .into_iter()
        .map(|record| AvailableConnection {
            app: record.app,
            id: record.id.0,
            name: record.name,
            project_id: record.project.map(|id| id.to_string()),
            org_id: record.org.0,
        })
        .collect();
    Ok(Json(AvailableEnvelope { app_connections }))
}

/// One connection to {app}.
#[utoipa::path(get, path = "/v1/app-connections/{app}/{connectionId}", operation_id = "get_App_Connection", tag = "App Connections",
    security(("token" = [])), params(("connectionId" = Uuid, Path)),
    responses((status = 200, body = ConnectionEnvelope), ApiErrors))]
pub(super) async fn get_one(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ForApp(app): ForApp,
    ApiPath(connection): ApiPath<String>,
) -> ApiResult<ConnectionEnvelope> {
    Ok(Json(
        state
            .app
            .get_connection(&actor, app.slug, id("connectionId", &connection)?)
            .await?
            .into(),
    ))
}

/// The connection to {app} of that name: in the project, or among those of the organization itself.
#[utoipa::path(get, path = "/v1/app-connections/{app}/connection-name/{connectionName}", operation_id = "get_App_ConnectionByName",
    tag = "App Connections", security(("token" = [])), params(("connectionName" = String, Path), ProjectQuery),
    responses((status = 200, body = ConnectionEnvelope), ApiErrors))]
pub(super) async fn get_by_name(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ForApp(app): ForApp,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<ProjectQuery>,
) -> ApiResult<ConnectionEnvelope> {
    if name.trim().is_empty() {
        return Err(Error::invalid("connectionName", "too_small", "must have at least 1 character").into());
    }
    Ok(Json(
        state
            .app
            .get_connection_by_name(&actor, app.slug, &name, query.read()?)
            .await?
            .into(),
    ))
}

/// What uses a connection.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageBody {
    projects: Vec<ProjectUsage>,
}

/// What of a project uses it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectUsage {
    id: Uuid,
    name: String,
    slug: String,
    #[serde(rename = "type")]
    kind: String,
    resources: Resources,
}

/// By kind.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    secret_syncs: Vec<NamedResource>,
    secret_rotations: Vec<NamedResource>,
    external_cas: Vec<NamedResource>,
    data_sources: Vec<NamedResource>,
}

/// Something that uses it.
#[derive(Debug, Serialize, ToSchema)]
pub struct NamedResource {
    id: Uuid,
    name: String,
}

/// What uses a connection to {app}, by project.
#[utoipa::path(get, path = "/v1/app-connections/{app}/{connectionId}/usage", operation_id = "get_App_ConnectionUsage", tag = "App Connections",
    security(("token" = [])), params(("connectionId" = Uuid, Path)),
    responses((status = 200, body = UsageBody), ApiErrors))]
pub(super) async fn usage(
    State(state): State<ServerState>,
    Authenticated(actor): Authenticated,
    ForApp(app): ForApp,
    ApiPath(connection): ApiPath<String>,
) -> ApiResult<UsageBody> {
    let uses = state
        .app
        .connection_usage(&actor, app.slug, id("connectionId", &connection)?)
        .await?;
    let projects = uses
        .into_iter()
        .map(|uses| ProjectUsage {
            id: uses.project.id.0,
            name: uses.project.name,
            slug: uses.project.slug,
            kind: uses.project.kind,
            resources: Resources {
                secret_syncs: Vec::new(),
                secret_rotations: uses
                    .rotations
                    .into_iter()
                    .map(|used| NamedResource {
                        id: used.rotation.0,
                        name: used.name,
                    })
                    .collect(),
                external_cas: Vec::new(),
                data_sources: Vec::new(),
            },
        })
        .collect();
    Ok(Json(UsageBody { projects }))
}
