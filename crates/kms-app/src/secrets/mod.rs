//! Secrets: values, comments, versions, references (`core-api.md` §§9–11).
//!
//! * [`read`]: lists and single secrets, with references expanded;
//! * [`write`]: create, change, delete, several at once;
//! * [`expand`]: references as a pure function over what was loaded;
//! * [`seal`]: how values and comments are sealed.

mod expand;
mod place;
mod read;
mod seal;
mod write;

use kms_core::ids::ProjectId;
use kms_core::secret::SecretString;
use kms_store::secrets::{SecretRecord, VersionAuthor};

pub(crate) use place::Place;
pub use read::{ListQuery, PlaceSelector, ReadOptions, SecretVersion};
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
    /// Slug of its environment.
    pub environment: String,
    /// Path of its folder.
    pub path: String,
}

impl Secret {
    /// The project it belongs to.
    pub fn project(&self) -> ProjectId {
        self.record.project
    }
}

pub(crate) fn author_of(actor: &crate::actor::Actor) -> VersionAuthor {
    VersionAuthor {
        kind: actor.audit_actor().kind().to_owned(),
        id: actor.audit_actor().id(),
        name: Some(actor.display_name().to_owned()),
    }
}
