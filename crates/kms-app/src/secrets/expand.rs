//! Expansion of references: a pure function over values that were loaded before.
//!
//! A reference is replaced by the value it leads to, in which references count from the place of that value. A reference without a
//! target stays as it is, and so does one that leads back to where it came from, or deeper than [`DEPTH_LIMIT`]. After a replacement
//! the text is read again, so that composed references (`${PRE${X}}`) work; but what came whole out of another value stays what it
//! became there, and is not looked up a second time at a place it was not written for.
//!
//! What is not loaded yet is named, and the expansion is tried again once it is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use kms_core::names::SecretPath;
use kms_core::reference::{DEPTH_LIMIT, Piece, Reference, pieces};
use kms_core::secret::SecretString;

/// A folder that values come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    /// Slug of the project.
    pub(super) project: String,
    /// Slug of the environment.
    pub(super) environment: String,
    /// Path of the folder.
    pub(super) path: SecretPath,
}

/// A value that a reference may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// The caller may read it, and it may have references of its own.
    Readable(SecretString),
    /// The caller may read it; what looks like a reference in it is none (values that a rotation writes).
    Literal(SecretString),
    /// The caller may not read it.
    Forbidden,
}

/// What was loaded so far, by folder; a folder that does not exist is there and empty.
pub(super) type Loaded = BTreeMap<Source, BTreeMap<String, Target>>;

/// What an expansion came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expansion {
    /// The text.
    Done(SecretString),
    /// These folders must be loaded first.
    Needs(BTreeSet<Source>),
    /// These references lead to what the caller may not read.
    Forbidden(BTreeSet<String>),
    /// The allowance is used up.
    TooMuch,
}

/// How much work one request may make: references that multiply each other must not fill memory or time.
#[derive(Debug)]
pub(super) struct Allowance {
    bytes: usize,
    steps: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            bytes: 64 * 1024 * 1024,
            steps: 500_000,
        }
    }
}

impl Allowance {
    fn spend(&mut self, bytes: usize) -> bool {
        match (self.bytes.checked_sub(bytes), self.steps.checked_sub(1)) {
            (Some(bytes), Some(steps)) => {
                *self = Self { bytes, steps };
                true
            }
            _ => false,
        }
    }
}

/// Where a reference in a value of `here` leads.
pub(super) fn resolve(reference: &Reference, here: &Source) -> (Source, String) {
    let (project, environment, path, key) = match reference {
        Reference::Here { key } => (&here.project, &here.environment, &here.path, key),
        Reference::InProject { environment, path, key } => (&here.project, environment, path, key),
        Reference::InOtherProject {
            project,
            environment,
            path,
            key,
        } => (project, environment, path, key),
    };
    let source = Source {
        project: project.clone(),
        environment: environment.clone(),
        path: path.clone(),
    };
    (source, key.clone())
}

/// Expands the references in `value`, which stands in the secret `key` of `here`.
pub(super) fn expand(value: &SecretString, here: &Source, key: &str, loaded: &Loaded, allowance: &mut Allowance) -> Expansion {
    let mut run = Run {
        loaded,
        allowance,
        trail: vec![(here.clone(), key.to_owned())],
        needs: BTreeSet::new(),
        forbidden: BTreeSet::new(),
        too_much: false,
    };
    let text = run.text(value, here);
    if run.too_much {
        Expansion::TooMuch
    } else if !run.needs.is_empty() {
        Expansion::Needs(run.needs)
    } else if !run.forbidden.is_empty() {
        Expansion::Forbidden(run.forbidden)
    } else {
        Expansion::Done(text)
    }
}

struct Run<'a> {
    loaded: &'a Loaded,
    allowance: &'a mut Allowance,
    /// The secrets that led here, from the one that is expanded.
    trail: Vec<(Source, String)>,
    needs: BTreeSet<Source>,
    forbidden: BTreeSet<String>,
    too_much: bool,
}

/// A text, and the spans of it that came whole out of other values, in order.
struct Composed {
    text: SecretString,
    settled: Vec<Range<usize>>,
}

impl Composed {
    fn is_settled(&self, span: &Range<usize>) -> bool {
        let after = self.settled.partition_point(|settled| settled.start <= span.start);
        after
            .checked_sub(1)
            .and_then(|last| self.settled.get(last))
            .is_some_and(|settled| span.end <= settled.end)
    }

    /// The text with some spans replaced. `parts` covers the whole text, in order.
    fn replaced(&self, parts: &[(Range<usize>, Option<SecretString>)]) -> Self {
        let length = parts
            .iter()
            .map(|(span, value)| value.as_ref().map_or(span.len(), SecretString::len))
            .sum();
        // Allocated once: growing would leave copies of the value behind.
        let mut text = String::with_capacity(length);
        let mut settled = Vec::new();
        for (span, value) in parts {
            let start = text.len();
            match value {
                Some(value) => {
                    text.push_str(value.expose());
                    settled.push(start..text.len());
                }
                None => {
                    text.push_str(self.text.expose().get(span.clone()).unwrap_or_default());
                    let from = self.settled.partition_point(|settled| settled.end <= span.start);
                    for old in self.settled.iter().skip(from).take_while(|old| old.start < span.end) {
                        let kept = old.start.max(span.start)..old.end.min(span.end);
                        settled.push(start + (kept.start - span.start)..start + (kept.end - span.start));
                    }
                }
            }
        }
        Self {
            text: SecretString::new(text),
            settled,
        }
    }
}

impl Run<'_> {
    fn text(&mut self, value: &SecretString, here: &Source) -> SecretString {
        let mut composed = Composed {
            text: value.clone(),
            settled: Vec::new(),
        };
        for _reading in 0..DEPTH_LIMIT {
            if !self.allowance.spend(composed.text.len()) {
                self.too_much = true;
            }
            if self.too_much || !composed.text.expose().contains("${") {
                break;
            }
            let mut parts = Vec::new();
            let mut end = 0;
            for piece in pieces(composed.text.expose()) {
                let (Piece::Text(text) | Piece::Reference { text, .. }) = piece;
                let span = end..end + text.len();
                end = span.end;
                let value = match &piece {
                    Piece::Reference { target, .. } if !composed.is_settled(&span) => self.target(target, text, here),
                    _ => None,
                };
                parts.push((span, value));
            }
            if parts.iter().all(|(_, value)| value.is_none()) {
                break;
            }
            composed = composed.replaced(&parts);
        }
        composed.text
    }

    fn target(&mut self, reference: &Reference, text: &str, here: &Source) -> Option<SecretString> {
        let place = resolve(reference, here);
        if self.too_much || self.trail.len() > DEPTH_LIMIT || self.trail.contains(&place) {
            return None;
        }
        let loaded = self.loaded;
        let Some(folder) = loaded.get(&place.0) else {
            self.needs.insert(place.0);
            return None;
        };
        match folder.get(&place.1)? {
            Target::Forbidden => {
                self.forbidden.insert(text.to_owned());
                None
            }
            Target::Literal(value) => Some(value.clone()),
            Target::Readable(value) => {
                let there = place.0.clone();
                self.trail.push(place);
                let expanded = self.text(value, &there);
                self.trail.pop();
                Some(expanded)
            }
        }
    }
}

#[cfg(test)]
mod tests;
