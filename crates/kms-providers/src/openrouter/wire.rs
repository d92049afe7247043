//! OpenRouter's shapes. What is read is read leniently: unknown fields are ignored, and what may be missing is an `Option`. What
//! is sent is sent exactly: a field that was not asked for is left out.

use kms_core::secret::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;

/// Reads a body. The reader's error is dropped: it may quote the body, and the body may hold a key.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// Body of `POST /keys`.
#[derive(Debug, Serialize)]
pub(super) struct CreateKey<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit_reset: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) include_byok_in_limit: Option<bool>,
}

/// Answer of `POST /keys`. The key stands beside `data`, not inside.
#[derive(Debug, Deserialize)]
pub(super) struct CreatedKey {
    pub(super) key: Option<SecretString>,
    pub(super) data: Option<CreatedData>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CreatedData {
    pub(super) hash: Option<String>,
}

/// Answer of `GET /keys`.
#[derive(Debug, Deserialize)]
pub(super) struct KeyPage {
    pub(super) data: Vec<KeyEntry>,
}

#[derive(Debug, Deserialize)]
pub(super) struct KeyEntry {
    pub(super) hash: Option<String>,
    pub(super) name: Option<String>,
}

/// Answer of `GET /workspaces`.
#[derive(Debug, Deserialize)]
pub(super) struct WorkspacePage {
    pub(super) data: Vec<Workspace>,
    pub(super) total_count: Option<usize>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Workspace {
    pub(super) id: String,
}

/// Answer of `GET /key`.
#[derive(Debug, Deserialize)]
pub(super) struct CurrentKey {
    pub(super) data: CurrentKeyData,
}

/// What `GET /key` says about the calling key.
#[derive(Debug, Deserialize)]
pub(super) struct CurrentKeyData {
    #[serde(default)]
    pub(super) limit: Said<Number>,
    #[serde(default)]
    pub(super) limit_reset: Said<String>,
    /// Spent ever.
    pub(super) usage: Option<f64>,
    /// What is left of the limit until its next reset.
    pub(super) limit_remaining: Option<f64>,
    pub(super) include_byok_in_limit: Option<bool>,
    pub(super) is_management_key: Option<bool>,
    /// Former name of the one above.
    pub(super) is_provisioning_key: Option<bool>,
}

/// A field for which being absent differs from being null: null is an answer, absent is none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Said<T> {
    #[default]
    Nothing,
    Null,
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Said<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

/// Answer of `DELETE /keys/{hash}`.
#[derive(Debug, Deserialize)]
pub(super) struct Deleted {
    pub(super) deleted: Option<bool>,
}

/// Body of every error, as far as people read it.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: ErrorData,
}

#[derive(Debug, Deserialize)]
pub(super) struct ErrorData {
    pub(super) message: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_sent() {
        let bare = CreateKey {
            name: "gateway",
            limit: None,
            limit_reset: None,
            include_byok_in_limit: None,
        };
        assert_eq!(serde_json::to_string(&bare).unwrap(), r#"{"name":"gateway"}"#);
        let limit = Number::from(250);
        let full = CreateKey {
            limit: Some(&limit),
            limit_reset: Some("monthly"),
            include_byok_in_limit: Some(false),
            ..bare
        };
        assert_eq!(
            serde_json::to_string(&full).unwrap(),
            r#"{"name":"gateway","limit":250,"limit_reset":"monthly","include_byok_in_limit":false}"#
        );
    }

    #[test]
    fn absent_and_null_are_told_apart_where_it_matters() {
        let absent: CurrentKey = read(br#"{"data":{"more":1}}"#).unwrap();
        assert_eq!(absent.data.limit, Said::Nothing);
        let null: CurrentKey = read(br#"{"data":{"limit":null,"limit_reset":"daily"}}"#).unwrap();
        assert_eq!(null.data.limit, Said::Null);
        assert_eq!(null.data.limit_reset, Said::Value("daily".to_owned()));
    }

    #[test]
    fn what_may_be_missing_may_be_missing() {
        let created: CreatedKey = read(br#"{"unknown":true}"#).unwrap();
        assert!(created.key.is_none() && created.data.is_none());
        let page: KeyPage = read(br#"{"data":[{"label":"x"}]}"#).unwrap();
        assert!(page.data.iter().all(|entry| entry.hash.is_none() && entry.name.is_none()));
        assert!(read::<KeyPage>(b"{}").is_none());
    }
}
