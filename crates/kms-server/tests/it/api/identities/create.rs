use kms_core::permission::OrgRole;
use serde_json::json;

use crate::support::{START_ON_THE_WIRE, TestApp, on_each_database};

const PATH: &str = "/api/v1/identities";

#[test]
fn an_identity_is_made_with_everything() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let body = json!({
            "name": " deployer ",
            "organizationId": admin.org_id,
            "role": "member",
            "hasDeleteProtection": true,
            "metadata": [{ "key": "team", "value": "shop" }, { "key": "empty" }],
            "unknown": { "a": [1] },
        });
        let made = admin.post(PATH, body).await.ok();
        let identity = &made["identity"];
        assert_eq!(
            made,
            json!({ "identity": {
                "id": identity["id"],
                "name": "deployer",
                "orgId": admin.org_id,
                "projectId": null,
                "authMethod": null,
                "authMethods": [],
                "hasDeleteProtection": true,
                "metadata": [
                    { "id": identity["metadata"][0]["id"], "key": "team", "value": "shop" },
                    { "id": identity["metadata"][1]["id"], "key": "empty", "value": "" },
                ],
                "createdAt": START_ON_THE_WIRE,
                "updatedAt": START_ON_THE_WIRE,
            } })
        );
        let mut events = app.events(&admin.org_id, "create-identity").await;
        // The other is the instance's own, from the bootstrap.
        assert_eq!(events.len(), 2);
        events.retain(|line| line.metadata["identityId"] == identity["id"]);
        assert_eq!(events[0].actor["identityId"], admin.identity_id.as_str());
        assert_eq!(
            events[0].metadata,
            json!({ "identityId": identity["id"], "name": "deployer", "role": "member", "hasDeleteProtection": true })
        );
    });
}

#[test]
fn what_is_left_out_has_a_default() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let person = app.log_in_to(&admin.email, &admin.password, &admin.org_id).await;
        for (caller, body) in [
            (&*admin, json!({ "name": "a" })),
            (
                &person,
                json!({ "name": "a", "organizationId": "", "role": null, "metadata": null, "hasDeleteProtection": null }),
            ),
        ] {
            let made = caller.post(PATH, body).await.ok();
            let path = format!("{PATH}/{}", made["identity"]["id"].as_str().unwrap());
            let identity = caller.get(&path).await.ok();
            assert_eq!(identity["identity"]["role"], "no-access");
            assert_eq!(identity["identity"]["identity"]["hasDeleteProtection"], false);
            assert_eq!(identity["identity"]["metadata"], json!([]));
        }
    });
}

#[test]
fn bad_requests_are_refused() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let other = app.add_org("Other").await;
        assert_eq!(admin.post(PATH, json!({})).await.invalid(), ["name"]);
        assert_eq!(admin.post(PATH, json!({ "name": 5 })).await.invalid(), ["name"]);
        assert_eq!(admin.post(PATH, json!({ "name": " " })).await.invalid(), ["name"]);
        let long = json!({ "name": "x".repeat(256), "metadata": [{ "key": "" }] });
        assert_eq!(admin.post(PATH, long).await.invalid(), ["name", "metadata"]);
        let malformed = json!({ "name": "a", "organizationId": "x" });
        assert_eq!(admin.post(PATH, malformed).await.invalid(), ["organizationId"]);
        let nested = json!({ "name": "a", "metadata": [{ "key": 1 }] });
        assert_eq!(admin.post(PATH, nested).await.invalid(), ["metadata.0.key"]);
        admin
            .post(PATH, json!({ "name": "a", "role": "custom" }))
            .await
            .refused(400, "BadRequest");
        admin
            .post(PATH, json!({ "name": "a", "organizationId": other }))
            .await
            .refused(404, "NotFound");
        app.nobody()
            .post(PATH, json!({ "name": "a" }))
            .await
            .refused(401, "UnauthorizedError");
        let powerless = app.person_in(&admin.org_id, "none@example.com", OrgRole::NoAccess).await;
        let denied = powerless.post(PATH, json!({ "name": "a" })).await.refused(403, "PermissionDenied");
        assert_eq!(denied["details"], json!([{ "action": "create", "subject": "identity" }]));
    });
}
