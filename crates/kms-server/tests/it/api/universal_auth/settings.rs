use kms_core::permission::OrgRole;
use serde_json::{Value, json};

use crate::support::{ANY_MACHINE, START_ON_THE_WIRE, TestApp, on_each_database};

fn anywhere() -> Value {
    json!([
        { "type": "ipv4", "prefix": 0, "ipAddress": "0.0.0.0" },
        { "type": "ipv6", "prefix": 0, "ipAddress": "::" },
    ])
}

#[test]
fn universal_auth_is_attached_with_defaults_changed_and_detached() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let id = app.identity(&admin, "member").await;
        let path = format!("/api/v1/auth/universal-auth/identities/{id}");
        let attached = admin.post(&path, json!({ "unknown": 1, "accessTokenTTL": null })).await.ok();
        let auth = &attached["identityUniversalAuth"];
        assert_eq!(
            attached,
            json!({ "identityUniversalAuth": {
                "id": auth["id"],
                "clientId": auth["clientId"],
                "identityId": id,
                "accessTokenTTL": 2_592_000,
                "accessTokenMaxTTL": 2_592_000,
                "accessTokenNumUsesLimit": 0,
                "accessTokenPeriod": 0,
                "accessTokenTrustedIps": anywhere(),
                "clientSecretTrustedIps": anywhere(),
                "lockoutEnabled": true,
                "lockoutThreshold": 3,
                "lockoutDurationSeconds": 300,
                "lockoutCounterResetSeconds": 30,
                "createdAt": START_ON_THE_WIRE,
                "updatedAt": START_ON_THE_WIRE,
            } })
        );
        assert_eq!(admin.get(&path).await.ok(), attached);
        admin.post(&path, json!({})).await.refused(400, "BadRequest");

        app.advance(60);
        let change = json!({
            "accessTokenTTL": 60,
            "accessTokenMaxTTL": 120,
            "accessTokenNumUsesLimit": 5,
            "accessTokenPeriod": 30,
            "accessTokenTrustedIps": [{ "ipAddress": "192.0.2.7" }],
            "clientSecretTrustedIps": [{ "ipAddress": "192.0.2.0/24" }, { "ipAddress": "2001:db8::/32" }],
            "lockoutEnabled": false,
            "lockoutThreshold": 30,
            "lockoutDurationSeconds": 86_400,
            "lockoutCounterResetSeconds": 3_600,
        });
        let changed = admin.patch(&path, change).await.ok();
        assert_eq!(
            changed,
            json!({ "identityUniversalAuth": {
                "id": auth["id"],
                "clientId": auth["clientId"],
                "identityId": id,
                "accessTokenTTL": 60,
                "accessTokenMaxTTL": 120,
                "accessTokenNumUsesLimit": 5,
                "accessTokenPeriod": 30,
                "accessTokenTrustedIps": [{ "type": "ipv4", "ipAddress": "192.0.2.7" }],
                "clientSecretTrustedIps": [
                    { "type": "ipv4", "prefix": 24, "ipAddress": "192.0.2.0" },
                    { "type": "ipv6", "prefix": 32, "ipAddress": "2001:db8::" },
                ],
                "lockoutEnabled": false,
                "lockoutThreshold": 30,
                "lockoutDurationSeconds": 86_400,
                "lockoutCounterResetSeconds": 3_600,
                "createdAt": START_ON_THE_WIRE,
                "updatedAt": "2026-03-01T12:01:00.000Z",
            } })
        );
        // What is absent stays.
        let again = admin.patch(&path, json!({ "lockoutThreshold": 4 })).await.ok();
        let mut expected = changed;
        expected["identityUniversalAuth"]["lockoutThreshold"] = json!(4);
        assert_eq!(again, expected);

        assert_eq!(admin.delete(&path).await.ok(), expected);
        for answer in [
            admin.get(&path).await,
            admin.patch(&path, json!({})).await,
            admin.delete(&path).await,
            admin.post(&format!("{path}/clear-lockouts"), json!({})).await,
            admin.post(&format!("{path}/client-secrets"), json!({})).await,
            admin.get(&format!("{path}/client-secrets")).await,
        ] {
            answer.refused(400, "BadRequest");
        }
        // Once detached, it can be attached anew, with another client id.
        let anew = admin.post(&path, json!({})).await.ok();
        assert_ne!(anew["identityUniversalAuth"]["clientId"], auth["clientId"]);
        for event in ["add", "update", "get", "revoke"] {
            let events = app.events(&admin.org_id, &format!("{event}-identity-universal-auth")).await;
            assert!(!events.is_empty(), "{event}");
            assert!(events.iter().all(|line| line.metadata["identityId"] == id.as_str()), "{event}");
        }
    });
}

#[test]
fn every_invalid_setting_is_named_and_nothing_is_changed() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let id = app.identity(&admin, "member").await;
        let path = format!("/api/v1/auth/universal-auth/identities/{id}");
        let bad = json!({
            "accessTokenTTL": 315_360_002_u64,
            "accessTokenMaxTTL": 315_360_001_u64,
            "accessTokenPeriod": 315_360_001_u64,
            "accessTokenNumUsesLimit": 1_000_000_001_u64,
            "accessTokenTrustedIps": [],
            "clientSecretTrustedIps": [],
            "lockoutThreshold": 0,
            "lockoutDurationSeconds": 29,
            "lockoutCounterResetSeconds": 4,
        });
        let mut expected = vec![
            "accessTokenTTL",
            "accessTokenMaxTTL",
            "accessTokenPeriod",
            "accessTokenNumUsesLimit",
            "accessTokenTTL",
            "accessTokenTrustedIps",
            "clientSecretTrustedIps",
            "lockoutThreshold",
            "lockoutDurationSeconds",
            "lockoutCounterResetSeconds",
        ];
        assert_eq!(admin.post(&path, bad).await.invalid(), expected);
        expected.drain(..7);
        let high = json!({ "lockoutThreshold": 31, "lockoutDurationSeconds": 86_401, "lockoutCounterResetSeconds": 3_601 });
        assert_eq!(admin.post(&path, high).await.invalid(), expected);
        for (field, value) in [
            ("accessTokenTTL", json!(-1)),
            ("accessTokenTTL", json!("60")),
            ("accessTokenMaxTTL", json!(1.5)),
            ("lockoutEnabled", json!("yes")),
            ("accessTokenTrustedIps", json!("192.0.2.7")),
        ] {
            assert_eq!(admin.post(&path, json!({ field: value })).await.invalid(), [field]);
        }
        assert_eq!(
            admin.post(&path, json!({ "accessTokenTrustedIps": [{}] })).await.invalid(),
            ["accessTokenTrustedIps.0.ipAddress"]
        );
        for address in ["example.com", "192.0.2.0/33", ""] {
            for field in ["accessTokenTrustedIps", "clientSecretTrustedIps"] {
                let body = json!({ field: [{ "ipAddress": address }] });
                admin.post(&path, body).await.refused(400, "BadRequest");
            }
        }
        admin.get(&path).await.refused(400, "BadRequest");

        // A change is judged together with what stays.
        admin.post(&path, json!({})).await.ok();
        assert_eq!(
            admin.patch(&path, json!({ "accessTokenMaxTTL": 60 })).await.invalid(),
            ["accessTokenTTL"]
        );
        admin
            .patch(&path, json!({ "accessTokenMaxTTL": 60, "accessTokenTTL": 60 }))
            .await
            .ok();
    });
}

#[test]
fn detaching_ends_secrets_and_tokens() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let caller = machine.log_in(&app.nobody()).await;
        caller.get(ANY_MACHINE).await.ok();
        admin.delete(&machine.path()).await.ok();
        caller.get(ANY_MACHINE).await.refused(401, "UnauthorizedError");
        machine.try_in(&app.nobody()).await.refused(401, "UnauthorizedError");
        // Attached anew, the old secret and token are still not good.
        admin.post(&machine.path(), json!({})).await.ok();
        caller.get(ANY_MACHINE).await.refused(401, "UnauthorizedError");
        assert_eq!(
            admin.get(&format!("{}/client-secrets", machine.path())).await.ok(),
            json!({ "clientSecretData": [] })
        );
    });
}

#[test]
fn new_trusted_addresses_hold_for_tokens_that_were_given_before() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let caller = machine.log_in(&app.nobody()).await;
        caller.get(ANY_MACHINE).await.ok();
        let change = json!({ "accessTokenTrustedIps": [{ "ipAddress": "192.0.2.0/24" }] });
        admin.patch(&machine.path(), change).await.ok();
        caller.get(ANY_MACHINE).await.refused(401, "UnauthorizedError");
        caller.from("192.0.2.99").get(ANY_MACHINE).await.ok();
        // Behind a trusted proxy, the client's address counts; what a stranger says does not.
        let forwarded = caller.with_header("x-forwarded-for", "192.0.2.99");
        forwarded.from("10.0.0.1").get(ANY_MACHINE).await.ok();
        forwarded.get(ANY_MACHINE).await.refused(401, "UnauthorizedError");
    });
}

#[test]
fn strangers_and_the_powerless_are_refused() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.machine(&admin, "no-access", json!({}), json!({})).await;
        let other = app.add_org("Other").await;
        let powerless = app.person_in(&admin.org_id, "none@example.com", OrgRole::NoAccess).await;
        let foreign = app.person_in(&other.to_string(), "eve@example.com", OrgRole::Admin).await;
        let secret = format!("{}/client-secrets/{}", machine.path(), machine.client_secret_id);
        for (caller, status, kind) in [
            (&app.nobody(), 401, "UnauthorizedError"),
            (&powerless, 403, "PermissionDenied"),
            (&foreign, 404, "NotFound"),
        ] {
            caller.get(&machine.path()).await.refused(status, kind);
            caller.post(&machine.path(), json!({})).await.refused(status, kind);
            caller.patch(&machine.path(), json!({})).await.refused(status, kind);
            caller.delete(&machine.path()).await.refused(status, kind);
            caller
                .post(&format!("{}/clear-lockouts", machine.path()), json!({}))
                .await
                .refused(status, kind);
            let secrets = format!("{}/client-secrets", machine.path());
            caller.post(&secrets, json!({})).await.refused(status, kind);
            caller.get(&secrets).await.refused(status, kind);
            caller.get(&secret).await.refused(status, kind);
            caller.post(&format!("{secret}/revoke"), json!({})).await.refused(status, kind);
        }
        machine.try_in(&app.nobody()).await.ok();
        assert_eq!(
            admin.get("/api/v1/auth/universal-auth/identities/x").await.invalid(),
            ["identityId"]
        );
    });
}
