//! Use cases and the rotation engine, against the simulator without sockets, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "tests fail by panicking and say what they do"
)]

mod baseline;
mod calls;
mod histories;
mod lifecycle;
mod world;
