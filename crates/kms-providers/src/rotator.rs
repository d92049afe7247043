//! Secret Rotations: the five verbs *issue*, *sweep*, *verify*, *revoke* and *publish*.
//!
//! Each verb can be asked again without harm, except `issue`: it leaves exactly one request and says with its error what is known
//! about the effect. Nobody downstream guesses.

use async_trait::async_trait;
use kms_core::entropy::Entropy;
use kms_core::secret::SecretString;
use serde_json::Value;

use crate::connector::Connector;
use crate::declaration::{FieldIssue, RotationType};
use crate::marker::Marker;
use crate::outcome::{CallError, Confirmation, IssueError, Revocation, Verification};
use crate::transport::Transport;

/// Asked before each single request to a provider: limits of the connection, leases, shutdown.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Waits until the next request may leave. Refuses if the work must stop (lease lost, shutdown).
    async fn pass(&self) -> Result<(), GateClosed>;
    /// The provider asked for less: no request of this connection leaves for that long.
    async fn slow_down(&self, pause: std::time::Duration);
    /// Waits between two tries of a call, on the clock that the gate goes by.
    async fn rest(&self, pause: std::time::Duration) {
        tokio::time::sleep(pause).await;
    }
}

/// The work must stop; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work was stopped before the request left")]
pub struct GateClosed;

/// What a provider needs to make its requests.
#[derive(Clone, Copy)]
pub struct Outbound<'a> {
    /// The way out.
    pub transport: &'a dyn Transport,
    /// Limits.
    pub gate: &'a dyn Gate,
    /// Randomness, for jitter only.
    pub entropy: &'a dyn Entropy,
    /// Time limit of a single request. Should be longer than the transport's limit to connect.
    pub deadline: std::time::Duration,
}

/// A key that a provider issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The provider's identifier of the key; no secret (`keyHash`).
    pub handle: String,
    /// The credential as a JSON object's text, the way `generated-credentials` gives it (`{"apiKey": …, "keyHash": …}`).
    pub credential: SecretString,
    /// Something is odd but the key is usable (the identifier is not the key's hash); for the log.
    pub warning: Option<&'static str>,
}

/// What a key has spent, in the provider's currency (OpenRouter: US dollars), as far as the provider has counted by now.
#[derive(Debug, Clone, PartialEq)]
pub struct Spending {
    /// Spent since the limit was last reset; ever, where there is no limit.
    pub spent: f64,
    /// The limit; none if there is none.
    pub limit: Option<f64>,
    /// How often the limit is reset, in the provider's word (`monthly`); none if never.
    pub reset: Option<String>,
}

/// A key at the provider whose name ends in a marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The provider's identifier.
    pub handle: String,
    /// The marker.
    pub marker: Marker,
}

/// How much a listing looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepScope {
    /// Where this rotation type creates its keys.
    Usual,
    /// The whole account.
    Everywhere,
}

/// A type of rotation.
#[async_trait]
pub trait Rotator: Send + Sync + 'static {
    /// The app whose connections it uses.
    type Connector: Connector;
    /// What is asked for at each issue.
    type Parameters: Send + Sync;

    /// What the type is called and asks for.
    fn rotation_type(&self) -> &'static RotationType;

    /// Reads parameters as somebody gave them, collecting every problem.
    fn read_parameters(&self, given: &Value) -> Result<Self::Parameters, Vec<FieldIssue>>;

    /// The parameters as the API gives them back; [`Rotator::read_parameters`] reads it again.
    fn show_parameters(&self, parameters: &Self::Parameters) -> Value;

    /// Creates one key whose name ends in `marker`. One request, never repeated.
    async fn issue(
        &self,
        outbound: &Outbound<'_>,
        credentials: &Credentials<Self>,
        parameters: &Self::Parameters,
        marker: &Marker,
    ) -> Result<Issued, IssueError>;

    /// Lists every key that carries a marker of any installation: all pages, disabled and expired ones too, each once. A key that
    /// was made or deleted a moment ago may be missing: "not found" needs more than one look.
    async fn sweep(&self, outbound: &Outbound<'_>, credentials: &Credentials<Self>, scope: SweepScope) -> Result<Vec<Found>, CallError>;

    /// Tries a new key and compares it with what was asked for. [`CallError::Unauthorized`] is not among the answers: the
    /// connection's credentials are not used.
    async fn verify(
        &self,
        outbound: &Outbound<'_>,
        parameters: &Self::Parameters,
        credential: &SecretString,
    ) -> Result<Verification, CallError>;

    /// Whether a published credential works: [`Verification::NotYet`] with the provider's words if it is refused.
    async fn check(&self, outbound: &Outbound<'_>, credential: &SecretString) -> Result<Verification, CallError>;

    /// What a published credential has spent; none if the provider does not tell.
    async fn spending(&self, _outbound: &Outbound<'_>, _credential: &SecretString) -> Result<Option<Spending>, CallError> {
        Ok(None)
    }

    /// Deletes a key. A key that is not there is no error; whether it is dead, [`Rotator::confirm_revoked`] tells.
    async fn revoke(&self, outbound: &Outbound<'_>, credentials: &Credentials<Self>, handle: &str) -> Result<Revocation, CallError>;

    /// Whether a deleted key is dead. With its `credential` the key itself is tried; without, the provider's books are asked.
    async fn confirm_revoked(
        &self,
        outbound: &Outbound<'_>,
        credentials: &Credentials<Self>,
        handle: &str,
        credential: Option<&SecretString>,
    ) -> Result<Confirmation, CallError>;

    /// The value for each mapping field.
    fn publish(&self, credential: &SecretString) -> Result<Vec<(&'static str, SecretString)>, crate::connector::UnreadableCredentials>;
}

/// The credentials type of a rotator's connections.
pub type Credentials<R> = <<R as Rotator>::Connector as Connector>::Credentials;
