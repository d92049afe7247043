//! How an answer is spoiled, and what comes in place of one.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::gate::Limited;
use super::{Action, RetryAfterFormat, status_code};
use crate::api::answer::{error_body, standard_message};
use crate::reply::{SimBody, SimResponse};
use crate::time::Moment;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How the bytes of an answer travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Travel {
    Whole,
    Cut {
        bytes: usize,
    },
    Trickle {
        first_byte: std::time::Duration,
        bytes: usize,
        interval: std::time::Duration,
    },
}

/// A spoiled answer.
#[derive(Debug)]
pub(crate) struct Spoiled {
    pub(crate) response: SimResponse,
    pub(crate) travel: Travel,
    /// Whether what the true answer had to say can still be read.
    pub(crate) readable: bool,
}

/// Applies an action that works on an answer. `first_byte` is the wait drawn for a slow body.
pub(crate) fn spoil(action: &Action, mut response: SimResponse, first_byte: std::time::Duration) -> Spoiled {
    let mut travel = Travel::Whole;
    let mut readable = true;
    match action {
        Action::Truncate { bytes } => {
            let body = response.body.to_bytes();
            if *bytes < body.len() {
                travel = Travel::Cut { bytes: *bytes };
                readable = false;
            }
            response.body = SimBody::Full(body);
        }
        Action::MalformedJson => {
            response.body = SimBody::Full(Bytes::from_static(b"{\"data\": {\"hash\": \""));
            readable = false;
        }
        Action::SlowBody { bytes, interval_ms, .. } => {
            travel = Travel::Trickle {
                first_byte,
                bytes: (*bytes).max(1),
                interval: std::time::Duration::from_millis(*interval_ms),
            };
        }
        Action::WrongStatus { status } => response.status = status_code(*status),
        Action::WrongContentType { content_type } => {
            if let Ok(value) = HeaderValue::try_from(content_type) {
                response.headers.insert(CONTENT_TYPE, value);
            }
        }
        Action::DropFields { fields } => {
            readable = edit(&mut response, fields.iter().map(|path| (path, Edit::Drop)));
        }
        Action::NullFields { fields } => {
            readable = edit(&mut response, fields.iter().map(|path| (path, Edit::Set(Value::Null))));
        }
        Action::ExtraFields { fields } => {
            readable = edit(&mut response, fields.iter().map(|(path, value)| (path, Edit::Set(value.clone()))));
        }
        _ => {}
    }
    Spoiled {
        response,
        travel,
        readable,
    }
}

/// A change of one field.
enum Edit {
    Drop,
    Set(Value),
}

/// Edits a JSON body; anything else stays as it is. Returns whether a plaintext key that was in the answer
/// is still there.
fn edit<'a>(response: &mut SimResponse, edits: impl Iterator<Item = (&'a String, Edit)>) -> bool {
    let Some(before) = response.json() else {
        return true;
    };
    let mut after = before.clone();
    for (path, change) in edits {
        let path: Vec<&str> = path.split('.').collect();
        apply(&mut after, &path, &change);
    }
    let survives = before.get("key").is_none_or(|key| after.get("key") == Some(key));
    response.body = SimBody::Full(Bytes::from(after.to_string()));
    survives
}

fn apply(target: &mut Value, path: &[&str], change: &Edit) {
    let Some((field, rest)) = path.split_first() else {
        return;
    };
    match target {
        Value::Array(elements) => elements.iter_mut().for_each(|element| apply(element, path, change)),
        Value::Object(fields) if rest.is_empty() => match change {
            Edit::Drop => {
                fields.remove(*field);
            }
            Edit::Set(value) => {
                fields.insert((*field).to_owned(), value.clone());
            }
        },
        Value::Object(fields) => {
            if let Some(next) = fields.get_mut(*field) {
                apply(next, rest, change);
            }
        }
        _ => {}
    }
}

/// The answer of action `status`.
pub(crate) fn status_response(status: u16, body: &str, extra: &std::collections::BTreeMap<String, String>) -> SimResponse {
    let status = status_code(status);
    let mut headers = HeaderMap::new();
    let body = match body {
        "json" => {
            headers.insert(CONTENT_TYPE, JSON);
            error_body(status, &standard_message(status), None)
        }
        "html" => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
            let title = standard_message(status);
            let code = status.as_u16();
            Bytes::from(format!(
                "<!DOCTYPE html>\n<html><head><title>{code} {title}</title></head><body><h1>Error {code}</h1><p>{title}</p></body></html>\n"
            ))
        }
        "empty" => Bytes::new(),
        literal => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            Bytes::from(literal.to_owned())
        }
    };
    for (name, value) in extra {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    SimResponse {
        status,
        headers,
        body: SimBody::Full(body),
    }
}

/// A 429 with everything that belongs to it.
pub(crate) fn rate_limit_response(limited: Limited, remaining: u64, format: RetryAfterFormat, now: Moment) -> SimResponse {
    let wait = std::time::Duration::from_secs(limited.retry_after_s);
    let retry_after = match format {
        RetryAfterFormat::Seconds => limited.retry_after_s.to_string(),
        RetryAfterFormat::Date => {
            // A date has whole seconds: the next one, so that nobody comes too early.
            let until = now.plus(wait).plus(std::time::Duration::from_millis(999));
            until.to_utc().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
        }
    };
    let reset = now.plus(wait).unix_millis();
    let extra = [
        (RETRY_AFTER.to_string(), retry_after),
        ("x-ratelimit-limit".to_owned(), limited.limit.to_string()),
        ("x-ratelimit-remaining".to_owned(), remaining.to_string()),
        ("x-ratelimit-reset".to_owned(), reset.to_string()),
    ];
    status_response(429, "json", &extra.into())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;

    fn response(body: &Value) -> SimResponse {
        SimResponse {
            status: StatusCode::CREATED,
            headers: HeaderMap::new(),
            body: SimBody::Full(Bytes::from(body.to_string())),
        }
    }

    fn spoiled(action: &Action, body: &Value) -> (Option<Value>, bool) {
        let spoiled = spoil(action, response(body), std::time::Duration::ZERO);
        (spoiled.response.json(), spoiled.readable)
    }

    #[test]
    fn fields_are_edited_by_path_also_in_arrays() {
        let body = json!({"data": [{"hash": "a", "name": "x"}, {"hash": "b", "name": "y"}]});
        let fields = vec!["data.hash".to_owned(), "absent.field".to_owned()];
        let dropped = spoiled(&Action::DropFields { fields: fields.clone() }, &body);
        assert_eq!(dropped, (Some(json!({"data": [{"name": "x"}, {"name": "y"}]})), true));
        let nulled = spoiled(&Action::NullFields { fields }, &body);
        assert_eq!(
            nulled,
            (
                Some(json!({"data": [{"hash": null, "name": "x"}, {"hash": null, "name": "y"}]})),
                true
            )
        );
        let extra = Action::ExtraFields {
            fields: [("new".to_owned(), json!(1))].into(),
        };
        assert_eq!(spoiled(&extra, &json!({"a": 1})), (Some(json!({"a": 1, "new": 1})), true));
    }

    #[test]
    fn an_answer_without_its_key_is_not_readable() {
        let body = json!({"key": "sk-or-v1-EXAMPLE", "data": {"hash": "a"}});
        let drop = |field: &str| Action::DropFields {
            fields: vec![field.to_owned()],
        };
        assert!(!spoiled(&drop("key"), &body).1);
        assert!(spoiled(&drop("data.hash"), &body).1);
        assert!(!spoiled(&Action::MalformedJson, &body).1);
        assert_eq!(spoiled(&Action::MalformedJson, &body).0, None);
        assert!(spoiled(&Action::WrongStatus { status: 200 }, &body).1);
        assert!(!spoiled(&Action::Truncate { bytes: 5 }, &body).1);
        assert!(spoiled(&Action::Truncate { bytes: 5000 }, &body).1);
    }
}
