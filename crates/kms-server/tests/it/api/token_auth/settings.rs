use kms_core::permission::OrgRole;
use serde_json::json;

use crate::support::{ANY_MACHINE, START_ON_THE_WIRE, TestApp, on_each_database};

#[test]
fn token_auth_is_attached_changed_and_detached() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let id = app.identity(&admin, "member").await;
        let path = format!("/api/v1/auth/token-auth/identities/{id}");
        for answer in [
            admin.get(&path).await,
            admin.patch(&path, json!({})).await,
            admin.delete(&path).await,
            admin.post(&format!("{path}/tokens"), json!({})).await,
            admin.get(&format!("{path}/tokens")).await,
        ] {
            answer.refused(400, "BadRequest");
        }
        let attached = admin.post(&path, json!({})).await.ok();
        assert_eq!(
            attached,
            json!({ "identityTokenAuth": {
                "id": attached["identityTokenAuth"]["id"],
                "identityId": id,
                "accessTokenTTL": 2_592_000,
                "accessTokenMaxTTL": 2_592_000,
                "accessTokenNumUsesLimit": 0,
                "accessTokenPeriod": 0,
                "accessTokenTrustedIps": [
                    { "type": "ipv4", "prefix": 0, "ipAddress": "0.0.0.0" },
                    { "type": "ipv6", "prefix": 0, "ipAddress": "::" },
                ],
                "createdAt": START_ON_THE_WIRE,
                "updatedAt": START_ON_THE_WIRE,
            } })
        );
        admin.post(&path, json!({})).await.refused(400, "BadRequest");
        assert_eq!(admin.get(&path).await.ok(), attached);
        app.advance(60);
        let change = json!({ "accessTokenTTL": 0, "accessTokenNumUsesLimit": 7, "accessTokenTrustedIps": [{ "ipAddress": "::1" }] });
        let changed = admin.patch(&path, change).await.ok();
        let mut expected = attached;
        let auth = &mut expected["identityTokenAuth"];
        auth["accessTokenTTL"] = json!(0);
        auth["accessTokenNumUsesLimit"] = json!(7);
        auth["accessTokenTrustedIps"] = json!([{ "type": "ipv6", "ipAddress": "::1" }]);
        auth["updatedAt"] = json!("2026-03-01T12:01:00.000Z");
        assert_eq!(changed, expected);
        assert_eq!(admin.delete(&path).await.ok(), expected);
        admin.get(&path).await.refused(400, "BadRequest");
        for event in ["update", "get", "revoke"] {
            let line = app.only_event(&admin.org_id, &format!("{event}-identity-token-auth")).await;
            assert_eq!(line.metadata["identityId"], id.as_str(), "{event}");
        }
    });
}

#[test]
fn invalid_settings_are_named() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let path = format!("/api/v1/auth/token-auth/identities/{}", app.identity(&admin, "member").await);
        let bad = json!({ "accessTokenTTL": 61, "accessTokenMaxTTL": 60, "accessTokenTrustedIps": [] });
        assert_eq!(admin.post(&path, bad).await.invalid(), ["accessTokenTTL", "accessTokenTrustedIps"]);
        let bad = json!({ "accessTokenTrustedIps": [{ "ipAddress": "nowhere" }] });
        admin.post(&path, bad).await.refused(400, "BadRequest");
        let unknown = "/api/v1/auth/token-auth/identities/00000000-0000-4000-8000-000000000000";
        admin.post(unknown, json!({})).await.refused(404, "NotFound");
        assert_eq!(
            admin.post("/api/v1/auth/token-auth/identities/x", json!({})).await.invalid(),
            ["identityId"]
        );
    });
}

#[test]
fn detaching_ends_the_tokens() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let path = format!("/api/v1/auth/token-auth/identities/{}", machine.identity_id);
        admin.post(&path, json!({})).await.ok();
        let token = admin.post(&format!("{path}/tokens"), json!({})).await.ok();
        let by_hand = app.caller(token["accessToken"].as_str().unwrap());
        let by_login = machine.log_in(&app.nobody()).await;
        by_hand.get(ANY_MACHINE).await.ok();
        admin.delete(&path).await.ok();
        by_hand.get(ANY_MACHINE).await.refused(401, "UnauthorizedError");
        // Tokens of the other method stay good.
        by_login.get(ANY_MACHINE).await.ok();
    });
}

#[test]
fn strangers_and_the_powerless_are_refused() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let id = app.identity(&admin, "no-access").await;
        let path = format!("/api/v1/auth/token-auth/identities/{id}");
        admin.post(&path, json!({})).await.ok();
        let made = admin.post(&format!("{path}/tokens"), json!({})).await.ok();
        let token = format!("/api/v1/auth/token-auth/tokens/{}", made["tokenData"]["id"].as_str().unwrap());
        let other = app.add_org("Other").await;
        let powerless = app.person_in(&admin.org_id, "none@example.com", OrgRole::NoAccess).await;
        let foreign = app.person_in(&other.to_string(), "eve@example.com", OrgRole::Admin).await;
        for (caller, status, kind) in [
            (&app.nobody(), 401, "UnauthorizedError"),
            (&powerless, 403, "PermissionDenied"),
            (&foreign, 404, "NotFound"),
        ] {
            caller.get(&path).await.refused(status, kind);
            caller.post(&path, json!({})).await.refused(status, kind);
            caller.patch(&path, json!({})).await.refused(status, kind);
            caller.delete(&path).await.refused(status, kind);
            caller.post(&format!("{path}/tokens"), json!({})).await.refused(status, kind);
            caller.get(&format!("{path}/tokens")).await.refused(status, kind);
            caller.get(&token).await.refused(status, kind);
            caller.patch(&token, json!({ "name": "x" })).await.refused(status, kind);
            caller.post(&format!("{token}/revoke"), json!({})).await.refused(status, kind);
        }
        app.caller(made["accessToken"].as_str().unwrap()).get(ANY_MACHINE).await.ok();
    });
}
