//! Several accounts in one instance, workspaces, and management keys that come and go.

use http::Method;
use openrouter_sim::{AccountConfig, ControlError, KeyHash, SimConfig};
use serde_json::{Value, json};

use crate::bench::{Bench, MANAGEMENT, config};

const OTHER: &str = "sk-or-v1-EXAMPLE-of-the-other-account";

fn two() -> Bench {
    let mut config = config();
    config.accounts.push(AccountConfig {
        management_keys: vec![OTHER.into()],
        credits: openrouter_sim::Usd::dollars(7),
        ..AccountConfig::named("other")
    });
    Bench::with(config)
}

#[test]
fn accounts_do_not_see_each_other() {
    let bench = two();
    let made = bench.named("mine");
    let theirs = bench.call(Method::POST, "/keys", OTHER, Some(&json!({ "name": "theirs" }))).1;
    let path = format!("/keys/{}", made.hash);
    assert_eq!(bench.call(Method::GET, &path, OTHER, None).0, 404);
    assert_eq!(bench.call(Method::PATCH, &path, OTHER, Some(&json!({ "name": "x" }))).0, 404);
    assert_eq!(bench.call(Method::DELETE, &path, OTHER, None).0, 404);
    assert_eq!(bench.names(""), ["mine"]);
    let listed = bench.call(Method::GET, "/keys", OTHER, None).1;
    assert_eq!(listed["data"], json!([theirs["data"]]));
    let workspace = bench.get("/workspaces/team-a").1["data"]["id"].as_str().unwrap().to_owned();
    assert_eq!(bench.call(Method::GET, &format!("/workspaces/{workspace}"), OTHER, None).0, 404);
    assert_eq!(
        bench.call(Method::GET, &format!("/keys?workspace_id={workspace}"), OTHER, None).0,
        404
    );
    bench.spend(&made.key, "1");
    assert_eq!(bench.get("/credits").1["data"], json!({ "total_credits": 100, "total_usage": 1 }));
    let credits = bench.call(Method::GET, "/credits", OTHER, None).1;
    assert_eq!(credits["data"], json!({ "total_credits": 7, "total_usage": 0 }));
    let keys = bench.control().stats().keys;
    assert_eq!(
        (keys.total.live, keys.by_account["default"].live, keys.by_account["other"].live),
        (2, 1, 1)
    );
}

#[test]
fn workspaces_are_found_by_id_and_slug() {
    let bench = Bench::new();
    let (_, list) = bench.get("/workspaces");
    assert_eq!(list["total_count"], 2);
    let slugs: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|entry| &entry["slug"]).collect();
    assert_eq!(slugs, ["default", "team-a"]);
    let id = list["data"][1]["id"].as_str().unwrap();
    assert_eq!(bench.get(&format!("/workspaces/{id}")).1["data"], list["data"][1]);
    assert_eq!(bench.get("/workspaces/team-a").1["data"], list["data"][1]);
    assert_eq!(bench.get("/workspaces/nowhere").0, 404);
    assert_eq!(bench.get("/workspaces?offset=1&limit=1").1["data"], json!([list["data"][1]]));
    assert_eq!(bench.get("/workspaces?limit=101").0, 400);
    assert_eq!(bench.named("a").hash.len(), 64);
    assert_eq!(bench.get("/keys").1["data"][0]["workspace_id"], list["data"][0]["id"]);
}

#[test]
fn management_keys_are_added_and_revoked() {
    let bench = two();
    let control = bench.control();
    let added = control.add_provisioning_key(Some("other"), None).unwrap();
    let credits = bench.call(Method::GET, "/credits", added.key.expose(), None);
    assert_eq!(credits.1["data"]["total_credits"], 7);
    let taken = control.add_provisioning_key(None, Some(MANAGEMENT.into()));
    assert!(matches!(taken, Err(ControlError::Invalid(_))));
    assert_eq!(
        control.add_provisioning_key(Some("nobody"), None),
        Err(ControlError::NotFound("account"))
    );
    control.revoke_provisioning_key(KeyHash::of(MANAGEMENT)).unwrap();
    assert_eq!(bench.get("/credits").0, 401);
    assert!(control.revoke_provisioning_key(KeyHash::of(MANAGEMENT)).is_err());
    let made = control.create_foreign_key(openrouter_sim::ForeignKey::default()).unwrap();
    assert_eq!(bench.probe(made.key.expose()), 200, "API keys outlive the management key");
    control.reset();
    assert_eq!(bench.get("/credits").0, 200, "a reset returns to the configuration");
    assert_eq!(bench.call(Method::GET, "/credits", added.key.expose(), None).0, 401);
}

#[test]
fn a_management_key_is_generated_from_the_seed() {
    let core = |seed| {
        openrouter_sim::SimCore::new(SimConfig {
            seed: Some(seed),
            ..SimConfig::default()
        })
    };
    let (first, again, other) = (core(5), core(5), core(6));
    assert_eq!(first.management_key(), again.management_key());
    assert_ne!(first.management_key(), other.management_key());
    assert_eq!(first.management_key().expose().len(), 73);
}
