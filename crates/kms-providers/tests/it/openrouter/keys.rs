//! Verifying, checking, deleting a key, and making sure that it is dead.

use std::time::Duration;

use kms_providers::outcome::{CallError, Confirmation, Revocation, Verification};
use serde_json::{Value, json};

use super::{HASH, KEY, PROVISIONING_KEY, assert_clean, credential, rotator};
use crate::raw::{RawServer, Reply};
use crate::stage::{Stage, access};

/// What `GET /key` says about a key with the parameters of [`wanted`], changed by `changes`; null removes a field.
fn current(changes: &Value) -> Reply {
    let mut data = json!({
        "label": "sk-or-v1-001...eff",
        "limit": 250,
        "limit_reset": "monthly",
        "include_byok_in_limit": true,
        "is_management_key": false,
        "is_provisioning_key": false,
        "more": {"unknown": true},
    });
    for (name, value) in changes.as_object().unwrap() {
        if value == "absent" {
            data.as_object_mut().unwrap().remove(name);
        } else {
            data[name] = value.clone();
        }
    }
    Reply::json(200, &json!({ "data": data }))
}

fn wanted() -> Value {
    json!({"name": "x", "limit": 250, "limitReset": "monthly", "includeByokInLimit": true})
}

async fn verify(reply: Reply, parameters: &Value) -> Result<Verification, CallError> {
    let server = RawServer::scripted(vec![reply]).await;
    let stage = Stage::new(server.url("/api/v1"));
    let outcome = rotator(&stage).verify(&stage.outbound(), parameters, &credential()).await;
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/api/v1/key"));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_clean(&format!("{outcome:?}"));
    outcome
}

#[tokio::test]
async fn a_key_works_if_it_is_what_was_asked_for() {
    for (changes, parameters) in [
        (json!({}), wanted()),
        (json!({"limit": 250.0}), wanted()),
        (
            json!({"limit": 0.3}),
            json!({"name": "x", "limit": 0.1 + 0.2, "limitReset": "monthly"}),
        ),
        (json!({"limit": null, "limit_reset": null}), json!({"name": "x"})),
        (
            json!({"limit": "absent", "limit_reset": "absent", "include_byok_in_limit": "absent"}),
            json!({"name": "x"}),
        ),
        (
            json!({"limit": null, "limit_reset": null, "include_byok_in_limit": true}),
            json!({"name": "x"}),
        ),
        (json!({"is_management_key": "absent"}), wanted()),
        (json!({"is_management_key": "absent", "is_provisioning_key": "absent"}), wanted()),
    ] {
        let outcome = verify(current(&changes), &parameters).await;
        assert_eq!(outcome, Ok(Verification::Works), "{changes}");
    }
}

#[tokio::test]
async fn a_key_that_is_something_else_differs() {
    for (changes, parameters, text) in [
        (json!({"limit": 25}), wanted(), "The new key's limit is 25 instead of 250"),
        (json!({"limit": null}), wanted(), "The new key's limit is none instead of 250"),
        (json!({}), json!({"name": "x"}), "The new key's limit is 250 instead of none"),
        (
            json!({"limit_reset": "daily"}),
            wanted(),
            "The new key's limit reset is daily instead of monthly",
        ),
        (
            json!({"limit_reset": null}),
            wanted(),
            "The new key's limit reset is none instead of monthly",
        ),
        (
            json!({}),
            json!({"name": "x", "limit": 250}),
            "The new key's limit reset is monthly instead of none",
        ),
        (
            json!({"include_byok_in_limit": false}),
            wanted(),
            "The new key does not treat usage through your own provider keys as asked for",
        ),
        (json!({"is_management_key": true}), wanted(), "The new key is a provisioning key"),
        (
            json!({"is_management_key": "absent", "is_provisioning_key": true}),
            wanted(),
            "The new key is a provisioning key",
        ),
    ] {
        match verify(current(&changes), &parameters).await {
            Ok(Verification::Differs(reason)) => assert_eq!(reason.as_str(), text),
            outcome => panic!("{changes}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_key_that_is_refused_does_not_work_yet() {
    match verify(Reply::error(401, &format!("{KEY}: User not found.")), &wanted()).await {
        Ok(Verification::NotYet(reason)) => assert_eq!(reason.as_str(), "OpenRouter refuses the key: ***: User not found."),
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn an_answer_that_does_not_tell_is_no_verdict() {
    for reply in [
        current(&json!({"limit": "absent"})),
        current(&json!({"limit": "250"})),
        current(&json!({"limit_reset": "absent"})),
        current(&json!({"limit_reset": 5})),
        current(&json!({"include_byok_in_limit": "absent"})),
        Reply::json(200, &json!({})),
        Reply::Answer(200, vec![], b"<html>".to_vec()),
        Reply::error(500, "down"),
        Reply::error(302, "elsewhere"),
        Reply::Reset,
    ] {
        let outcome = verify(reply.clone(), &wanted()).await;
        assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{reply:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_key_itself_is_none_of_the_connections() {
    for status in [400, 402, 403, 404] {
        let outcome = verify(Reply::error(status, "no"), &wanted()).await;
        assert!(matches!(outcome, Err(CallError::Refused { .. })), "{status}: {outcome:?}");
    }
    let outcome = verify(Reply::Answer(429, vec![("retry-after", "3".to_owned())], vec![]), &wanted()).await;
    match outcome {
        Err(CallError::RateLimited { retry_after, .. }) => assert_eq!(retry_after, Some(Duration::from_secs(3))),
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn a_read_is_tried_twice() {
    let server = RawServer::scripted(vec![Reply::Close, current(&json!({}))]).await;
    let stage = Stage::new(server.url("/api/v1"));
    let outcome = rotator(&stage).verify(&stage.outbound(), &wanted(), &credential()).await;
    assert_eq!(outcome, Ok(Verification::Works));
    let server = RawServer::scripted(vec![Reply::error(500, "down")]).await;
    let stage = Stage::new(server.url("/api/v1"));
    assert!(rotator(&stage).check(&stage.outbound(), &credential()).await.is_err());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_published_key_is_checked_without_its_limits() {
    let check = async |reply| {
        let server = RawServer::scripted(vec![reply]).await;
        let stage = Stage::new(server.url("/api/v1"));
        let outcome = rotator(&stage).check(&stage.outbound(), &credential()).await;
        assert_eq!(server.requests()[0].target, "/api/v1/key");
        assert_clean(&format!("{outcome:?}"));
        outcome
    };
    assert_eq!(check(current(&json!({"limit": 1}))).await, Ok(Verification::Works));
    assert_eq!(check(Reply::Answer(200, vec![], vec![])).await, Ok(Verification::Works));
    match check(Reply::error(401, "User not found.")).await {
        Ok(Verification::NotYet(reason)) => assert_eq!(reason.as_str(), "OpenRouter refuses the key: User not found."),
        outcome => panic!("{outcome:?}"),
    }
    assert!(matches!(check(Reply::error(403, "no")).await, Err(CallError::Refused { .. })));
    assert!(matches!(check(Reply::error(502, "no")).await, Err(CallError::Unavailable { .. })));
}

async fn revoke(reply: Reply, handle: &str) -> (Result<Revocation, CallError>, Vec<String>) {
    let server = RawServer::scripted(vec![reply]).await;
    let stage = Stage::new(server.url("/api/v1"));
    let outcome = rotator(&stage).revoke(&stage.outbound(), &access(PROVISIONING_KEY), handle).await;
    assert_clean(&format!("{outcome:?}"));
    let requests = server.requests();
    let lines = requests.iter().map(|request| format!("{} {}", request.method, request.target));
    (outcome, lines.collect())
}

#[tokio::test]
async fn a_deletion_is_done_when_openrouter_says_so() {
    let (outcome, lines) = revoke(Reply::json(200, &json!({"deleted": true})), HASH).await;
    assert_eq!(outcome, Ok(Revocation::Deleted));
    assert_eq!(lines, [format!("DELETE /api/v1/keys/{HASH}")]);
    let (outcome, _) = revoke(Reply::error(404, "API key not found"), HASH).await;
    assert_eq!(outcome, Ok(Revocation::AlreadyGone));
}

#[tokio::test]
async fn a_handle_stays_one_segment_of_the_path() {
    let (_, lines) = revoke(Reply::json(200, &json!({"deleted": true})), "a/../b?c#d%2e").await;
    assert_eq!(lines, ["DELETE /api/v1/keys/a%2F..%2Fb%3Fc%23d%252e"]);
}

#[tokio::test]
async fn a_deletion_without_confirmation_is_not_done() {
    for reply in [
        Reply::json(200, &json!({"deleted": false})),
        Reply::json(200, &json!({})),
        Reply::json(200, &json!({"deleted": "true"})),
        Reply::Answer(200, vec![], b"<html>".to_vec()),
        Reply::Answer(204, vec![], vec![]),
        Reply::error(500, "down"),
        Reply::error(302, "elsewhere"),
        Reply::Close,
    ] {
        let (outcome, lines) = revoke(reply.clone(), HASH).await;
        assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{reply:?}: {outcome:?}");
        assert_eq!(lines.len(), 1, "{reply:?}");
    }
    for status in [401, 403] {
        let (outcome, _) = revoke(Reply::error(status, "no"), HASH).await;
        assert!(matches!(outcome, Err(CallError::Unauthorized { .. })), "{status}: {outcome:?}");
    }
    let (outcome, _) = revoke(Reply::error(400, "no"), HASH).await;
    assert!(matches!(outcome, Err(CallError::Refused { .. })), "{outcome:?}");
    let (outcome, _) = revoke(Reply::error(429, "no"), HASH).await;
    assert!(
        matches!(outcome, Err(CallError::RateLimited { retry_after: None, .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn death_is_confirmed_by_the_key_itself_or_by_the_books() {
    let confirm = async |reply, with_key: bool| {
        let server = RawServer::scripted(vec![reply]).await;
        let stage = Stage::new(server.url("/api/v1"));
        let credential = with_key.then(credential);
        let outcome = rotator(&stage)
            .confirm_revoked(&stage.outbound(), &access(PROVISIONING_KEY), HASH, credential.as_ref())
            .await;
        let request = server.requests()[0].clone();
        let (target, key) = if with_key {
            ("/api/v1/key".to_owned(), KEY)
        } else {
            (format!("/api/v1/keys/{HASH}"), PROVISIONING_KEY)
        };
        assert_eq!((request.method.as_str(), &request.target), ("GET", &target));
        assert_eq!(request.header("authorization"), Some(format!("Bearer {key}").as_str()));
        assert_clean(&format!("{outcome:?}"));
        outcome
    };
    assert_eq!(confirm(Reply::error(401, "gone"), true).await, Ok(Confirmation::Dead));
    for status in [200, 402, 403] {
        let outcome = confirm(Reply::error(status, "x"), true).await;
        assert_eq!(outcome, Ok(Confirmation::StillAccepted), "{status}");
    }
    for status in [204, 404, 429, 500] {
        let outcome = confirm(Reply::error(status, "x"), true).await;
        assert!(outcome.is_err(), "{status}: {outcome:?}");
    }
    assert_eq!(confirm(Reply::error(404, "gone"), false).await, Ok(Confirmation::Dead));
    assert_eq!(confirm(Reply::error(200, "x"), false).await, Ok(Confirmation::StillAccepted));
    for status in [401, 403] {
        let outcome = confirm(Reply::error(status, "x"), false).await;
        assert!(matches!(outcome, Err(CallError::Unauthorized { .. })), "{status}: {outcome:?}");
    }
    for status in [400, 402, 429, 500] {
        let outcome = confirm(Reply::error(status, "x"), false).await;
        assert!(outcome.is_err(), "{status}: {outcome:?}");
    }
}
