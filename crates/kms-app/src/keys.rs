//! Data keys and password work.
//!
//! A data key never changes once it is made, so a cached one is never stale; only a number that the cache does not know sends it to
//! the database.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use kms_core::ids::DataKeyId;
use kms_core::seal::KeyScope;
use kms_core::secret::SecretString;
use kms_crypto::data::DataKeys;
use kms_crypto::keyring::Keyring;
use kms_crypto::password::{PasswordCheck, PasswordHash, Passwords};
use kms_store::instance::DataKeyRecord;
use kms_store::{Session, Tx};

use crate::App;
use crate::error::Error;

/// The keyring and the data keys that were opened so far.
pub(crate) struct Keys {
    keyring: Keyring,
    opened: RwLock<HashMap<KeyScope, DataKeys>>,
}

impl Keys {
    pub(crate) fn new(keyring: Keyring) -> Self {
        Self {
            keyring,
            opened: RwLock::new(HashMap::new()),
        }
    }

    fn cached(&self, scope: KeyScope) -> Option<DataKeys> {
        self.opened
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(&scope)
            .cloned()
    }

    fn remember(&self, scope: KeyScope, keys: &DataKeys) {
        self.opened
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(scope, keys.clone());
    }

    /// Forgets the keys of a scope that is gone.
    pub(crate) fn forget(&self, scope: KeyScope) {
        self.opened
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(&scope);
    }
}

impl App {
    /// The data keys of a scope.
    pub(crate) async fn data_keys(&self, session: &Session, scope: KeyScope) -> Result<DataKeys, Error> {
        let keys = &self.0.keys;
        if let Some(found) = keys.cached(scope) {
            return Ok(found);
        }
        let mut opened: Option<DataKeys> = None;
        for record in session.list_data_keys(scope).await? {
            let key = keys.keyring.open_data_key(record.id, scope, record.number, &record.sealed)?;
            match &mut opened {
                Some(all) => all.add(key),
                None => opened = Some(DataKeys::from(key)),
            }
        }
        let found = opened.ok_or_else(|| Error::internal("a scope has no data key"))?;
        keys.remember(scope, &found);
        Ok(found)
    }

    /// Makes the first data key of a new organization or project. It is cached once it is used, after the commit.
    pub(crate) async fn create_data_key(&self, tx: &Tx, scope: KeyScope) -> Result<(), Error> {
        let id = DataKeyId::random(self.entropy());
        let (_key, sealed) = self.0.keys.keyring.create_data_key(id, scope, 1, self.entropy());
        tx.insert_data_key(scope, &DataKeyRecord { id, number: 1, sealed }, self.now())
            .await?;
        Ok(())
    }

    /// Forgets the data keys of a project that was deleted.
    pub(crate) fn forget_data_keys(&self, scope: KeyScope) {
        self.0.keys.forget(scope);
    }

    /// Hashes a password, off the async threads.
    pub(crate) async fn hash_password(&self, password: SecretString) -> Result<PasswordHash, Error> {
        let entropy = Arc::clone(&self.0.entropy);
        self.0.passwords.run(move |passwords| passwords.hash(&password, &*entropy)).await
    }

    /// Checks a password, off the async threads. Without a hash (unknown user) it takes the same time and is wrong.
    pub(crate) async fn check_password(&self, password: SecretString, hash: Option<PasswordHash>) -> Result<PasswordCheck, Error> {
        self.0
            .passwords
            .run(move |passwords| match hash {
                Some(hash) => passwords.verify(&password, &hash),
                None => {
                    passwords.verify_nobody(&password);
                    PasswordCheck::Wrong
                }
            })
            .await
    }
}

/// Password hashing takes memory and time on purpose: it runs on blocking threads, a few at once.
pub(crate) struct PasswordWork {
    passwords: Arc<Passwords>,
    permits: Arc<tokio::sync::Semaphore>,
}

impl PasswordWork {
    /// At 19 MiB each, this many hashes at once stay within some 80 MiB.
    const AT_ONCE: usize = 4;

    pub(crate) fn new(passwords: Passwords) -> Self {
        Self {
            passwords: Arc::new(passwords),
            permits: Arc::new(tokio::sync::Semaphore::new(Self::AT_ONCE)),
        }
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Passwords) -> T + Send + 'static) -> Result<T, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(Error::internal)?;
        let passwords = Arc::clone(&self.passwords);
        tokio::task::spawn_blocking(move || {
            let result = work(&passwords);
            drop(permit);
            result
        })
        .await
        .map_err(Error::internal)
    }
}
