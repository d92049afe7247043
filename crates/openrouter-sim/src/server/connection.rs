//! One connection: plays what [`crate::SimCore`] decided, and breaks off where it says so.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as ControlBody;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::body::ReplyBody;
use crate::api::answer::error_body;
use crate::api::route::BASE;
use crate::core::{MAX_BODY, SimCore};
use crate::reply::{Delivery, SimBody, SimReply, SimRequest, SimResponse};

/// A client that sends its headers more slowly is cut off.
const HEADERS_WITHIN: Duration = Duration::from_mins(2);
/// A client that sends its body more slowly gets 408.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// What is read of a body that is too large, so that the client gets to see the answer.
const DRAINED: usize = 16 << 20;
/// How long requests under way may go on when the server stops.
const DRAIN_FOR: Duration = Duration::from_secs(2);

type Reply = Response<Either<ReplyBody, ControlBody>>;

/// What all connections share.
pub(super) struct Shared {
    pub(super) core: Arc<SimCore>,
    pub(super) control: axum::Router,
    pub(super) stop: CancellationToken,
}

/// How a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Close,
    Reset,
}

/// Serves one connection until either side ends it.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let (end, mut ended) = watch::channel(None);
    let end = Arc::new(end);
    let stop = shared.stop.clone();
    let service = service_fn(move |request| answer(Arc::clone(&shared), Arc::clone(&end), request));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .serve_connection(TokioIo::new(stream), service);
    let told = async { ended.wait_for(Option::is_some).await.ok().and_then(|end| *end) };
    let end = tokio::select! {
        // Errors are the client's hang-ups and our own cuts.
        _ = &mut connection => return,
        end = told => end,
        () = stop.cancelled() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            drop(tokio::time::timeout(DRAIN_FOR, &mut connection).await);
            return;
        }
    };
    let stream = connection.into_parts().io.into_inner();
    if end == Some(End::Reset) {
        // With a linger of zero, closing sends RST instead of FIN.
        let linger = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        if let Err(error) = linger {
            tracing::warn!(%error, "cannot reset the connection, closing it");
        }
    }
}

async fn answer(shared: Arc<Shared>, end: Arc<watch::Sender<Option<End>>>, request: Request<Incoming>) -> Result<Reply, hyper::Error> {
    let path = request.uri().path();
    if path == BASE || path.strip_prefix(BASE).is_some_and(|rest| rest.starts_with('/')) {
        let reply = match receive(request).await? {
            Received::Request(request) => shared.core.handle(request),
            Received::TooSlow(request) => shared
                .core
                .refuse(&request, StatusCode::REQUEST_TIMEOUT, "Request body not received in time"),
        };
        return Ok(play(reply, &end).await.map(Either::Left));
    }
    if path == "/healthz" {
        return Ok(plain(StatusCode::OK, Bytes::from_static(b"{\"status\":\"ok\"}")));
    }
    if path == "/_sim" || path.starts_with("/_sim/") {
        let response = shared.control.clone().oneshot(request.map(ControlBody::new)).await;
        let response = response.unwrap_or_else(|never: Infallible| match never {});
        return Ok(response.map(Either::Right));
    }
    Ok(plain(StatusCode::NOT_FOUND, error_body(StatusCode::NOT_FOUND, "Not Found", None)))
}

fn plain(status: StatusCode, body: Bytes) -> Reply {
    let mut response = Response::new(Either::Left(ReplyBody::whole(body, None)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

enum Received {
    Request(SimRequest),
    TooSlow(SimRequest),
}

/// Reads a request. Of a body that is too large one byte too many is kept, so that the core refuses it.
async fn receive(request: Request<Incoming>) -> Result<Received, hyper::Error> {
    let (head, mut body) = request.into_parts();
    let path = head
        .uri
        .path_and_query()
        .map_or_else(|| head.uri.path().to_owned(), ToString::to_string);
    let mut request = SimRequest {
        method: head.method,
        path,
        headers: head.headers,
        body: Bytes::new(),
    };
    let reading = async {
        let mut kept = BytesMut::new();
        let mut seen: usize = 0;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            seen = seen.saturating_add(data.len());
            let room = (MAX_BODY + 1).saturating_sub(kept.len());
            kept.extend_from_slice(data.get(..room).unwrap_or(&data));
            if seen > DRAINED {
                break;
            }
        }
        Ok::<_, hyper::Error>(kept.freeze())
    };
    match tokio::time::timeout(BODY_WITHIN, reading).await {
        Ok(body) => {
            request.body = body?;
            Ok(Received::Request(request))
        }
        Err(_elapsed) => Ok(Received::TooSlow(request)),
    }
}

/// Plays a reply. Returns only if there is an answer to send.
async fn play(reply: SimReply, end: &watch::Sender<Option<End>>) -> Response<ReplyBody> {
    match resumed(reply).await {
        SimReply::Response { delay, response, delivery } => {
            pause(delay).await;
            let SimResponse { status, headers, body } = response;
            let body = match body {
                SimBody::Full(bytes) => ReplyBody::whole(bytes, Some(delivery)),
                SimBody::Chunks(chunks) => ReplyBody::chunks(chunks, delivery),
            };
            respond(status, headers, body)
        }
        SimReply::SlowBody {
            delay,
            response,
            first_byte,
            bytes,
            interval,
            delivery,
        } => {
            pause(delay).await;
            let body = response.body.to_bytes();
            let headers = with_length(response.headers, body.len());
            let body = ReplyBody::trickle(body, bytes, first_byte, interval, delivery);
            respond(response.status, headers, body)
        }
        SimReply::Truncate {
            delay,
            response,
            bytes,
            delivery,
        } => {
            pause(delay).await;
            let mut body = response.body.to_bytes();
            let headers = with_length(response.headers, body.len());
            body.truncate(bytes);
            respond(response.status, headers, ReplyBody::cut(body, delivery))
        }
        SimReply::Reset { delay, delivery } => end_connection(delay, End::Reset, end, delivery).await,
        SimReply::Close { delay, delivery } => end_connection(delay, End::Close, end, delivery).await,
        SimReply::Hang { max: Some(max), delivery } => end_connection(max, End::Close, end, delivery).await,
        SimReply::Hang { max: None, delivery } => {
            let never = std::future::pending().await;
            drop(delivery);
            never
        }
        SimReply::Deferred { .. } => std::future::pending().await,
    }
}

/// Goes on with deferred replies in tasks of their own: the client may hang up, the effect must come all the
/// same.
async fn resumed(mut reply: SimReply) -> SimReply {
    while let SimReply::Deferred { after, resume } = reply {
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            pause(after).await;
            // With nobody there to take it, the reply is dropped and thereby recorded as not delivered.
            drop(sender.send(resume.call()));
        });
        reply = match receiver.await {
            Ok(reply) => reply,
            // The runtime is going down.
            Err(_closed) => std::future::pending().await,
        };
    }
    reply
}

/// Ends the connection around this future, and with it the request: this never returns.
async fn end_connection(delay: Duration, how: End, end: &watch::Sender<Option<End>>, delivery: Delivery) -> Response<ReplyBody> {
    pause(delay).await;
    end.send_replace(Some(how));
    let never = std::future::pending().await;
    drop(delivery);
    never
}

async fn pause(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

fn with_length(mut headers: http::HeaderMap, length: usize) -> http::HeaderMap {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers
}

fn respond(status: StatusCode, headers: http::HeaderMap, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
