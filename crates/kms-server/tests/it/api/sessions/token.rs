use serde_json::json;

use crate::support::{Admin, Caller, TestApp, claims, on_each_database};

const PATH: &str = "/api/v1/auth/token";

/// Somebody with the cookie of a fresh session and nothing else, and the session's access token.
async fn session(app: &TestApp, admin: &Admin) -> (Caller, Caller) {
    let body = json!({ "email": admin.email, "password": admin.password });
    let answer = app.nobody().post("/api/v3/auth/login", body).await;
    let cookie = format!("other=1; jid={}", answer.cookie("jid").unwrap());
    let token = answer.ok()["accessToken"].as_str().unwrap().to_owned();
    (app.nobody().with_header("cookie", &cookie), app.caller(&token))
}

#[test]
fn the_cookie_gets_the_next_token() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let (browser, person) = session(&app, &admin).await;
        let first = browser.post(PATH, json!({})).await.ok();
        assert_eq!(first, json!({ "token": first["token"] }));

        // The organization that was selected goes along from then on.
        let select = json!({ "organizationId": admin.org_id });
        person.post("/api/v3/auth/select-organization", select).await.ok();
        app.advance(29 * 24 * 3600);
        let answer = browser.post(PATH, json!({})).await;
        assert!(answer.headers["set-cookie"].to_str().unwrap().contains("Max-Age=2592000"));
        let renewed = answer.ok();
        assert_eq!(renewed, json!({ "token": renewed["token"], "organizationId": admin.org_id }));
        assert_eq!(claims(renewed["token"].as_str().unwrap())["organizationId"], admin.org_id.as_str());

        // Each renewal prolongs the session.
        app.advance(29 * 24 * 3600);
        browser.post(PATH, json!({})).await.ok();
        app.advance(30 * 24 * 3600);
        browser.post(PATH, json!({})).await.refused(401, "UnauthorizedError");
    });
}

#[test]
fn without_a_good_cookie_there_is_no_token() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let (browser, person) = session(&app, &admin).await;
        app.nobody().post(PATH, json!({})).await.refused(401, "UnauthorizedError");
        for cookie in ["jid=", "jid=nonsense", "other=1"] {
            let stranger = app.nobody().with_header("cookie", cookie);
            stranger.post(PATH, json!({})).await.refused(401, "UnauthorizedError");
        }
        // An access token does not do.
        person.post(PATH, json!({})).await.refused(401, "UnauthorizedError");
        browser.post(PATH, json!({})).await.ok();
    });
}

#[test]
fn whoever_left_the_organization_renews_without_it() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let (browser, person) = session(&app, &admin).await;
        let select = json!({ "organizationId": admin.org_id });
        let token = person.post("/api/v3/auth/select-organization", select).await.ok()["token"].clone();
        let member = app.caller(token.as_str().unwrap());
        let tx = app.store.write().await.unwrap();
        tx.remove_org_member(
            admin.org_id.parse().unwrap(),
            kms_store::organizations::Principal::User(admin.user_id.parse().unwrap()),
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        member
            .get(&format!("/api/v1/organization/{}", admin.org_id))
            .await
            .refused(401, "UnauthorizedError");
        let renewed = browser.post(PATH, json!({})).await.ok();
        assert_eq!(renewed, json!({ "token": renewed["token"] }));
    });
}
