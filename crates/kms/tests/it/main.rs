//! The shipped binary as its users meet it: started, read by published clients, killed, started again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "tests fail by panicking, and say what they did"
)]

mod binary;
mod browser;
mod clients;
mod database;
mod kills;
mod nodes;
mod starting;
mod traffic;
mod trouble;
