//! The simulator as a command: flags, the line that says it is ready, and its end.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::config::{AccountConfig, SimConfig};
use crate::distribution::Distribution;
use crate::error::SimError;
use crate::faults::FaultRule;
use crate::key_text::KeyText;
use crate::money::Usd;
use crate::server::Simulator;

/// Flags of the simulator.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Address of the simulator; port 0 takes a free one.
    #[arg(long, env = "OPENROUTER_SIM_LISTEN", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// An accepted management key. Can be given several times; without any, one is generated.
    #[arg(
        long = "provisioning-key",
        env = "OPENROUTER_SIM_PROVISIONING_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    pub provisioning_keys: Vec<String>,
    /// File with management keys, one a line.
    #[arg(long, env = "OPENROUTER_SIM_PROVISIONING_KEY_FILE", value_name = "FILE")]
    pub provisioning_key_file: Option<PathBuf>,
    /// TOML file with several accounts: `[[accounts]]` with name, `management_keys`, credits, workspaces.
    #[arg(long, env = "OPENROUTER_SIM_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Purchased credits of the account, in US dollars.
    #[arg(long, env = "OPENROUTER_SIM_CREDITS", default_value_t = 100.0)]
    pub credits: f64,
    /// An additional workspace. Can be given several times.
    #[arg(long = "workspace", env = "OPENROUTER_SIM_WORKSPACE", value_name = "SLUG")]
    pub workspaces: Vec<String>,
    /// Makes key texts, ids and all random draws repeat.
    #[arg(long, env = "OPENROUTER_SIM_SEED")]
    pub seed: Option<u64>,
    /// First hex digits of every key, so that scans for leaks can tell simulated keys from real ones.
    #[arg(long, env = "OPENROUTER_SIM_KEY_MARKER", value_name = "HEX")]
    pub key_marker: Option<String>,
    /// Bearer that the control surface asks for.
    #[arg(long, env = "OPENROUTER_SIM_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub admin_token: Option<String>,
    /// JSON list of fault rules to load at the start.
    #[arg(long, env = "OPENROUTER_SIM_PROFILE", value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Delay until a new key is accepted, in milliseconds.
    #[arg(long, env = "OPENROUTER_SIM_VISIBLE_DELAY", value_name = "MS")]
    pub visible_delay: Option<u32>,
    /// Delay until a deleted key is refused, in milliseconds.
    #[arg(long, env = "OPENROUTER_SIM_REVOKE_DELAY", value_name = "MS")]
    pub revoke_delay: Option<u32>,
    /// Delay until a change shows in the listing, in milliseconds.
    #[arg(long, env = "OPENROUTER_SIM_LIST_DELAY", value_name = "MS")]
    pub list_delay: Option<u32>,
    /// Delay until counters follow, in milliseconds.
    #[arg(long, env = "OPENROUTER_SIM_USAGE_DELAY", value_name = "MS")]
    pub usage_delay: Option<u32>,
    /// A choice for assumed behaviour, NAME=VALUE. Can be given several times.
    #[arg(long, env = "OPENROUTER_SIM_COMPAT", value_name = "NAME=VALUE")]
    pub compat: Vec<String>,
    /// Allows an address that is not loopback.
    #[arg(long, env = "OPENROUTER_SIM_ALLOW_REMOTE")]
    pub allow_remote: bool,
}

/// The file of `--config`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    accounts: Vec<AccountConfig>,
}

fn read(path: &PathBuf) -> Result<String, SimError> {
    std::fs::read_to_string(path).map_err(|source| SimError::File {
        path: path.clone(),
        source,
    })
}

impl Args {
    /// The configuration that these flags describe.
    ///
    /// # Errors
    /// [`SimError::Config`] naming the flag, [`SimError::File`].
    pub fn into_config(self) -> Result<SimConfig, SimError> {
        let bad = |flag: &str, reason: &dyn std::fmt::Display| SimError::Config(format!("{flag}: {reason}"));
        let accounts = match &self.config {
            Some(path) => {
                toml::from_str::<File>(&read(path)?)
                    .map_err(|error| bad("config", &error.message()))?
                    .accounts
            }
            None => {
                let mut keys: Vec<KeyText> = self.provisioning_keys.iter().map(KeyText::new).collect();
                if let Some(path) = &self.provisioning_key_file {
                    keys.extend(read(path)?.lines().map(str::trim).filter(|line| !line.is_empty()).map(KeyText::new));
                }
                let number = serde_json::Number::from_f64(self.credits).ok_or_else(|| bad("credits", &"no amount"))?;
                vec![AccountConfig {
                    management_keys: keys,
                    credits: Usd::from_number(&number).map_err(|_no_amount| bad("credits", &"no amount"))?,
                    workspaces: self.workspaces,
                    ..AccountConfig::default()
                }]
            }
        };
        let faults: Vec<FaultRule> = match &self.profile {
            Some(path) => serde_json::from_str(&read(path)?).map_err(|error| bad("profile", &error))?,
            None => Vec::new(),
        };
        let mut config = SimConfig {
            listen: self.listen,
            accounts,
            seed: self.seed,
            key_marker: self.key_marker,
            admin_token: self.admin_token,
            faults,
            allow_remote: self.allow_remote,
            ..SimConfig::default()
        };
        for choice in &self.compat {
            let (name, value) = choice.split_once('=').ok_or_else(|| bad("compat", &"must be NAME=VALUE"))?;
            config.compat.set(name, value).map_err(|error| bad("compat", &error))?;
        }
        let delays = &mut config.propagation.global;
        delays.visible = self.visible_delay.map(Distribution::fixed_ms);
        delays.revoke = self.revoke_delay.map(Distribution::fixed_ms);
        delays.list = self.list_delay.map(Distribution::fixed_ms);
        delays.usage = self.usage_delay.map(Distribution::fixed_ms);
        Ok(config)
    }
}

/// Runs the simulator until SIGTERM or SIGINT. The first line on standard output is a JSON object with the bound address, the base
/// URL and the process id.
///
/// # Errors
/// Those of [`Simulator::start`], and [`SimError::Process`].
pub async fn run(args: Args) -> Result<(), SimError> {
    let given = !args.provisioning_keys.is_empty() || args.provisioning_key_file.is_some() || args.config.is_some();
    let simulator = Simulator::start(args.into_config()?).await?;
    let mut ready = serde_json::json!({
        "address": simulator.address().to_string(), "baseUrl": simulator.base_url(), "pid": std::process::id(),
    });
    if !given && let Some(object) = ready.as_object_mut() {
        // A generated key has to be told to somebody; it is worth nothing outside this process.
        object.insert("provisioningKey".to_owned(), simulator.management_key().into());
    }
    {
        use std::io::Write;
        writeln!(std::io::stdout(), "{ready}").map_err(|source| SimError::Process {
            what: "cannot write to standard output",
            source,
        })?;
    }
    wait_for_the_end().await?;
    simulator.shutdown().await;
    Ok(())
}

#[cfg(unix)]
async fn wait_for_the_end() -> Result<(), SimError> {
    use tokio::signal::unix::{SignalKind, signal};
    let installed = |kind| {
        signal(kind).map_err(|source| SimError::Process {
            what: "cannot install a signal handler",
            source,
        })
    };
    let (mut term, mut int) = (installed(SignalKind::terminate())?, installed(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn wait_for_the_end() -> Result<(), SimError> {
    tokio::signal::ctrl_c().await.map_err(|source| SimError::Process {
        what: "cannot install a signal handler",
        source,
    })
}
