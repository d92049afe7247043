#![doc = include_str!("../README.md")]

pub mod attempts;
pub mod audit;
pub mod connection_limits;
pub mod connections;
mod entity;
mod error;
pub mod folders;
pub mod identities;
pub mod identity_tokens;
pub mod instance;
pub mod inventories;
pub mod invitations;
pub mod issued_keys;
pub mod lease;
pub mod lockouts;
pub mod memberships;
mod migration;
pub mod organizations;
pub mod projects;
pub mod rotations;
pub mod secrets;
mod session;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
pub mod token_auth;
pub mod universal_auth;
pub mod users;

pub use error::StoreError;
pub use session::{Session, Tx};
pub use store::{Engine, OpenOptions, Store};
#[cfg(feature = "testing")]
pub use store::{Fault, FaultPoint, Faults};
