#![doc = include_str!("../README.md")]

pub mod api;
mod middleware;
mod probes;
mod rate_limit;
mod state;
mod web;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

/// Routes that the API's description does not name; all of them are read with GET.
pub const UNDESCRIBED_ROUTES: [&str; 6] = [
    api::docs::PATHS[0],
    api::docs::PATHS[1],
    api::docs::PATHS[2],
    probes::PATHS[0],
    probes::PATHS[1],
    probes::PATHS[2],
];

pub use probes::metrics_router;
pub use rate_limit::{NoLimits, RateLimits};
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

/// Serves `router` until `stop` is cancelled, then finishes the requests in hand, for at most `grace`.
///
/// # Errors
/// Those of accepting connections.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken, grace: Duration) -> std::io::Result<()> {
    use axum::serve::ListenerExt;
    // Small answers must not wait for the client's acknowledgement of the one before.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let stopped = stop.clone();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move { stopped.cancelled().await });
    let serving = std::future::IntoFuture::into_future(serving);
    tokio::pin!(serving);
    tokio::select! {
        result = &mut serving => return result,
        () = stop.cancelled() => {}
    }
    // Connections that nobody closes must not keep the process alive.
    tokio::time::timeout(grace, serving).await.unwrap_or(Ok(()))
}
