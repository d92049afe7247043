//! The first start as scripts do it: status, bootstrap, a machine identity, its login.

use serde_json::json;

use crate::support::{ANY_MACHINE, Caller, TestApp, on_each_database};

/// Makes a machine and lets it log in, as this administrator.
async fn machine_of(app: &TestApp, admin: &Caller, org: &str) -> Caller {
    let body = json!({ "name": "deployer", "organizationId": org, "role": "no-access" });
    let identity = admin.post("/api/v1/identities", body).await.ok();
    let id = identity["identity"]["id"].as_str().unwrap();
    let path = format!("/api/v1/auth/universal-auth/identities/{id}");
    let auth = admin.post(&path, json!({})).await.ok();
    let secret = admin
        .post(&format!("{path}/client-secrets"), json!({ "description": "first" }))
        .await
        .ok();
    let login = json!({ "clientId": auth["identityUniversalAuth"]["clientId"], "clientSecret": secret["clientSecret"] });
    let answer = app.nobody().post("/api/v1/auth/universal-auth/login", login).await.ok();
    app.caller(answer["accessToken"].as_str().unwrap())
}

#[test]
fn from_an_empty_database_to_a_machine_that_is_logged_in() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let status = app.nobody().get("/api/status").await.ok();
        assert_eq!(status["message"], "Ok");
        let admin = app.bootstrap().await;
        // With the token of the bootstrap, and with that of a person.
        let person = app.log_in_to(&admin.email, &admin.password, &admin.org_id).await;
        for administrator in [&*admin, &person] {
            let machine = machine_of(&app, administrator, &admin.org_id).await;
            let details = machine.get(ANY_MACHINE).await.ok();
            assert_eq!(details["identityDetails"]["organization"]["id"], admin.org_id.as_str());
            let body = json!({ "accessToken": machine.token() });
            let renewed = app.nobody().post("/api/v1/auth/token/renew", body).await.ok();
            let renewed = app.caller(renewed["accessToken"].as_str().unwrap());
            let body = json!({ "accessToken": renewed.token() });
            app.nobody().post("/api/v1/auth/token/revoke", body).await.ok();
            for ended in [&machine, &renewed] {
                ended.get(ANY_MACHINE).await.refused(401, "UnauthorizedError");
            }
        }
    });
}
