//! The command line: flags and environment variables to a [`SimConfig`], and a run until a signal comes.
//!
//! [`SimulatorArgs`] can be flattened into a subcommand of another program.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{AccountConfig, Compat, ConfigFile, Delays, Propagation, SimConfig};
use crate::distribution::Distribution;
use crate::error::SimError;
use crate::faults::FaultRule;
use crate::faults::presets::Preset;
use crate::key_text::KeyText;
use crate::money::Usd;
use crate::server::Simulator;

/// How log lines on standard error look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Flags of the simulator. Each is also an environment variable `OPENROUTER_SIM_…`; lists are separated by
/// commas there.
#[derive(Args, Clone, Debug)]
pub struct SimulatorArgs {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, env = "OPENROUTER_SIM_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Allow an address that is not loopback.
    #[arg(long, env = "OPENROUTER_SIM_ALLOW_REMOTE")]
    pub allow_remote: bool,
    /// Accepted management key (repeatable). Without any, one is generated and shown in the first line.
    #[arg(
        long = "provisioning-key",
        env = "OPENROUTER_SIM_PROVISIONING_KEY",
        value_name = "KEY",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub provisioning_keys: Vec<KeyText>,
    /// File of accepted management keys, one a line.
    #[arg(long, env = "OPENROUTER_SIM_PROVISIONING_KEY_FILE", value_name = "FILE")]
    pub provisioning_key_file: Option<PathBuf>,
    /// TOML file with several accounts, in place of the flags for a single one.
    #[arg(
        long,
        env = "OPENROUTER_SIM_CONFIG",
        value_name = "FILE",
        conflicts_with_all = ["provisioning_keys", "provisioning_key_file", "credits", "workspaces"]
    )]
    pub config: Option<PathBuf>,
    /// Purchased credits of the account in US dollars [default: 100].
    #[arg(long, env = "OPENROUTER_SIM_CREDITS", value_name = "USD", value_parser = amount, allow_hyphen_values = true)]
    pub credits: Option<Usd>,
    /// Additional workspace (repeatable); `default` always exists.
    #[arg(long = "workspace", env = "OPENROUTER_SIM_WORKSPACE", value_name = "SLUG", value_delimiter = ',')]
    pub workspaces: Vec<String>,
    /// Makes key texts, ids and all random draws reproducible.
    #[arg(long, env = "OPENROUTER_SIM_SEED", value_name = "N")]
    pub seed: Option<u64>,
    /// First hex digits of every key text, so that scans for leaks recognise it.
    #[arg(long, env = "OPENROUTER_SIM_KEY_MARKER", value_name = "HEX")]
    pub key_marker: Option<String>,
    /// File that keeps the state over a restart; never holds a plaintext key.
    #[arg(long, env = "OPENROUTER_SIM_STATE", value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Bearer that the control surface asks for.
    #[arg(
        long,
        env = "OPENROUTER_SIM_ADMIN_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub admin_token: Option<String>,
    /// JSON list of fault rules to load at the start.
    #[arg(long, env = "OPENROUTER_SIM_PROFILE", value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Named set of faults to begin with (repeatable): lost-create, flaky, slow, rate-limited, brownout,
    /// eventual.
    #[arg(long = "preset", env = "OPENROUTER_SIM_PRESET", value_name = "NAME", value_delimiter = ',')]
    pub presets: Vec<Preset>,
    /// A new or re-enabled key is refused until then: milliseconds, or a distribution as JSON.
    #[arg(long, env = "OPENROUTER_SIM_VISIBLE_DELAY", value_name = "MS", default_value = "0")]
    pub visible_delay: Distribution,
    /// A deleted or disabled key keeps working until then.
    #[arg(long, env = "OPENROUTER_SIM_REVOKE_DELAY", value_name = "MS", default_value = "0")]
    pub revoke_delay: Distribution,
    /// The listing lags behind creates and deletes.
    #[arg(long, env = "OPENROUTER_SIM_LIST_DELAY", value_name = "MS", default_value = "0")]
    pub list_delay: Distribution,
    /// Counters and `last_used_at` lag.
    #[arg(long, env = "OPENROUTER_SIM_USAGE_DELAY", value_name = "MS", default_value = "0")]
    pub usage_delay: Distribution,
    /// Choice for assumed behaviour (repeatable).
    #[arg(long, env = "OPENROUTER_SIM_COMPAT", value_name = "NAME=VALUE", value_delimiter = ',')]
    pub compat: Vec<String>,
    /// Format of the log on standard error.
    #[arg(long = "log", env = "OPENROUTER_SIM_LOG", value_name = "FORMAT", value_enum, default_value_t)]
    pub log: LogFormat,
}

impl FromStr for KeyText {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(text))
    }
}

fn amount(text: &str) -> Result<Usd, String> {
    let amount: Usd = text.parse().map_err(|error: crate::money::NotAnAmount| error.to_string())?;
    if amount.is_negative() {
        Err("must not be negative".to_owned())
    } else {
        Ok(amount)
    }
}

impl SimulatorArgs {
    /// The configuration these flags describe, and whether its management key is generated.
    ///
    /// # Errors
    /// A file cannot be read, or a value is malformed; the sentence names the flag.
    pub fn into_config(self) -> Result<(SimConfig, bool), SimError> {
        let mut generated = false;
        let accounts = if let Some(path) = &self.config {
            accounts_of(path)?
        } else {
            let mut keys = self.provisioning_keys;
            if let Some(path) = &self.provisioning_key_file {
                let text = read(path)?;
                let lines = text
                    .lines()
                    .map(str::trim)
                    .filter(|line| !line.is_empty() && !line.starts_with('#'));
                keys.extend(lines.map(KeyText::from));
                if keys.is_empty() {
                    return Err(SimError::Config(format!("provisioning-key-file: no key in {}", path.display())));
                }
            }
            generated = keys.is_empty();
            let account = AccountConfig {
                management_keys: keys,
                workspaces: self.workspaces,
                ..AccountConfig::default()
            };
            let credits = self.credits.unwrap_or(account.credits);
            vec![AccountConfig { credits, ..account }]
        };
        let mut compat = Compat::default();
        for choice in &self.compat {
            let (name, value) = choice
                .split_once('=')
                .ok_or_else(|| SimError::Config(format!("compat {choice}: expected NAME=VALUE")))?;
            compat.set(name, value).map_err(|error| SimError::Config(error.to_string()))?;
        }
        let mut faults: Vec<FaultRule> = Vec::new();
        if let Some(path) = &self.profile {
            let rules: Vec<FaultRule> =
                serde_json::from_str(&read(path)?).map_err(|error| SimError::Config(format!("profile: {}: {error}", path.display())))?;
            faults.extend(rules);
        }
        let global = Delays {
            visible: Some(self.visible_delay),
            revoke: Some(self.revoke_delay),
            list: Some(self.list_delay),
            get: None,
            usage: Some(self.usage_delay),
        };
        let config = SimConfig {
            listen: self.listen,
            accounts,
            seed: self.seed,
            key_marker: self.key_marker,
            admin_token: self.admin_token,
            compat,
            propagation: Propagation {
                global,
                prefixes: Vec::new(),
            },
            state_file: self.state,
            faults,
            allow_remote: self.allow_remote,
            ..SimConfig::default()
        };
        config.validate()?;
        Ok((config, generated))
    }
}

fn read(path: &Path) -> Result<String, SimError> {
    fs::read_to_string(path).map_err(|source| SimError::File {
        path: path.to_owned(),
        source,
    })
}

fn accounts_of(path: &Path) -> Result<Vec<AccountConfig>, SimError> {
    let text = read(path)?;
    let file: ConfigFile = toml::from_str(&text).map_err(|error| {
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(1, |before| before.lines().count().max(1));
        // Other messages quote values, and values can be keys.
        let quotes_nothing = ["missing field", "unknown field"]
            .iter()
            .any(|start| error.message().starts_with(start));
        let what = if quotes_nothing {
            error.message()
        } else {
            "malformed, or of the wrong type"
        };
        SimError::Config(format!("config: {}, near line {line}: {what}", path.display()))
    })?;
    if let Some(account) = file.accounts.iter().find(|account| account.management_keys.is_empty()) {
        return Err(SimError::Config(format!("config: account {} has no management_keys", account.name)));
    }
    Ok(file.accounts)
}

/// Runs a simulator until SIGTERM or SIGINT. The first line on standard output is a JSON object with
/// `address`, `base_url`, `control_url` and `pid`, and `provisioning_key` if one had to be generated.
///
/// # Errors
/// The simulator cannot start.
pub async fn run(args: SimulatorArgs) -> Result<(), SimError> {
    start_log(args.log);
    let presets = args.presets.clone();
    let (config, generated) = args.into_config()?;
    let signals = |source| SimError::Process {
        what: "cannot install signal handlers",
        source,
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let simulator = Simulator::start(config).await?;
    for preset in presets {
        simulator.control().preset(preset);
    }
    announce(&simulator, generated).map_err(|source| SimError::Process {
        what: "cannot write to standard output",
        source,
    })?;
    either(&mut terminate, &mut interrupt).await;
    tracing::info!("stopping");
    simulator.shutdown().await;
    Ok(())
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn announce(simulator: &Simulator, generated: bool) -> io::Result<()> {
    let mut line = json!({
        "address": simulator.address().to_string(),
        "base_url": simulator.base_url(),
        "control_url": format!("http://{}/_sim", simulator.address()),
        "pid": std::process::id(),
    });
    if generated && let Some(fields) = line.as_object_mut() {
        fields.insert("provisioning_key".to_owned(), simulator.management_key().into());
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn start_log(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_unset_or_malformed| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false);
    // A program around this one may have its own log already; then it stays.
    let started = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    drop(started);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Shell {
        #[command(flatten)]
        args: SimulatorArgs,
    }

    fn config(flags: &[&str]) -> Result<(SimConfig, bool), String> {
        let flags = std::iter::once("sim").chain(flags.iter().copied());
        let shell = Shell::try_parse_from(flags).map_err(|error| error.to_string())?;
        shell.args.into_config().map_err(|error| error.to_string())
    }

    #[test]
    fn flags_become_a_configuration() {
        let (config, generated) = config(&[
            "--provisioning-key",
            "sk-or-v1-EXAMPLE",
            "--credits",
            "0.5",
            "--workspace",
            "team-a",
            "--workspace",
            "team-b",
            "--seed",
            "7",
            "--compat",
            "over_limit=402",
            "--visible-delay",
            r#"{"uniform": [20, 80]}"#,
            "--revoke-delay",
            "30000",
        ])
        .unwrap();
        assert!(!generated);
        let account = config.accounts.first().unwrap();
        assert_eq!(account.credits.to_string(), "0.5");
        assert_eq!(account.workspaces, ["team-a", "team-b"]);
        assert_eq!(config.seed, Some(7));
        assert_eq!(config.propagation.global.visible, Some(Distribution::Uniform([20.0, 80.0])));
        assert_eq!(config.propagation.global.revoke, Some(Distribution::Fixed(30_000.0)));
    }

    #[test]
    fn a_management_key_is_generated_only_if_none_is_given() {
        assert!(config(&[]).unwrap().1);
    }

    #[test]
    fn wrong_use_is_named() {
        for (flags, part) in [
            (&["--listen", "0.0.0.0:0"][..], "loopback"),
            (&["--compat", "colour=blue"], "colour"),
            (&["--compat", "over_limit"], "NAME=VALUE"),
            (&["--credits", "-1"], "credits"),
            (&["--visible-delay", "soon"], "visible-delay"),
            (&["--config", "a.toml", "--credits", "1"], "credits"),
            (&["--profile", "/nonexistent/rules.json"], "rules.json"),
            (&["--preset", "storm"], "preset"),
        ] {
            let refused = config(flags).map(|_| ()).unwrap_err();
            assert!(refused.contains(part), "{flags:?}: {refused}");
        }
        assert!(config(&["--listen", "0.0.0.0:0", "--allow-remote"]).is_ok());
    }

    #[test]
    fn several_accounts_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.toml");
        let text = r#"
            [[accounts]]
            name = "first"
            management_keys = ["sk-or-v1-EXAMPLE-first"]
            credits = 12.5

            [[accounts]]
            name = "second"
            management_keys = ["sk-or-v1-EXAMPLE-second"]
            workspaces = ["team-a"]
            byok = [{ provider = "openai" }]
        "#;
        fs::write(&path, text).unwrap();
        let (config, _) = config(&["--config", path.to_str().unwrap()]).unwrap();
        assert_eq!(config.accounts.len(), 2);
        assert_eq!(config.accounts.first().unwrap().credits.to_string(), "12.5");

        for broken in [
            "[[accounts]]\nname = \"first\"\nmanagement_keys = [\"sk-or-v1-EXAMPLE\"]\ncolour = 1\n",
            "[[accounts]]\nname = \"first\"\nmanagement_keys = \"sk-or-v1-EXAMPLE\"\n",
            "[[accounts]]\nname = \"first\"\nmanagement_keys = [\"sk-or-v1-EXAMPLE\n",
        ] {
            fs::write(&path, broken).unwrap();
            let refused = self::config(&["--config", path.to_str().unwrap()]).map(|_| ()).unwrap_err();
            assert!(refused.contains("line") && !refused.contains("EXAMPLE"), "{refused}");
        }
        fs::write(&path, "[[accounts]]\nname = \"first\"\n").unwrap();
        assert!(
            self::config(&["--config", path.to_str().unwrap()])
                .map(|_| ())
                .unwrap_err()
                .contains("management_keys")
        );
    }
}
