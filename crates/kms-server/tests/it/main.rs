//! The service as clients see it: every test drives the whole router over a database of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod api;
#[allow(dead_code, reason = "tests of every area draw on it")]
mod support;
mod web;
