//! The one way out: every request to an outside system goes through a [`Transport`].
//!
//! [`http`] holds the real one, [`addresses`] the rule on which addresses it may reach, [`retry_after`] reads a server's wish for a pause.

pub mod addresses;
pub mod http;
pub mod retry_after;

use std::fmt::Debug;
use std::time::Duration;

use ::http::{HeaderMap, Method, StatusCode};
use async_trait::async_trait;
use bytes::Bytes;

/// A request to an outside system.
#[derive(Clone)]
pub struct OutboundRequest {
    /// HTTP method. It decides whether the request may ride on a connection that was used before: see [`Transport`].
    pub method: Method,
    /// Absolute address. Never carries a credential.
    pub url: url::Url,
    /// Headers; those that carry credentials are marked sensitive.
    pub headers: HeaderMap,
    /// Body, empty for none.
    pub body: Bytes,
    /// Time limit for the whole exchange, from the first look-up of the name to the last byte of the answer.
    pub deadline: Duration,
    /// Whether the address was set by the operator: free of the rules on https and private addresses.
    pub trusted: bool,
}

/// A complete answer. Its `Debug` shows neither body nor headers: a body may hold a key.
#[derive(Clone)]
pub struct OutboundResponse {
    /// HTTP status. Redirects are answers like any other.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, at most [`RESPONSE_LIMIT`] bytes.
    pub body: Bytes,
}

/// Longest body that is read, in bytes, after decompression. A listing page of 100 keys has some 80 kB.
pub const RESPONSE_LIMIT: usize = 4 * 1024 * 1024;

/// Why there is no complete answer. The texts name no address and hold nothing of the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The request certainly did not reach the other side (name not found, refused, forbidden address, no TLS session).
    #[error("{0}")]
    NotSent(String),
    /// The request may have been carried out (time-out, reset, cut body).
    #[error("{0}")]
    Lost(String),
}

/// Sends requests. Implementations follow no redirects and repeat no answered request. A request whose method is not idempotent
/// (`POST`, `PATCH`) is written at most once, on a connection of its own; for the others the implementation may begin again on a
/// new connection if an idle one turns out to be closed.
#[async_trait]
pub trait Transport: Debug + Send + Sync {
    /// Sends `request` and reads the whole answer.
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, TransportError>;
}

impl Debug for OutboundRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundRequest")
            .field("method", &self.method)
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

impl Debug for OutboundResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundResponse")
            .field("status", &self.status)
            .field("length", &self.body.len())
            .finish_non_exhaustive()
    }
}
