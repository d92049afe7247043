#![doc = include_str!("../README.md")]

pub mod access_token;
pub mod data;
pub mod digest;
pub mod keyring;
pub mod os_entropy;
pub mod password;
pub mod root;
pub mod tokens;

mod derive;
mod envelope;
mod fatal;
mod xaes;

pub use envelope::seals_nothing;
