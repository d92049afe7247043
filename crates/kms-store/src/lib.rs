#![doc = include_str!("../README.md")]

pub mod audit;
mod entity;
mod error;
pub mod folders;
pub mod identities;
pub mod identity_tokens;
pub mod instance;
pub mod lockouts;
mod migration;
pub mod organizations;
pub mod projects;
mod session;
mod store;
pub mod token_auth;
pub mod universal_auth;
pub mod users;

pub use error::StoreError;
pub use session::{Session, Tx};
pub use store::{Engine, OpenOptions, Store};
#[cfg(feature = "testing")]
pub use store::{Fault, FaultPoint, Faults};
