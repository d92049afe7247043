use serde_json::json;

use crate::support::{ANY_MACHINE, START_ON_THE_WIRE, TestApp, claims, on_each_database};

#[test]
fn a_token_is_made_by_hand() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let id = app.identity(&admin, "member").await;
        let path = format!("/api/v1/auth/token-auth/identities/{id}");
        admin.post(&path, json!({ "accessTokenTTL": 3600 })).await.ok();
        let body = json!({ "name": " ci ", "organizationSlug": null });
        let made = admin.post(&format!("{path}/tokens"), body).await.ok();
        let data = &made["tokenData"];
        assert_eq!(
            made,
            json!({
                "accessToken": made["accessToken"],
                "expiresIn": 3600,
                "accessTokenMaxTTL": 2_592_000,
                "tokenType": "Bearer",
                "tokenData": {
                    "id": data["id"],
                    "identityId": id,
                    "name": "ci",
                    "accessTokenTTL": 3600,
                    "accessTokenMaxTTL": 2_592_000,
                    "accessTokenNumUses": 0,
                    "accessTokenNumUsesLimit": 0,
                    "accessTokenPeriod": 0,
                    "accessTokenLastUsedAt": null,
                    "accessTokenLastRenewedAt": null,
                    "isAccessTokenRevoked": false,
                    "identityUAClientSecretId": null,
                    "authMethod": "token-auth",
                    "subOrganizationId": null,
                    "createdAt": START_ON_THE_WIRE,
                    "updatedAt": START_ON_THE_WIRE,
                },
            })
        );
        let token = made["accessToken"].as_str().unwrap();
        let claims = claims(token);
        assert_eq!(claims["authMethod"], "token-auth");
        assert_eq!(claims["clientSecretId"], json!(null));
        assert_eq!(claims["identityAccessTokenId"], data["id"]);

        // Its use is noted, once a minute.
        let one = format!("/api/v1/auth/token-auth/tokens/{}", data["id"].as_str().unwrap());
        assert_eq!(admin.get(&one).await.ok(), json!({ "token": data }));
        let caller = app.caller(token);
        for (after, noted) in [
            (10, "2026-03-01T12:00:10.000Z"),
            (59, "2026-03-01T12:00:10.000Z"),
            (1, "2026-03-01T12:01:10.000Z"),
        ] {
            app.advance(after);
            caller.get(ANY_MACHINE).await.ok();
            assert_eq!(admin.get(&one).await.ok()["token"]["accessTokenLastUsedAt"], noted);
        }
        let events = app.events(&admin.org_id, "create-token-identity-token-auth").await;
        assert!(events.iter().any(|line| {
            line.metadata == json!({ "identityId": id, "tokenId": data["id"], "tokenName": "ci", "isAccessTokenRevoked": false })
        }));
    });
}

#[test]
fn tokens_are_listed_renamed_and_revoked() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let id = app.identity(&admin, "member").await;
        let path = format!("/api/v1/auth/token-auth/identities/{id}");
        admin.post(&path, json!({})).await.ok();
        let mut made = Vec::new();
        for name in ["one", "two", "three"] {
            app.advance(1);
            made.push(admin.post(&format!("{path}/tokens"), json!({ "name": name })).await.ok());
        }
        let list = admin.get(&format!("{path}/tokens")).await.ok();
        let all: Vec<_> = made.iter().map(|token| token["tokenData"].clone()).collect();
        assert_eq!(list, json!({ "tokens": all }));
        let page = admin.get(&format!("{path}/tokens?offset=1&limit=1")).await.ok();
        assert_eq!(page, json!({ "tokens": [all[1]] }));
        for bad in ["limit=0", "limit=101", "offset=-1"] {
            let field = bad.split('=').next().unwrap();
            assert_eq!(admin.get(&format!("{path}/tokens?{bad}")).await.invalid(), [field]);
        }

        let one = format!("/api/v1/auth/token-auth/tokens/{}", all[0]["id"].as_str().unwrap());
        let renamed = admin.patch(&one, json!({ "name": "uno" })).await.ok();
        assert_eq!(renamed["token"]["name"], "uno");
        assert_eq!(admin.patch(&one, json!({})).await.ok(), renamed);
        assert_eq!(admin.patch(&one, json!({ "name": "x".repeat(256) })).await.invalid(), ["name"]);

        let caller = app.caller(made[0]["accessToken"].as_str().unwrap());
        let other = app.caller(made[1]["accessToken"].as_str().unwrap());
        caller.get(ANY_MACHINE).await.ok();
        let answer = admin.post(&format!("{one}/revoke"), json!({})).await.ok();
        assert_eq!(answer, json!({ "message": "Successfully revoked access token" }));
        caller.get(ANY_MACHINE).await.refused(401, "UnauthorizedError");
        other.get(ANY_MACHINE).await.ok();
        assert_eq!(admin.get(&one).await.ok()["token"]["isAccessTokenRevoked"], true);
        admin.post(&format!("{one}/revoke"), json!({})).await.ok();
        let updates = app.events(&admin.org_id, "update-token-identity-token-auth").await;
        let revocations = updates.iter().filter(|line| line.metadata["isAccessTokenRevoked"] == true).count();
        assert_eq!(revocations, 1);

        let unknown = "/api/v1/auth/token-auth/tokens/00000000-0000-4000-8000-000000000000";
        admin.get(unknown).await.refused(404, "NotFound");
        admin.post(&format!("{unknown}/revoke"), json!({})).await.refused(404, "NotFound");
        assert_eq!(admin.get("/api/v1/auth/token-auth/tokens/x").await.invalid(), ["tokenId"]);
    });
}

#[test]
fn tokens_of_a_login_are_not_shown_here() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let caller = machine.log_in(&app.nobody()).await;
        let id = claims(caller.token())["identityAccessTokenId"].clone();
        let path = format!("/api/v1/auth/token-auth/tokens/{}", id.as_str().unwrap());
        admin.get(&path).await.refused(404, "NotFound");
        let path = format!("/api/v1/auth/token-auth/identities/{}", machine.identity_id);
        admin.post(&path, json!({})).await.ok();
        assert_eq!(admin.get(&format!("{path}/tokens")).await.ok(), json!({ "tokens": [] }));
    });
}
