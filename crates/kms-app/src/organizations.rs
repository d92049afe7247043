//! Organizations.

pub use kms_store::organizations::OrgRecord;
