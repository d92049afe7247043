use serde_json::json;

use crate::support::{TestApp, on_each_database};

#[test]
fn signing_up_gives_a_session_in_the_new_organization() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let body = json!({ "email": "ann@example.com", "password": "some-password", "firstName": " Ann ", "lastName": "Lee" });
        let answer = app.nobody().post("/api/v1/admin/signup", body).await;
        let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.starts_with("jid="), "{cookie}");
        assert!(
            cookie.ends_with("; HttpOnly; Path=/; SameSite=Strict; Max-Age=2592000"),
            "the cookie is not bound as it must be: {cookie}"
        );
        let made = answer.ok();
        assert_eq!(
            made,
            json!({
                "message": "Successfully set up admin account",
                "user": {
                    "id": made["user"]["id"],
                    "username": "ann@example.com",
                    "email": "ann@example.com",
                    "firstName": "Ann",
                    "lastName": "Lee",
                    "superAdmin": true,
                },
                "organization": {
                    "id": made["organization"]["id"],
                    "name": "Ann's Organization",
                    "slug": made["organization"]["slug"],
                },
                "token": made["token"],
                "new": true,
            })
        );
        app.caller(made["token"].as_str().unwrap())
            .patch("/api/v1/admin/config", json!({}))
            .await
            .ok();
    });
}

#[test]
fn the_cookie_is_secure_on_https() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let body = json!({ "email": "ann@example.com", "password": "some-password", "firstName": "Ann" });
        let proxy = app.nobody().with_header("x-forwarded-proto", "https");
        let answer = proxy.from("10.1.2.3").post("/api/v1/admin/signup", body).await;
        assert!(answer.headers["set-cookie"].to_str().unwrap().ends_with("; Secure"));
        answer.ok();
    });
}

#[test]
fn a_strangers_word_about_the_scheme_is_not_believed() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let body = json!({ "email": "ann@example.com", "password": "some-password", "firstName": "Ann" });
        let stranger = app.nobody().with_header("x-forwarded-proto", "https");
        let answer = stranger.post("/api/v1/admin/signup", body).await;
        assert!(!answer.headers["set-cookie"].to_str().unwrap().contains("Secure"));
        answer.ok();
    });
}

#[test]
fn every_invalid_field_is_named() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let bad = json!({ "email": "@", "password": "", "firstName": "", "lastName": "x".repeat(65) });
        assert_eq!(
            app.nobody().post("/api/v1/admin/signup", bad).await.invalid(),
            ["email", "password", "firstName", "lastName"]
        );
    });
}
