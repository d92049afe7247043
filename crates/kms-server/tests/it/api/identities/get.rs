use kms_core::permission::OrgRole;
use serde_json::json;

use crate::support::{START_ON_THE_WIRE, TestApp, on_each_database};

#[test]
fn an_identity_is_shown_within_its_membership() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let path = format!("/api/v1/identities/{}", machine.identity_id);
        let seen = admin.get(&path).await.ok();
        let expected = |method, time| {
            json!({ "identity": {
                "id": seen["identity"]["id"],
                "role": "member",
                "roleId": null,
                "orgId": admin.org_id,
                "identityId": machine.identity_id,
                "metadata": [],
                "createdAt": START_ON_THE_WIRE,
                "updatedAt": START_ON_THE_WIRE,
                "lastLoginAuthMethod": method,
                "lastLoginTime": time,
                "identity": {
                    "id": machine.identity_id,
                    "name": "deployer",
                    "authMethods": ["universal-auth"],
                    "hasDeleteProtection": false,
                },
            } })
        };
        assert_eq!(seen, expected(json!(null), json!(null)));
        assert_ne!(seen["identity"]["id"], seen["identity"]["identityId"]);
        app.advance(60);
        machine.log_in(&app.nobody()).await;
        assert_eq!(
            admin.get(&path).await.ok(),
            expected(json!("universal-auth"), json!("2026-03-01T12:01:00.000Z"))
        );
    });
}

#[test]
fn strangers_do_not_see_it() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let path = format!("/api/v1/identities/{}", app.identity(&admin, "member").await);
        app.nobody().get(&path).await.refused(401, "UnauthorizedError");
        let powerless = app.person_in(&admin.org_id, "none@example.com", OrgRole::NoAccess).await;
        powerless.get(&path).await.refused(403, "PermissionDenied");
        let other = app.add_org("Other").await;
        let foreign = app.person_in(&other.to_string(), "eve@example.com", OrgRole::Admin).await;
        foreign.get(&path).await.refused(404, "NotFound");
        admin
            .get("/api/v1/identities/00000000-0000-4000-8000-000000000000")
            .await
            .refused(404, "NotFound");
        assert_eq!(admin.get("/api/v1/identities/x").await.invalid(), ["identityId"]);
    });
}
