//! All providers, with their types erased: the engine, the API and the dashboard know apps and rotation types by slug only.
//!
//! A provider adds itself in [`Registry::standard`], with one line.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kms_core::secret::SecretString;
use serde_json::Value;

use crate::connector::{Connector, UnreadableCredentials};
use crate::declaration::{App, FieldIssue, RotationType};
use crate::marker::Marker;
use crate::openrouter;
use crate::outcome::{CallError, Confirmation, IssueError, Reason, Revocation, Verification};
use crate::reading::read_mapping;
use crate::rotator::{Credentials, Found, Issued, Outbound, Rotator, Spending, SweepScope};

/// What the operator decides about providers.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// Where OpenRouter's API is, up to and including `/api/v1`.
    pub openrouter_base_url: url::Url,
    /// Whether the operator set it: then it is free of the rules on https and private addresses.
    pub openrouter_base_url_set_by_operator: bool,
}

/// The stored credentials of a connection.
#[derive(Debug, Clone)]
pub struct Access {
    /// Slug of the method.
    pub method: String,
    /// What [`AnyConnector::read`] gave to store.
    pub plaintext: SecretString,
}

/// Credentials that somebody gave and that can be read.
#[derive(Debug, Clone)]
pub struct ReadCredentials {
    /// The text to seal and store.
    pub plaintext: SecretString,
    /// The fields that are no secret, as an object.
    pub public: Value,
}

/// A [`Connector`] without its types.
#[async_trait]
pub trait AnyConnector: Send + Sync {
    /// What the app is called and asks for.
    fn app(&self) -> &'static App;

    /// Reads credentials as somebody gave them, collecting every problem. Paths start at the credentials; a method that the app
    /// does not have is one problem with an empty path.
    fn read(&self, method: &str, given: &Value) -> Result<ReadCredentials, Vec<FieldIssue>>;

    /// Asks the app whether stored credentials can do what connections need. [`CallError::Refused`] only if what is stored
    /// cannot be read.
    async fn validate(&self, outbound: &Outbound<'_>, access: &Access) -> Result<(), CallError>;
}

/// A [`Rotator`] without its types. Parameters are JSON as [`AnyRotator::read_parameters`] gave it. What is stored and cannot be
/// read any more ends in `Refused`; nothing is sent then.
#[async_trait]
pub trait AnyRotator: Send + Sync {
    /// What the type is called and asks for.
    fn rotation_type(&self) -> &'static RotationType;

    /// Reads parameters as somebody gave them, collecting every problem. Gives them as the API shows them and as they are
    /// stored: without absent fields.
    fn read_parameters(&self, given: &Value) -> Result<Value, Vec<FieldIssue>>;

    /// Reads a mapping as somebody gave it: every mapping field with the name of a secret. That two fields share a name is the
    /// caller's to refuse.
    fn read_mapping(&self, given: &Value) -> Result<BTreeMap<String, String>, Vec<FieldIssue>>;

    /// See [`Rotator::issue`].
    async fn issue(&self, outbound: &Outbound<'_>, access: &Access, parameters: &Value, marker: &Marker) -> Result<Issued, IssueError>;

    /// See [`Rotator::sweep`].
    async fn sweep(&self, outbound: &Outbound<'_>, access: &Access, scope: SweepScope) -> Result<Vec<Found>, CallError>;

    /// See [`Rotator::verify`].
    async fn verify(&self, outbound: &Outbound<'_>, parameters: &Value, credential: &SecretString) -> Result<Verification, CallError>;

    /// See [`Rotator::check`].
    async fn check(&self, outbound: &Outbound<'_>, credential: &SecretString) -> Result<Verification, CallError>;

    /// See [`Rotator::spending`].
    async fn spending(&self, outbound: &Outbound<'_>, credential: &SecretString) -> Result<Option<Spending>, CallError>;

    /// See [`Rotator::revoke`].
    async fn revoke(&self, outbound: &Outbound<'_>, access: &Access, handle: &str) -> Result<Revocation, CallError>;

    /// See [`Rotator::confirm_revoked`].
    async fn confirm_revoked(
        &self,
        outbound: &Outbound<'_>,
        access: &Access,
        handle: &str,
        credential: Option<&SecretString>,
    ) -> Result<Confirmation, CallError>;

    /// See [`Rotator::publish`].
    fn publish(&self, credential: &SecretString) -> Result<Vec<(&'static str, SecretString)>, UnreadableCredentials>;
}

/// All apps and rotation types.
#[derive(Default)]
pub struct Registry {
    apps: Vec<Box<dyn AnyConnector>>,
    rotation_types: Vec<Box<dyn AnyRotator>>,
}

impl Registry {
    /// The providers that Hanzo KMS comes with.
    pub fn standard(settings: &ProviderSettings) -> Self {
        let mut registry = Self::default();
        openrouter::register(&mut registry, &settings.into());
        registry
    }

    /// Adds an app. What is given back takes its rotation types.
    pub fn add<C: Connector>(&mut self, connector: C) -> Added<'_, C> {
        let connector = Arc::new(connector);
        self.apps.push(Box::new(ErasedConnector(Arc::clone(&connector))));
        self.apps.sort_by_key(|app| app.app().name.to_lowercase());
        Added { registry: self, connector }
    }

    /// All apps, by display name.
    pub fn apps(&self) -> Vec<&dyn AnyConnector> {
        self.apps.iter().map(AsRef::as_ref).collect()
    }

    /// The app with this slug.
    pub fn app(&self, slug: &str) -> Option<&dyn AnyConnector> {
        self.apps().into_iter().find(|app| app.app().slug == slug)
    }

    /// All rotation types, by display name.
    pub fn rotation_types(&self) -> Vec<&dyn AnyRotator> {
        self.rotation_types.iter().map(AsRef::as_ref).collect()
    }

    /// The rotation type with this slug.
    pub fn rotation_type(&self, slug: &str) -> Option<&dyn AnyRotator> {
        self.rotation_types().into_iter().find(|kind| kind.rotation_type().slug == slug)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("apps", &self.apps.iter().map(|app| app.app().slug).collect::<Vec<_>>())
            .field(
                "rotation_types",
                &self.rotation_types.iter().map(|kind| kind.rotation_type().slug).collect::<Vec<_>>(),
            )
            .finish()
    }
}

impl From<&ProviderSettings> for openrouter::OpenRouterSettings {
    fn from(settings: &ProviderSettings) -> Self {
        Self {
            base_url: settings.openrouter_base_url.clone(),
            base_url_set_by_operator: settings.openrouter_base_url_set_by_operator,
        }
    }
}

/// An app that was just added.
pub struct Added<'a, C> {
    registry: &'a mut Registry,
    connector: Arc<C>,
}

impl<C: Connector> Added<'_, C> {
    /// Adds a rotation type that uses the app's connections.
    pub fn rotated_by<R: Rotator<Connector = C>>(&mut self, rotator: R) -> &mut Self {
        self.registry.rotation_types.push(Box::new(ErasedRotator {
            connector: Arc::clone(&self.connector),
            rotator,
        }));
        self.registry
            .rotation_types
            .sort_by_key(|kind| kind.rotation_type().name.to_lowercase());
        self
    }
}

impl<C> fmt::Debug for Added<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Added").field("registry", &self.registry).finish_non_exhaustive()
    }
}

struct ErasedConnector<C>(Arc<C>);

/// What is stored cannot be used, for the two kinds of error.
struct Unusable(Reason);

impl From<UnreadableCredentials> for Unusable {
    fn from(unreadable: UnreadableCredentials) -> Self {
        Self(Reason::scrubbed(&unreadable.to_string(), &[]))
    }
}

impl From<Unusable> for CallError {
    fn from(Unusable(reason): Unusable) -> Self {
        Self::Refused { reason }
    }
}

impl From<Unusable> for IssueError {
    fn from(Unusable(reason): Unusable) -> Self {
        Self::Refused { reason }
    }
}

fn opened<C: Connector>(connector: &C, access: &Access) -> Result<C::Credentials, Unusable> {
    Ok(connector.from_plaintext(&access.method, &access.plaintext)?)
}

#[async_trait]
impl<C: Connector> AnyConnector for ErasedConnector<C> {
    fn app(&self) -> &'static App {
        self.0.app()
    }

    fn read(&self, method: &str, given: &Value) -> Result<ReadCredentials, Vec<FieldIssue>> {
        let credentials = self.0.read(method, given)?;
        Ok(ReadCredentials {
            plaintext: self.0.to_plaintext(&credentials),
            public: self.0.public_part(&credentials),
        })
    }

    async fn validate(&self, outbound: &Outbound<'_>, access: &Access) -> Result<(), CallError> {
        let credentials = opened(self.0.as_ref(), access)?;
        self.0.validate(outbound, &credentials).await
    }
}

struct ErasedRotator<R: Rotator> {
    connector: Arc<R::Connector>,
    rotator: R,
}

impl<R: Rotator> ErasedRotator<R> {
    fn credentials(&self, access: &Access) -> Result<Credentials<R>, Unusable> {
        opened(self.connector.as_ref(), access)
    }

    fn parameters(&self, stored: &Value) -> Result<R::Parameters, Unusable> {
        self.rotator.read_parameters(stored).map_err(|issues| {
            let issues: Vec<String> = issues.into_iter().map(|issue| issue.message).collect();
            Unusable(Reason::scrubbed(
                &format!("the stored parameters cannot be read: {}", issues.join("; ")),
                &[],
            ))
        })
    }
}

#[async_trait]
impl<R: Rotator> AnyRotator for ErasedRotator<R> {
    fn rotation_type(&self) -> &'static RotationType {
        self.rotator.rotation_type()
    }

    fn read_parameters(&self, given: &Value) -> Result<Value, Vec<FieldIssue>> {
        let parameters = self.rotator.read_parameters(given)?;
        Ok(self.rotator.show_parameters(&parameters))
    }

    fn read_mapping(&self, given: &Value) -> Result<BTreeMap<String, String>, Vec<FieldIssue>> {
        read_mapping(self.rotator.rotation_type().mapping, given)
    }

    async fn issue(&self, outbound: &Outbound<'_>, access: &Access, parameters: &Value, marker: &Marker) -> Result<Issued, IssueError> {
        let credentials = self.credentials(access)?;
        let parameters = self.parameters(parameters)?;
        self.rotator.issue(outbound, &credentials, &parameters, marker).await
    }

    async fn sweep(&self, outbound: &Outbound<'_>, access: &Access, scope: SweepScope) -> Result<Vec<Found>, CallError> {
        let credentials = self.credentials(access)?;
        self.rotator.sweep(outbound, &credentials, scope).await
    }

    async fn verify(&self, outbound: &Outbound<'_>, parameters: &Value, credential: &SecretString) -> Result<Verification, CallError> {
        let parameters = self.parameters(parameters)?;
        self.rotator.verify(outbound, &parameters, credential).await
    }

    async fn check(&self, outbound: &Outbound<'_>, credential: &SecretString) -> Result<Verification, CallError> {
        self.rotator.check(outbound, credential).await
    }

    async fn spending(&self, outbound: &Outbound<'_>, credential: &SecretString) -> Result<Option<Spending>, CallError> {
        self.rotator.spending(outbound, credential).await
    }

    async fn revoke(&self, outbound: &Outbound<'_>, access: &Access, handle: &str) -> Result<Revocation, CallError> {
        let credentials = self.credentials(access)?;
        self.rotator.revoke(outbound, &credentials, handle).await
    }

    async fn confirm_revoked(
        &self,
        outbound: &Outbound<'_>,
        access: &Access,
        handle: &str,
        credential: Option<&SecretString>,
    ) -> Result<Confirmation, CallError> {
        let credentials = self.credentials(access)?;
        self.rotator.confirm_revoked(outbound, &credentials, handle, credential).await
    }

    fn publish(&self, credential: &SecretString) -> Result<Vec<(&'static str, SecretString)>, UnreadableCredentials> {
        self.rotator.publish(credential)
    }
}

const _: fn() = || {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Registry>();
};
