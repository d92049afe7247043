//! Delays between a change and its effect.

use serde::{Deserialize, Serialize};

use crate::distribution::Distribution;

/// Delays of one group of keys. `None` leaves the wider setting in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delays {
    /// A new or re-enabled key is refused with 401 until it has passed.
    #[serde(rename = "visible_delay", skip_serializing_if = "Option::is_none")]
    pub visible: Option<Distribution>,
    /// A deleted or disabled key keeps working until it has passed.
    #[serde(rename = "revoke_delay", skip_serializing_if = "Option::is_none")]
    pub revoke: Option<Distribution>,
    /// Creates and deletes appear in the listing only after it.
    #[serde(rename = "list_delay", skip_serializing_if = "Option::is_none")]
    pub list: Option<Distribution>,
    /// Creates and deletes appear to a read by hash only after it.
    #[serde(rename = "get_delay", skip_serializing_if = "Option::is_none")]
    pub get: Option<Distribution>,
    /// Counters and `last_used_at` lag by it.
    #[serde(rename = "usage_delay", skip_serializing_if = "Option::is_none")]
    pub usage: Option<Distribution>,
}

/// Delays between a change and its effect: for all keys, and for keys whose name has a prefix.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Propagation {
    /// For all keys.
    #[serde(rename = "all")]
    pub global: Delays,
    /// For keys whose name begins with a text. The longest matching prefix that sets a delay decides.
    pub prefixes: Vec<PrefixDelays>,
}

/// Delays for keys whose name begins with `name_prefix`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrefixDelays {
    /// The beginning of the name.
    pub name_prefix: String,
    /// Their delays.
    #[serde(default)]
    pub delays: Delays,
}

/// Which delay is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DelayKind {
    Visible,
    Revoke,
    List,
    Get,
    Usage,
}

impl Delays {
    fn of(&self, kind: DelayKind) -> Option<&Distribution> {
        match kind {
            DelayKind::Visible => self.visible.as_ref(),
            DelayKind::Revoke => self.revoke.as_ref(),
            DelayKind::List => self.list.as_ref(),
            DelayKind::Get => self.get.as_ref(),
            DelayKind::Usage => self.usage.as_ref(),
        }
    }
}

impl Propagation {
    /// The distribution in force for a key of this name; `None` is no delay.
    pub(crate) fn delay(&self, kind: DelayKind, name: &str) -> Option<&Distribution> {
        self.prefixes
            .iter()
            .filter(|prefix| name.starts_with(&prefix.name_prefix))
            .filter_map(|prefix| Some((prefix.name_prefix.len(), prefix.delays.of(kind)?)))
            .max_by_key(|(length, _)| *length)
            .map(|(_, delay)| delay)
            .or(self.global.of(kind))
            .filter(|delay| !delay.is_zero())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        let propagation: Propagation = serde_json::from_str(
            r#"{"all": {"visible_delay": 10, "revoke_delay": 5},
                "prefixes": [{"name_prefix": "prod/", "delays": {"visible_delay": 20}},
                             {"name_prefix": "prod/eu/", "delays": {"visible_delay": 0}}]}"#,
        )
        .unwrap();
        let visible = |name| propagation.delay(DelayKind::Visible, name).cloned();
        assert_eq!(visible("dev/a"), Some(Distribution::Fixed(10.0)));
        assert_eq!(visible("prod/a"), Some(Distribution::Fixed(20.0)));
        assert_eq!(visible("prod/eu/a"), None);
        assert_eq!(propagation.delay(DelayKind::Revoke, "prod/a"), Some(&Distribution::Fixed(5.0)));
    }
}
