//! The simulator as a program of its own: a thin shell around the library.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use openrouter_sim::cli::{SimulatorArgs, run};

/// A stand-in for OpenRouter that misbehaves on command.
#[derive(Parser)]
#[command(version)]
struct Shell {
    #[command(flatten)]
    args: SimulatorArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Shell::parse().args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            let line = format!("openrouter-sim: {error}{}\n", cause.unwrap_or_default());
            // Nobody to tell if standard error is closed.
            drop(std::io::stderr().write_all(line.as_bytes()));
            ExitCode::from(2)
        }
    }
}
