#![doc = include_str!("../README.md")]

pub mod access;
pub mod account;
pub mod actor;
pub mod audit;
pub mod authentication;
pub mod connections;
pub mod environments;
pub mod error;
pub mod find;
pub mod folders;
pub mod identities;
pub mod identity_tokens;
pub mod instance;
pub mod invitations;
pub mod keys;
pub mod memberships;
pub mod organizations;
pub mod people;
pub mod projects;
pub mod rotations;
pub mod secrets;
pub mod sessions;
mod settings;
pub mod token_auth;
pub mod universal_auth;
pub mod users;

use std::sync::Arc;

use kms_core::entropy::Entropy;
use kms_core::ids::NodeId;
use kms_core::time::{Clock, Timestamp};
use kms_crypto::access_token::TokenSigner;
use kms_crypto::keyring::{Keyring, SealedKeyringKey};
use kms_crypto::password::Passwords;
use kms_crypto::root::RootKey;
use kms_providers::registry::Registry;
use kms_providers::transport::Transport;
use kms_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

pub use error::Error;
pub use settings::{ConnectionLimits, Settings};

/// What the application is made of; all of it replaceable in tests.
pub struct Parts {
    /// The database, opened and migrated.
    pub store: Store,
    /// The root key.
    pub root_key: RootKey,
    /// The providers.
    pub registry: Registry,
    /// The way out to them.
    pub transport: Arc<dyn Transport>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Password hashing.
    pub passwords: Passwords,
    /// Settings.
    pub settings: Settings,
    /// How the engine waits.
    pub sleeper: Arc<dyn rotations::Sleeper>,
}

/// The application. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    store: Store,
    keys: keys::Keys,
    signer: TokenSigner,
    registry: Registry,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    passwords: keys::PasswordWork,
    settings: Settings,
    installation: String,
    audit: audit::ReadLog,
    limits: rotations::LocalLimits,
    sleeper: rotations::SharedSleeper,
    driver: rotations::Driver,
    news: rotations::News,
    node: NodeId,
    stop: CancellationToken,
}

/// Why the application does not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The root key is not the one this database was made with.
    #[error("the root key does not fit this database; nothing was changed. Start with the root key that the database was created with")]
    WrongRootKey,
    /// A key of the keyring is damaged.
    #[error("the stored key number {number} is damaged; restore the database from a backup")]
    DamagedKey {
        /// Its number.
        number: u32,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Opens the keyring (or makes it, at the very first start) and puts the parts together.
    pub async fn start(parts: Parts) -> Result<Self, StartError> {
        let now = parts.clock.now();
        let keyring = match open_keyring(&parts).await? {
            Some(keyring) => keyring,
            None => match create_keyring(&parts, now).await {
                Ok(keyring) => keyring,
                // Another node was first.
                Err(StartError::Store(StoreError::Constraint { .. })) => open_keyring(&parts).await?.ok_or(StartError::WrongRootKey)?,
                Err(other) => return Err(other),
            },
        };
        let installation = parts
            .store
            .read()
            .find_instance()
            .await?
            .map(|instance| instance.installation)
            .ok_or(StartError::WrongRootKey)?;
        let app = Self(Arc::new(Inner {
            audit: audit::ReadLog::start(parts.store.clone()),
            limits: rotations::LocalLimits::default(),
            sleeper: parts.sleeper,
            driver: rotations::Driver::default(),
            news: rotations::News::default(),
            node: NodeId::random(&*parts.entropy),
            stop: CancellationToken::new(),
            signer: keyring.token_signer(),
            keys: keys::Keys::new(keyring),
            store: parts.store,
            registry: parts.registry,
            transport: parts.transport,
            clock: parts.clock,
            entropy: parts.entropy,
            passwords: keys::PasswordWork::new(parts.passwords),
            settings: parts.settings,
            installation,
        }));
        app.void_leases()
            .await
            .map_err(|error| StoreError::Unavailable(format!("{error:?}")))?;
        Ok(app)
    }

    /// Closes the database, after what was begun. Whatever comes later fails.
    ///
    /// # Errors
    /// If the database cannot be closed; what was acknowledged is kept all the same.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.store().clone().close().await
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The source of randomness.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.0.entropy
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The database.
    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// The providers.
    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// `sqlite` or `postgres`.
    pub fn engine_name(&self) -> &'static str {
        self.store().engine_name()
    }

    /// Reads the gauges from the database.
    pub async fn record_gauges(&self) -> Result<(), Error> {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        fn set(name: &'static str, value: u64) {
            metrics::gauge!(name).set(value as f64);
        }
        let session = self.store().read();
        let (overdue, failed) = session.count_rotations_in_trouble(self.now()).await?;
        let (debts, alarmed) = session.count_debts().await?;
        let (_strays, unknown) = session.count_strays().await?;
        set("kms_rotations_overdue", overdue);
        set("kms_rotations_failed", failed);
        set("kms_keys_pending_revocation", debts);
        set("kms_keys_alarmed", alarmed);
        set("kms_unknown_markers", u64::try_from(unknown).unwrap_or(0));
        Ok(())
    }

    /// Whether the application can serve: the database answers.
    pub async fn ready(&self) -> Result<(), Error> {
        self.store().ping().await.map_err(Error::from)
    }
}

async fn open_keyring(parts: &Parts) -> Result<Option<Keyring>, StartError> {
    let keys: Vec<SealedKeyringKey> = parts
        .store
        .read()
        .list_keyring_keys()
        .await?
        .into_iter()
        .map(|(number, sealed)| SealedKeyringKey { number, sealed })
        .collect();
    if keys.is_empty() {
        return Ok(None);
    }
    Keyring::open(&parts.root_key, &keys).map(Some).map_err(|error| match error {
        kms_crypto::keyring::KeyringError::Damaged { number } => StartError::DamagedKey { number },
        _ => StartError::WrongRootKey,
    })
}

async fn create_keyring(parts: &Parts, now: Timestamp) -> Result<Keyring, StartError> {
    let entropy = &*parts.entropy;
    let (keyring, first) = Keyring::create(&parts.root_key, entropy);
    let installation = kms_providers::marker::random_part(entropy, kms_providers::marker::Marker::INSTALLATION_LENGTH);
    let tx = parts.store.write().await?;
    tx.insert_instance(&installation, now).await?;
    tx.insert_keyring_key(first.number, &first.sealed, now).await?;
    tx.commit().await?;
    Ok(keyring)
}

pub use kms_providers::declaration::FieldIssue;

/// `length` random letters and digits, for names that must be unlikely to repeat (request ids).
pub fn random_name(entropy: &dyn Entropy, length: usize) -> String {
    kms_providers::marker::random_part(entropy, length)
}

/// A digest of `bytes`, for comparing versions of an answer.
pub fn fingerprint(bytes: &[u8]) -> String {
    kms_crypto::digest::sha256_hex(bytes)
}

/// Records as use cases answer them.
pub mod records {
    pub use kms_store::audit::{AuditFilter, AuditRecord};
    pub use kms_store::folders::FolderRecord;
    pub use kms_store::memberships::ProjectIdentityRecord;
    pub use kms_store::organizations::Principal;
    pub use kms_store::projects::{EnvironmentRecord, ProjectMemberRecord, ProjectRecord, RoleAssignment, Temporary};
    pub use kms_store::secrets::VersionAuthor;
}
