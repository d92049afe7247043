#![doc = include_str!("../README.md")]

pub mod connector;
pub mod declaration;
pub mod marker;
pub mod outcome;
pub mod registry;
pub mod rotator;
pub mod transport;
