//! App Connections: an app, its credentials, and whether they are good.

use async_trait::async_trait;
use kms_core::secret::SecretString;
use serde_json::Value;

use crate::declaration::{App, FieldIssue};
use crate::outcome::CallError;
use crate::rotator::Outbound;

/// Stored credentials that can no longer be read: the row was written by another version, or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored credentials cannot be read")]
pub struct UnreadableCredentials;

/// An app that connections can be made to.
#[async_trait]
pub trait Connector: Send + Sync + 'static {
    /// The credentials of a connection.
    type Credentials: Send + Sync;

    /// What the app is called and asks for.
    fn app(&self) -> &'static App;

    /// Reads credentials as somebody gave them, collecting every problem. An unknown method is one problem with an empty path
    /// ([`App::known_method`]).
    fn read(&self, method: &str, given: &Value) -> Result<Self::Credentials, Vec<FieldIssue>>;

    /// The text that is sealed and stored.
    fn to_plaintext(&self, credentials: &Self::Credentials) -> SecretString;

    /// Reads back what [`Connector::to_plaintext`] wrote.
    #[expect(
        clippy::wrong_self_convention,
        reason = "the counterpart of `to_plaintext`, and an object that knows the app"
    )]
    fn from_plaintext(&self, method: &str, text: &SecretString) -> Result<Self::Credentials, UnreadableCredentials>;

    /// The fields that are no secret, as the API gives them back.
    fn public_part(&self, credentials: &Self::Credentials) -> Value;

    /// Asks the app whether the credentials can do what connections need. Repeats within reason on outages.
    async fn validate(&self, outbound: &Outbound<'_>, credentials: &Self::Credentials) -> Result<(), CallError>;
}
