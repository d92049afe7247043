//! The simulator as a program of its own.

use std::process::ExitCode;

use clap::Parser;

/// A stand-in for OpenRouter that misbehaves on command.
#[derive(Parser)]
#[command(name = "openrouter-sim", version)]
struct Cli {
    #[command(flatten)]
    args: openrouter_sim::cli::Args,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = tokio::runtime::Runtime::new()
        .map_err(|source| openrouter_sim::SimError::Process {
            what: "cannot start",
            source,
        })
        .and_then(|runtime| runtime.block_on(openrouter_sim::cli::run(cli.args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            drop(writeln!(std::io::stderr(), "openrouter-sim: {error}"));
            ExitCode::from(2)
        }
    }
}
