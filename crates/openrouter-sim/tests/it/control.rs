//! `/_sim` over HTTP.

use openrouter_sim::{KeyHash, SimConfig};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bench::MANAGEMENT;
use crate::running::{Running, answer, config};

async fn get(running: &Running, path: &str) -> (u16, Value) {
    answer(running.sim(Method::GET, path)).await
}

async fn delete(running: &Running, path: &str) -> (u16, Value) {
    answer(running.sim(Method::DELETE, path)).await
}

#[tokio::test]
async fn faults_are_managed() {
    let running = Running::start().await;
    let rule = json!({ "match": { "endpoint": "key" }, "action": { "type": "status", "status": 418 } });
    assert_eq!(
        running.control(Method::POST, "/faults", rule.clone()).await,
        (200, json!({ "id": 1 }))
    );
    let list = json!([rule, { "action": { "type": "reset" }, "times": 1, "match": { "endpoint": "chat" } }]);
    assert_eq!(
        running.control(Method::POST, "/faults", list).await,
        (200, json!({ "ids": [2, 3] }))
    );
    assert_eq!(running.probe(MANAGEMENT).await, 418);
    let shown = get(&running, "/faults/1").await.1;
    assert_eq!(
        (&shown["id"], &shown["fired"], &shown["action"]["status"]),
        (&json!(1), &json!(1), &json!(418))
    );
    assert_eq!(get(&running, "/faults").await.1["faults"].as_array().unwrap().len(), 3);
    assert_eq!(delete(&running, "/faults/1").await.0, 200);
    assert_eq!(
        (delete(&running, "/faults/1").await.0, get(&running, "/faults/x").await.0),
        (404, 404)
    );
    assert_eq!(delete(&running, "/faults").await.0, 200);
    assert_eq!(running.probe(MANAGEMENT).await, 200);
    let half = json!([rule, { "action": { "type": "explode" } }]);
    assert_eq!(running.control(Method::POST, "/faults", half).await.0, 400);
    assert_eq!(get(&running, "/faults").await.1, json!({ "faults": [] }), "all or none");
}

#[tokio::test]
async fn the_clock_is_managed() {
    let running = Running::start().await;
    let frozen = running
        .control(Method::POST, "/clock", json!({ "freeze": true, "set": "2030-01-01T00:00:00Z" }))
        .await;
    assert_eq!(
        (frozen.0, &frozen.1["now"], &frozen.1["frozen"]),
        (200, &json!("2030-01-01T00:00:00.000Z"), &json!(true))
    );
    let moved = running.control(Method::POST, "/clock", json!({ "advance_ms": 1500 })).await.1;
    assert_eq!(moved["now"], "2030-01-01T00:00:01.500Z");
    running.create("a").await;
    assert_eq!(
        answer(running.managed(Method::GET, "/keys")).await.1["data"][0]["created_at"],
        "2030-01-01T00:00:01.500Z"
    );
    let running_on = running.control(Method::POST, "/clock", json!({ "freeze": false })).await.1;
    assert_eq!(running_on["frozen"], false);
    assert!(get(&running, "/clock").await.1["offset_ms"].as_i64().unwrap() > 0);
    for wrong in [
        json!({ "set": "tomorrow" }),
        json!({ "set": "9999-01-01T00:00:00Z" }),
        json!({ "set": "1900-01-01T00:00:00Z" }),
        json!({ "advance_ms": u64::MAX }),
        json!({ "advance_ms": -1 }),
        json!({ "stop": true }),
    ] {
        assert_eq!(running.control(Method::POST, "/clock", wrong.clone()).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn keys_are_changed_behind_everybodys_back() {
    let running = Running::start().await;
    let (status, made) = running.control(Method::POST, "/keys", json!({ "name": "theirs" })).await;
    assert_eq!(status, 200);
    let key = made["key"].as_str().unwrap();
    let path = format!("/keys/{}", made["hash"].as_str().unwrap());
    assert_eq!(running.probe(key).await, 200);
    let change = json!({ "usage": 2.5, "disabled": true, "last_used_at": "2026-01-01T00:00:00Z", "expires_at": null });
    let (status, state) = running.control(Method::POST, &path, change).await;
    assert_eq!((status, &state["usage"], &state["accepted"]), (200, &json!(2.5), &json!(false)));
    let shown = answer(running.managed(Method::GET, &path)).await.1["data"].clone();
    assert_eq!(
        (&shown["usage"], &shown["disabled"], &shown["updated_at"]),
        (&json!(2.5), &json!(true), &Value::Null)
    );
    assert_eq!(running.control(Method::POST, &path, json!({ "limit": 1 })).await.0, 400);
    assert_eq!(delete(&running, &path).await.0, 200);
    assert_eq!((delete(&running, &path).await.0, delete(&running, "/keys/x").await.0), (404, 404));
    assert!(get(&running, &path).await.1["deleted_at"].is_string());
    assert_eq!(answer(running.managed(Method::GET, &path)).await.0, 404);
    assert_eq!(
        running.control(Method::POST, "/keys", json!({ "workspace": "nowhere" })).await.0,
        404
    );
}

#[tokio::test]
async fn provisioning_keys_are_added_and_revoked() {
    let running = Running::start().await;
    let (status, made) = running.control(Method::POST, "/provisioning-keys", json!({})).await;
    assert_eq!(status, 200);
    let added = made["key"].as_str().unwrap();
    assert_eq!(answer(running.api(Method::GET, "/credits").bearer_auth(added)).await.0, 200);
    assert_eq!(
        running
            .control(Method::DELETE, "/provisioning-keys", json!({ "key": added }))
            .await
            .0,
        200
    );
    assert_eq!(answer(running.api(Method::GET, "/credits").bearer_auth(added)).await.0, 401);
    let hash = KeyHash::of(MANAGEMENT);
    assert_eq!(
        running
            .control(Method::DELETE, "/provisioning-keys", json!({ "hash": hash }))
            .await
            .0,
        200
    );
    assert_eq!(answer(running.managed(Method::GET, "/credits")).await.0, 401);
    assert_eq!(
        running
            .control(Method::DELETE, "/provisioning-keys", json!({ "hash": hash }))
            .await
            .0,
        404
    );
    assert_eq!(running.control(Method::DELETE, "/provisioning-keys", json!({})).await.0, 400);
    assert_eq!(
        running
            .control(Method::POST, "/provisioning-keys", json!({ "key": "short" }))
            .await
            .0,
        400
    );
    let wrong = running
        .control(Method::POST, "/provisioning-keys", json!({ "kye": added, "key": 1 }))
        .await;
    assert!(wrong.0 == 400 && !wrong.1.to_string().contains(added));
}

#[tokio::test]
async fn everything_else_has_its_route() {
    let running = Running::start().await;
    let presets = get(&running, "/presets").await.1;
    assert_eq!(
        presets["presets"],
        json!(["lost-create", "flaky", "slow", "rate-limited", "brownout", "eventual"])
    );
    let (status, body) = running.control(Method::POST, "/presets", json!({ "name": "lost-create" })).await;
    assert_eq!((status, body), (200, json!({ "ids": [1] })));
    assert_eq!(running.control(Method::POST, "/presets", json!({ "name": "storm" })).await.0, 400);
    let delays = json!({ "all": { "visible_delay": { "fixed": 5.0 } }, "prefixes": [] });
    assert_eq!(
        running.control(Method::POST, "/propagation", delays.clone()).await,
        (200, delays.clone())
    );
    assert_eq!(get(&running, "/propagation").await.1, delays);
    assert_eq!(
        running
            .control(Method::POST, "/propagation", json!({ "all": { "visible": 5 } }))
            .await
            .0,
        400
    );
    let compat = running
        .control(Method::POST, "/compat", json!({ "over_limit": "402", "max_keys": 5 }))
        .await
        .1;
    assert_eq!((&compat["over_limit"], &compat["max_keys"]), (&json!("402"), &json!(5)));
    let compat = running.control(Method::POST, "/compat", json!({ "max_keys": null })).await.1;
    assert_eq!((&compat["over_limit"], &compat["max_keys"]), (&json!("402"), &Value::Null));
    assert_eq!(running.control(Method::POST, "/compat", json!({ "colour": "blue" })).await.0, 400);
    let limit = json!({ "per_second": 5.0, "burst": 10 });
    assert_eq!(
        running.control(Method::POST, "/rate-limit", limit.clone()).await.1["rate_limit"],
        limit
    );
    assert_eq!(
        running
            .control(Method::POST, "/rate-limit", json!({ "per_second": 0, "burst": 1 }))
            .await
            .0,
        400
    );
    assert_eq!(delete(&running, "/rate-limit").await.0, 200);
    assert_eq!(running.control(Method::POST, "/credits", json!({ "credits": 3 })).await.0, 200);
    assert_eq!(answer(running.managed(Method::GET, "/credits")).await.1["data"]["total_credits"], 3);
    assert_eq!(running.control(Method::POST, "/byok", json!({ "provider": "openai" })).await.0, 200);
    assert_eq!(answer(running.managed(Method::GET, "/byok")).await.1["total_count"], 1);
    let orphans = running
        .control(Method::POST, "/orphans", json!({ "known_hashes": [], "name_prefix": "" }))
        .await;
    assert_eq!(orphans, (200, json!({ "orphans": [], "ghosts": [] })));
    assert_eq!(
        running.control(Method::POST, "/orphans", json!({ "known_hashes": ["x"] })).await.0,
        400
    );
    let stats = get(&running, "/stats?prefix=a%2F&prefix=b").await.1;
    assert_eq!(stats["keys"]["by_prefix"].as_object().unwrap().len(), 2);
    assert_eq!(running.control(Method::POST, "/reset", json!({})).await.0, 200);
    assert_eq!(get(&running, "/faults").await.1, json!({ "faults": [] }));
}

#[tokio::test]
async fn what_is_wrong_is_told_as_json() {
    let running = Running::start().await;
    for (request, expected) in [
        (running.sim(Method::GET, ""), 404),
        (running.sim(Method::GET, "/nothing"), 404),
        (running.sim(Method::PUT, "/faults"), 405),
        (running.sim(Method::POST, "/faults").body("{"), 400),
        (running.sim(Method::POST, "/faults").body(vec![0xff]), 400),
        (running.sim(Method::POST, "/outage").body("{}"), 400),
        (running.sim(Method::GET, "/keys/%FF"), 400),
    ] {
        let (status, body) = answer(request).await;
        assert_eq!((status, &body["error"]["code"]), (expected, &json!(expected)), "{body}");
    }
}

#[tokio::test]
async fn a_token_guards_the_control_surface_alone() {
    let running = Running::with(SimConfig {
        admin_token: Some("admin-EXAMPLE".to_owned()),
        ..config()
    })
    .await;
    for path in ["/stats", "/nothing", "/events"] {
        assert_eq!(get(&running, path).await.0, 401, "{path}");
        assert_eq!(answer(running.sim(Method::GET, path).bearer_auth("admin-example")).await.0, 401);
        assert_eq!(answer(running.sim(Method::GET, path).bearer_auth(MANAGEMENT)).await.0, 401);
    }
    assert_eq!(answer(running.sim(Method::GET, "/stats").bearer_auth("admin-EXAMPLE")).await.0, 200);
    running.create("a").await;
    assert_eq!(answer(running.api(Method::GET, "/keys").bearer_auth("admin-EXAMPLE")).await.0, 401);
}
