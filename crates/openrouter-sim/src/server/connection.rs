//! One connection: requests in, replies played on the wire.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tower::ServiceExt;

use crate::core::SimCore;
use crate::reply::{Delivery, SimReply, SimRequest, SimResponse};

/// Longest body that is read; the core answers 413 for anything longer than its own limit.
const BODY_LIMIT: usize = 1024 * 1024;

/// The connection is to be given up without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is given up")]
struct GiveUp;

/// Serves requests until the connection ends.
pub(super) async fn serve(stream: TcpStream, core: Arc<SimCore>, admin: Router) {
    // Small answers must not wait for the client's acknowledgement of the one before.
    drop(stream.set_nodelay(true));
    // A second handle on the socket, to make its end a reset.
    let handle = socket2::SockRef::from(&stream).try_clone().ok().map(Arc::new);
    let handle = Arc::new(std::sync::Mutex::new(handle));
    let service = service_fn(move |request: Request<Incoming>| {
        let (core, admin, handle) = (Arc::clone(&core), admin.clone(), Arc::clone(&handle));
        async move {
            if !request.uri().path().starts_with("/api/v1") {
                let response = admin
                    .oneshot(request.map(Body::new))
                    .await
                    .unwrap_or_else(|never: Infallible| match never {});
                return Ok(response.map(|body| OutBody::plain(body)));
            }
            let reply = core.handle(read(request).await);
            play(reply, &handle).await
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .keep_alive(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "simulator.connection_ended");
    }
}

type Handle = std::sync::Mutex<Option<Arc<socket2::Socket>>>;

async fn read(request: Request<Incoming>) -> SimRequest {
    let (parts, body) = request.into_parts();
    let path = parts
        .uri
        .path_and_query()
        .map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
    let body = match Limited::new(body, BODY_LIMIT + 1).collect().await {
        Ok(collected) => collected.to_bytes(),
        // Too long, or broken off: one byte over the limit is refused as too long.
        Err(_too_long) => Bytes::from(vec![b' '; BODY_LIMIT + 1]),
    };
    SimRequest {
        method: parts.method,
        path,
        headers: parts.headers,
        body,
    }
}

async fn play(reply: SimReply, handle: &Handle) -> Result<Response<OutBody>, GiveUp> {
    match reply {
        SimReply::Response { delay, response, delivery } => {
            tokio::time::sleep(delay).await;
            let pieces = match &response.body {
                crate::reply::SimBody::Full(bytes) => vec![bytes.clone()],
                crate::reply::SimBody::Chunks(chunks) => chunks.clone(),
            };
            let whole = matches!(response.body, crate::reply::SimBody::Full(_));
            Ok(answer(
                &response,
                whole,
                Pieces {
                    pieces: pieces.into(),
                    gaps: Duration::ZERO,
                    cut: false,
                },
                Some(delivery),
            ))
        }
        SimReply::SlowBody {
            delay,
            response,
            first_byte,
            bytes,
            interval,
            delivery,
        } => {
            tokio::time::sleep(delay).await;
            let body = response.body.to_bytes();
            let mut pieces: std::collections::VecDeque<Bytes> = std::collections::VecDeque::new();
            let mut rest = body;
            while !rest.is_empty() {
                pieces.push_back(rest.split_to(bytes.max(1).min(rest.len())));
            }
            let mut response = answer(
                &response,
                true,
                Pieces {
                    pieces,
                    gaps: interval,
                    cut: false,
                },
                Some(delivery),
            );
            response.body_mut().wait(first_byte);
            Ok(response)
        }
        SimReply::Truncate {
            delay,
            response,
            bytes,
            delivery,
        } => {
            tokio::time::sleep(delay).await;
            let body = response.body.to_bytes();
            let sent = body.slice(..bytes.min(body.len()));
            let mut out = answer(
                &response,
                true,
                Pieces {
                    pieces: [sent].into(),
                    gaps: Duration::from_millis(5),
                    cut: true,
                },
                None,
            );
            out.body_mut().held = Some(delivery);
            Ok(out)
        }
        SimReply::Reset { delay, delivery } => {
            tokio::time::sleep(delay).await;
            let socket = handle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            if let Some(socket) = socket {
                // With a linger of zero the close that follows is a reset.
                drop(socket.set_linger(Some(Duration::ZERO)));
            }
            drop(delivery);
            Err(GiveUp)
        }
        SimReply::Close { delay, delivery } => {
            tokio::time::sleep(delay).await;
            drop(delivery);
            drop(handle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
            Err(GiveUp)
        }
        SimReply::Hang { max, delivery } => {
            match max {
                Some(max) => tokio::time::sleep(max).await,
                None => std::future::pending().await,
            }
            drop(delivery);
            drop(handle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
            Err(GiveUp)
        }
        SimReply::Deferred { after, resume } => {
            let (sender, receiver) = oneshot::channel();
            // A task of its own: a client that hangs up does not stop the effect.
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                drop(sender.send(resume.call()));
            });
            match receiver.await {
                Ok(reply) => Box::pin(play(reply, handle)).await,
                Err(_ended) => Err(GiveUp),
            }
        }
    }
}

fn answer(response: &SimResponse, whole: bool, pieces: Pieces, delivery: Option<Delivery>) -> Response<OutBody> {
    let length = response.body.to_bytes().len();
    let mut out = Response::new(OutBody {
        source: Source::Pieces(pieces),
        delivery,
        held: None,
        sleep: None,
    });
    *out.status_mut() = response.status;
    *out.headers_mut() = response.headers.clone();
    if whole && response.status != StatusCode::NO_CONTENT {
        out.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    out
}

struct Pieces {
    pieces: std::collections::VecDeque<Bytes>,
    /// Wait between two pieces, and before the cut.
    gaps: Duration,
    /// Ends in an error, which closes the connection.
    cut: bool,
}

enum Source {
    Pieces(Pieces),
    Plain(Body),
}

/// A body on its way out. Confirms the delivery when its last piece is handed over.
struct OutBody {
    source: Source,
    delivery: Option<Delivery>,
    /// Kept open until the body is dropped, never confirmed.
    held: Option<Delivery>,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl OutBody {
    fn plain(body: Body) -> Self {
        Self {
            source: Source::Plain(body),
            delivery: None,
            held: None,
            sleep: None,
        }
    }

    fn wait(&mut self, pause: Duration) {
        if !pause.is_zero() {
            self.sleep = Some(Box::pin(tokio::time::sleep(pause)));
        }
    }
}

impl hyper::body::Body for OutBody {
    type Data = Bytes;
    type Error = GiveUp;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, GiveUp>>> {
        if let Some(sleep) = &mut self.sleep {
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
        }
        let this = &mut *self;
        match &mut this.source {
            Source::Plain(body) => Pin::new(body).poll_frame(cx).map_err(|_broken| GiveUp),
            Source::Pieces(pieces) => {
                let next = pieces.pieces.pop_front();
                let (gaps, cut, last) = (pieces.gaps, pieces.cut, pieces.pieces.is_empty());
                match next {
                    Some(piece) => {
                        if last
                            && !cut
                            && let Some(delivery) = this.delivery.take()
                        {
                            delivery.confirm();
                        }
                        if !last || cut {
                            self.wait(gaps);
                        }
                        Poll::Ready(Some(Ok(Frame::data(piece))))
                    }
                    None if cut => Poll::Ready(Some(Err(GiveUp))),
                    None => Poll::Ready(None),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Plain(body) => body.is_end_stream(),
            Source::Pieces(pieces) => pieces.pieces.is_empty() && !pieces.cut,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Plain(body) => body.size_hint(),
            Source::Pieces(_) => SizeHint::default(),
        }
    }
}
