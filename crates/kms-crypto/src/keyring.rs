//! The keyring: numbered keys between the root key and the data keys.
//!
//! The newest key seals, every one opens, none is ever removed. The root key seals the keyring's keys alone, so that another
//! root key costs a handful of rows ([`Keyring::seal_under`]), and a new keyring key costs nothing: data keys move to it one by
//! one ([`Keyring::seal_data_key`]).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use kms_core::entropy::Entropy;
use kms_core::ids::DataKeyId;
use kms_core::seal::{KeyScope, Purpose, SealContext, Sealed};
use kms_core::secret::SecretBytes;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::access_token::TokenSigner;
use crate::data::DataKey;
use crate::derive::{KeyBytes, KeyUse, derive, random_key};
use crate::envelope::{OpenError, SealingKey, key_number};
use crate::fatal::abort;
use crate::root::{ROOT_KEY_NUMBER, RootKey};

/// The number of a keyring's first key.
const FIRST: u32 = 1;

/// The keyring, opened. Cheap to clone.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    newest: Arc<KeyringKey>,
    keys: BTreeMap<u32, Arc<KeyringKey>>,
    signer: TokenSigner,
}

struct KeyringKey {
    number: u32,
    secret: KeyBytes,
    data_keys: SealingKey,
}

/// A key of the keyring as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKeyringKey {
    /// Its number: 1, 2, 3 and so on.
    pub number: u32,
    /// The key, sealed under the root key.
    pub sealed: Sealed,
}

/// The keyring did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// No key opened: this is not the root key the keyring was sealed under.
    #[error("the root key does not open the keyring: it is not the one this installation was set up with")]
    WrongRootKey,
    /// Other keys opened, but this one does not; or it is malformed, listed twice, or missing among the numbers from 1 on.
    #[error("key {number} of the keyring is damaged or missing")]
    Damaged {
        /// The number of the damaged key.
        number: u32,
    },
    /// There was no key to open.
    #[error("the keyring is empty")]
    Empty,
}

impl KeyringKey {
    fn new(number: u32, secret: KeyBytes) -> Self {
        let data_keys = SealingKey::new(number, &derive(secret.as_slice(), KeyUse::SealDataKeys));
        Self { number, secret, data_keys }
    }

    fn seal(&self, root: &SealingKey, entropy: &dyn Entropy) -> SealedKeyringKey {
        SealedKeyringKey {
            number: self.number,
            sealed: root.seal(keyring_key_place(self.number), self.secret.as_slice(), entropy),
        }
    }
}

impl Keyring {
    /// A new keyring with one key, and that key sealed for the store.
    pub fn create(root: &RootKey, entropy: &dyn Entropy) -> (Self, SealedKeyringKey) {
        let key = KeyringKey::new(FIRST, random_key(entropy));
        let sealed = key.seal(&root.sealing_key(), entropy);
        (Self::of(key, []), sealed)
    }

    /// Opens the keyring that the store keeps; the order of `keys` does not matter.
    pub fn open(root: &RootKey, keys: &[SealedKeyringKey]) -> Result<Self, KeyringError> {
        let root = root.sealing_key();
        let mut opened: BTreeMap<u32, KeyringKey> = BTreeMap::new();
        let mut refused = None;
        for SealedKeyringKey { number, sealed } in keys {
            let damaged = KeyringError::Damaged { number: *number };
            if key_number(sealed) != Some(ROOT_KEY_NUMBER) {
                return Err(damaged);
            }
            match root.open(keyring_key_place(*number), sealed) {
                Ok(secret) => {
                    let key = KeyringKey::new(*number, key_bytes(&secret).ok_or(damaged)?);
                    if opened.insert(*number, key).is_some() {
                        return Err(damaged);
                    }
                }
                Err(_refused) => refused = refused.or(Some(damaged)),
            }
        }
        if let Some(damaged) = refused {
            return Err(if opened.is_empty() { KeyringError::WrongRootKey } else { damaged });
        }
        if let Some((number, _other)) = (FIRST..).zip(opened.keys()).find(|(number, key)| number != *key) {
            return Err(KeyringError::Damaged { number });
        }
        let (_number, first) = opened.pop_first().ok_or(KeyringError::Empty)?;
        Ok(Self::of(first, opened.into_values()))
    }

    /// This keyring with one more key, and that key sealed for the store. `root` must be the root key in use.
    pub fn add_key(&self, root: &RootKey, entropy: &dyn Entropy) -> (Self, SealedKeyringKey) {
        let number = self.newest_number().checked_add(1).unwrap_or_else(|| abort("the keyring is full"));
        let key = Arc::new(KeyringKey::new(number, random_key(entropy)));
        let sealed = key.seal(&root.sealing_key(), entropy);
        let mut keys = self.0.keys.clone();
        keys.insert(number, Arc::clone(&key));
        let keyring = Self(Arc::new(Inner {
            newest: key,
            keys,
            signer: self.0.signer.clone(),
        }));
        (keyring, sealed)
    }

    /// Every key of the keyring sealed under `root`: what the store has to hold once `root` is the root key.
    pub fn seal_under(&self, root: &RootKey, entropy: &dyn Entropy) -> Vec<SealedKeyringKey> {
        let root = root.sealing_key();
        self.0.keys.values().map(|key| key.seal(&root, entropy)).collect()
    }

    /// The number of the key that seals data keys. A data key sealed with a lower one may be sealed again.
    pub fn newest_number(&self) -> u32 {
        self.0.newest.number
    }

    /// A new data key: `number` among the keys of `scope`, to be stored in the row `id`.
    pub fn create_data_key(&self, id: DataKeyId, scope: KeyScope, number: u32, entropy: &dyn Entropy) -> (DataKey, Sealed) {
        let key = DataKey::new(scope, number, random_key(entropy));
        let sealed = self.seal_data_key(id, &key, entropy);
        (key, sealed)
    }

    /// Seals a data key with the newest key of the keyring, for the row `id`.
    pub fn seal_data_key(&self, id: DataKeyId, key: &DataKey, entropy: &dyn Entropy) -> Sealed {
        let place = data_key_place(id, key.scope(), key.number());
        self.0.newest.data_keys.seal(place, key.secret(), entropy)
    }

    /// Opens the data key of the row `id`.
    pub fn open_data_key(&self, id: DataKeyId, scope: KeyScope, number: u32, sealed: &Sealed) -> Result<DataKey, OpenError> {
        let keyring_number = key_number(sealed).ok_or(OpenError::Format)?;
        let keyring_key = self.0.keys.get(&keyring_number).ok_or(OpenError::UnknownKey)?;
        let secret = keyring_key.data_keys.open(data_key_place(id, scope, number), sealed)?;
        let secret = key_bytes(&secret).ok_or(OpenError::Refused)?;
        Ok(DataKey::new(scope, number, secret))
    }

    /// Signs and checks access tokens.
    ///
    /// Its key follows from the keyring's oldest key, number 1: it stays the same when keys are added, so that nobody is
    /// logged out.
    pub fn token_signer(&self) -> TokenSigner {
        self.0.signer.clone()
    }

    /// A keyring of `first` and `more` keys, which all have higher numbers and stand in order.
    fn of(first: KeyringKey, more: impl IntoIterator<Item = KeyringKey>) -> Self {
        let signer = TokenSigner::new(&derive(first.secret.as_slice(), KeyUse::SignAccessTokens));
        let mut newest = Arc::new(first);
        let mut keys = BTreeMap::from([(newest.number, Arc::clone(&newest))]);
        for key in more {
            newest = Arc::new(key);
            keys.insert(newest.number, Arc::clone(&newest));
        }
        Self(Arc::new(Inner { newest, keys, signer }))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys, redacted)", self.0.keys.len())
    }
}

fn keyring_key_place(number: u32) -> SealContext {
    SealContext {
        purpose: Purpose::KeyringKey,
        scope: KeyScope::Instance,
        // Keys of the keyring are told apart by their number alone.
        row: Uuid::nil(),
        version: u64::from(number),
    }
}

fn data_key_place(id: DataKeyId, scope: KeyScope, number: u32) -> SealContext {
    SealContext {
        purpose: Purpose::DataKey,
        scope,
        row: id.0,
        version: u64::from(number),
    }
}

fn key_bytes(secret: &SecretBytes) -> Option<KeyBytes> {
    secret.expose().try_into().ok().map(Zeroizing::new)
}
