//! People.

pub use kms_store::users::UserRecord;
