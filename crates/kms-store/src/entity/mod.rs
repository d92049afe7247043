//! Rows as the database has them. Private to this crate: functions of the areas take and return `kms-core` types and records.
#![allow(dead_code, unused_imports, reason = "the schema has tables whose areas have no functions yet")]

mod audit;
mod connection;
mod machine_login;
mod people;
mod platform;
mod project;
mod rotation;
mod secret;

pub(crate) use audit::*;
pub(crate) use connection::*;
pub(crate) use machine_login::*;
pub(crate) use people::*;
pub(crate) use platform::*;
pub(crate) use project::*;
pub(crate) use rotation::*;
pub(crate) use secret::*;
