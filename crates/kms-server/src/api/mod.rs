//! The API: one folder an area, one place that puts them together.

pub(crate) mod audit;
mod connections;
pub(crate) mod docs;
pub mod error;
pub mod extract;
mod folders;
mod identities;
mod identity_tokens;
mod instance;
pub(crate) mod organizations;
mod projects;
mod rotations;
mod secrets;
mod sessions;
mod token_auth;
mod universal_auth;
mod users;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::middleware;
use crate::state::ServerState;
use error::Problem;

/// Every route with its documentation. An area adds its line here.
fn routes(app: &kms_app::App) -> OpenApiRouter<ServerState> {
    OpenApiRouter::with_openapi(docs::Document::openapi()).nest(
        "/api",
        OpenApiRouter::new()
            .merge(instance::routes())
            .merge(audit::routes())
            .merge(projects::routes())
            .merge(connections::routes(&app.connectable_apps()))
            .merge(rotations::routes())
            .merge(folders::routes())
            .merge(secrets::routes())
            .merge(identities::routes())
            .merge(identity_tokens::routes())
            .merge(organizations::routes())
            .merge(sessions::routes())
            .merge(token_auth::routes())
            .merge(universal_auth::routes())
            .merge(users::routes()),
    )
}

/// The API's description, OpenAPI 3.1.
pub fn document(app: &kms_app::App) -> utoipa::openapi::OpenApi {
    routes(app).split_for_parts().1
}

/// All routes, without what goes around them.
pub(crate) fn router(state: ServerState) -> Router {
    let (router, document) = routes(&state.app).split_for_parts();
    router
        .merge(crate::probes::routes(state.settings.metrics_here))
        .merge(docs::routes(&document))
        .merge(crate::web::routes(&state))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::middleware::from_fn(middleware::remember_route))
        .layer(DefaultBodyLimit::max(extract::BODY_LIMIT))
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(state)
}

async fn unknown_route(State(state): State<ServerState>, request: Request) -> Response {
    if crate::web::wants_page(&request) {
        return crate::web::nothing_here(&state, request);
    }
    Problem::new(StatusCode::NOT_FOUND, "NotFound", "there is no such route").into_response()
}

async fn wrong_method() -> Response {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "the route exists, but not with this method",
    )
    .into_response()
}

/// A panic is a defect; the caller gets the error object all the same.
fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let cause = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    let problem = Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalServerError",
        "something went wrong on the server",
    );
    Problem {
        cause: Some(cause),
        ..problem
    }
    .into_response()
}
