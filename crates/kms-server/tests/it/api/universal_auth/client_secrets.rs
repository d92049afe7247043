use serde_json::json;

use crate::support::{ANY_MACHINE, START_ON_THE_WIRE, TestApp, on_each_database};

#[test]
fn a_client_secret_is_shown_once() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let path = format!("{}/client-secrets", machine.path());
        let universal_auth = admin.get(&machine.path()).await.ok()["identityUniversalAuth"]["id"].clone();
        let body = json!({ "description": "for the shop", "numUsesLimit": 2, "ttl": 3600 });
        let made = admin.post(&path, body).await.ok();
        let secret = made["clientSecret"].as_str().unwrap();
        let data = made["clientSecretData"].clone();
        assert_eq!(
            data,
            json!({
                "id": data["id"],
                "createdAt": START_ON_THE_WIRE,
                "updatedAt": START_ON_THE_WIRE,
                "description": "for the shop",
                "clientSecretPrefix": &secret[..4],
                "clientSecretNumUses": 0,
                "clientSecretNumUsesLimit": 2,
                "clientSecretTTL": 3600,
                "identityUAId": universal_auth,
                "isClientSecretRevoked": false,
            })
        );
        let one = format!("{path}/{}", data["id"].as_str().unwrap());
        assert_eq!(admin.get(&one).await.ok(), json!({ "clientSecretData": data }));
        let list = admin.get(&path).await.ok();
        let list = list["clientSecretData"].as_array().unwrap();
        assert_eq!(list.len(), 2);
        assert!(list.contains(&data));
        // The other has the defaults.
        let other = list.iter().find(|other| other["id"] == machine.client_secret_id.as_str()).unwrap();
        assert_eq!(other["description"], "");
        assert_eq!(
            (&other["clientSecretNumUsesLimit"], &other["clientSecretTTL"]),
            (&json!(0), &json!(0))
        );

        let events = app.events(&admin.org_id, "create-identity-universal-auth-client-secret").await;
        assert!(
            events
                .iter()
                .any(|line| { line.metadata == json!({ "identityId": machine.identity_id, "clientSecretId": data["id"] }) })
        );
        let reads = app.events(&admin.org_id, "get-identity-universal-auth-client-secret").await;
        assert_eq!(reads.len(), 2);
    });
}

#[test]
fn revoking_a_secret_ends_its_tokens_and_leaves_others_alone() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let path = format!("{}/client-secrets", machine.path());
        let second = admin.post(&path, json!({})).await.ok();
        let mut other = app.usual_machine(&admin).await;
        other.client_id.clone_from(&machine.client_id);
        other.client_secret = second["clientSecret"].as_str().unwrap().to_owned();
        let caller = machine.log_in(&app.nobody()).await;
        let other_caller = other.log_in(&app.nobody()).await;

        app.advance(60);
        let one = format!("{path}/{}", machine.client_secret_id);
        let revoked = admin.post(&format!("{one}/revoke"), json!({})).await.ok();
        assert_eq!(revoked["clientSecretData"]["isClientSecretRevoked"], true);
        assert_eq!(revoked["clientSecretData"]["updatedAt"], "2026-03-01T12:01:00.000Z");
        caller.get(ANY_MACHINE).await.refused(401, "UnauthorizedError");
        machine.try_in(&app.nobody()).await.refused(401, "UnauthorizedError");
        other_caller.get(ANY_MACHINE).await.ok();
        other.try_in(&app.nobody()).await.ok();
        // It can still be looked at, but is listed no longer. Once more does no harm.
        assert_eq!(admin.get(&one).await.ok(), revoked);
        let list = admin.get(&path).await.ok();
        assert_eq!(list["clientSecretData"].as_array().unwrap().len(), 1);
        assert_eq!(list["clientSecretData"][0]["id"], second["clientSecretData"]["id"]);
        assert_eq!(admin.post(&format!("{one}/revoke"), json!({})).await.ok(), revoked);
        let line = app.only_event(&admin.org_id, "revoke-identity-universal-auth-client-secret").await;
        assert_eq!(
            line.metadata,
            json!({ "identityId": machine.identity_id, "clientSecretId": machine.client_secret_id })
        );
    });
}

#[test]
fn bad_requests_are_refused() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let path = format!("{}/client-secrets", machine.path());
        let bad = json!({ "ttl": 315_360_001, "numUsesLimit": 1_000_000_001 });
        assert_eq!(admin.post(&path, bad).await.invalid(), ["numUsesLimit", "ttl"]);
        let long = json!({ "description": "x".repeat(1001) });
        assert_eq!(admin.post(&path, long).await.invalid(), ["description"]);
        assert_eq!(admin.post(&path, json!({ "ttl": -1 })).await.invalid(), ["ttl"]);
        assert_eq!(admin.get(&format!("{path}/x")).await.invalid(), ["clientSecretId"]);
        let unknown = format!("{path}/00000000-0000-4000-8000-000000000000");
        admin.get(&unknown).await.refused(404, "NotFound");
        admin.post(&format!("{unknown}/revoke"), json!({})).await.refused(404, "NotFound");
        // A secret of another identity is none of this one's.
        let other = app.usual_machine(&admin).await;
        let mixed = format!("{path}/{}", other.client_secret_id);
        admin.get(&mixed).await.refused(404, "NotFound");
        admin.post(&format!("{mixed}/revoke"), json!({})).await.refused(404, "NotFound");
        other.try_in(&app.nobody()).await.ok();
    });
}
