#![doc = include_str!("../README.md")]

pub mod api;
mod middleware;
mod state;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tower::Service as _;

pub use state::{HttpSettings, ServerState};

/// The whole service: API, documentation and probes, with the middleware that every request goes through.
pub fn router(state: ServerState) -> Router {
    // What must happen before a route is chosen (the trailing slash) stands around the router, not in it.
    let inner = api::router(state.clone());
    Router::new()
        .fallback(move |request: Request| {
            let mut inner = inner.clone();
            async move { infallible(inner.call(middleware::without_trailing_slash(request)).await) }
        })
        .layer(axum::middleware::from_fn_with_state(state, middleware::around))
}

fn infallible(result: Result<Response, std::convert::Infallible>) -> Response {
    match result {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
