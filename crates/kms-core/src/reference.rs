//! Secret references: `${KEY}`, `${env.folder.KEY}`, `${@project-slug.env.folder.KEY}` (`core-api.md` §10.1).

use crate::names::SecretPath;

/// How deep references may lead into each other.
pub const DEPTH_LIMIT: usize = 10;

/// A reference found in a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `${KEY}`: same environment and folder.
    Here {
        /// Name of the secret.
        key: String,
    },
    /// `${env.a.b.KEY}`: elsewhere in the project.
    InProject {
        /// Slug of the environment.
        environment: String,
        /// Folder.
        path: SecretPath,
        /// Name of the secret.
        key: String,
    },
    /// `${@slug.env.a.b.KEY}`: in another project of the organization.
    InOtherProject {
        /// Slug of the project.
        project: String,
        /// Slug of the environment.
        environment: String,
        /// Folder.
        path: SecretPath,
        /// Name of the secret.
        key: String,
    },
}

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text that stands for itself.
    Text(&'a str),
    /// A reference, with its text (`${…}`) for the case that it has no target.
    Reference {
        /// The text as it stands in the value.
        text: &'a str,
        /// What it points at.
        target: Reference,
    },
}

fn parse_inner(inner: &str) -> Option<Reference> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if inner.is_empty() || !inner.chars().all(allowed) {
        return None;
    }
    let (project, rest) = match inner.strip_prefix('@') {
        Some(rest) => {
            let (slug, rest) = rest.split_once('.')?;
            (Some(slug), rest)
        }
        None => (None, inner),
    };
    let parts: Vec<&str> = rest.split('.').collect();
    let (key, places) = parts.split_last()?;
    if key.is_empty() {
        return None;
    }
    match (project, places.split_first()) {
        (None, None) => Some(Reference::Here { key: (*key).to_owned() }),
        (None, Some((environment, folders))) => Some(Reference::InProject {
            environment: (*environment).to_owned(),
            path: path_of(folders)?,
            key: (*key).to_owned(),
        }),
        (Some(project), Some((environment, folders))) => Some(Reference::InOtherProject {
            project: project.to_owned(),
            environment: (*environment).to_owned(),
            path: path_of(folders)?,
            key: (*key).to_owned(),
        }),
        (Some(_), None) => None,
    }
}

fn path_of(folders: &[&str]) -> Option<SecretPath> {
    if folders.iter().any(|folder| folder.is_empty()) {
        return None;
    }
    SecretPath::parse(&folders.join("/")).ok()
}

/// Splits a value into text and references. What looks like a reference but is none stays text.
pub fn pieces(value: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut text_from = 0;
    let mut search_from = 0;
    while let Some(start) = value.get(search_from..).and_then(|rest| rest.find("${")).map(|at| at + search_from) {
        let inner_from = start + 2;
        let Some(end) = value.get(inner_from..).and_then(|rest| rest.find('}')).map(|at| at + inner_from) else {
            break;
        };
        // `${a${B}`: the innermost opening counts.
        let inner = value.get(inner_from..end).unwrap_or_default();
        if let Some(nested) = inner.rfind("${") {
            search_from = inner_from + nested;
            continue;
        }
        if let Some(target) = parse_inner(inner) {
            if text_from < start {
                pieces.push(Piece::Text(value.get(text_from..start).unwrap_or_default()));
            }
            pieces.push(Piece::Reference {
                text: value.get(start..=end).unwrap_or_default(),
                target,
            });
            text_from = end + 1;
        }
        search_from = end + 1;
    }
    if text_from < value.len() {
        pieces.push(Piece::Text(value.get(text_from..).unwrap_or_default()));
    }
    pieces
}

/// The references in a value, in order.
pub fn references(value: &str) -> Vec<Reference> {
    pieces(value)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Reference { target, .. } => Some(target),
            Piece::Text(_) => None,
        })
        .collect()
}

/// Rewrites the references of `value` for which `rename` gives a new key. `None` if nothing changed.
pub fn rewrite(value: &str, rename: impl Fn(&Reference) -> Option<String>) -> Option<String> {
    let mut changed = false;
    let mut result = String::with_capacity(value.len());
    for piece in pieces(value) {
        match piece {
            Piece::Text(text) => result.push_str(text),
            Piece::Reference { text, target } => match rename(&target) {
                Some(key) => {
                    changed = true;
                    let inner = text.trim_start_matches("${").trim_end_matches('}');
                    let place = inner.rfind('.').map_or("", |at| inner.get(..=at).unwrap_or_default());
                    result.push_str("${");
                    result.push_str(place);
                    result.push_str(&key);
                    result.push('}');
                }
                None => result.push_str(text),
            },
        }
    }
    changed.then_some(result)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_three_forms() {
        assert_eq!(references("a ${KEY} b"), vec![Reference::Here { key: "KEY".into() }]);
        assert_eq!(
            references("${prod.llm.eu.KEY}"),
            vec![Reference::InProject {
                environment: "prod".into(),
                path: SecretPath::parse("/llm/eu").unwrap(),
                key: "KEY".into()
            }]
        );
        assert_eq!(
            references("${@shop-x1.prod.KEY}"),
            vec![Reference::InOtherProject {
                project: "shop-x1".into(),
                environment: "prod".into(),
                path: SecretPath::root(),
                key: "KEY".into()
            }]
        );
    }

    #[test]
    fn what_is_no_reference_stays_text() {
        for text in ["${}", "${a b}", "${.}", "${a..b}", "${@x}", "$ {A}", "${A", "${@x.}"] {
            assert_eq!(references(text), vec![], "{text}");
        }
        assert_eq!(references("${x ${A}"), vec![Reference::Here { key: "A".into() }]);
    }

    #[test]
    fn rewriting_keeps_the_place() {
        let renamed = rewrite("${A}-${dev.A}-${B}", |reference| match reference {
            Reference::Here { key } | Reference::InProject { key, .. } if key == "A" => Some("Z".into()),
            _ => None,
        });
        assert_eq!(renamed.as_deref(), Some("${Z}-${dev.Z}-${B}"));
        assert_eq!(rewrite("plain", |_| Some("Z".into())), None);
    }

    proptest! {
        #[test]
        fn pieces_put_together_are_the_value(value in "[a-zA-Z.@${} üé\\-_]{0,60}") {
            let joined: String = pieces(&value).iter().map(|piece| match piece {
                Piece::Text(text) | Piece::Reference { text, .. } => *text,
            }).collect();
            prop_assert_eq!(joined, value);
        }
    }
}
