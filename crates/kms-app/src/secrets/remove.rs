//! Deleting secrets.

use kms_core::names::SecretName;
use kms_core::permission::{Resource, project};
use kms_core::seal::KeyScope;

use super::Secret;
use super::read::{PlaceSelector, missing};
use super::write::written;
use crate::actor::Actor;
use crate::{App, Error};

impl App {
    /// Deletes secrets, all or none.
    pub async fn delete_secrets(&self, actor: &Actor, selector: &PlaceSelector, names: &[SecretName]) -> Result<Vec<Secret>, Error> {
        let tx = self.store().write().await?;
        let place = self.lock_place(&tx, actor, selector).await?;
        let (environment, path) = (place.environment.slug.as_str(), &place.folder.path);
        let keys = self.data_keys(&tx, KeyScope::Project(place.scope.project().id)).await?;
        let mut gone = Vec::with_capacity(names.len());
        for name in names {
            let resource = Resource::at(environment, path.as_str()).named(name.as_str());
            let record = tx
                .find_secret(place.folder.id, name.as_str())
                .await?
                .filter(|_| place.scope.allows(project::SECRETS_DESCRIBE, &resource))
                .ok_or_else(|| missing(name.as_str()))?;
            place.scope.require(project::SECRETS_DELETE, &resource)?;
            if record.rotation.is_some() {
                return Err(Error::bad_request(format!(
                    "Cannot delete rotated secrets: {name} belongs to a secret rotation; delete that instead"
                )));
            }
            tx.remove_secret(record.project, record.id).await?;
            let readable = place.scope.allows(project::SECRETS_READ_VALUE, &resource);
            gone.push(self.show_secret(&keys, record, environment, path, readable)?);
        }
        let event = written("delete-secret", "delete-secrets", &place, &gone);
        tx.insert_audit(&[self.entry(actor, event)]).await?;
        tx.commit().await?;
        Ok(gone)
    }
}
