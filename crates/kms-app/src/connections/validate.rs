//! Live validation: the provider is asked whether credentials are good, with no transaction open.

use kms_core::secret::SecretString;
use kms_providers::outcome::CallError;
use kms_providers::registry::{Access, AnyConnector};
use kms_providers::rotator::{Gate, GateClosed, Outbound};

use crate::{App, Error};

/// A single question outside the engine; the engine's limits are per connection, and there is none yet.
struct Open;

#[async_trait::async_trait]
impl Gate for Open {
    async fn pass(&self) -> Result<(), GateClosed> {
        Ok(())
    }
    async fn slow_down(&self, _pause: std::time::Duration) {}
}

impl App {
    /// Asks the provider. Refused credentials are told apart from a provider that does not answer.
    pub(super) async fn validate_credentials(
        &self,
        connector: &dyn AnyConnector,
        method: &str,
        plaintext: &SecretString,
    ) -> Result<(), Error> {
        let outbound = Outbound {
            transport: &*self.0.transport,
            gate: &Open,
            entropy: self.entropy(),
            deadline: self.settings().policy.call_deadline.min(std::time::Duration::from_secs(10)),
        };
        let access = Access {
            method: method.to_owned(),
            plaintext: plaintext.clone(),
        };
        let name = connector.app().name;
        match connector.validate(&outbound, &access).await {
            Ok(()) => Ok(()),
            Err(CallError::Unauthorized { reason }) => Err(Error::unauthorized(format!(
                "Unable to validate connection: {name} refused the credentials or they lack the rights that are needed ({reason})"
            ))),
            Err(error) => Err(Error::bad_request(format!(
                "{name} could not be asked whether the credentials are good; nothing was saved. Try again later ({error})"
            ))),
        }
    }
}
