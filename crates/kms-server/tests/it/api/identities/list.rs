use kms_core::permission::OrgRole;
use serde_json::{Value, json};

use crate::support::{Admin, TestApp, on_each_database};

const PATH: &str = "/api/v1/identities";
const SEARCH: &str = "/api/v2/identities/search";

fn names(list: &Value) -> Vec<&str> {
    let identities = list["identities"].as_array().unwrap();
    identities
        .iter()
        .map(|identity| identity["identity"]["name"].as_str().unwrap())
        .collect()
}

async fn with_three() -> (TestApp, Admin) {
    let (app, admin) = TestApp::bootstrapped().await;
    for (name, role) in [("beta_1", "member"), ("Alpha", "admin"), ("gamma%", "no-access")] {
        app.advance(1);
        admin.post(PATH, json!({ "name": name, "role": role })).await.ok();
    }
    (app, admin)
}

#[test]
fn identities_are_listed_in_the_order_that_is_asked_for() {
    on_each_database(async || {
        let (_app, admin) = with_three().await;
        let list = admin
            .get(&format!("{PATH}?orgId={}&offset=&search=&orderBy=createdAt", admin.org_id))
            .await
            .ok();
        assert_eq!(list["totalCount"], 4);
        assert_eq!(names(&list), ["Instance Admin Identity", "beta_1", "Alpha", "gamma%"]);
        let first = &list["identities"][1];
        let one = admin.get(&format!("{PATH}/{}", first["identityId"].as_str().unwrap())).await.ok();
        assert_eq!(one["identity"], *first);

        let list = admin
            .get(&format!("{PATH}?orderBy=createdAt&orderDirection=DESC&limit=2&offset=1"))
            .await
            .ok();
        assert_eq!(list["totalCount"], 4);
        assert_eq!(names(&list), ["Alpha", "beta_1"]);
        let list = admin.get(&format!("{PATH}?orderBy=role&orderDirection=desc")).await.ok();
        assert_eq!(names(&list)[0], "gamma%");
        // Without a wish: by name.
        let list = admin.get(&format!("{PATH}?search=a")).await.ok();
        let mut sorted = names(&list);
        assert_eq!(sorted.len(), 4);
        sorted.sort_unstable_by_key(|name| name.to_lowercase());
        assert_eq!(sorted, ["Alpha", "beta_1", "gamma%", "Instance Admin Identity"]);
    });
}

#[test]
fn names_are_searched_literally_and_in_any_case() {
    on_each_database(async || {
        let (_app, admin) = with_three().await;
        for (search, found) in [
            ("ALPH", vec!["Alpha"]),
            ("%25", vec!["gamma%"]),
            ("_", vec!["beta_1"]),
            ("a%25", vec!["gamma%"]),
            ("nothing", vec![]),
        ] {
            let list = admin.get(&format!("{PATH}?search={search}")).await.ok();
            assert_eq!(names(&list), found, "{search}");
            assert_eq!(list["totalCount"], found.len());
        }
    });
}

#[test]
fn the_search_route_finds_by_name_and_scope() {
    on_each_database(async || {
        let (_app, admin) = with_three().await;
        let found = admin
            .post(SEARCH, json!({ "search": "alpha", "scope": ["organization", "project"] }))
            .await
            .ok();
        assert_eq!(names(&found), ["Alpha"]);
        let identity = &found["identities"][0];
        assert_eq!(identity["identityId"], identity["identity"]["id"]);
        assert!(identity["id"].is_string());
        assert_eq!(admin.post(SEARCH, json!({})).await.ok()["totalCount"], 4);
        assert_eq!(names(&admin.post(SEARCH, json!({ "limit": 1, "offset": 1 })).await.ok()).len(), 1);
        let none = admin.post(SEARCH, json!({ "scope": ["project"], "search": null })).await.ok();
        assert_eq!(none, json!({ "identities": [], "totalCount": 0 }));
        assert_eq!(admin.post(SEARCH, json!({ "limit": 1001 })).await.invalid(), ["limit"]);
    });
}

#[test]
fn bad_requests_are_refused() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let bad = format!("{PATH}?orderBy=colour&orderDirection=up&limit=1001&offset=99999999999");
        assert_eq!(admin.get(&bad).await.invalid(), ["limit", "offset", "orderBy", "orderDirection"]);
        assert_eq!(admin.get(&format!("{PATH}?limit=-1")).await.invalid(), ["limit"]);
        assert_eq!(admin.get(&format!("{PATH}?orgId=x")).await.invalid(), ["orgId"]);
        let other = app.add_org("Other").await;
        admin.get(&format!("{PATH}?orgId={other}")).await.refused(404, "NotFound");
        app.nobody().get(PATH).await.refused(401, "UnauthorizedError");
        app.nobody().post(SEARCH, json!({})).await.refused(401, "UnauthorizedError");
        let powerless = app.person_in(&admin.org_id, "none@example.com", OrgRole::NoAccess).await;
        powerless.get(PATH).await.refused(403, "PermissionDenied");
        for scope in ["project", "organization"] {
            powerless
                .post(SEARCH, json!({ "scope": [scope] }))
                .await
                .refused(403, "PermissionDenied");
        }
        let foreign = app.person_in(&other.to_string(), "eve@example.com", OrgRole::Admin).await;
        assert_eq!(foreign.get(PATH).await.ok(), json!({ "identities": [], "totalCount": 0 }));
    });
}
