//! Tests of the providers: the transport against raw sockets, the registry, and OpenRouter against scripted answers and the simulator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod addresses;
mod conformance;
mod openrouter;
mod raw;
mod registry;
mod stage;
mod transport;
