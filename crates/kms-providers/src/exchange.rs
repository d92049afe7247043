//! One request of a provider: through the gate, over the transport, counted.
//!
//! Providers use [`exchange`] rather than the transport, so that limits, slowing down and the metric cannot be forgotten.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::rotator::Outbound;
use crate::transport::retry_after::retry_after;
use crate::transport::{OutboundRequest, TransportError};

/// Counts requests to providers by `provider` (app slug), `verb` and `result`.
pub const CALLS_TOTAL: &str = "kms_provider_calls_total";

/// How long a connection is left alone after 429 without a readable `Retry-After`.
pub const DEFAULT_PAUSE: Duration = Duration::from_secs(1);

/// What a request is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Whether a connection's credentials are good.
    Validate,
    /// Creating a key.
    Issue,
    /// Listing keys.
    Sweep,
    /// Trying a new key.
    Verify,
    /// Trying a published key.
    Check,
    /// What a published key has spent.
    Spending,
    /// Deleting a key.
    Revoke,
    /// Whether a deleted key is dead.
    Confirm,
}

impl Verb {
    /// The verb in the metric.
    pub fn label(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Issue => "issue",
            Self::Sweep => "sweep",
            Self::Verify => "verify",
            Self::Check => "check",
            Self::Spending => "spending",
            Self::Revoke => "revoke",
            Self::Confirm => "confirm",
        }
    }
}

/// A complete answer.
#[derive(Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Body. May hold a key: never into an error or a log.
    pub body: Bytes,
    /// How long the provider asked to be left alone, if it did in a readable way.
    pub retry_after: Option<Duration>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The gate is closed: nothing was sent, and nothing more should be.
    Stopped,
    /// Nothing reached the provider.
    NotSent(String),
    /// The request may have been carried out.
    Lost(String),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

/// Sends one request when the gate lets it, and tells the gate if the provider wants fewer.
pub async fn exchange(outbound: &Outbound<'_>, provider: &'static str, verb: Verb, request: OutboundRequest) -> Result<Answer, Failure> {
    let outcome = send(outbound, request).await;
    metrics::counter!(CALLS_TOTAL, "provider" => provider, "verb" => verb.label(), "result" => result_label(&outcome)).increment(1);
    if let Ok(answer) = &outcome
        && answer.status == StatusCode::TOO_MANY_REQUESTS
    {
        outbound.gate.slow_down(answer.retry_after.unwrap_or(DEFAULT_PAUSE)).await;
    }
    outcome
}

async fn send(outbound: &Outbound<'_>, request: OutboundRequest) -> Result<Answer, Failure> {
    outbound.gate.pass().await.map_err(|_closed| Failure::Stopped)?;
    let response = outbound.transport.send(request).await.map_err(|error| match error {
        TransportError::NotSent(cause) => Failure::NotSent(cause),
        TransportError::Lost(cause) => Failure::Lost(cause),
    })?;
    Ok(Answer {
        status: response.status,
        retry_after: retry_after(&response.headers),
        body: response.body,
    })
}

fn result_label(outcome: &Result<Answer, Failure>) -> &'static str {
    match outcome {
        Err(Failure::Stopped) => "stopped",
        Err(Failure::NotSent(_)) => "not_sent",
        Err(Failure::Lost(_)) => "lost",
        Ok(answer) => match answer.status.as_u16() {
            200..=299 => "ok",
            401 | 403 => "unauthorized",
            404 => "not_found",
            429 => "rate_limited",
            400..=499 => "refused",
            500..=599 => "server_error",
            _ => "unexpected",
        },
    }
}
