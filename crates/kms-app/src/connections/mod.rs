//! App Connections: the credentials with which Hanzo KMS acts outward (`app-connections.md`).

mod manage;
mod validate;

use kms_core::ids::ConnectionId;
use kms_core::permission::{Resource, org, project};
use kms_core::seal::{KeyScope, Purpose, SealContext};
use kms_core::secret::SecretString;
use kms_providers::registry::Access;
use kms_store::Session;
use kms_store::connections::ConnectionRecord;

pub use kms_providers::declaration::{App as ConnectableApp, Field, FieldKind, Method};
pub use manage::{ConnectionChanges, GivenCredentials, NewConnection, ProjectUses};

use crate::access::{ProjectScope, org_scope};
use crate::actor::Actor;
use crate::{App, Error};

/// A connection as it is shown.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The connection.
    pub record: ConnectionRecord,
    /// Digest of the stored ciphertext: it changes with every write of the credentials and tells nothing about them.
    pub credentials_hash: String,
}

impl From<ConnectionRecord> for Connection {
    fn from(record: ConnectionRecord) -> Self {
        Self {
            credentials_hash: kms_crypto::digest::sha256_hex(record.sealed_credentials.as_bytes()),
            record,
        }
    }
}

fn key_scope(record: &ConnectionRecord) -> KeyScope {
    record.project.map_or(KeyScope::Organization(record.org), KeyScope::Project)
}

fn context(record: &ConnectionRecord) -> SealContext {
    SealContext {
        purpose: Purpose::ConnectionCredentials,
        scope: key_scope(record),
        row: record.id.0,
        version: u64::try_from(record.credentials_revision).unwrap_or(0),
    }
}

fn unknown(id: ConnectionId) -> Error {
    Error::not_found(format!("no app connection with the id {id}"))
}

impl App {
    /// Puts credentials into a record, under its revision.
    async fn seal_credentials(&self, session: &Session, record: &mut ConnectionRecord, plaintext: &SecretString) -> Result<(), Error> {
        let keys = self.data_keys(session, key_scope(record)).await?;
        record.sealed_credentials = keys.seal_text(context(record), plaintext, self.entropy());
        Ok(())
    }

    /// The credentials of a connection.
    pub(crate) async fn open_connection(&self, session: &Session, record: &ConnectionRecord) -> Result<Access, Error> {
        let keys = self.data_keys(session, key_scope(record)).await?;
        let plaintext = keys.open_text(context(record), &record.sealed_credentials)?;
        Ok(Access {
            method: record.method.clone(),
            plaintext,
        })
    }

    /// The connection, if the actor may use it in the project for something of that app (`app-connections.md` §9.1).
    pub(crate) async fn usable_connection(
        &self,
        session: &Session,
        actor: &Actor,
        scope: &ProjectScope,
        id: ConnectionId,
        app: &str,
    ) -> Result<ConnectionRecord, Error> {
        let record = session.find_connection(actor.org, id).await?.ok_or_else(|| unknown(id))?;
        let id_text = id.to_string();
        let resource = Resource::ANY.through(&id_text);
        match record.project {
            None => org_scope(session, actor).await?.require(org::APP_CONNECTIONS_CONNECT, &resource)?,
            Some(own) if own == scope.project().id => scope.require(project::APP_CONNECTIONS_CONNECT, &resource)?,
            Some(_) => return Err(Error::bad_request("the app connection belongs to another project")),
        }
        if record.app != app {
            let name = |slug: &str| {
                self.registry()
                    .app(slug)
                    .map_or_else(|| slug.to_owned(), |app| app.app().name.to_owned())
            };
            return Err(Error::bad_request(format!(
                "this needs a connection to {}, and \"{}\" is one to {}",
                name(app),
                record.name,
                name(&record.app)
            )));
        }
        Ok(record)
    }
}
