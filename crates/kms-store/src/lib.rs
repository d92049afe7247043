#![doc = include_str!("../README.md")]

mod entity;
mod error;
mod migration;
mod session;
mod store;

pub use error::StoreError;
pub use session::{Session, Tx};
pub use store::{Engine, OpenOptions, Store};
#[cfg(feature = "testing")]
pub use store::{Fault, FaultPoint, Faults};
