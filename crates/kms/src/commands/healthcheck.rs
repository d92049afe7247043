//! `kms healthcheck`: for containers that have no other client.

use std::time::Duration;

use anyhow::{Context, anyhow};

use super::{Failure, block_on};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address of the server.
    #[arg(long, env = "KMS_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .no_proxy()
            .build()
            .context("cannot set up a client")?;
        let url = format!("{}/readyz", args.url.trim_end_matches('/'));
        let response = client.get(&url).send().await.with_context(|| format!("{url} does not answer"))?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(anyhow!("{url} answers {}", response.status()).into())
        }
    })
}
