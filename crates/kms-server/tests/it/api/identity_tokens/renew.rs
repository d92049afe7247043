use serde_json::{Value, json};

use crate::support::{ANY_MACHINE, TestApp, TestResponse, claims, on_each_database};

const PATH: &str = "/api/v1/auth/token/renew";

async fn renew(app: &TestApp, token: &str) -> TestResponse {
    // Without an Authorization header.
    app.nobody().post(PATH, json!({ "accessToken": token })).await
}

fn token_of(answer: &Value) -> String {
    answer["accessToken"].as_str().unwrap().to_owned()
}

#[test]
fn a_renewed_token_lives_on_but_not_beyond_its_longest_life() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let settings = json!({ "accessTokenTTL": 60, "accessTokenMaxTTL": 150 });
        let machine = app.machine(&admin, "member", settings, json!({})).await;
        let first = token_of(&machine.try_in(&app.nobody()).await.ok());
        app.advance(50);
        let answer = renew(&app, &first).await.ok();
        let second = token_of(&answer);
        assert_eq!(
            answer,
            json!({ "accessToken": second, "expiresIn": 60, "accessTokenMaxTTL": 150, "tokenType": "Bearer" })
        );
        assert_eq!(claims(&second)["identityAccessTokenId"], claims(&first)["identityAccessTokenId"]);
        // The first ends in its own time, the second lives on.
        app.advance(10);
        app.caller(&first).get(ANY_MACHINE).await.refused(403, "TokenError");
        app.caller(&second).get(ANY_MACHINE).await.ok();
        app.advance(40);
        let answer = renew(&app, &second).await.ok();
        assert_eq!(answer["expiresIn"], 50);
        let third = token_of(&answer);
        app.advance(49);
        app.caller(&third).get(ANY_MACHINE).await.ok();
        renew(&app, &third).await.ok();
        app.advance(1);
        app.caller(&third).get(ANY_MACHINE).await.refused(403, "TokenError");
        // Past its longest life it is refused as such, not as merely expired.
        renew(&app, &third).await.refused(401, "UnauthorizedError");
        renew(&app, &first).await.refused(401, "UnauthorizedError");
    });
}

#[test]
fn an_expired_token_is_not_renewed() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.machine(&admin, "member", json!({ "accessTokenTTL": 60 }), json!({})).await;
        let token = token_of(&machine.try_in(&app.nobody()).await.ok());
        app.advance(60);
        renew(&app, &token).await.refused(403, "TokenError");
    });
}

#[test]
fn a_periodic_token_can_be_renewed_for_ever() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let settings = json!({ "accessTokenPeriod": 100, "accessTokenTTL": 10, "accessTokenMaxTTL": 20 });
        let machine = app.machine(&admin, "member", settings, json!({})).await;
        let mut token = token_of(&machine.try_in(&app.nobody()).await.ok());
        for _ in 0..5 {
            app.advance(99);
            let answer = renew(&app, &token).await.ok();
            assert_eq!(
                (&answer["expiresIn"], &answer["accessTokenMaxTTL"]),
                (&json!(100), &json!(1_000_000_000))
            );
            token = token_of(&answer);
        }
        app.caller(&token).get(ANY_MACHINE).await.ok();
    });
}

#[test]
fn tokens_made_by_hand_are_renewed_as_well() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let id = app.identity(&admin, "member").await;
        let path = format!("/api/v1/auth/token-auth/identities/{id}");
        admin.post(&path, json!({ "accessTokenTTL": 60 })).await.ok();
        let made = admin.post(&format!("{path}/tokens"), json!({ "name": "ci" })).await.ok();
        app.advance(30);
        let renewed = renew(&app, &token_of(&made)).await.ok();
        assert_eq!(renewed["expiresIn"], 60);
        let one = format!("/api/v1/auth/token-auth/tokens/{}", made["tokenData"]["id"].as_str().unwrap());
        let data = admin.get(&one).await.ok();
        assert_eq!(data["token"]["accessTokenLastRenewedAt"], "2026-03-01T12:00:30.000Z");
        // Without an end there is nothing to prolong, and nothing to refuse either.
        let answer = renew(&app, admin.token()).await.ok();
        assert_eq!((&answer["expiresIn"], &answer["accessTokenMaxTTL"]), (&json!(0), &json!(0)));
    });
}

#[test]
fn what_is_revoked_or_used_up_or_elsewhere_is_not_renewed() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app
            .machine(&admin, "member", json!({ "accessTokenNumUsesLimit": 1 }), json!({}))
            .await;
        let used_up = machine.log_in(&app.nobody()).await;
        used_up.get(ANY_MACHINE).await.ok();
        renew(&app, used_up.token()).await.refused(401, "UnauthorizedError");

        let revoked = machine.log_in(&app.nobody()).await;
        let body = json!({ "accessToken": revoked.token() });
        app.nobody().post("/api/v1/auth/token/revoke", body).await.ok();
        renew(&app, revoked.token()).await.refused(401, "UnauthorizedError");

        // A renewal is no use.
        let fresh = machine.log_in(&app.nobody()).await;
        let renewed = token_of(&renew(&app, fresh.token()).await.ok());
        let change = json!({ "accessTokenTrustedIps": [{ "ipAddress": "192.0.2.7" }] });
        admin.patch(&machine.path(), change).await.ok();
        renew(&app, &renewed).await.refused(401, "UnauthorizedError");
        let body = json!({ "accessToken": renewed });
        app.nobody().from("192.0.2.7").post(PATH, body).await.ok();
    });
}

#[test]
fn what_is_no_token_of_a_machine_is_refused() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let person = app.log_in(&admin.email, &admin.password).await;
        renew(&app, person.token()).await.refused(403, "ForbiddenError");
        renew(&app, "nonsense").await.refused(403, "TokenError");
        assert_eq!(app.nobody().post(PATH, json!({})).await.invalid(), ["accessToken"]);
    });
}
