//! `kms migrate`.

use super::{Failure, block_on, environment};
use crate::config::{ServerArgs, ServerConfig};
use crate::{telemetry, wiring};

pub(super) fn run(args: &ServerArgs) -> Result<(), Failure> {
    let config = ServerConfig::read(args, environment).map_err(Failure::wrong_use)?;
    telemetry::start_logs(&config.log).map_err(Failure::wrong_use)?;
    block_on(async {
        let (store, _existed) = wiring::open_store(&config).await?;
        tracing::info!(engine = store.engine_name(), "migrate.done");
        store.close().await.map_err(anyhow::Error::from)?;
        Ok(())
    })
}
