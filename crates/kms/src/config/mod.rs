//! Settings of `kms server`: flags win over environment, environment over the file (`operations.md` §2).
//!
//! Everything is parsed here, into types; a malformed value, an unknown key in the file or a combination that cannot work is one
//! clear line that names the setting.

mod merge;
mod root_key;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use ipnet::IpNet;
use kms_core::secret::SecretString;
use kms_server::RateLimits;
use kms_store::Engine;
use url::Url;

pub(crate) use merge::Source;
pub(crate) use root_key::RootKeySource;

/// Where OpenRouter is, unless the operator says otherwise.
const OPENROUTER: &str = "https://openrouter.ai/api/v1";

/// The settings as they are given. Each can also be a variable `KMS_…` or a key of the file.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServerArgs {
    /// TOML file with the same settings, in snake case [env: KMS_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<String>,
    /// Address of API and dashboard [env: KMS_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// The address people use [env: KMS_PUBLIC_URL] [default: from the request]
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Folder of the embedded database and the generated root key [env: KMS_DATA_DIR] [default: ./kms-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// sqlite://PATH or postgres://… [env: KMS_DATABASE_URL] [default: SQLite in the data folder]
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// File with the root key [env: KMS_ROOT_KEY_FILE; the key itself: KMS_ROOT_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) root_key_file: Option<String>,
    /// Where OpenRouter is [env: KMS_OPENROUTER_BASE_URL] [default: https://openrouter.ai/api/v1]
    #[arg(long, value_name = "URL")]
    pub(crate) openrouter_base_url: Option<String>,
    /// Whether connections may reach loopback and private addresses [env: KMS_ALLOW_INTERNAL_CONNECTIONS] [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) allow_internal_connections: Option<String>,
    /// One day of a rotation interval lasts one minute [env: KMS_ROTATION_DEV_MODE] [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) rotation_dev_mode: Option<String>,
    /// Addresses or networks whose X-Forwarded-* headers are believed, separated by commas [env: KMS_TRUSTED_PROXIES]
    #[arg(long, value_name = "LIST")]
    pub(crate) trusted_proxies: Option<String>,
    /// Log filter: error, warn, info, debug, trace, or target=level,… [env: KMS_LOG] [default: info]
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// text or json [env: KMS_LOG_FORMAT] [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// A listener of its own for /metrics [env: KMS_METRICS_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics_listen: Option<String>,
    /// Requests at the same time to one connection's provider [env: KMS_CONNECTION_CONCURRENCY] [default: 3]
    #[arg(long, value_name = "N")]
    pub(crate) connection_concurrency: Option<String>,
    /// Requests a second to one connection's provider [env: KMS_CONNECTION_RATE] [default: 5]
    #[arg(long, value_name = "N")]
    pub(crate) connection_rate: Option<String>,
    /// Requests a minute for each client address: off, or read=60000,write=12000,auth=1200,invite=120 [env: KMS_RATE_LIMITS]
    #[arg(long, value_name = "LIST")]
    pub(crate) rate_limits: Option<String>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Settings of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogConfig {
    pub(crate) filter: String,
    pub(crate) format: Option<LogFormat>,
}

/// The settings, parsed.
#[derive(Debug, Clone)]
pub(crate) struct ServerConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<String>,
    pub(crate) data_dir: PathBuf,
    pub(crate) engine: Engine,
    pub(crate) root_key: RootKeySource,
    pub(crate) openrouter_base_url: Url,
    pub(crate) openrouter_set_by_operator: bool,
    pub(crate) allow_internal_connections: bool,
    pub(crate) rotation_dev_mode: bool,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) log: LogConfig,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) connection_concurrency: u32,
    pub(crate) connection_rate: u32,
    pub(crate) rate_limits: RateLimits,
}

impl ServerConfig {
    /// Merges flags, environment and file, and parses the result.
    pub(crate) fn read(args: &ServerArgs, environment: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let source = Source::read(args, &environment)?;
        let data_dir = PathBuf::from(source.text("data_dir").unwrap_or_else(|| "./kms-data".to_owned()));
        let engine = engine(source.text("database_url"), &data_dir)?;
        let (openrouter, set_by_operator) = match source.text("openrouter_base_url") {
            Some(text) => (text, true),
            None => (OPENROUTER.to_owned(), false),
        };
        Ok(Self {
            listen: listen(&source)?,
            public_url: source.parsed("public_url", |text| {
                let url = Url::parse(text)?;
                if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
                    bail!("must begin with http:// or https:// and have a host");
                }
                Ok(text.trim_end_matches('/').to_owned())
            })?,
            engine,
            root_key: root_key::source(&source, &data_dir)?,
            openrouter_base_url: http_url("openrouter_base_url", &openrouter)?,
            openrouter_set_by_operator: set_by_operator,
            allow_internal_connections: source.flag("allow_internal_connections")?,
            rotation_dev_mode: source.flag("rotation_dev_mode")?,
            trusted_proxies: source.parsed("trusted_proxies", networks)?.unwrap_or_default(),
            log: LogConfig {
                filter: source.text("log").unwrap_or_else(|| "info".to_owned()),
                format: source.parsed("log_format", |text| match text {
                    "text" => Ok(LogFormat::Text),
                    "json" => Ok(LogFormat::Json),
                    _ => bail!("must be text or json"),
                })?,
            },
            metrics_listen: source.parsed("metrics_listen", |text| Ok(text.parse()?))?,
            connection_concurrency: source.parsed("connection_concurrency", positive)?.unwrap_or(3),
            connection_rate: source.parsed("connection_rate", positive)?.unwrap_or(5),
            rate_limits: source
                .parsed("rate_limits", |text| Ok(text.parse()?))?
                .unwrap_or_else(RateLimits::usual),
            data_dir,
        })
    }
}

fn positive(text: &str) -> Result<u32> {
    match text.parse() {
        Ok(0) | Err(_) => bail!("must be a whole number, 1 or greater"),
        Ok(number) => Ok(number),
    }
}

fn http_url(name: &str, text: &str) -> Result<Url> {
    let url = Url::parse(text).with_context(|| format!("the setting {name} is not a URL: {text}"))?;
    if matches!(url.scheme(), "http" | "https") && url.host().is_some() {
        Ok(url)
    } else {
        bail!("the setting {name} must begin with http:// or https:// and have a host: {text}")
    }
}

fn networks(text: &str) -> Result<Vec<IpNet>> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            part.parse::<IpNet>()
                .or_else(|_no_network| part.parse::<std::net::IpAddr>().map(IpNet::from))
                .with_context(|| format!("{part} is no address or network"))
        })
        .collect()
}

/// `listen`, or the ecosystem's `HOST` and `PORT`.
fn listen(source: &Source) -> Result<SocketAddr> {
    if let Some(address) = source.parsed("listen", |text| {
        let with_host = if text.starts_with(':') {
            format!("127.0.0.1{text}")
        } else {
            text.to_owned()
        };
        Ok(with_host.replace("localhost:", "127.0.0.1:").parse()?)
    })? {
        return Ok(address);
    }
    let host = source
        .alias("HOST")
        .unwrap_or_else(|| "127.0.0.1".to_owned())
        .replace("localhost", "127.0.0.1");
    let port = source.alias("PORT").unwrap_or_else(|| "8080".to_owned());
    format!("{host}:{port}")
        .parse()
        .with_context(|| format!("HOST and PORT do not make an address: {host}:{port}"))
}

fn engine(url: Option<String>, data_dir: &std::path::Path) -> Result<Engine> {
    let Some(url) = url else {
        return Ok(Engine::Sqlite {
            path: data_dir.join("kms.db"),
        });
    };
    if let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
        if path.is_empty() || path.contains(":memory:") {
            bail!("the setting database_url must name a file: sqlite://PATH");
        }
        let path = path.split('?').next().unwrap_or(path);
        return Ok(Engine::Sqlite { path: PathBuf::from(path) });
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Engine::Postgres { url });
    }
    bail!("the setting database_url must begin with sqlite:// or postgres://")
}

/// A secret setting as text that nobody prints.
pub(crate) fn secret(text: String) -> SecretString {
    SecretString::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: ServerArgs, variables: &[(&str, &str)]) -> Result<ServerConfig> {
        let variables: Vec<(String, String)> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        ServerConfig::read(&args, |name| {
            variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn without_any_setting_it_listens_on_loopback_with_sqlite() {
        let config = read(ServerArgs::default(), &[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(
            config.engine,
            Engine::Sqlite {
                path: PathBuf::from("./kms-data/kms.db")
            }
        );
        assert_eq!(config.openrouter_base_url.as_str(), OPENROUTER);
        assert!(!config.openrouter_set_by_operator && !config.allow_internal_connections && !config.rotation_dev_mode);
    }

    #[test]
    fn flags_win_over_environment_and_environment_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kms.toml");
        std::fs::write(
            &file,
            "listen = \"127.0.0.1:1\"\ndata_dir = \"/from/file\"\nrotation_dev_mode = true\n",
        )
        .unwrap();
        let args = ServerArgs {
            listen: Some("127.0.0.1:3".into()),
            config: Some(file.display().to_string()),
            ..ServerArgs::default()
        };
        let config = read(args, &[("KMS_LISTEN", "127.0.0.1:2"), ("KMS_LOG", "debug")]).unwrap();
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.data_dir, PathBuf::from("/from/file"));
        assert_eq!(config.log.filter, "debug");
        assert!(config.rotation_dev_mode);
    }

    #[test]
    fn names_of_the_ecosystem_count_where_nothing_else_is_set() {
        let config = read(
            ServerArgs::default(),
            &[
                ("PORT", "9000"),
                ("HOST", "0.0.0.0"),
                ("DB_CONNECTION_URI", "postgres://db.example.com/kms"),
                ("SITE_URL", "https://kms.example.com/"),
                ("ENCRYPTION_KEY", "00112233445566778899aabbccddeeff"),
                ("ALLOW_INTERNAL_IP_CONNECTIONS", "true"),
            ],
        )
        .unwrap();
        assert_eq!(config.listen.to_string(), "0.0.0.0:9000");
        assert_eq!(
            config.engine,
            Engine::Postgres {
                url: "postgres://db.example.com/kms".to_owned()
            }
        );
        assert_eq!(config.public_url.as_deref(), Some("https://kms.example.com"));
        assert!(config.allow_internal_connections);
        assert!(matches!(config.root_key, RootKeySource::Given(_)));
        let own = read(ServerArgs::default(), &[("PORT", "9000"), ("KMS_LISTEN", "127.0.0.1:7")]).unwrap();
        assert_eq!(own.listen.port(), 7);
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_setting_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kms.toml");
        std::fs::write(&file, "lisen = \"127.0.0.1:1\"\n").unwrap();
        for (args, variables, named) in [
            (
                ServerArgs {
                    listen: Some("nowhere".into()),
                    ..ServerArgs::default()
                },
                vec![],
                "listen",
            ),
            (
                ServerArgs {
                    config: Some(file.display().to_string()),
                    ..ServerArgs::default()
                },
                vec![],
                "lisen",
            ),
            (ServerArgs::default(), vec![("KMS_ROTATION_DEV_MODE", "maybe")], "rotation_dev_mode"),
            (ServerArgs::default(), vec![("KMS_DATABASE_URL", "mysql://x")], "database_url"),
            (ServerArgs::default(), vec![("KMS_LOG_FORMAT", "xml")], "log_format"),
            (
                ServerArgs::default(),
                vec![("KMS_TRUSTED_PROXIES", "10.0.0.0/99")],
                "trusted_proxies",
            ),
            (ServerArgs::default(), vec![("KMS_ROOT_KEY", "short")], "root_key"),
            (ServerArgs::default(), vec![("KMS_CONNECTION_RATE", "0")], "connection_rate"),
            (ServerArgs::default(), vec![("KMS_RATE_LIMITS", "read=fast")], "rate_limits"),
            (
                ServerArgs::default(),
                vec![("KMS_ROOT_KEY", "a"), ("KMS_ROOT_KEY_FILE", "b")],
                "root_key",
            ),
        ] {
            let error = format!("{:#}", read(args, &variables).unwrap_err());
            assert!(error.contains(named), "{named}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
