#![doc = include_str!("../README.md")]

pub mod audit;
pub mod dotenv;
pub mod entropy;
pub mod ids;
pub mod lockout;
pub mod names;
pub mod network;
pub mod permission;
pub mod reference;
pub mod rotation;
pub mod seal;
pub mod secret;
pub mod time;
