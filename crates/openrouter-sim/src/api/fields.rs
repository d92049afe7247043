//! Reading fields of bodies and queries, strictly. Messages name the field and never repeat its value.

use chrono::{DateTime, Datelike, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::answer::Refusal;
use crate::money::Usd;
use crate::state::usage::Interval;
use crate::time::Moment;

/// A field of a body: left out, null, or there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field<T> {
    Absent,
    Null,
    Value(T),
}

impl<T> Field<T> {
    /// Null means the same as left out.
    pub(crate) fn or_none(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    pub(crate) fn is_present(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

/// Reads a field; `None` from `read` refuses it.
fn read<'a, T>(
    body: &'a Map<String, Value>,
    name: &'static str,
    expected: &'static str,
    read: impl FnOnce(&'a Value) -> Option<T>,
) -> Result<Field<T>, Refusal> {
    match body.get(name) {
        None => Ok(Field::Absent),
        Some(Value::Null) => Ok(Field::Null),
        Some(value) => read(value)
            .map(Field::Value)
            .ok_or_else(|| Refusal::bad_request(format!("{name}: expected {expected}"))),
    }
}

/// Refuses null.
pub(crate) fn not_null<T>(name: &'static str, field: Field<T>) -> Result<Option<T>, Refusal> {
    match field {
        Field::Null => Err(Refusal::bad_request(format!("{name}: must not be null"))),
        Field::Absent => Ok(None),
        Field::Value(value) => Ok(Some(value)),
    }
}

/// Text of at least one character.
pub(crate) fn text(body: &Map<String, Value>, name: &'static str) -> Result<Field<String>, Refusal> {
    read(body, name, "a string of at least 1 character", |value| {
        value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    })
}

pub(crate) fn boolean(body: &Map<String, Value>, name: &'static str) -> Result<Field<bool>, Refusal> {
    read(body, name, "a boolean", Value::as_bool)
}

/// An amount in US dollars; the sign is the caller's business.
pub(crate) fn amount(body: &Map<String, Value>, name: &'static str) -> Result<Field<Usd>, Refusal> {
    read(body, name, "a number", |value| match value {
        Value::Number(number) => Usd::from_number(number).ok(),
        _ => None,
    })
}

pub(crate) fn interval(body: &Map<String, Value>, name: &'static str) -> Result<Field<Interval>, Refusal> {
    read(body, name, "daily, weekly or monthly", |value| {
        value.as_str().and_then(Interval::parse)
    })
}

pub(crate) fn uuid(body: &Map<String, Value>, name: &'static str) -> Result<Field<Uuid>, Refusal> {
    read(body, name, "a UUID", |value| value.as_str().and_then(parse_uuid))
}

/// A list of strings.
pub(crate) fn strings(body: &Map<String, Value>, name: &'static str) -> Result<Field<Vec<String>>, Refusal> {
    read(body, name, "an array of strings", |value| {
        value
            .as_array()?
            .iter()
            .map(|element| element.as_str().map(str::to_owned))
            .collect()
    })
}

/// A moment in UTC: RFC 3339 with seconds and `Z`.
pub(crate) fn utc_time(body: &Map<String, Value>, name: &'static str) -> Result<Field<Moment>, Refusal> {
    read(body, name, "an RFC 3339 time with seconds in UTC (YYYY-MM-DDTHH:MM:SSZ)", |value| {
        value.as_str().and_then(parse_utc)
    })
}

/// Only the hyphenated form of 36 characters.
pub(crate) fn parse_uuid(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok())?
}

/// `YYYY-MM-DDTHH:MM:SS[.fraction]Z` and nothing else.
pub(crate) fn parse_utc(text: &str) -> Option<Moment> {
    let body = text.strip_suffix('Z')?;
    if body.as_bytes().get(10) != Some(&b'T') || body.len() < 19 {
        return None;
    }
    let time = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
    (1..=9999).contains(&time.year()).then(|| Moment::from_utc(time))
}

/// A flag in a query: the texts `true` and `false`.
pub(crate) fn query_flag(name: &'static str, value: Option<&str>) -> Result<bool, Refusal> {
    match value {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Refusal::bad_request(format!("{name}: expected true or false"))),
    }
}

/// A whole number that is not negative in a query.
pub(crate) fn query_number(name: &'static str, value: Option<&str>, default: usize) -> Result<usize, Refusal> {
    match value {
        None => Ok(default),
        Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(text.parse().unwrap_or(usize::MAX)),
        Some(_) => Err(Refusal::bad_request(format!("{name}: expected a whole number, 0 or greater"))),
    }
}

/// `offset` and `limit` of the lists that have both: default 50, at most 100.
pub(crate) fn window(call: &super::Call) -> Result<(usize, usize), Refusal> {
    let offset = query_number("offset", call.query("offset")?, 0)?;
    let limit = query_number("limit", call.query("limit")?, 50)?;
    if !(1..=100).contains(&limit) {
        return Err(Refusal::bad_request("limit: between 1 and 100"));
    }
    Ok((offset, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utc_with_seconds_is_a_time() {
        for text in ["2027-12-31T23:59:59Z", "2027-12-31T23:59:59.5Z", "2028-02-29T00:00:00Z"] {
            assert!(parse_utc(text).is_some(), "{text}");
        }
        for text in [
            "2027-12-31T23:59Z",
            "2027-12-31T23:59:59",
            "2027-12-31T23:59:59+00:00",
            "2027-12-31T23:59:59+02:00",
            "2027-12-31 23:59:59Z",
            "2027-12-31t23:59:59Z",
            "2027-12-31T23:59:59z",
            "2027-02-29T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-12-31T24:00:00Z",
            "2027-12-31",
            "tomorrow",
            "Z",
            "",
            "日本語日本語日本語Z",
        ] {
            assert!(parse_utc(text).is_none(), "{text}");
        }
    }

    #[test]
    fn numbers_in_queries_are_digits() {
        assert_eq!(query_number("offset", Some("0"), 5).ok(), Some(0));
        assert_eq!(query_number("offset", None, 5).ok(), Some(5));
        assert_eq!(query_number("offset", Some("99999999999999999999999"), 5).ok(), Some(usize::MAX));
        for text in ["-1", "+1", "1.0", "", " 1", "x"] {
            assert!(query_number("offset", Some(text), 5).is_err(), "{text}");
        }
    }
}
