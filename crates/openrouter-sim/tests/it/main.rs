//! The simulator as its users see it: in process and over sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "tests fail by panicking, and say why they did not run"
)]

mod accounts;
mod activity;
mod assignments;
mod auth;
mod bench;
mod chat;
mod compat;
mod concurrency;
mod control;
mod current_key;
mod determinism;
mod errors;
mod events;
mod faults;
mod gate;
mod keys;
mod malformed;
mod presets;
mod process;
mod propagation;
mod running;
mod scale;
mod scenarios;
mod sdk;
mod secrets;
mod shapes;
mod state_file;
mod stats;
mod windows;
mod wire_faults;
