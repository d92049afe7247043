//! The one way out: every request to an outside system goes through a [`Transport`].

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// A request to an outside system.
#[derive(Clone)]
pub struct OutboundRequest {
    /// HTTP method.
    pub method: http::Method,
    /// Absolute address. Never carries a credential.
    pub url: url::Url,
    /// Headers; those that carry credentials are marked sensitive.
    pub headers: http::HeaderMap,
    /// Body, empty for none.
    pub body: Bytes,
    /// Time limit for the whole exchange.
    pub deadline: Duration,
    /// Whether the address was set by the operator: free of the rules on https and private addresses.
    pub trusted: bool,
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct OutboundResponse {
    /// HTTP status.
    pub status: http::StatusCode,
    /// Headers.
    pub headers: http::HeaderMap,
    /// Body, at most [`RESPONSE_LIMIT`] bytes.
    pub body: Bytes,
}

/// Longest body that is read, in bytes. A listing page of 100 keys has some 80 kB.
pub const RESPONSE_LIMIT: usize = 4 * 1024 * 1024;

/// Why there is no complete answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The request certainly did not reach the other side (name not found, refused, forbidden address, no TLS session).
    #[error("{0}")]
    NotSent(String),
    /// The request may have been carried out (time-out, reset, cut body).
    #[error("{0}")]
    Lost(String),
}

/// Sends requests. Implementations follow no redirects and repeat nothing.
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
