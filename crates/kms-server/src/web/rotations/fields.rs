//! The fields of a rotation, for its steps and for changing it; and how they are read.

use kms_app::Error;
use kms_app::connections::FieldKind;
use kms_app::rotations::RotationType;
use kms_core::rotation::schedule::RotateAt;
use serde_json::{Map, Number, Value};

use crate::api::extract::{DESCRIPTION_LIMIT, Issues};
use crate::web::form::{Field, Given, Kind};

/// When it runs.
pub(super) fn schedule() -> Vec<Field> {
    vec![
        Field::new("rotationInterval", "Rotation Interval", Kind::Number)
            .required()
            .helped("In days, 1 to 3650.")
            .valued("30"),
        Field::new("rotateAt", "Rotate At", Kind::Time)
            .required()
            .helped("In UTC.")
            .valued("00:00"),
        Field::hidden("offset", "0"),
        Field::new("isAutoRotationEnabled", "Auto-Rotation Enabled", Kind::Switch)
            .helped("Without it, the key is replaced only when somebody asks for it.")
            .ticked(true),
    ]
}

pub(super) fn parameters(kind: &RotationType) -> Vec<Field> {
    kind.parameters.iter().map(|field| Field::declared("parameters", field)).collect()
}

pub(super) fn mapping(kind: &RotationType) -> Vec<Field> {
    kind.mapping
        .iter()
        .map(|field| {
            Field::text(&format!("secretsMapping.{}", field.name), field.label)
                .required()
                .mono()
                .helped("Name of the secret that holds it.")
                .valued(field.default_secret)
        })
        .collect()
}

pub(super) fn details() -> Vec<Field> {
    vec![
        Field::text("name", "Name").required().mono().helped("For example llm-key."),
        Field::text("description", "Description"),
    ]
}

pub(super) fn read_interval(issues: &mut Issues, given: &Given) -> u16 {
    issues.interval("rotationInterval", given.text("rotationInterval").trim().parse().ok())
}

/// The time of day in UTC: what was typed, less the zone's offset in minutes.
pub(super) fn read_rotate_at(issues: &mut Issues, given: &Given) -> RotateAt {
    let typed = given.text("rotateAt").split_once(':').and_then(|(hours, minutes)| {
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        ((0..24).contains(&hours) && (0..60).contains(&minutes)).then_some(hours * 60 + minutes)
    });
    issues.check(
        typed.is_some(),
        "rotateAt",
        "invalid_string",
        "must be a time of day, such as 03:30",
    );
    let offset = given.text("offset").parse::<i32>().unwrap_or(0).clamp(-1440, 1440);
    let utc = (typed.unwrap_or(0) - offset).rem_euclid(1440);
    RotateAt {
        hours: u8::try_from(utc / 60).unwrap_or(0),
        minutes: u8::try_from(utc % 60).unwrap_or(0),
    }
}

pub(super) fn read_parameters(kind: &RotationType, given: &Given) -> Value {
    let mut read = Map::new();
    for field in kind.parameters {
        let name = format!("parameters.{}", field.name);
        let text = given.text(&name).trim();
        let value = match field.kind {
            FieldKind::Switch => Value::Bool(given.ticked(&name)),
            _ if text.is_empty() => continue,
            FieldKind::Number => text.parse::<Number>().map_or_else(|_no_number| Value::from(text), Value::Number),
            _ => Value::from(text),
        };
        read.insert(field.name.to_owned(), value);
    }
    Value::Object(read)
}

pub(super) fn read_mapping(kind: &RotationType, given: &Given) -> Value {
    let pairs = kind.mapping.iter().map(|field| {
        let text = given.text(&format!("secretsMapping.{}", field.name)).trim();
        (field.name.to_owned(), Value::from(text))
    });
    Value::Object(pairs.collect())
}

pub(super) fn read_description(issues: &mut Issues, given: &Given) -> Option<String> {
    issues.note("description", given.optional("description"), DESCRIPTION_LIMIT)
}

/// Parameters as they are shown: label and value.
pub(super) fn shown(kind: &RotationType, stored: &Value) -> Vec<(&'static str, String)> {
    kind.parameters
        .iter()
        .filter_map(|field| {
            let text = match stored.get(field.name)? {
                Value::Bool(true) => "yes".to_owned(),
                Value::Bool(false) => "no".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            Some((field.label, text))
        })
        .collect()
}

/// A stored parameter as the value of a field.
pub(super) fn as_typed(stored: &Value, name: &str) -> String {
    match stored.get(name) {
        None | Some(Value::Null | Value::Bool(false)) => String::new(),
        Some(Value::Bool(true)) => "on".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The type, or that there is none.
pub(super) fn known(app: &kms_app::App, kind: &str) -> Result<&'static RotationType, Error> {
    app.rotation_type(kind)
        .ok_or_else(|| Error::not_found(format!("no type of rotation \"{kind}\"")))
}
