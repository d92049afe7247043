//! Listings that are long, move while they are read, lie about their end, or hold oddities.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use kms_providers::outcome::CallError;
use kms_providers::rotator::{Found, SweepScope};
use serde_json::{Value, json};

use super::{PROVISIONING_KEY, rotator};
use crate::raw::{RawServer, Received, Reply};
use crate::stage::{CountingGate, Stage, access, marker};

async fn sweep(server: &RawServer, scope: SweepScope) -> Result<Vec<Found>, CallError> {
    let stage = Stage::new(server.url("/api/v1"));
    rotator(&stage).sweep(&stage.outbound(), &access(PROVISIONING_KEY), scope).await
}

fn entry(number: usize) -> Value {
    json!({"hash": format!("h{number}"), "name": marker(number).mark("gateway", 100), "label": "x"})
}

fn page(entries: &[Value]) -> Reply {
    Reply::json(200, &json!({ "data": entries }))
}

fn parameter(request: &Received, name: &str) -> Option<String> {
    let url: url::Url = format!("http://x{}", request.target).parse().unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn offset(request: &Received) -> usize {
    parameter(request, "offset").unwrap().parse().unwrap()
}

fn window(keys: &[Value], offset: usize) -> Reply {
    page(keys.get(offset..).unwrap_or_default().chunks(100).next().unwrap_or_default())
}

/// A server that lists `keys`, and lets `between` change them before each page.
async fn listing(keys: Vec<Value>, between: impl Fn(&Received, &mut Vec<Value>) + Send + Sync + 'static) -> RawServer {
    let keys = Mutex::new(keys);
    RawServer::start(move |request| {
        let mut keys = keys.lock().unwrap();
        between(request, &mut keys);
        window(&keys, offset(request))
    })
    .await
}

fn handles(found: &[Found]) -> BTreeSet<String> {
    let handles: BTreeSet<String> = found.iter().map(|found| found.handle.clone()).collect();
    assert_eq!(handles.len(), found.len(), "each key once");
    handles
}

fn numbered(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    numbers.into_iter().map(|number| format!("h{number}")).collect()
}

#[tokio::test]
async fn only_names_with_a_marker_are_found() {
    let keys = [
        entry(1),
        json!({"hash": "h2", "name": "gateway"}),
        json!({"hash": "h3", "name": "gateway [kms-0123abcd-short]"}),
        json!({"hash": "h4", "name": null}),
        json!({"hash": "h5"}),
        json!({"name": "no hash and no marker"}),
        json!({"hash": "h6", "name": "x [kms-zzzzzzzz-0000000000000009]", "disabled": true}),
    ];
    let server = RawServer::scripted(vec![page(&keys)]).await;
    let found = sweep(&server, SweepScope::Usual).await.unwrap();
    assert_eq!(handles(&found), numbered([1, 6]));
    assert_eq!(found[0].marker, marker(1));
    assert_eq!(found[1].marker.installation(), "zzzzzzzz");
    let [request] = server.requests().try_into().unwrap();
    assert_eq!(request.target, "/api/v1/keys?offset=0&include_disabled=true&include_expired=true");
}

#[tokio::test]
async fn all_pages_are_read() {
    for count in [0, 1, 99, 100, 101, 199, 200, 250, 1000] {
        let server = listing((0..count).map(entry).collect(), |_, _| {}).await;
        let found = sweep(&server, SweepScope::Usual).await.unwrap();
        assert_eq!(handles(&found), numbered(0..count), "{count}");
        assert!(server.requests().len() <= count / 99 + 1, "{count}");
    }
}

#[tokio::test]
async fn deletions_between_pages_hide_nothing() {
    // Before each page but the first, a number of keys at the front goes away, so that what follows moves past the reader.
    for gone in [1, 2, 50, 99, 100, 101, 150] {
        let deletions = Mutex::new(3);
        let server = listing((0..1000).map(entry).collect(), move |request, keys| {
            let mut left = deletions.lock().unwrap();
            if offset(request) > 0 && *left > 0 {
                *left -= 1;
                keys.drain(..gone);
            }
        })
        .await;
        let found = handles(&sweep(&server, SweepScope::Usual).await.unwrap());
        let missing: Vec<_> = numbered(3 * gone..1000).difference(&found).cloned().collect();
        assert!(missing.is_empty(), "{gone} gone at a time: {missing:?}");
    }
}

#[tokio::test]
async fn creations_between_pages_show_nothing_twice() {
    let next = Mutex::new(1000);
    let server = listing((0..300).map(entry).collect(), move |request, keys| {
        let mut next = next.lock().unwrap();
        if offset(request) > 0 {
            for _ in 0..7 {
                keys.insert(0, entry(*next));
                *next += 1;
            }
        }
    })
    .await;
    let found = handles(&sweep(&server, SweepScope::Usual).await.unwrap());
    assert!(found.is_superset(&numbered(0..300)));
}

#[tokio::test]
async fn everything_may_vanish_between_pages() {
    let server = listing((0..300).map(entry).collect(), |request, keys| {
        if offset(request) > 0 {
            keys.clear();
        }
    })
    .await;
    assert_eq!(handles(&sweep(&server, SweepScope::Usual).await.unwrap()), numbered(0..100));
}

#[tokio::test]
async fn a_listing_that_never_stands_still_comes_to_an_end() {
    // Every page shows keys that were never seen before.
    let next = Mutex::new(0);
    let server = RawServer::start(move |request| {
        let mut next = next.lock().unwrap();
        *next += 100;
        let length = if offset(request) > 500 { 3 } else { 100 };
        page(&(*next..*next + length).map(entry).collect::<Vec<_>>())
    })
    .await;
    sweep(&server, SweepScope::Usual).await.unwrap();
    assert!(server.requests().len() < 300, "{}", server.requests().len());
}

#[tokio::test]
async fn a_listing_that_repeats_itself_is_an_error() {
    let server = RawServer::start(|_request| page(&(0..100).map(entry).collect::<Vec<_>>())).await;
    let outcome = sweep(&server, SweepScope::Usual).await;
    assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{outcome:?}");
    assert!(server.requests().len() < 10);
}

#[tokio::test]
async fn a_marked_key_without_hash_is_an_error() {
    for hash in [json!(null), json!(""), json!("..")] {
        let odd = json!({"hash": hash, "name": marker(3).mark("x", 100)});
        let server = RawServer::scripted(vec![page(&[entry(1), odd])]).await;
        let outcome = sweep(&server, SweepScope::Usual).await;
        assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{hash}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_page_that_fails_fails_the_listing() {
    let pages: Vec<Value> = (0..100).map(entry).collect();
    for (reply, requests) in [
        (Reply::error(500, "down"), 3),
        (Reply::Close, 3),
        (Reply::Answer(200, vec![], b"<html>".to_vec()), 2),
        (Reply::json(200, &json!({})), 2),
        (Reply::json(200, &json!({"data": null})), 2),
        (Reply::error(404, "no such workspace"), 2),
        (Reply::error(401, "revoked"), 2),
        (Reply::error(429, "slowly"), 2),
    ] {
        let server = RawServer::scripted(vec![page(&pages), reply.clone()]).await;
        let outcome = sweep(&server, SweepScope::Usual).await;
        let expected = match &reply {
            Reply::Answer(401, ..) => matches!(outcome, Err(CallError::Unauthorized { .. })),
            Reply::Answer(404, ..) => matches!(outcome, Err(CallError::Refused { .. })),
            Reply::Answer(429, ..) => matches!(outcome, Err(CallError::RateLimited { .. })),
            _ => matches!(outcome, Err(CallError::Unavailable { .. })),
        };
        assert!(expected, "{reply:?}: {outcome:?}");
        assert_eq!(server.requests().len(), requests, "{reply:?}");
    }
}

#[tokio::test]
async fn a_page_is_asked_for_again_after_an_outage() {
    let server = RawServer::scripted(vec![Reply::error(502, "down"), page(&[entry(1)])]).await;
    let stage = Stage::new(server.url("/api/v1"));
    let found = rotator(&stage)
        .sweep(&stage.outbound(), &access(PROVISIONING_KEY), SweepScope::Usual)
        .await
        .unwrap();
    assert_eq!(handles(&found), numbered([1]));
    assert_eq!(stage.gate.passes(), 2);
}

#[tokio::test]
async fn a_gate_that_closes_ends_the_listing() {
    let server = listing((0..1000).map(entry).collect(), |_, _| {}).await;
    let stage = Stage::new(server.url("/api/v1")).with_gate(CountingGate::closing_after(3));
    let outcome = rotator(&stage)
        .sweep(&stage.outbound(), &access(PROVISIONING_KEY), SweepScope::Usual)
        .await;
    assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{outcome:?}");
    assert_eq!(server.requests().len(), 3);
}

/// A service with `count` workspaces of three keys each, the first being the default one, that gives `most` workspaces a page.
async fn with_workspaces(count: usize, most: usize, total: bool) -> (RawServer, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let server = RawServer::start(move |request| {
        if request.target.starts_with("/api/v1/workspaces?") {
            let offset = offset(request);
            let ids: Vec<Value> = (offset..count.min(offset + most))
                .map(|number| json!({"id": format!("w{number}")}))
                .collect();
            return Reply::json(
                200,
                &if total {
                    json!({"data": ids, "total_count": count})
                } else {
                    json!({ "data": ids })
                },
            );
        }
        let workspace = parameter(request, "workspace_id");
        log.lock().unwrap().push(workspace.clone().unwrap_or_default());
        let number: usize = workspace.map_or(0, |id| id[1..].parse().unwrap());
        page(&(3 * number..3 * number + 3).map(entry).collect::<Vec<_>>())
    })
    .await;
    (server, asked)
}

#[tokio::test]
async fn the_whole_account_means_every_workspace() {
    for (count, most, total) in [
        (1, 100, true),
        (3, 100, false),
        (120, 50, true),
        (100, 100, false),
        (120, 100, false),
    ] {
        let (server, asked) = with_workspaces(count, most, total).await;
        let found = sweep(&server, SweepScope::Everywhere).await.unwrap();
        assert_eq!(handles(&found), numbered(0..3 * count), "{count} {most}");
        assert_eq!(asked.lock().unwrap().len(), count + 1);
        let found = sweep(&server, SweepScope::Usual).await.unwrap();
        assert_eq!(handles(&found), numbered(0..3), "the default workspace only");
    }
}

#[tokio::test]
async fn an_account_whose_workspaces_cannot_be_listed_was_not_looked_at() {
    let server = RawServer::start(|request| {
        if request.target.contains("workspaces") {
            Reply::error(404, "no such path")
        } else {
            page(&[entry(1)])
        }
    })
    .await;
    let outcome = sweep(&server, SweepScope::Everywhere).await;
    assert!(matches!(outcome, Err(CallError::Refused { .. })), "{outcome:?}");
}
