//! Logs and metrics: set up once, by the command that serves.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Sends log lines to standard error.
pub(crate) fn start_logs(config: &LogConfig) -> Result<()> {
    let filter = EnvFilter::try_new(&config.filter).with_context(|| format!("the setting log is not valid ({})", config.filter))?;
    let format = config.format.unwrap_or(if std::io::stderr().is_terminal() {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

/// Starts recording metrics.
pub(crate) fn start_metrics() -> Result<PrometheusHandle> {
    let buckets = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 75.0,
    ];
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &buckets)
        .and_then(PrometheusBuilder::install_recorder)
        .context("cannot start recording metrics")?;
    for (name, text) in [
        ("kms_http_requests_total", "Requests, by route, method and status."),
        ("kms_rotations_total", "Runs of rotations, by result."),
        ("kms_provider_calls_total", "Requests to providers, by provider, verb and result."),
        ("kms_orphans_found_total", "Keys found at providers that nobody knew."),
        ("kms_keys_revoked_total", "Keys that were confirmed dead."),
        (
            "kms_revocation_alarms_total",
            "Keys that were still accepted long after their deletion.",
        ),
    ] {
        metrics::describe_counter!(name, text);
    }
    for (name, text) in [
        ("kms_rotations_overdue", "Rotations that are due and not yet worked off."),
        ("kms_rotations_failed", "Rotations whose last run failed."),
        ("kms_keys_pending_revocation", "Keys that await revocation."),
        (
            "kms_keys_alarmed",
            "Keys awaiting revocation that are still accepted long after their deletion.",
        ),
        (
            "kms_unknown_markers",
            "Keys that carry this installation's mark and that the database does not know.",
        ),
    ] {
        metrics::describe_gauge!(name, text);
    }
    metrics::gauge!("kms_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}
