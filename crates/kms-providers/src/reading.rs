//! Reads what somebody filled in against the declared fields, and collects every problem instead of stopping at the first.
//!
//! ```
//! use kms_providers::declaration::{Field, FieldKind};
//! use kms_providers::reading::Fields;
//! const NAME: Field = Field { name: "name", label: "Key name", help: "", kind: FieldKind::Text, required: true };
//!
//! let given = serde_json::json!({"name": "  gateway "});
//! let mut fields = Fields::of(&given);
//! let name = fields.text(&NAME, 100);
//! assert_eq!(fields.finish(name), Ok("gateway".to_owned()));
//! ```

use std::collections::BTreeMap;

use kms_core::secret::SecretString;
use serde_json::{Map, Number, Value};

use crate::declaration::{Field, FieldIssue, FieldKind, MappingField};

/// The fields of an object that somebody gave. Fields that are not asked for are ignored; `null` counts as absent.
#[derive(Debug)]
pub struct Fields<'a> {
    object: Option<&'a Map<String, Value>>,
    issues: Vec<FieldIssue>,
}

impl<'a> Fields<'a> {
    /// Begins to read `given`, which should be an object.
    pub fn of(given: &'a Value) -> Self {
        let object = given.as_object();
        let issues = if object.is_some() {
            Vec::new()
        } else {
            vec![FieldIssue {
                code: "invalid_type",
                path: Vec::new(),
                message: "Expected an object".to_owned(),
            }]
        };
        Self { object, issues }
    }

    /// Adds a problem.
    pub fn refuse(&mut self, field: &str, code: &'static str, message: impl Into<String>) {
        self.issues.push(FieldIssue::at(field, code, message));
    }

    /// `read` if there were no problems, else all of them.
    pub fn finish<T>(self, read: T) -> Result<T, Vec<FieldIssue>> {
        if self.issues.is_empty() { Ok(read) } else { Err(self.issues) }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.object?.get(name).filter(|value| !value.is_null())
    }

    /// A value that must be given if its field says so. Says nothing where the whole object is missing: that is one problem.
    fn wanted(&mut self, field: &Field) -> Option<&'a Value> {
        let value = self.get(field.name);
        if value.is_none() && field.required && self.object.is_some() {
            self.refuse(field.name, "invalid_type", format!("{} is required", field.label));
        }
        value
    }

    fn trimmed(&mut self, field: &Field, limit: usize) -> Option<&'a str> {
        let value = self.wanted(field)?;
        let Some(text) = value.as_str().map(str::trim) else {
            self.refuse(field.name, "invalid_type", format!("{} must be text", field.label));
            return None;
        };
        if text.is_empty() {
            self.refuse(field.name, "too_small", format!("{} must not be empty", field.label));
        } else if text.chars().count() > limit {
            self.refuse(
                field.name,
                "too_big",
                format!("{} must have at most {limit} characters", field.label),
            );
        } else {
            return Some(text);
        }
        None
    }

    /// Text, trimmed, of 1 to `limit` characters. Empty if it is absent or wrong.
    pub fn text(&mut self, field: &Field, limit: usize) -> String {
        self.trimmed(field, limit).unwrap_or_default().to_owned()
    }

    /// A secret, trimmed, of 1 to `limit` visible ASCII characters, fit for an HTTP header. Empty if it is absent or wrong.
    pub fn secret(&mut self, field: &Field, limit: usize) -> SecretString {
        let text = self.trimmed(field, limit).unwrap_or_default();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.refuse(
                field.name,
                "invalid_string",
                format!("{} must not contain blanks or special characters", field.label),
            );
        }
        SecretString::new(text)
    }

    /// A number above zero.
    pub fn positive_number(&mut self, field: &Field) -> Option<Number> {
        let value = self.wanted(field)?;
        match value {
            Value::Number(number) if number.as_f64().is_some_and(|number| number > 0.0) => Some(number.clone()),
            Value::Number(_) => {
                self.refuse(field.name, "too_small", format!("{} must be greater than 0", field.label));
                None
            }
            _ => {
                self.refuse(field.name, "invalid_type", format!("{} must be a number", field.label));
                None
            }
        }
    }

    /// One of the values of a [`FieldKind::Choice`]. A value that stands for leaving the field out is not accepted here.
    pub fn choice(&mut self, field: &Field) -> Option<&'static str> {
        let value = self.wanted(field)?;
        let FieldKind::Choice(choices) = field.kind else {
            return None;
        };
        let values = || choices.iter().map(|(value, _label)| *value).filter(|value| !value.is_empty());
        let found = value.as_str().and_then(|given| values().find(|value| *value == given));
        if found.is_none() {
            let known: Vec<&str> = values().collect();
            self.refuse(
                field.name,
                "invalid_enum_value",
                format!("{} must be one of {}", field.label, known.join(", ")),
            );
        }
        found
    }

    /// Yes or no.
    pub fn switch(&mut self, field: &Field) -> Option<bool> {
        let value = self.wanted(field)?;
        let switch = value.as_bool();
        if switch.is_none() {
            self.refuse(field.name, "invalid_type", format!("{} must be true or false", field.label));
        }
        switch
    }
}

/// Longest secret name, in characters.
const SECRET_NAME_LIMIT: usize = 512;

/// Reads a mapping: each declared field with the name of the secret it goes into. The name is trimmed, has at least one
/// character, and no `:`, `/` or white space. That two fields share a name is the caller's to refuse.
pub fn read_mapping(declared: &[MappingField], given: &Value) -> Result<BTreeMap<String, String>, Vec<FieldIssue>> {
    let mut fields = Fields::of(given);
    let mut mapping = BTreeMap::new();
    for declared in declared {
        let field = Field {
            name: declared.name,
            label: declared.label,
            help: "",
            kind: FieldKind::Text,
            required: true,
        };
        let secret = fields.text(&field, SECRET_NAME_LIMIT);
        if secret
            .chars()
            .any(|c| matches!(c, ':' | '/') || c.is_whitespace() || c.is_control())
        {
            fields.refuse(
                declared.name,
                "invalid_string",
                "A secret's name must not contain blanks, colons or slashes",
            );
        }
        mapping.insert(declared.name.to_owned(), secret);
    }
    fields.finish(mapping)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MAPPING: &[MappingField] = &[
        MappingField {
            name: "apiKey",
            label: "API Key",
            default_secret: "API_KEY",
        },
        MappingField {
            name: "id",
            label: "Id",
            default_secret: "ID",
        },
    ];

    fn problems(given: &Value) -> Vec<(String, &'static str)> {
        read_mapping(MAPPING, given)
            .unwrap_err()
            .into_iter()
            .map(|issue| (issue.path.join("."), issue.code))
            .collect()
    }

    #[test]
    fn a_mapping_keeps_what_is_declared() {
        let read = read_mapping(MAPPING, &json!({"apiKey": " KEY ", "id": "ID", "other": 5})).unwrap();
        assert_eq!(
            read,
            BTreeMap::from([("apiKey".to_owned(), "KEY".to_owned()), ("id".to_owned(), "ID".to_owned())])
        );
    }

    #[test]
    fn every_problem_of_a_mapping_is_told() {
        assert_eq!(
            problems(&json!({"apiKey": " ", "id": "a/b"})),
            [("apiKey".to_owned(), "too_small"), ("id".to_owned(), "invalid_string")]
        );
        assert_eq!(
            problems(&json!({"apiKey": 7})),
            [("apiKey".to_owned(), "invalid_type"), ("id".to_owned(), "invalid_type")]
        );
        for name in ["a b", "a:b", "a\tb", "a\u{a0}b", "a\u{0}b"] {
            assert_eq!(
                problems(&json!({"apiKey": name, "id": "x"})),
                [("apiKey".to_owned(), "invalid_string")],
                "{name:?}"
            );
        }
        assert_eq!(problems(&json!("text")), [(String::new(), "invalid_type")]);
        assert_eq!(problems(&json!(null)), [(String::new(), "invalid_type")]);
    }
}
