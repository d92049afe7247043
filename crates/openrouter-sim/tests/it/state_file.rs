//! What survives a restart.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use openrouter_sim::{AccountConfig, SimConfig, SimError, Simulator};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bench::{MANAGEMENT, Made};
use crate::running::{PATIENCE, Running, answer, config};

fn with_state(path: &Path) -> SimConfig {
    SimConfig {
        state_file: Some(path.to_owned()),
        ..config()
    }
}

async fn shown(running: &Running, made: &Made) -> Value {
    answer(running.managed(Method::GET, &format!("/keys/{}", made.hash))).await.1
}

#[tokio::test]
async fn everything_but_plaintext_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let first = Running::with(with_state(&path)).await;
    let kept = first.create("kept").await;
    let gone = first.create("gone").await;
    let disabled = first.create("disabled").await;
    let patch = json!({ "disabled": true, "limit": 5.25, "limit_reset": "weekly" });
    let changed = answer(first.managed(Method::PATCH, &format!("/keys/{}", disabled.hash)).json(&patch)).await;
    assert_eq!(changed.0, 200);
    let spent = first
        .api(Method::POST, "/chat/completions")
        .bearer_auth(&kept.key)
        .header("x-sim-cost", "0.000000001");
    assert_eq!(answer(spent.json(&crate::bench::chat())).await.0, 200);
    let rail = answer(first.managed(Method::POST, "/guardrails").json(&json!({ "name": "g" })))
        .await
        .1;
    let assignments = format!("/guardrails/{}/assignments/keys", rail["data"]["id"].as_str().unwrap());
    let body = json!({ "key_hashes": [kept.hash] });
    assert_eq!(answer(first.managed(Method::POST, &assignments).json(&body)).await.0, 200);
    assert_eq!(answer(first.managed(Method::DELETE, &format!("/keys/{}", gone.hash))).await.0, 200);
    assert_eq!(first.probe(&gone.key).await, 401);
    first
        .control(Method::POST, "/provisioning-keys", json!({ "key": "sk-or-v1-EXAMPLE-added" }))
        .await;
    let before = (shown(&first, &kept).await, shown(&first, &disabled).await);
    let workspaces = answer(first.managed(Method::GET, "/workspaces")).await.1;
    let stats = serde_json::to_value(first.simulator.control().stats()).unwrap();
    let last_seq = first.simulator.control().events(0).last_seq;
    first.simulator.shutdown().await;

    let text = fs::read_to_string(&path).unwrap();
    for secret in [
        &kept.key,
        &gone.key,
        &disabled.key,
        &MANAGEMENT.to_owned(),
        &"sk-or-v1-EXAMPLE-added".to_owned(),
    ] {
        assert!(
            !text.contains(secret.strip_prefix("sk-or-v1-").unwrap()),
            "a key text is in the state file"
        );
    }

    let second = Running::with(with_state(&path)).await;
    let stats_after = serde_json::to_value(second.simulator.control().stats()).unwrap();
    for part in [
        "keys",
        "requests",
        "effects_without_reply",
        "auth_failures",
        "completions",
        "uses_after_delete",
        "first_use_ms",
    ] {
        assert_eq!(stats_after[part], stats[part], "{part}");
    }
    assert_eq!((shown(&second, &kept).await, shown(&second, &disabled).await), before);
    assert_eq!(answer(second.managed(Method::GET, "/workspaces")).await.1, workspaces);
    assert_eq!(
        answer(second.managed(Method::GET, &assignments)).await.1["data"][0]["key_hash"],
        kept.hash
    );
    assert_eq!(
        (
            second.probe(&kept.key).await,
            second.probe(&gone.key).await,
            second.probe(&disabled.key).await
        ),
        (200, 401, 401)
    );
    assert_eq!(second.probe("sk-or-v1-EXAMPLE-added").await, 200);
    assert!(second.simulator.control().events(0).events[0].seq > last_seq);
    let listed = answer(second.managed(Method::GET, "/keys?include_disabled=true")).await.1;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let new = second.create("new").await;
    assert!(
        ![&kept.key, &gone.key, &disabled.key].contains(&&new.key),
        "the seed must not repeat a key"
    );
    second.simulator.shutdown().await;
}

#[tokio::test]
async fn a_change_is_in_the_file_soon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let running = Running::with(with_state(&path)).await;
    assert!(path.exists(), "written at the start");
    let made = running.create("a").await;
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string(&path).unwrap().contains(&made.hash) {
        assert!(Instant::now() < deadline, "the change is not written");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Without an orderly end, as after a kill.
    drop(running);
    let again = Running::with(with_state(&path)).await;
    assert_eq!(again.probe(&made.key).await, 200);
}

#[tokio::test]
async fn a_damaged_file_stops_the_start_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let running = Running::with(with_state(&path)).await;
    running.create("a").await;
    running.simulator.shutdown().await;
    let good = fs::read_to_string(&path).unwrap();
    let without_workspace = {
        let mut state: Value = serde_json::from_str(&good).unwrap();
        state["accounts"][0]["workspaces"] = json!([]);
        state.to_string()
    };
    let twice = {
        let mut state: Value = serde_json::from_str(&good).unwrap();
        let mut copy = state["accounts"][0]["keys"][0].clone();
        copy["slot"] = json!(1);
        state["accounts"][0]["keys"].as_array_mut().unwrap().push(copy);
        state.to_string()
    };
    for damaged in [
        "",
        "{}",
        "not json",
        &good[..good.len() / 2],
        &good.replacen("\"format\":1", "\"format\":2", 1),
        &good.replacen("\"slot\":0", "\"slot\":7", 1),
        &without_workspace,
        &twice,
    ] {
        fs::write(&path, damaged).unwrap();
        let error = Simulator::start(with_state(&path)).await.unwrap_err();
        assert!(matches!(error, SimError::State { .. }), "{error}");
        assert!(error.to_string().contains("state.json"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }
    fs::write(&path, &good).unwrap();
    let renamed = SimConfig {
        accounts: vec![AccountConfig::named("other")],
        ..with_state(&path)
    };
    let error = Simulator::start(renamed).await.unwrap_err().to_string();
    assert!(error.contains("default"), "{error}");
    assert!(Simulator::start(with_state(&path)).await.is_ok());
}

#[tokio::test]
async fn a_file_that_cannot_be_written_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("state.json");
    assert!(matches!(
        Simulator::start(with_state(&path)).await.unwrap_err(),
        SimError::File { .. }
    ));
}

#[tokio::test]
async fn configuration_wins_where_it_speaks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let first = Running::with(with_state(&path)).await;
    let team = answer(first.managed(Method::GET, "/workspaces/team-a")).await.1["data"]["id"].clone();
    first
        .control(Method::DELETE, "/provisioning-keys", json!({ "key": MANAGEMENT }))
        .await;
    first.simulator.shutdown().await;
    let mut config = with_state(&path);
    config.accounts[0].workspaces = vec!["team-b".to_owned(), "team-a".to_owned()];
    config.accounts[0].credits = openrouter_sim::Usd::dollars(1);
    config.accounts[0].management_keys.push("sk-or-v1-EXAMPLE-new".into());
    let second = Running::with(config).await;
    assert_eq!(second.probe(MANAGEMENT).await, 401, "a revoked key stays revoked");
    let ask = |path: &str| answer(second.api(Method::GET, path).bearer_auth("sk-or-v1-EXAMPLE-new"));
    assert_eq!(ask("/workspaces/team-a").await.1["data"]["id"], team);
    assert_eq!(ask("/workspaces/team-b").await.0, 200);
    assert_eq!(ask("/credits").await.1["data"]["total_credits"], 1);
}
