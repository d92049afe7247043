//! Validation of a connection: patience with outages, none with refusals.

use std::time::Duration;

use kms_providers::outcome::CallError;

use super::{PROVISIONING_KEY, assert_clean};
use crate::raw::{RawServer, Reply};
use crate::stage::{AMPLE, CountingGate, Stage, access};

async fn validate(stage: &Stage) -> Result<(), CallError> {
    let app = stage.registry.app("open-router").unwrap();
    let outcome = app.validate(&stage.outbound(), &access(PROVISIONING_KEY)).await;
    if let Err(error) = &outcome {
        assert_clean(&format!("{error} {error:?}"));
    }
    outcome
}

fn ok() -> Reply {
    Reply::Answer(200, vec![], b"not even JSON".to_vec())
}

fn slow_down(wish: &str) -> Reply {
    Reply::Answer(429, vec![("retry-after", wish.to_owned())], vec![])
}

#[tokio::test]
async fn exactly_200_is_good_and_the_body_does_not_matter() {
    let server = RawServer::scripted(vec![ok()]).await;
    let stage = Stage::new(server.url("/api/v1"));
    assert_eq!(validate(&stage).await, Ok(()));
    let [request] = server.requests().try_into().unwrap();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/api/v1/keys"));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {PROVISIONING_KEY}").as_str()));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(stage.gate.passes(), 1);
    for status in [201, 204, 301, 302] {
        let server = RawServer::scripted(vec![Reply::Answer(status, vec![], vec![])]).await;
        let outcome = validate(&Stage::new(server.url("/api/v1"))).await;
        assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{status}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_refused_key_is_told_at_once() {
    for status in [401, 403] {
        let server = RawServer::scripted(vec![Reply::error(status, &format!("{PROVISIONING_KEY} is no good")), ok()]).await;
        let outcome = validate(&Stage::new(server.url("/api/v1"))).await;
        match outcome {
            Err(CallError::Unauthorized { reason }) => {
                assert_eq!(reason.as_str(), "OpenRouter refused the provisioning key: *** is no good");
            }
            outcome => panic!("{status}: {outcome:?}"),
        }
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn other_refusals_are_no_verdict_on_the_key() {
    for status in [400, 404, 405, 418] {
        let server = RawServer::scripted(vec![Reply::error(status, "no"), ok()]).await;
        let outcome = validate(&Stage::new(server.url("/api/v1"))).await;
        assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{status}: {outcome:?}");
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_outage_is_sat_out() {
    let outages = [Reply::Answer(502, vec![], b"<html>".to_vec()), Reply::Reset, slow_down("0")];
    let server = RawServer::scripted([outages.to_vec(), vec![ok()]].concat()).await;
    let stage = Stage::new(server.url("/api/v1"));
    assert_eq!(validate(&stage).await, Ok(()));
    assert_eq!(server.requests().len(), 4);
    assert_eq!(stage.gate.passes(), 4);
    assert_eq!(stage.gate.pauses(), [Duration::ZERO]);
    // The usual pauses with up to a fifth more, and none where the provider asked for none.
    let [first, second, third] = stage.gate.rests().try_into().unwrap();
    assert!((200..240).contains(&first.as_millis()), "{first:?}");
    assert!((400..480).contains(&second.as_millis()), "{second:?}");
    assert_eq!(third, Duration::ZERO);
}

#[tokio::test]
async fn a_lasting_outage_ends_in_an_error_after_four_requests() {
    for reply in [Reply::error(503, "down"), Reply::Close] {
        let server = RawServer::scripted(vec![reply]).await;
        let stage = Stage::new(server.url("/api/v1"));
        let outcome = validate(&stage).await;
        assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{outcome:?}");
        assert_eq!(server.requests().len(), 4);
        let rests = stage.gate.rests();
        assert_eq!(rests.len(), 3);
        assert!((800..960).contains(&rests[2].as_millis()), "{rests:?}");
    }
}

#[tokio::test]
async fn a_long_wish_is_passed_on_and_not_waited_for() {
    let server = RawServer::scripted(vec![slow_down("60"), ok()]).await;
    match validate(&Stage::new(server.url("/api/v1"))).await {
        Err(CallError::RateLimited { retry_after, .. }) => assert_eq!(retry_after, Some(Duration::from_mins(1))),
        outcome => panic!("{outcome:?}"),
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn no_further_try_begins_after_the_deadline() {
    let server = RawServer::scripted(vec![Reply::Stall(vec![])]).await;
    let outcome = validate(&Stage::new(server.url("/api/v1")).with_deadline(Duration::from_millis(150))).await;
    assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{outcome:?}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_gate_that_closes_ends_the_tries() {
    let server = RawServer::scripted(vec![Reply::error(500, "down")]).await;
    let stage = Stage::new(server.url("/api/v1"))
        .with_deadline(AMPLE)
        .with_gate(CountingGate::closing_after(2));
    let outcome = validate(&stage).await;
    assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{outcome:?}");
    assert_eq!(server.requests().len(), 2);
}
