#![doc = include_str!("../README.md")]

mod commands;
mod config;
mod telemetry;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Exactly one TLS provider is compiled in; naming it keeps that true.
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = commands::Cli::parse();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            #[expect(clippy::print_stderr, reason = "the one place where a command says why it failed")]
            {
                eprintln!("kms: {:#}", failure.error);
            }
            ExitCode::from(failure.status)
        }
    }
}
