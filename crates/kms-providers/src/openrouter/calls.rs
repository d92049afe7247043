//! Requests to OpenRouter, and what their outcomes mean.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use kms_core::entropy;
use kms_core::secret::SecretString;
use tokio::time::Instant;
use url::Url;

use super::{OpenRouterSettings, SLUG, wire};
use crate::exchange::{Answer, Failure, Verb, exchange};
use crate::outcome::{CallError, IssueError, Reason};
use crate::rotator::Outbound;
use crate::transport::OutboundRequest;

/// Pauses before a second, third and fourth try of what may be repeated.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(400), Duration::from_millis(800)];

/// Longest `Retry-After` that is waited for while somebody waits for the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// OpenRouter's address.
#[derive(Debug, Clone)]
pub(super) struct Api {
    base: Url,
    trusted: bool,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Request<'a> {
    pub(super) verb: Verb,
    pub(super) method: Method,
    /// Segments below the base; encoded here.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) key: &'a SecretString,
    /// JSON text, or empty.
    pub(super) body: Bytes,
}

impl<'a> Request<'a> {
    /// A request without query and body.
    pub(super) fn bare(verb: Verb, method: Method, path: &'a [&'a str], key: &'a SecretString) -> Self {
        Self {
            verb,
            method,
            path,
            query: &[],
            key,
            body: Bytes::new(),
        }
    }
}

impl Api {
    pub(super) fn new(settings: &OpenRouterSettings) -> Self {
        let mut base = settings.base_url.clone();
        base.set_query(None);
        base.set_fragment(None);
        // Credentials in the address would travel beside the key. They cannot be set, nor removed, where there is no host.
        let _ = base.set_username("").and_then(|()| base.set_password(None));
        if let Ok(mut segments) = base.path_segments_mut() {
            segments.pop_if_empty();
        }
        Self {
            base,
            trusted: settings.base_url_set_by_operator,
        }
    }

    /// Sends `request` once.
    pub(super) async fn send(&self, outbound: &Outbound<'_>, request: &Request<'_>) -> Result<Answer, Failure> {
        let outgoing = self
            .outgoing(outbound, request)
            .ok_or_else(|| Failure::NotSent("the address or the key cannot be put into a request".to_owned()))?;
        exchange(outbound, SLUG, request.verb, outgoing).await
    }

    /// Sends a `GET`, and once more after a short pause if it failed or was answered by 5xx.
    pub(super) async fn read(&self, outbound: &Outbound<'_>, request: &Request<'_>) -> Result<Answer, Failure> {
        let outcome = self.send(outbound, request).await;
        if is_outage(&outcome) {
            pause(outbound, Duration::from_millis(200)).await;
            return self.send(outbound, request).await;
        }
        outcome
    }

    /// Sends a `GET`, and up to three times more after outages and 429 with a short `Retry-After`, while somebody waits. Begins
    /// no further try once the deadline of one request has passed.
    pub(super) async fn read_patiently(&self, outbound: &Outbound<'_>, request: &Request<'_>) -> Result<Answer, Failure> {
        let end = Instant::now() + outbound.deadline;
        let mut outcome = self.send(outbound, request).await;
        for usual in PAUSES {
            let wait = match &outcome {
                Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => answer.retry_after.unwrap_or(usual),
                _ if is_outage(&outcome) => usual,
                _ => break,
            };
            if wait > PATIENCE || Instant::now() + wait > end {
                break;
            }
            pause(outbound, wait).await;
            outcome = self.send(outbound, request).await;
        }
        outcome
    }

    fn outgoing(&self, outbound: &Outbound<'_>, request: &Request<'_>) -> Option<OutboundRequest> {
        let mut url = self.base.clone();
        url.path_segments_mut().ok()?.extend(request.path);
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(request.query);
        }
        let mut headers = HeaderMap::new();
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", request.key.expose())).ok()?;
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Some(OutboundRequest {
            method: request.method.clone(),
            url,
            headers,
            body: request.body.clone(),
            deadline: outbound.deadline,
            trusted: self.trusted,
        })
    }
}

/// Whether the outcome says nothing but that the service has trouble.
fn is_outage(outcome: &Result<Answer, Failure>) -> bool {
    match outcome {
        Ok(answer) => answer.status.is_server_error(),
        Err(Failure::NotSent(_) | Failure::Lost(_)) => true,
        Err(Failure::Stopped) => false,
    }
}

/// Waits for `pause` and up to a fifth more, so that many who failed together do not come back together.
async fn pause(outbound: &Outbound<'_>, pause: Duration) {
    let fifth = u64::try_from(pause.as_micros() / 5).unwrap_or(0);
    let jitter = Duration::from_micros(entropy::below(outbound.entropy, fifth));
    outbound.gate.rest(pause + jitter).await;
}

/// A handle that can stand in a path: not empty, visible ASCII, and not one of the two segments that mean "here" and "above".
pub(super) fn is_handle(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) && text != "." && text != ".."
}

/// What the service says in an error's body, or its status.
fn words(answer: &Answer) -> String {
    wire::read::<wire::ErrorBody>(&answer.body)
        .and_then(|body| body.error.message)
        .filter(|message| !message.trim().is_empty())
        .unwrap_or_else(|| format!("status {}", answer.status.as_u16()))
}

/// The answer, or what its absence means for a call that can be repeated.
pub(super) fn answered(outcome: Result<Answer, Failure>, secrets: &[&SecretString]) -> Result<Answer, CallError> {
    outcome.map_err(|failure| CallError::Unavailable {
        reason: Reason::scrubbed(&about(&failure), secrets),
    })
}

fn about(failure: &Failure) -> String {
    match failure {
        Failure::Stopped => "The work was stopped before OpenRouter was asked".to_owned(),
        Failure::NotSent(cause) => format!("OpenRouter could not be reached: {cause}"),
        Failure::Lost(cause) => format!("OpenRouter did not answer properly: {cause}"),
    }
}

/// What an answer means that is not the one that was hoped for. `intent` completes "OpenRouter refused to …".
pub(super) fn call_error(answer: &Answer, intent: &str, secrets: &[&SecretString]) -> CallError {
    let reason = |text: String| Reason::scrubbed(&text, secrets);
    match answer.status.as_u16() {
        401 | 403 => CallError::Unauthorized {
            reason: reason(format!("OpenRouter refused the provisioning key: {}", words(answer))),
        },
        429 => CallError::RateLimited {
            reason: reason("OpenRouter asks for fewer requests".to_owned()),
            retry_after: answer.retry_after,
        },
        400..=499 => CallError::Refused {
            reason: reason(format!("OpenRouter refused to {intent}: {}", words(answer))),
        },
        status => CallError::Unavailable {
            reason: reason(format!("OpenRouter answered with status {status}")),
        },
    }
}

/// [`call_error`] for a call made with an issued key instead of the connection's: a refusal says nothing about the connection.
pub(super) fn key_call_error(answer: &Answer, secrets: &[&SecretString]) -> CallError {
    match call_error(answer, "accept the key", secrets) {
        CallError::Unauthorized { .. } => CallError::Refused {
            reason: Reason::scrubbed(&format!("OpenRouter refused to accept the key: {}", words(answer)), secrets),
        },
        error => error,
    }
}

/// An answer of the right status that cannot be understood.
pub(super) fn unreadable(what: &str) -> CallError {
    CallError::Unavailable {
        reason: Reason::scrubbed(&format!("OpenRouter's answer lacks {what}"), &[]),
    }
}

/// OpenRouter's words in an answer of 401.
pub(super) fn refusal(answer: &Answer, secrets: &[&SecretString]) -> Reason {
    Reason::scrubbed(&format!("OpenRouter refuses the key: {}", words(answer)), secrets)
}

/// What the outcome of the one creating request means, if it did not bring a key.
pub(super) fn issue_failure(failure: &Failure, secrets: &[&SecretString]) -> IssueError {
    let reason = Reason::scrubbed(&about(failure), secrets);
    match failure {
        Failure::Stopped | Failure::NotSent(_) => IssueError::NotSent { reason, retry_after: None },
        Failure::Lost(_) => IssueError::Uncertain { reason },
    }
}

/// What an answer to the creating request means that is not 2xx.
pub(super) fn issue_error(answer: &Answer, secrets: &[&SecretString]) -> IssueError {
    match answer.status.as_u16() {
        429 => IssueError::NotSent {
            reason: Reason::scrubbed("OpenRouter asks for fewer requests", secrets),
            retry_after: answer.retry_after,
        },
        400..=499 => IssueError::Refused {
            reason: Reason::scrubbed(&format!("OpenRouter refused to create the key: {}", words(answer)), secrets),
        },
        status => IssueError::Uncertain {
            reason: Reason::scrubbed(&format!("OpenRouter answered the creation of a key with status {status}"), secrets),
        },
    }
}
