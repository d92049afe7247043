use kms_core::permission::OrgRole;
use serde_json::json;

use crate::support::{ANY_MACHINE, TestApp, on_each_database};

#[test]
fn deleting_an_identity_ends_its_tokens_at_once() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let token_auth = format!("/api/v1/auth/token-auth/identities/{}", machine.identity_id);
        admin.post(&token_auth, json!({})).await.ok();
        let token = admin.post(&format!("{token_auth}/tokens"), json!({})).await.ok();
        let by_login = machine.log_in(&app.nobody()).await;
        let by_hand = app.caller(token["accessToken"].as_str().unwrap());
        by_login.get(ANY_MACHINE).await.ok();
        by_hand.get(ANY_MACHINE).await.ok();

        let path = format!("/api/v1/identities/{}", machine.identity_id);
        let deleted = admin.delete(&path).await.ok();
        assert_eq!(deleted["identity"]["id"], machine.identity_id.as_str());
        assert_eq!(deleted["identity"]["authMethods"], json!(["universal-auth", "token-auth"]));
        for caller in [&by_login, &by_hand] {
            caller.get(ANY_MACHINE).await.refused(401, "UnauthorizedError");
        }
        machine.try_in(&app.nobody()).await.refused(401, "UnauthorizedError");
        for path in [&path, &token_auth, &machine.path()] {
            admin.get(path).await.refused(404, "NotFound");
        }
        let line = app.only_event(&admin.org_id, "delete-identity").await;
        assert_eq!(line.metadata, json!({ "identityId": machine.identity_id, "name": "deployer" }));
    });
}

#[test]
fn a_protected_identity_is_not_deleted() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let id = app.identity(&admin, "member").await;
        let path = format!("/api/v1/identities/{id}");
        admin.patch(&path, json!({ "hasDeleteProtection": true })).await.ok();
        admin.delete(&path).await.refused(400, "BadRequest");
        admin.get(&path).await.ok();
        admin.patch(&path, json!({ "hasDeleteProtection": false })).await.ok();
        // An empty body with a content type, and a useless one, do no harm.
        admin.delete_with(&path, json!({ "anything": true })).await.ok();
        admin.delete(&path).await.refused(404, "NotFound");
    });
}

#[test]
fn strangers_do_not_delete() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let id = app.identity(&admin, "no-access").await;
        let path = format!("/api/v1/identities/{id}");
        app.nobody().delete(&path).await.refused(401, "UnauthorizedError");
        let powerless = app.person_in(&admin.org_id, "none@example.com", OrgRole::NoAccess).await;
        powerless.delete(&path).await.refused(403, "PermissionDenied");
        let other = app.add_org("Other").await;
        let foreign = app.person_in(&other.to_string(), "eve@example.com", OrgRole::Admin).await;
        foreign.delete(&path).await.refused(404, "NotFound");
        admin.get(&path).await.ok();
    });
}
