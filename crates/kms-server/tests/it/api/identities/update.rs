use kms_core::permission::OrgRole;
use serde_json::json;

use crate::support::{START_ON_THE_WIRE, TestApp, on_each_database};

#[test]
fn what_is_given_changes_and_the_rest_stays() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let body = json!({ "name": "deployer", "role": "member", "metadata": [{ "key": "team", "value": "shop" }] });
        let made = admin.post("/api/v1/identities", body).await.ok();
        let id = made["identity"]["id"].as_str().unwrap();
        let path = format!("/api/v1/identities/{id}");
        app.advance(60);
        // Nothing but `null`: nothing changes.
        let same = admin
            .patch(&path, json!({ "name": null, "role": null, "metadata": null }))
            .await
            .ok();
        assert_eq!(same["identity"]["name"], "deployer");
        assert_eq!(same["identity"]["metadata"], made["identity"]["metadata"]);

        let change = json!({ "name": "robot", "role": "admin", "hasDeleteProtection": true, "metadata": [] });
        let changed = admin.patch(&path, change).await.ok();
        assert_eq!(
            changed,
            json!({ "identity": {
                "id": id,
                "name": "robot",
                "orgId": admin.org_id,
                "projectId": null,
                "authMethod": null,
                "authMethods": [],
                "hasDeleteProtection": true,
                "metadata": [],
                "createdAt": START_ON_THE_WIRE,
                "updatedAt": "2026-03-01T12:01:00.000Z",
            } })
        );
        let seen = admin.get(&path).await.ok();
        assert_eq!(seen["identity"]["role"], "admin");
        assert_eq!(seen["identity"]["identity"]["name"], "robot");
        let events = app.events(&admin.org_id, "update-identity").await;
        assert!(
            events.iter().any(|line| {
                line.metadata == json!({ "identityId": id, "name": "robot", "role": "admin", "hasDeleteProtection": true })
            })
        );
    });
}

#[test]
fn a_lost_role_is_lost_at_once() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let caller = machine.log_in(&app.nobody()).await;
        caller.get("/api/v1/identities").await.ok();
        let path = format!("/api/v1/identities/{}", machine.identity_id);
        admin.patch(&path, json!({ "role": "no-access" })).await.ok();
        caller.get("/api/v1/identities").await.refused(403, "PermissionDenied");
    });
}

#[test]
fn bad_requests_are_refused() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let id = app.identity(&admin, "member").await;
        let path = format!("/api/v1/identities/{id}");
        assert_eq!(admin.patch(&path, json!({ "name": "" })).await.invalid(), ["name"]);
        admin.patch(&path, json!({ "role": "owner" })).await.refused(400, "BadRequest");
        let unknown = "/api/v1/identities/00000000-0000-4000-8000-000000000000";
        admin.patch(unknown, json!({ "name": "a" })).await.refused(404, "NotFound");
        assert_eq!(
            admin.patch("/api/v1/identities/x", json!({ "name": "a" })).await.invalid(),
            ["identityId"]
        );
        app.nobody().patch(&path, json!({})).await.refused(401, "UnauthorizedError");
        let powerless = app.person_in(&admin.org_id, "none@example.com", OrgRole::NoAccess).await;
        powerless.patch(&path, json!({})).await.refused(403, "PermissionDenied");
        let other = app.add_org("Other").await;
        let foreign = app.person_in(&other.to_string(), "eve@example.com", OrgRole::Admin).await;
        foreign.patch(&path, json!({})).await.refused(404, "NotFound");
    });
}
