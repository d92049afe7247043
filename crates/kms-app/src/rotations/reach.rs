//! What is needed to reach a provider on behalf of a connection: its present credentials, and a sealed copy that outlives it.

use kms_core::ids::{ConnectionId, OrgId};
use kms_core::seal::{KeyScope, Purpose, SealContext, Sealed};
use kms_core::secret::SecretString;
use kms_providers::registry::Access;
use kms_store::Session;
use serde_json::json;
use uuid::Uuid;

use crate::{App, Error};

/// Credentials and which of the connection's credentials they are.
pub(crate) struct Reach {
    pub(crate) access: Access,
    pub(crate) revision: i64,
}

fn context(org: OrgId, row: Uuid) -> SealContext {
    SealContext {
        purpose: Purpose::ProviderReach,
        scope: KeyScope::Organization(org),
        row,
        version: 0,
    }
}

impl App {
    /// Seals credentials for a row of the engine: under the organization's key, since the project may go away.
    pub(crate) async fn seal_reach(&self, session: &Session, org: OrgId, row: Uuid, reach: &Reach) -> Result<Sealed, Error> {
        let keys = self.data_keys(session, KeyScope::Organization(org)).await?;
        let text = json!({ "method": reach.access.method, "credentials": reach.access.plaintext.expose(), "revision": reach.revision });
        Ok(keys.seal_text(context(org, row), &SecretString::new(text.to_string()), self.entropy()))
    }

    async fn open_reach(&self, session: &Session, org: OrgId, row: Uuid, sealed: &Sealed) -> Result<Reach, Error> {
        let keys = self.data_keys(session, KeyScope::Organization(org)).await?;
        let text = keys.open_text(context(org, row), sealed)?;
        let damaged = || Error::internal("a sealed copy of credentials cannot be read");
        let value: serde_json::Value = serde_json::from_str(text.expose()).map_err(|_shape| damaged())?;
        let field = |name: &str| value.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        Ok(Reach {
            access: Access {
                method: field("method").ok_or_else(damaged)?,
                plaintext: SecretString::new(field("credentials").ok_or_else(damaged)?),
            },
            revision: value.get("revision").and_then(serde_json::Value::as_i64).unwrap_or(0),
        })
    }

    /// The present credentials of a connection, if it still exists.
    pub(crate) async fn current_reach(&self, session: &Session, org: OrgId, connection: ConnectionId) -> Result<Option<Reach>, Error> {
        let Some(record) = session.find_connection(org, connection).await? else {
            return Ok(None);
        };
        let revision = record.credentials_revision;
        Ok(Some(Reach {
            access: self.open_connection(session, &record).await?,
            revision,
        }))
    }

    /// All credentials that may reach the provider: the connection's present ones, then the sealed copy if it is another.
    pub(crate) async fn all_reaches(
        &self,
        session: &Session,
        org: OrgId,
        connection: ConnectionId,
        row: Uuid,
        sealed: Option<&Sealed>,
    ) -> Result<Vec<Reach>, Error> {
        let mut reaches: Vec<Reach> = self.current_reach(session, org, connection).await?.into_iter().collect();
        if let Some(sealed) = sealed {
            let copy = self.open_reach(session, org, row, sealed).await?;
            if reaches.iter().all(|reach| reach.revision != copy.revision) {
                reaches.push(copy);
            }
        }
        Ok(reaches)
    }
}
