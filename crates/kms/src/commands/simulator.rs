//! `kms simulator openrouter`.

use clap::Subcommand;

use super::{Failure, block_on};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    service: Service,
}

#[derive(Debug, Subcommand)]
enum Service {
    /// OpenRouter: key management, key checks and canned completions, misbehaving on command.
    Openrouter(Box<openrouter_sim::cli::SimulatorArgs>),
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    match args.service {
        Service::Openrouter(args) => block_on(async {
            openrouter_sim::cli::run(*args)
                .await
                .map_err(|error| Failure::wrong_use(error.into()))
        }),
    }
}
