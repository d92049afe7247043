//! Everything but the unit tests, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod access_token;
mod golden;
mod keyring;
mod password;
mod redaction;
mod root;
mod sealing;
mod support;
mod tokens;
