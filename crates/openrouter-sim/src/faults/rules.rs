//! The rules in force: which one fires.

use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::{Action, FaultRule, InvalidRule, KeyKind, When};
use crate::api::route::{BASE, Endpoint, segments};
use crate::key_text::KeyHash;
use crate::random::unit;

/// A parsed `match.endpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Any,
    Named(Endpoint),
    Pattern { method: String, segments: Vec<String> },
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidRule> {
        if text == "any" {
            return Ok(Self::Any);
        }
        if let Some((method, path)) = text.split_once(' ') {
            let path = path.strip_prefix(BASE).unwrap_or(path);
            let segments: Option<Vec<String>> = path.strip_prefix('/').map(|path| path.split('/').map(str::to_owned).collect());
            if let Some(segments) = segments.filter(|_| method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'*')) {
                return Ok(Self::Pattern {
                    method: method.to_owned(),
                    segments,
                });
            }
        }
        serde_json::from_value(serde_json::Value::String(text.to_owned()))
            .map(Self::Named)
            .map_err(|_unknown| InvalidRule("match.endpoint: an endpoint name, any, or method and path pattern".to_owned()))
    }

    fn fits(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Named(endpoint) => *endpoint == subject.endpoint,
            Self::Pattern { method, segments: pattern } => {
                let Some(path) = segments(subject.path) else {
                    return false;
                };
                (method == "*" || method == subject.method) && pattern_fits(pattern, &path)
            }
        }
    }
}

fn pattern_fits(pattern: &[String], path: &[String]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((last, [])), _) if last == "**" => true,
        (Some((expected, pattern)), Some((given, path))) => (expected == "*" || expected == given) && pattern_fits(pattern, path),
        _ => false,
    }
}

/// What rules look at.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) method: &'a str,
    /// Path without query.
    pub(crate) path: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) hash: Option<KeyHash>,
    pub(crate) account: Option<&'a str>,
    pub(crate) kind: KeyKind,
}

/// A rule with its counters.
#[derive(Clone, Debug)]
struct ActiveRule {
    id: u64,
    rule: FaultRule,
    target: Target,
    matched: u64,
    fired: u64,
}

/// What a rule decided.
#[derive(Clone, Debug)]
pub(crate) struct Firing {
    pub(crate) rule: u64,
    pub(crate) when: When,
    pub(crate) action: Action,
}

/// A rule as `GET /_sim/faults` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleView {
    /// Its id.
    pub id: u64,
    /// The rule.
    #[serde(flatten)]
    pub rule: FaultRule,
    /// Matches so far.
    pub matched: u64,
    /// Firings so far.
    pub fired: u64,
}

/// All rules in order.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    rules: Vec<ActiveRule>,
    last_id: u64,
}

impl Rules {
    pub(crate) fn new(rules: impl IntoIterator<Item = FaultRule>) -> Self {
        let mut all = Self::default();
        for rule in rules {
            // Unusable ones were refused when the configuration was checked.
            drop(all.add(rule));
        }
        all
    }

    /// Back to the rules of the configuration. Ids go on.
    pub(crate) fn reset(&mut self, rules: impl IntoIterator<Item = FaultRule>) {
        self.rules.clear();
        for rule in rules {
            drop(self.add(rule));
        }
    }

    pub(crate) fn add(&mut self, rule: FaultRule) -> Result<u64, InvalidRule> {
        rule.validate()?;
        let target = rule.matching.endpoint.as_deref().map_or(Ok(Target::Any), Target::parse)?;
        self.last_id += 1;
        self.rules.push(ActiveRule {
            id: self.last_id,
            rule,
            target,
            matched: 0,
            fired: 0,
        });
        Ok(self.last_id)
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.rules.len();
        self.rules.retain(|rule| rule.id != id);
        self.rules.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn view(&self) -> Vec<RuleView> {
        self.rules
            .iter()
            .map(|active| RuleView {
                id: active.id,
                rule: active.rule.clone(),
                matched: active.matched,
                fired: active.fired,
            })
            .collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The first rule that matches and fires. Its counters move only with [`Self::fired`], but the matches
    /// of the rules passed over count here.
    pub(crate) fn decide(&mut self, subject: &Subject<'_>, generator: &mut ChaCha8Rng) -> Option<Firing> {
        for active in &mut self.rules {
            if !active.fits(subject) {
                continue;
            }
            let skipped = active.matched < active.rule.matching.skip;
            let spent = active.rule.times != 0 && active.fired >= active.rule.times;
            let drawn = skipped || spent || active.rule.probability >= 1.0 || unit(generator) < active.rule.probability;
            if skipped || spent || !drawn {
                active.matched += 1;
                continue;
            }
            return Some(Firing {
                rule: active.id,
                when: active.rule.when.unwrap_or_else(|| active.rule.action.usual_moment()),
                action: active.rule.action.clone(),
            });
        }
        None
    }

    /// The decision was carried out.
    pub(crate) fn fired(&mut self, id: u64) {
        if let Some(active) = self.rules.iter_mut().find(|active| active.id == id) {
            active.matched += 1;
            active.fired += 1;
        }
    }
}

impl ActiveRule {
    fn fits(&self, subject: &Subject<'_>) -> bool {
        let matching = &self.rule.matching;
        self.target.fits(subject)
            && matching
                .name_prefix
                .as_deref()
                .is_none_or(|prefix| subject.name.is_some_and(|name| name.starts_with(prefix)))
            && matching.hash.is_none_or(|hash| subject.hash == Some(hash))
            && matching.account.as_deref().is_none_or(|account| subject.account == Some(account))
            && matching.key_kind.is_none_or(|kind| subject.kind == kind)
    }
}
