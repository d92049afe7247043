//! Expansion of references: a pure function over values that were loaded before.
//!
//! What is not loaded yet is named, loaded whole folders at a time, and the expansion is tried again; so a list of a thousand secrets
//! costs as many queries as there are folders that its references lead to.

use std::collections::{BTreeMap, BTreeSet};

use kms_core::names::SecretPath;
use kms_core::reference::{DEPTH_LIMIT, Piece, Reference, pieces};

/// A folder that values come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    /// Slug of the project; none for the project that the request is about.
    pub(super) project: Option<String>,
    /// Slug of the environment.
    pub(super) environment: String,
    /// Path of the folder.
    pub(super) path: String,
}

/// A value that a reference may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// The caller may read it.
    Readable(String),
    /// The caller may not.
    Forbidden,
}

/// What was loaded so far, by folder; a folder that does not exist is there and empty.
pub(super) type Loaded = BTreeMap<Source, BTreeMap<String, Target>>;

/// What an expansion came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expansion {
    /// The text.
    Done(String),
    /// These folders must be loaded first.
    Needs(BTreeSet<Source>),
    /// These references lead to what the caller may not read.
    Forbidden(BTreeSet<String>),
    /// The text would become too long.
    TooLong,
}

/// Longest expanded value, in bytes: references that multiply each other must not fill the memory.
pub(super) const LONGEST: usize = 1024 * 1024;

#[derive(Default)]
struct Run {
    needs: BTreeSet<Source>,
    forbidden: BTreeSet<String>,
    too_long: bool,
    /// References that lead back to where they came from: cut once, they stay as they are.
    cut: BTreeSet<String>,
    /// Bytes produced so far, over all levels.
    produced: usize,
}

/// Where a reference in a value of `here` leads.
pub(super) fn resolve(reference: &Reference, here: &Source) -> (Source, String) {
    match reference {
        Reference::Here { key } => (here.clone(), key.clone()),
        Reference::InProject { environment, path, key } => {
            let source = Source {
                project: here.project.clone(),
                environment: environment.clone(),
                path: path.as_str().to_owned(),
            };
            (source, key.clone())
        }
        Reference::InOtherProject {
            project,
            environment,
            path,
            key,
        } => {
            let source = Source {
                project: Some(project.clone()),
                environment: environment.clone(),
                path: path.as_str().to_owned(),
            };
            (source, key.clone())
        }
    }
}

/// Expands the references in `value`, which stands in the secret `key` of `here`.
///
/// A reference without a target stays as it is, and so does one that leads back to where it came from. After a replacement the text
/// is read again, so that composed references work.
pub(super) fn expand(value: &str, here: &Source, key: &str, loaded: &Loaded) -> Expansion {
    let mut run = Run::default();
    let mut trail = vec![(here.clone(), key.to_owned())];
    let text = run.text(value, here, loaded, &mut trail, 0);
    if run.too_long {
        Expansion::TooLong
    } else if !run.needs.is_empty() {
        Expansion::Needs(run.needs)
    } else if !run.forbidden.is_empty() {
        Expansion::Forbidden(run.forbidden)
    } else {
        Expansion::Done(text)
    }
}

impl Run {
    fn text(&mut self, value: &str, here: &Source, loaded: &Loaded, trail: &mut Vec<(Source, String)>, depth: usize) -> String {
        self.produced = self.produced.saturating_add(value.len());
        if self.produced > LONGEST {
            self.too_long = true;
        }
        if depth >= DEPTH_LIMIT || self.too_long || !value.contains("${") {
            return value.to_owned();
        }
        let mut result = String::with_capacity(value.len());
        let mut replaced = false;
        for piece in pieces(value) {
            match piece {
                Piece::Text(text) => result.push_str(text),
                Piece::Reference { text, target } => match self.target(&target, text, here, loaded, trail, depth) {
                    Some(value) => {
                        replaced = true;
                        result.push_str(&value);
                    }
                    None => result.push_str(text),
                },
            }
        }
        // Composed references (`${PRE${X}}`) become visible only now.
        if replaced && result.contains("${") && result != value {
            self.text(&result, here, loaded, trail, depth + 1)
        } else {
            result
        }
    }

    fn target(
        &mut self,
        reference: &Reference,
        text: &str,
        here: &Source,
        loaded: &Loaded,
        trail: &mut Vec<(Source, String)>,
        depth: usize,
    ) -> Option<String> {
        let place = resolve(reference, here);
        if trail.contains(&place) {
            self.cut.insert(text.to_owned());
        }
        if self.cut.contains(text) {
            return None;
        }
        let Some(folder) = loaded.get(&place.0) else {
            self.needs.insert(place.0);
            return None;
        };
        match folder.get(&place.1)? {
            Target::Forbidden => {
                self.forbidden.insert(text.to_owned());
                None
            }
            Target::Readable(value) => {
                let source = place.0.clone();
                trail.push(place);
                let expanded = self.text(value, &source, loaded, trail, depth + 1);
                trail.pop();
                Some(expanded)
            }
        }
    }
}

/// The folder of a path that references name.
pub(super) fn source(environment: &str, path: &SecretPath) -> Source {
    Source {
        project: None,
        environment: environment.to_owned(),
        path: path.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn here() -> Source {
        Source {
            project: None,
            environment: "dev".into(),
            path: "/".into(),
        }
    }

    fn loaded(values: &[(&str, &str)]) -> Loaded {
        let folder = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Target::Readable((*value).to_owned())))
            .collect();
        Loaded::from([(here(), folder)])
    }

    fn done(value: &str, values: &[(&str, &str)]) -> String {
        match expand(value, &here(), "SELF", &loaded(values)) {
            Expansion::Done(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn references_lead_on() {
        assert_eq!(done("${A}!", &[("A", "<${B}>"), ("B", "b")]), "<b>!");
    }

    #[test]
    fn a_reference_without_a_target_stays() {
        assert_eq!(done("x ${NONE} y", &[]), "x ${NONE} y");
    }

    #[test]
    fn a_circle_is_cut() {
        assert_eq!(done("${A}", &[("A", "a${B}"), ("B", "b${A}")]), "ab${A}");
        assert_eq!(done("me ${SELF}", &[("SELF", "me ${SELF}")]), "me ${SELF}");
    }

    #[test]
    fn composed_references_work() {
        assert_eq!(done("${K${N}}", &[("N", "1"), ("K1", "value")]), "value");
    }

    #[test]
    fn what_may_not_be_read_is_named() {
        let mut values = loaded(&[]);
        values.get_mut(&here()).unwrap().insert("P".into(), Target::Forbidden);
        assert_eq!(
            expand("${P}", &here(), "SELF", &values),
            Expansion::Forbidden(BTreeSet::from(["${P}".to_owned()]))
        );
    }

    #[test]
    fn a_folder_that_is_not_loaded_is_asked_for() {
        let wanted = Source {
            project: None,
            environment: "prod".into(),
            path: "/llm".into(),
        };
        assert_eq!(
            expand("${prod.llm.K}", &here(), "SELF", &loaded(&[])),
            Expansion::Needs(BTreeSet::from([wanted]))
        );
    }

    #[test]
    fn values_that_multiply_each_other_end() {
        let long = "x".repeat(1000);
        let mut values: Vec<(String, String)> = vec![("V0".to_owned(), long)];
        for level in 1..10 {
            values.push((format!("V{level}"), format!("${{V{}}}", level - 1).repeat(10)));
        }
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(expand("${V9}", &here(), "SELF", &loaded(&values)), Expansion::TooLong);
    }

    proptest! {
        /// Without circles and within the depth, expansion is plain substitution from the leaves up.
        #[test]
        fn agrees_with_substitution_from_the_leaves(parts in proptest::collection::vec((0_usize..4, "[a-z]{0,3}"), 1..6)) {
            let mut values: Vec<(String, String)> = Vec::new();
            let mut plain: Vec<String> = Vec::new();
            for (index, (target, text)) in parts.iter().enumerate() {
                let lower = target % (index + 1);
                if index == 0 || lower == index {
                    values.push((format!("V{index}"), text.clone()));
                    plain.push(text.clone());
                } else {
                    values.push((format!("V{index}"), format!("{text}${{V{lower}}}{text}")));
                    plain.push(format!("{text}{}{text}", plain[lower]));
                }
            }
            let borrowed: Vec<(&str, &str)> = values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            let last = values.len() - 1;
            prop_assert_eq!(done(&format!("${{V{last}}}"), &borrowed), plain[last].clone());
        }

        #[test]
        fn no_value_panics(value in "[${}.@A-Ca-c \\-]{0,60}") {
            let _ = expand(&value, &here(), "SELF", &loaded(&[("A", "${B}"), ("B", "${A}${C}"), ("C", "c")]));
        }
    }
}
