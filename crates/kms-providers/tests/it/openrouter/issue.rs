//! Creating a key: the one request, and what each kind of answer says about whether there is a key now.

use std::time::Duration;

use kms_providers::outcome::IssueError;
use kms_providers::rotator::Issued;
use serde_json::{Value, json};

use super::{HASH, KEY, PROVISIONING_KEY, assert_clean, rotator};
use crate::raw::{RawServer, Reply};
use crate::stage::{CountingGate, Stage, access, marker};

async fn issue(stage: &Stage, parameters: &Value) -> Result<Issued, IssueError> {
    rotator(stage)
        .issue(&stage.outbound(), &access(PROVISIONING_KEY), parameters, &marker(7))
        .await
}

async fn answered_by(reply: Reply) -> Result<Issued, IssueError> {
    let server = RawServer::scripted(vec![reply.clone()]).await;
    let outcome = issue(&Stage::new(server.url("/api/v1")), &json!({"name": "x"})).await;
    assert_eq!(server.requests().len(), 1, "{reply:?} is answered by one request");
    if let Err(error) = &outcome {
        assert_clean(&format!("{error} {error:?}"));
    }
    outcome
}

fn created() -> Value {
    json!({"key": KEY, "data": {"hash": HASH, "name": "x", "new_field": {"deep": [1]}}})
}

#[tokio::test]
async fn the_request_holds_what_was_asked_for_and_no_more() {
    let server = RawServer::scripted(vec![Reply::json(201, &created())]).await;
    let name = "x".repeat(100);
    for (base, parameters, body) in [
        (
            "/api/v1",
            json!({"name": "gateway-prod"}),
            json!({"name": "gateway-prod [kms-0123abcd-0000000000000007]"}),
        ),
        (
            "/api/v1/",
            json!({"name": "g", "limit": 250, "limitReset": "monthly", "includeByokInLimit": false}),
            json!({"name": "g [kms-0123abcd-0000000000000007]", "limit": 250, "limit_reset": "monthly", "include_byok_in_limit": false}),
        ),
        (
            "/api/v1?x=1#y",
            json!({"name": name, "limit": 25.5}),
            json!({"name": format!("{} [kms-0123abcd-0000000000000007]", "x".repeat(68)), "limit": 25.5}),
        ),
    ] {
        let mut base = server.url(base);
        base.set_username("somebody").unwrap();
        base.set_password(Some("else")).unwrap();
        issue(&Stage::new(base), &parameters).await.unwrap();
        let request = server.requests().pop().unwrap();
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/api/v1/keys"));
        assert_eq!(request.json(), body);
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("authorization"), Some(format!("Bearer {PROVISIONING_KEY}").as_str()));
        assert_eq!(request.head.matches("uthorization").count(), 1);
    }
}

#[tokio::test]
async fn a_created_key_is_issued_with_its_hash() {
    for status in [200, 201, 299] {
        let issued = answered_by(Reply::json(status, &created())).await.unwrap();
        assert_eq!(issued.handle, HASH);
        assert_eq!(
            serde_json::from_str::<Value>(issued.credential.expose()).unwrap(),
            json!({"apiKey": KEY, "keyHash": HASH})
        );
        assert_eq!(issued.warning, None);
        assert_clean(&format!("{issued:?}"));
    }
}

#[tokio::test]
async fn another_hash_than_expected_is_used_with_a_warning() {
    let issued = answered_by(Reply::json(201, &json!({"key": KEY, "data": {"hash": "k_42"}})))
        .await
        .unwrap();
    assert_eq!(issued.handle, "k_42");
    assert!(issued.warning.is_some());
}

#[tokio::test]
async fn success_that_brings_no_usable_key_is_uncertain() {
    for body in [
        json!({}),
        json!([]),
        json!({"key": KEY}),
        json!({"data": {"hash": HASH}}),
        json!({"data": {"hash": HASH, "key": KEY}}),
        json!({"key": null, "data": {"hash": HASH}}),
        json!({"key": "", "data": {"hash": HASH}}),
        json!({"key": [KEY], "data": {"hash": HASH}}),
        json!({"key": KEY, "data": null}),
        json!({"key": KEY, "data": {"hash": null}}),
        json!({"key": KEY, "data": {"hash": ""}}),
        json!({"key": KEY, "data": {"hash": ".."}}),
        json!({"key": KEY, "data": {"hash": "with blank"}}),
        json!({"key": KEY, "data": {"hash": 42}}),
    ] {
        let outcome = answered_by(Reply::json(201, &body)).await;
        assert!(matches!(outcome, Err(IssueError::Uncertain { .. })), "{body}: {outcome:?}");
    }
    let cut = created().to_string();
    for text in ["", "<html>", &cut[..cut.len() - 1]] {
        let outcome = answered_by(Reply::Answer(201, vec![], text.into())).await;
        assert!(matches!(outcome, Err(IssueError::Uncertain { .. })), "{text}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_refusal_comes_with_openrouters_words() {
    for (status, reply, text) in [
        (
            400,
            Reply::error(400, "limit is too high"),
            "OpenRouter refused to create the key: limit is too high",
        ),
        (
            401,
            Reply::error(401, "User not found."),
            "OpenRouter refused to create the key: User not found.",
        ),
        (
            403,
            Reply::error(403, "Only management keys can perform this operation"),
            "OpenRouter refused to create the key: Only management keys can perform this operation",
        ),
        (
            404,
            Reply::Answer(404, vec![], b"<html>nope</html>".to_vec()),
            "OpenRouter refused to create the key: status 404",
        ),
        (
            422,
            Reply::json(422, &json!({"error": {"code": 422, "message": " "}})),
            "OpenRouter refused to create the key: status 422",
        ),
        (
            402,
            Reply::json(402, &json!({"error": "text"})),
            "OpenRouter refused to create the key: status 402",
        ),
    ] {
        match answered_by(reply).await {
            Err(IssueError::Refused { reason }) => assert_eq!(reason.as_str(), text),
            outcome => panic!("{status}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn everything_else_is_uncertain() {
    for status in [301, 302, 307, 308, 500, 502, 503, 524, 529] {
        for body in [created().to_string(), "<html></html>".to_owned()] {
            let headers = vec![("location", "/api/v1/keys".to_owned()), ("retry-after", "1".to_owned())];
            let outcome = answered_by(Reply::Answer(status, headers, body.into())).await;
            assert!(matches!(outcome, Err(IssueError::Uncertain { .. })), "{status}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn too_many_requests_is_not_sent_and_slows_the_connection_down() {
    let date = ("date", "Mon, 12 Jan 2026 08:00:00 GMT".to_owned());
    let wish = |text: &str| vec![("retry-after", text.to_owned()), date.clone()];
    for (headers, retry_after, slowed) in [
        (wish("17"), Some(17), 17),
        (wish("Mon, 12 Jan 2026 08:01:30 GMT"), Some(90), 90),
        (wish("whenever"), None, 1),
        (vec![], None, 1),
    ] {
        let server = RawServer::scripted(vec![Reply::Answer(429, headers, b"{}".to_vec())]).await;
        let stage = Stage::new(server.url("/api/v1"));
        match issue(&stage, &json!({"name": "x"})).await {
            Err(IssueError::NotSent { retry_after: told, .. }) => assert_eq!(told, retry_after.map(Duration::from_secs)),
            outcome => panic!("{outcome:?}"),
        }
        assert_eq!(stage.gate.pauses(), [Duration::from_secs(slowed)]);
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_closed_gate_lets_nothing_out() {
    let server = RawServer::scripted(vec![Reply::json(201, &created())]).await;
    let stage = Stage::new(server.url("/api/v1")).with_gate(CountingGate::closing_after(0));
    let outcome = issue(&stage, &json!({"name": "x"})).await;
    assert!(matches!(outcome, Err(IssueError::NotSent { retry_after: None, .. })), "{outcome:?}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn keys_that_the_service_echoes_are_masked() {
    let encoded = json!({"error": {"message": format!("bad {PROVISIONING_KEY} and {KEY}, or (\"{KEY}\")")}});
    match answered_by(Reply::json(400, &encoded)).await {
        Err(IssueError::Refused { reason }) => {
            assert_eq!(
                reason.as_str(),
                "OpenRouter refused to create the key: bad *** and ***, or (\"***\")"
            );
        }
        outcome => panic!("{outcome:?}"),
    }
    // A provisioning key that looks like nothing in particular is masked because it is known.
    let server = RawServer::scripted(vec![Reply::error(403, "plain-old-words may not do this")]).await;
    let stage = Stage::new(server.url("/api/v1"));
    let error = rotator(&stage)
        .issue(&stage.outbound(), &access("plain-old-words"), &json!({"name": "x"}), &marker(1))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "OpenRouter refused to create the key: *** may not do this");
}
