//! Secrets: values, comments, metadata, versions, references (`core-api.md` §§9–11).
//!
//! * [`read`]: lists and single secrets;
//! * [`write`], [`remove`], [`relocate`]: create, change, delete, move, several at once;
//! * [`expand`]: references as a pure function over what was loaded; [`expansion`] loads;
//! * [`references`]: references that are written, and that follow a rename;
//! * [`seal`], [`metadata`]: how values, comments and metadata are sealed.
//!
//! Whoever writes secrets holds the lock of their folder ([`kms_store::Tx::lock_folder`]), and reads them under it.

mod expand;
mod expansion;
mod metadata;
mod place;
mod read;
mod references;
mod relocate;
mod remove;
mod seal;
mod write;

use kms_core::ids::ProjectId;
use kms_core::names::SecretPath;
use kms_core::secret::SecretString;
use kms_store::secrets::{SecretRecord, VersionAuthor};

pub use metadata::{MetadataEntry, MetadataFilter};
pub(crate) use place::Place;
pub use read::{ListQuery, PlaceSelector, ReadOptions, SecretVersion};
pub use relocate::{Relocated, Relocation};
pub use write::{MissingMode, NewSecret, SecretChanges};

/// A secret as it is shown.
#[derive(Debug, Clone)]
pub struct Secret {
    /// The secret, or the wanted version of it.
    pub record: SecretRecord,
    /// Its value; none if it is hidden from the caller or was not asked for.
    pub value: Option<SecretString>,
    /// Its comment, empty if it has none.
    pub comment: String,
    /// Its metadata, in the order in which it was given.
    pub metadata: Vec<MetadataEntry>,
    /// Slug of its environment.
    pub environment: String,
    /// Path of its folder.
    pub path: SecretPath,
}

impl Secret {
    /// The project it belongs to.
    pub fn project(&self) -> ProjectId {
        self.record.project
    }

    /// Whether its value is the empty text. Known without opening it.
    pub fn is_empty(&self) -> bool {
        kms_crypto::seals_nothing(&self.record.sealed_value)
    }
}

pub(crate) fn author_of(actor: &crate::actor::Actor) -> VersionAuthor {
    VersionAuthor {
        kind: actor.audit_actor().kind().to_owned(),
        id: actor.audit_actor().id(),
        name: Some(actor.display_name().to_owned()),
    }
}
