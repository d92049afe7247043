//! What every request goes through: a request id, the error object, an ETag, security headers, and counting.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;

use crate::api::error::{ApiError, Problem, problem_response};
use crate::state::{ServerState, client_address};

/// Names the request in answers, logs and error objects.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// The client's address as far as it can be believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) Option<std::net::IpAddr>);

/// Answers larger than this carry no ETag: they are streamed.
const ETAG_LIMIT: u64 = 64 * 1024 * 1024;

/// `/a/b/` is `/a/b`. Some clients send the slash on login.
pub(crate) fn without_trailing_slash(mut request: Request) -> Request {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() || trimmed.is_empty() {
        return request;
    }
    let rewritten = match request.uri().query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    if let Ok(path_and_query) = rewritten.parse() {
        parts.path_and_query = Some(path_and_query);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// Goes around every request.
pub(crate) async fn around(State(state): State<ServerState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId(format!("req-{}", kms_app::random_name(state.app.entropy(), 14)));
    let peer = request
        .extensions()
        .get::<ConnectInfo<std::net::SocketAddr>>()
        .map(|info| info.0.ip());
    let forwarded = request.headers().get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let address = peer.map(|peer| client_address(peer, forwarded, &state.settings.trusted_proxies));
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(ClientAddress(address));
    let method = request.method().clone();
    let is_api = request.uri().path().starts_with("/api");
    let wanted = request.headers().get(header::IF_NONE_MATCH).cloned();

    let allowed = state.limiters.check(&method, request.uri().path(), address);
    let standing = match &allowed {
        Ok(standing) => *standing,
        Err(refused) => Some(refused.standing),
    };
    let mut response = match allowed {
        Ok(_standing) => next.run(request).await,
        Err(refused) => too_many(&request, &id, refused.retry_after),
    };

    let route = response
        .extensions()
        .get::<MatchedRoute>()
        .map_or_else(|| "none".to_owned(), |route| route.0.clone());
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        log_problem(&problem, &id, &route, &method);
        let retry_after = response.headers_mut().remove(header::RETRY_AFTER);
        response = problem_response(&problem, &id.0);
        if let Some(retry_after) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after);
        }
    }
    if let Some(standing) = standing {
        standing.tell(response.headers_mut());
    }
    if is_api && method == Method::GET && response.status() == StatusCode::OK {
        response = with_etag(response, wanted.as_ref()).await;
    }
    secure(response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert("x-request-id", value);
    }
    let status = response.status().as_u16().to_string();
    metrics::counter!("kms_http_requests_total", "route" => route.clone(), "method" => method.to_string(), "status" => status.clone())
        .increment(1);
    metrics::histogram!("kms_http_request_seconds", "route" => route.clone()).record(started.elapsed().as_secs_f64());
    tracing::debug!(request_id = %id.0, %method, route, status, "api.request.answered");
    response
}

/// The answer to a client that has used up its limit.
fn too_many(request: &Request, id: &RequestId, retry_after: std::time::Duration) -> Response {
    if crate::web::is_screen(request) {
        return crate::web::too_many(&id.0, retry_after);
    }
    ApiError(kms_app::Error::RateLimited { retry_after }).into_response()
}

/// The route that answered, for metrics and logs: bounded, unlike the path.
#[derive(Debug, Clone)]
pub(crate) struct MatchedRoute(String);

/// Remembers which route answers. Stands inside the router, where the route is known.
pub(crate) async fn remember_route(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| MatchedRoute(path.as_str().to_owned()));
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

fn log_problem(problem: &Problem, id: &RequestId, route: &str, method: &Method) {
    match &problem.cause {
        Some(cause) => {
            tracing::error!(request_id = %id.0, %method, route, status = problem.status.as_u16(), cause, "api.request.failed");
        }
        None => {
            tracing::info!(request_id = %id.0, %method, route, status = problem.status.as_u16(), kind = problem.kind, "api.request.refused");
        }
    }
}

/// Adds a strong ETag computed from the body, and answers 304 where the client has it already.
async fn with_etag(response: Response, wanted: Option<&HeaderValue>) -> Response {
    use axum::body::HttpBody as _;
    let json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !json || response.body().size_hint().exact().is_none_or(|size| size > ETAG_LIMIT) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(collected) = body.collect().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let bytes = collected.to_bytes();
    let tag = format!("\"{}\"", kms_app::fingerprint(&bytes));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    let has_it = wanted
        .and_then(|value| value.to_str().ok())
        .is_some_and(|list| list.split(',').any(|candidate| candidate.trim() == tag || candidate.trim() == "*"));
    if has_it {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::CONTENT_TYPE);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn secure(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        ),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
