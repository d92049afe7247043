//! Data keys: what seals the values of an organization or a project.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use kms_core::entropy::Entropy;
use kms_core::seal::{KeyScope, SealContext, Sealed};
use kms_core::secret::{SecretBytes, SecretString};

use crate::derive::{KeyBytes, KeyUse, derive};
use crate::envelope::SealingKey;
pub use crate::envelope::{OpenError, key_number};

/// One numbered key of a scope. Made and opened by a [`Keyring`](crate::keyring::Keyring); cheap to clone.
#[derive(Clone)]
pub struct DataKey(Arc<Inner>);

struct Inner {
    number: u32,
    scope: KeyScope,
    secret: KeyBytes,
    values: SealingKey,
}

impl DataKey {
    pub(crate) fn new(scope: KeyScope, number: u32, secret: KeyBytes) -> Self {
        let values = SealingKey::new(number, &derive(secret.as_slice(), KeyUse::SealValues));
        Self(Arc::new(Inner {
            number,
            scope,
            secret,
            values,
        }))
    }

    /// Its number among the keys of its scope.
    pub fn number(&self) -> u32 {
        self.0.number
    }

    /// Whose key it is.
    pub fn scope(&self) -> KeyScope {
        self.0.scope
    }

    pub(crate) fn secret(&self) -> &[u8] {
        self.0.secret.as_slice()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({:?}, number {}, redacted)", self.0.scope, self.0.number)
    }
}

/// The keys of one scope: the newest seals, every one opens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DataKeys {
    newest: DataKey,
    older: BTreeMap<u32, DataKey>,
}

impl From<DataKey> for DataKeys {
    fn from(key: DataKey) -> Self {
        Self {
            newest: key,
            older: BTreeMap::new(),
        }
    }
}

impl DataKeys {
    /// Adds another key of the same scope. The highest number is the newest; a number that is there already is replaced.
    pub fn add(&mut self, key: DataKey) {
        if key.number() >= self.newest.number() {
            let previous = std::mem::replace(&mut self.newest, key);
            if previous.number() != self.newest.number() {
                self.older.insert(previous.number(), previous);
            }
        } else {
            self.older.insert(key.number(), key);
        }
    }

    /// The number of the key that seals. A value sealed with a lower one may be sealed again.
    pub fn newest_number(&self) -> u32 {
        self.newest.number()
    }

    /// Seals `plaintext` (up to 64 GiB) to the place `context`.
    ///
    /// The context's scope must be the scope of these keys: what is sealed under another tenant's key does not open.
    pub fn seal(&self, context: SealContext, plaintext: &[u8], entropy: &dyn Entropy) -> Sealed {
        self.newest.0.values.seal(context, plaintext, entropy)
    }

    /// Opens what was sealed to the place `context`.
    pub fn open(&self, context: SealContext, sealed: &Sealed) -> Result<SecretBytes, OpenError> {
        let number = key_number(sealed).ok_or(OpenError::Format)?;
        let key = if number == self.newest.number() {
            &self.newest
        } else {
            self.older.get(&number).ok_or(OpenError::UnknownKey)?
        };
        if context.scope != key.scope() {
            return Err(OpenError::Refused);
        }
        key.0.values.open(context, sealed)
    }

    /// [`DataKeys::seal`] for text.
    pub fn seal_text(&self, context: SealContext, text: &SecretString, entropy: &dyn Entropy) -> Sealed {
        self.seal(context, text.expose().as_bytes(), entropy)
    }

    /// [`DataKeys::open`] for text; what is not UTF-8 is [`OpenError::Refused`].
    pub fn open_text(&self, context: SealContext, sealed: &Sealed) -> Result<SecretString, OpenError> {
        self.open(context, sealed)?.into_text().map_err(|_not_text| OpenError::Refused)
    }
}
