//! Free metadata of a secret: entries of key and value, stored with the secret as an array.
//!
//! An entry that was asked to be encrypted is stored sealed, together with its key, so that it cannot be put under another key. It is
//! sealed for its secret but for no version: metadata is copied unchanged from one version to the next.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kms_core::ids::{ProjectId, SecretId};
use kms_core::seal::{KeyScope, Purpose, SealContext, Sealed};
use kms_core::secret::SecretString;
use kms_crypto::data::DataKeys;
use kms_store::secrets::SecretRecord;
use serde_json::{Value, json};

use crate::{App, Error};

/// An entry of a secret's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataEntry {
    /// Its key.
    pub key: String,
    /// Its value; none if it is encrypted and hidden from the caller.
    pub value: Option<SecretString>,
    /// Whether it is stored sealed.
    pub encrypted: bool,
}

/// A demand on the metadata: some entry has this key, this value, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataFilter {
    /// The entry's key.
    pub key: Option<String>,
    /// The entry's value.
    pub value: Option<String>,
}

impl MetadataFilter {
    pub(super) fn holds(&self, entries: &[MetadataEntry]) -> bool {
        entries.iter().any(|entry| {
            let value = entry.value.as_ref().map(SecretString::expose);
            self.key.as_ref().is_none_or(|key| *key == entry.key) && self.value.as_ref().is_none_or(|wanted| value == Some(wanted))
        })
    }
}

fn context(project: ProjectId, secret: SecretId) -> SealContext {
    SealContext {
        purpose: Purpose::SecretMetadata,
        scope: KeyScope::Project(project),
        row: secret.0,
        version: 0,
    }
}

impl App {
    /// Metadata as it is stored.
    pub(super) fn seal_metadata(&self, keys: &DataKeys, project: ProjectId, secret: SecretId, entries: &[MetadataEntry]) -> Value {
        let stored = entries.iter().map(|entry| {
            let value = entry.value.as_ref().map_or("", SecretString::expose);
            if entry.encrypted {
                let text = SecretString::new(json!([entry.key, value]).to_string());
                let sealed = keys.seal_text(context(project, secret), &text, self.entropy());
                json!({ "key": entry.key, "sealed": BASE64.encode(sealed.as_bytes()) })
            } else {
                json!({ "key": entry.key, "value": value })
            }
        });
        Value::Array(stored.collect())
    }

    /// Metadata as it is shown.
    pub(super) fn open_metadata(&self, keys: &DataKeys, record: &SecretRecord) -> Result<Vec<MetadataEntry>, Error> {
        let damaged = || Error::internal(format!("damaged metadata in the secret {}", record.id));
        let text = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut entries = Vec::new();
        for entry in record.metadata.as_array().ok_or_else(damaged)? {
            let key = text(entry, "key").ok_or_else(damaged)?;
            let (value, encrypted) = match text(entry, "sealed") {
                None => (SecretString::new(text(entry, "value").ok_or_else(damaged)?), false),
                Some(sealed) => {
                    let sealed = Sealed::from_bytes(BASE64.decode(sealed).map_err(|_malformed| damaged())?);
                    let opened = keys.open_text(context(record.project, record.id), &sealed)?;
                    let (sealed_key, value): (String, SecretString) =
                        serde_json::from_str(opened.expose()).map_err(|_malformed| damaged())?;
                    if sealed_key != key {
                        return Err(damaged());
                    }
                    (value, true)
                }
            };
            entries.push(MetadataEntry {
                key,
                value: Some(value),
                encrypted,
            });
        }
        Ok(entries)
    }
}
