#![doc = include_str!("../README.md")]

pub mod connector;
pub mod declaration;
pub mod exchange;
pub mod marker;
pub mod openrouter;
pub mod outcome;
pub mod reading;
pub mod registry;
pub mod rotator;
pub mod transport;
