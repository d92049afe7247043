//! What goes into the simulator and what comes out, without any socket.
//!
//! [`SimReply`] says what a client is to experience. The server plays it on a connection; a test transport
//! can play it under a clock of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use crate::core::Inner;
use crate::record::Record;

/// A request below `/api/v1`.
#[derive(Clone)]
pub struct SimRequest {
    /// The method.
    pub method: Method,
    /// Path and query as sent, beginning with `/api/v1`.
    pub path: String,
    /// The headers. Only the credential and the `x-sim-…` headers matter.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl SimRequest {
    /// A request without body and headers.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// With `Authorization: Bearer <key>`. A text that is no header value is left out.
    #[must_use]
    pub fn bearer(mut self, key: &str) -> Self {
        if let Ok(mut value) = http::HeaderValue::try_from(format!("Bearer {key}")) {
            value.set_sensitive(true);
            self.headers.insert(http::header::AUTHORIZATION, value);
        }
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = Bytes::from(body.to_string());
        self
    }
}

impl fmt::Debug for SimRequest {
    /// Headers and body can hold credentials; the path of a confused client can, too.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SimRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

/// The body of an answer.
#[derive(Clone, PartialEq, Eq)]
pub enum SimBody {
    /// In one piece, with `Content-Length`.
    Full(Bytes),
    /// In pieces that a server sends one by one (server-sent events).
    Chunks(Vec<Bytes>),
}

impl SimBody {
    /// The body in one piece.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Full(bytes) => bytes.clone(),
            Self::Chunks(chunks) => chunks.concat().into(),
        }
    }
}

impl fmt::Debug for SimBody {
    /// The body of a create holds the plaintext key.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SimBody({} bytes)", self.to_bytes().len())
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct SimResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers, without `Content-Length`.
    pub headers: HeaderMap,
    /// The body.
    pub body: SimBody,
}

impl SimResponse {
    /// The body as JSON; `None` if it is none.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body.to_bytes()).ok()
    }
}

/// What the client is to experience. Every `delay` counts from the moment [`crate::SimCore::handle`] was
/// called, or from the moment a deferred reply was resumed; effects are made before it.
#[derive(Debug)]
pub enum SimReply {
    /// An answer.
    Response {
        /// Wait before the first byte.
        delay: Duration,
        /// The answer.
        response: SimResponse,
        /// To be confirmed once the last byte is handed over.
        delivery: Delivery,
    },
    /// Headers with a correct `Content-Length`, then the first bytes of the body only, then an orderly close.
    Truncate {
        /// Wait before the first byte.
        delay: Duration,
        /// The answer as it should have been.
        response: SimResponse,
        /// Bytes of the body that are sent; fewer than it has.
        bytes: usize,
        /// Open as long as the request is under way.
        delivery: Delivery,
    },
    /// An answer whose body trickles.
    SlowBody {
        /// Wait before the headers.
        delay: Duration,
        /// The answer.
        response: SimResponse,
        /// Wait between headers and first byte of the body.
        first_byte: Duration,
        /// Bytes sent at once, at least 1.
        bytes: usize,
        /// Wait between two pieces.
        interval: Duration,
        /// To be confirmed once the last byte is handed over.
        delivery: Delivery,
    },
    /// A TCP reset.
    Reset {
        /// Wait before it.
        delay: Duration,
        /// Open as long as the request is under way.
        delivery: Delivery,
    },
    /// An orderly close without a byte.
    Close {
        /// Wait before it.
        delay: Duration,
        /// Open as long as the request is under way.
        delivery: Delivery,
    },
    /// Nothing, until the client gives up.
    Hang {
        /// An orderly close follows after this; `None` waits for ever.
        max: Option<Duration>,
        /// Open as long as the request is under way.
        delivery: Delivery,
    },
    /// Handling goes on later, **whether or not the client still waits**: an effect that comes after the
    /// client's timeout. Whoever plays this must call `resume` when the time has come.
    Deferred {
        /// When to go on.
        after: Duration,
        /// Goes on.
        resume: Resume,
    },
}

/// The rest of a deferred request.
pub struct Resume(Box<dyn FnOnce() -> SimReply + Send>);

impl Resume {
    pub(crate) fn new(rest: impl FnOnce() -> SimReply + Send + 'static) -> Self {
        Self(Box::new(rest))
    }

    /// Handles the request now.
    pub fn call(self) -> SimReply {
        (self.0)()
    }
}

impl fmt::Debug for Resume {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Resume(…)")
    }
}

/// What a client that waits as long as it takes gets in the end.
#[derive(Debug)]
pub enum Experience {
    /// A whole answer.
    Answer(SimResponse),
    /// An answer that ends early: status and the bytes that came.
    Cut {
        /// Status of the answer.
        status: StatusCode,
        /// The part of the body that came.
        body: Bytes,
    },
    /// A TCP reset.
    Reset,
    /// An orderly close without a byte.
    Closed,
    /// Nothing, ever.
    Silence,
}

impl SimReply {
    /// Plays the reply to the end for a patient client, without waiting: deferred handling happens at once,
    /// delivery is confirmed. Returns the total wait and what the client gets.
    pub fn play(self) -> (Duration, Experience) {
        match self {
            Self::Response { delay, response, delivery } => {
                delivery.confirm();
                (delay, Experience::Answer(response))
            }
            Self::SlowBody {
                delay,
                response,
                first_byte,
                bytes,
                interval,
                delivery,
            } => {
                delivery.confirm();
                let pieces = response.body.to_bytes().len().div_ceil(bytes.max(1));
                let gaps = u32::try_from(pieces.saturating_sub(1)).unwrap_or(u32::MAX);
                let wait = delay.saturating_add(first_byte).saturating_add(interval.saturating_mul(gaps));
                (wait, Experience::Answer(response))
            }
            Self::Truncate {
                delay, response, bytes, ..
            } => {
                let mut body = response.body.to_bytes();
                body.truncate(bytes);
                (
                    delay,
                    Experience::Cut {
                        status: response.status,
                        body,
                    },
                )
            }
            Self::Reset { delay, .. } => (delay, Experience::Reset),
            Self::Close { delay, .. } => (delay, Experience::Closed),
            Self::Hang { max: Some(max), .. } => (max, Experience::Closed),
            Self::Hang { max: None, .. } => (Duration::MAX, Experience::Silence),
            Self::Deferred { after, resume } => {
                let (wait, experience) = resume.call().play();
                (after.saturating_add(wait), experience)
            }
        }
    }
}

/// Keeps a request counted as under way.
pub(crate) struct InFlight(pub(crate) Arc<Inner>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end_request();
    }
}

/// Keeps a request counted as under way, and carries what is to be recorded once it is known whether the
/// answer reached the client. Dropping it unconfirmed means that it did not.
pub struct Delivery {
    in_flight: InFlight,
    record: Option<Box<Record>>,
}

impl Delivery {
    /// `record` is `None` if the fate of the reply is already recorded.
    pub(crate) fn new(in_flight: InFlight, record: Option<Box<Record>>) -> Self {
        Self { in_flight, record }
    }

    /// The last byte of the answer was handed over.
    pub fn confirm(mut self) {
        if let Some(record) = self.record.take() {
            self.in_flight.0.settle(&record, true);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            self.in_flight.0.settle(&record, false);
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Delivery")
            .field("open", &self.record.is_some())
            .finish_non_exhaustive()
    }
}
