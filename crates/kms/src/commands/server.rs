//! `kms server`.

use super::{Failure, block_on, environment, wait_for_the_end};
use crate::config::{ServerArgs, ServerConfig};
use crate::{telemetry, wiring};

pub(super) fn run(args: &ServerArgs) -> Result<(), Failure> {
    let config = ServerConfig::read(args, environment).map_err(Failure::wrong_use)?;
    telemetry::start_logs(&config.log).map_err(Failure::wrong_use)?;
    let metrics = telemetry::start_metrics()?;
    block_on(async {
        // Ready for signals before the first connection is accepted.
        let end = wait_for_the_end();
        tokio::pin!(end);
        let running = tokio::select! {
            running = wiring::start(&config, Some(metrics.clone())) => running?,
            ended = &mut end => return ended.map_err(Failure::from),
        };
        if let Some(address) = running.metrics_address {
            tracing::info!(%address, "server.metrics");
        }
        let upkeep = tokio::spawn(async move {
            let mut timer = tokio::time::interval(std::time::Duration::from_secs(5));
            loop {
                timer.tick().await;
                metrics.run_upkeep();
            }
        });
        end.await?;
        upkeep.abort();
        running.stop().await;
        Ok(())
    })
}
