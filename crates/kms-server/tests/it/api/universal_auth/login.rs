use serde_json::json;

use crate::support::{ANY_MACHINE, LOGIN, TestApp, claims, on_each_database};

#[test]
fn a_machine_logs_in_and_gets_a_token_that_tells_who_it_is() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let answer = machine.try_in(&app.nobody()).await.ok();
        assert_eq!(
            answer,
            json!({
                "accessToken": answer["accessToken"],
                "expiresIn": 2_592_000,
                "accessTokenMaxTTL": 2_592_000,
                "tokenType": "Bearer",
            })
        );
        let token = answer["accessToken"].as_str().unwrap();
        let claims = claims(token);
        let issued = claims["iat"].as_i64().unwrap();
        assert_eq!(
            claims,
            json!({
                "authTokenType": "identityAccessToken",
                "identityId": machine.identity_id,
                "identityAccessTokenId": claims["identityAccessTokenId"],
                "clientSecretId": machine.client_secret_id,
                "identityAuth": {},
                "organizationId": admin.org_id,
                "orgId": admin.org_id,
                "organizationName": "Example Org",
                "identityName": "deployer",
                "authMethod": "universal-auth",
                "iat": issued,
                "exp": issued + 2_592_000,
            })
        );
        app.caller(token).get(ANY_MACHINE).await.ok();

        let line = app.only_event(&admin.org_id, "login-identity-universal-auth").await;
        assert_eq!(
            line.actor,
            json!({ "identityId": machine.identity_id, "name": "deployer", "authMethod": "universal-auth" })
        );
        assert_eq!(
            line.metadata,
            json!({
                "identityId": machine.identity_id,
                "clientId": machine.client_id,
                "clientSecretId": machine.client_secret_id,
                "identityAccessTokenId": claims["identityAccessTokenId"],
            })
        );
    });
}

#[test]
fn every_way_to_send_a_login_is_understood() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let body = json!({
            "clientId": machine.client_id,
            "clientSecret": machine.client_secret,
            "organizationSlug": "",
            "anything": { "else": true },
        });
        // With a slash at the end, and with keys that mean nothing here.
        let answer = app
            .nobody()
            .with_header("x-org-name", "hanzo")
            .post(&format!("{LOGIN}/"), body)
            .await
            .ok();
        app.remember_secret(answer["accessToken"].as_str().unwrap());
        // As a form.
        let form = format!("clientId={}&clientSecret={}", machine.client_id, machine.client_secret);
        let answer = app
            .nobody()
            .send_raw(axum::http::Method::POST, LOGIN, "application/x-www-form-urlencoded", form)
            .await
            .ok();
        // Numbers are numbers.
        assert!(answer["expiresIn"].is_u64() && answer["accessTokenMaxTTL"].is_u64());
    });
}

#[test]
fn an_unknown_client_and_a_wrong_secret_look_the_same() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let other = app.usual_machine(&admin).await;
        let mut answers = Vec::new();
        for (client, secret) in [
            (machine.client_id.as_str(), "wrong-client-secret"),
            // Somebody else's secret is a wrong one.
            (machine.client_id.as_str(), other.client_secret.as_str()),
            ("unknown", machine.client_secret.as_str()),
            ("", ""),
        ] {
            let body = json!({ "clientId": client, "clientSecret": secret });
            let mut answer = app.nobody().post(LOGIN, body).await.refused(401, "UnauthorizedError");
            answer["reqId"] = json!(null);
            answers.push(answer);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1);
        assert_eq!(app.nobody().post(LOGIN, json!({})).await.invalid(), ["clientId"]);
        let half = json!({ "clientId": machine.client_id });
        assert_eq!(app.nobody().post(LOGIN, half).await.invalid(), ["clientSecret"]);

        let failed = app.events(&admin.org_id, "login-identity-universal-auth-failed").await;
        assert_eq!(failed.len(), 2);
        for line in failed {
            assert_eq!((line.actor_kind.as_str(), line.actor), ("unknownUser", json!({})));
            assert_eq!(
                line.metadata,
                json!({
                    "identityId": machine.identity_id,
                    "name": "deployer",
                    "clientId": machine.client_id,
                    "reason": "wrong-client-secret",
                })
            );
        }
    });
}

#[test]
fn a_secret_expires() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.machine(&admin, "member", json!({}), json!({ "ttl": 60 })).await;
        app.advance(59);
        machine.try_in(&app.nobody()).await.ok();
        app.advance(1);
        let refused = machine.try_in(&app.nobody()).await.refused(401, "UnauthorizedError");
        assert_eq!(refused["message"], "the client secret has expired");
        let line = app.only_event(&admin.org_id, "login-identity-universal-auth-failed").await;
        assert_eq!(line.metadata["reason"], "client-secret-expired");
    });
}

#[test]
fn a_secret_is_used_up() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.machine(&admin, "member", json!({}), json!({ "numUsesLimit": 3 })).await;
        let nobody = app.nobody();
        let tries = (0..12).map(|_| machine.try_in(&nobody));
        let answers = futures::future::join_all(tries).await;
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(good, 3);
        for answer in answers.into_iter().filter(|answer| answer.status != 200) {
            let refused = answer.refused(401, "UnauthorizedError");
            assert_eq!(refused["message"], "the client secret has been used as often as it may be");
        }
        let path = format!("{}/client-secrets/{}", machine.path(), machine.client_secret_id);
        let data = admin.get(&path).await.ok();
        assert_eq!(data["clientSecretData"]["clientSecretNumUses"], 3);
    });
}

#[test]
fn logins_come_from_trusted_addresses_alone() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let settings = json!({ "clientSecretTrustedIps": [{ "ipAddress": "192.0.2.0/24" }, { "ipAddress": "2001:db8::1" }] });
        let machine = app.machine(&admin, "member", settings, json!({})).await;
        // Address by address; failures here never lock.
        for _ in 0..5 {
            let refused = machine.try_in(&app.nobody()).await.refused(401, "UnauthorizedError");
            assert_eq!(refused["message"], "logins are not allowed from your address");
        }
        for address in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"] {
            machine.try_in(&app.nobody().from(address)).await.ok();
        }
        machine
            .try_in(&app.nobody().from("2001:db8::2"))
            .await
            .refused(401, "UnauthorizedError");
        // The token may be used from anywhere: that is another list.
        machine
            .log_in(&app.nobody().from("192.0.2.1"))
            .await
            .from("203.0.113.7")
            .get(ANY_MACHINE)
            .await
            .ok();
    });
}

#[test]
fn a_token_is_good_for_so_many_requests() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app
            .machine(&admin, "member", json!({ "accessTokenNumUsesLimit": 3 }), json!({}))
            .await;
        let caller = machine.log_in(&app.nobody()).await;
        let tries = (0..12).map(|_| caller.get(ANY_MACHINE));
        let answers = futures::future::join_all(tries).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 3);
        for answer in answers.into_iter().filter(|answer| answer.status != 200) {
            answer.refused(401, "UnauthorizedError");
        }
    });
}

#[test]
fn a_token_ends_with_its_ttl() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.machine(&admin, "member", json!({ "accessTokenTTL": 60 }), json!({})).await;
        let caller = machine.log_in(&app.nobody()).await;
        app.advance(59);
        caller.get(ANY_MACHINE).await.ok();
        app.advance(1);
        caller.get(ANY_MACHINE).await.refused(403, "TokenError");
    });
}

#[test]
fn a_ttl_of_zero_means_no_end() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let settings = json!({ "accessTokenTTL": 0, "accessTokenMaxTTL": 0 });
        let machine = app.machine(&admin, "member", settings, json!({})).await;
        let answer = machine.try_in(&app.nobody()).await.ok();
        assert_eq!((&answer["expiresIn"], &answer["accessTokenMaxTTL"]), (&json!(0), &json!(0)));
        let token = answer["accessToken"].as_str().unwrap();
        assert_eq!(claims(token)["exp"], json!(null));
        app.advance(20 * 365 * 24 * 3600);
        app.caller(token).get(ANY_MACHINE).await.ok();
    });
}

#[test]
fn a_period_counts_instead_of_the_ttl() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.machine(&admin, "member", json!({ "accessTokenPeriod": 120 }), json!({})).await;
        let answer = machine.try_in(&app.nobody()).await.ok();
        assert_eq!(answer["expiresIn"], 120);
        assert_eq!(answer["accessTokenMaxTTL"], 1_000_000_000);
    });
}
