//! One value for each setting, from flag, environment or file.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::ServerArgs;

/// Names that people of this ecosystem have in their deployments already, for settings that nothing else sets.
const ALIASES: &[(&str, &str)] = &[
    ("root_key", "ENCRYPTION_KEY"),
    ("database_url", "DB_CONNECTION_URI"),
    ("public_url", "SITE_URL"),
    ("allow_internal_connections", "ALLOW_INTERNAL_IP_CONNECTIONS"),
];

/// Settings that the file may have.
const NAMES: &[&str] = &[
    "listen",
    "public_url",
    "data_dir",
    "database_url",
    "root_key_file",
    "openrouter_base_url",
    "allow_internal_connections",
    "rotation_dev_mode",
    "trusted_proxies",
    "log",
    "log_format",
    "metrics_listen",
    "connection_concurrency",
    "connection_rate",
    "rate_limits",
];

/// The merged settings, as text.
pub(crate) struct Source {
    values: BTreeMap<String, String>,
    aliases: BTreeMap<&'static str, String>,
}

impl Source {
    pub(super) fn read(args: &ServerArgs, environment: &impl Fn(&str) -> Option<String>) -> Result<Self> {
        let given = |name: &str| environment(name).filter(|value| !value.is_empty());
        let mut values = match args.config.clone().or_else(|| given("KMS_CONFIG")) {
            Some(path) => read_file(&path)?,
            None => BTreeMap::new(),
        };
        for name in NAMES.iter().copied().chain(["root_key"]) {
            if let Some(value) = given(&format!("KMS_{}", name.to_uppercase())) {
                values.insert(name.to_owned(), value);
            }
        }
        let flags = [
            ("listen", &args.listen),
            ("public_url", &args.public_url),
            ("data_dir", &args.data_dir),
            ("database_url", &args.database_url),
            ("root_key_file", &args.root_key_file),
            ("openrouter_base_url", &args.openrouter_base_url),
            ("allow_internal_connections", &args.allow_internal_connections),
            ("rotation_dev_mode", &args.rotation_dev_mode),
            ("trusted_proxies", &args.trusted_proxies),
            ("log", &args.log),
            ("log_format", &args.log_format),
            ("metrics_listen", &args.metrics_listen),
            ("connection_concurrency", &args.connection_concurrency),
            ("connection_rate", &args.connection_rate),
            ("rate_limits", &args.rate_limits),
        ];
        for (name, value) in flags {
            if let Some(value) = value {
                values.insert(name.to_owned(), value.clone());
            }
        }
        for (name, alias) in ALIASES {
            let named_otherwise = values.contains_key(*name) || (*name == "root_key" && values.contains_key("root_key_file"));
            if !named_otherwise && let Some(value) = given(alias) {
                values.insert((*name).to_owned(), value);
            }
        }
        let aliases = ["HOST", "PORT"]
            .into_iter()
            .filter_map(|name| given(name).map(|value| (name, value)))
            .collect();
        Ok(Self { values, aliases })
    }

    /// The text of a setting.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    /// The text of a variable of the ecosystem that has no setting of its own.
    pub(super) fn alias(&self, name: &str) -> Option<String> {
        self.aliases.get(name).cloned()
    }

    /// A setting, parsed; the error names it.
    pub(super) fn parsed<T>(&self, name: &str, parse: impl FnOnce(&str) -> Result<T>) -> Result<Option<T>> {
        self.values
            .get(name)
            .map(|text| parse(text).with_context(|| format!("the setting {name} is not valid ({text})")))
            .transpose()
    }

    /// A setting that is on or off; off if absent.
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        let read = self.parsed(name, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => bail!("must be true or false"),
        })?;
        Ok(read.unwrap_or(false))
    }
}

fn read_file(path: &str) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the configuration file {path}"))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        anyhow::anyhow!(
            "the configuration file {path} is not valid TOML: {}",
            error.message().replace('\n', " ")
        )
    })?;
    table
        .into_iter()
        .map(|(name, value)| {
            if !NAMES.contains(&name.as_str()) {
                bail!("the configuration file {path} has an unknown setting: {name}");
            }
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Boolean(flag) => flag.to_string(),
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Array(items) => items
                    .iter()
                    .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                    .collect::<Vec<_>>()
                    .join(","),
                _ => bail!("the setting {name} in {path} has a value that it cannot have"),
            };
            Ok((name, text))
        })
        .collect()
}
