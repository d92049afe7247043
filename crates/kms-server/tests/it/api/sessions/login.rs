use serde_json::json;

use crate::support::{TestApp, on_each_database};

#[test]
fn a_login_gives_a_token_for_no_organization_and_a_cookie() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let body = json!({ "email": " Admin@Example.com", "password": admin.password, "captchaToken": null, "domain": "x" });
        let answer = app.nobody().post("/api/v3/auth/login", body).await;
        assert!(answer.cookie("jid").unwrap().len() > 43);
        let answer = answer.ok();
        assert_eq!(answer, json!({ "accessToken": answer["accessToken"] }));

        let person = app.caller(answer["accessToken"].as_str().unwrap());
        person.post("/api/v1/auth/checkAuth", json!({})).await.ok();
        // Elsewhere an organization must be selected first.
        person
            .patch("/api/v1/admin/config", json!({}))
            .await
            .refused(401, "UnauthorizedError");
        person
            .get(&format!("/api/v1/organization/{}", admin.org_id))
            .await
            .refused(401, "UnauthorizedError");

        let line = app.only_event(&admin.org_id, "user-login").await;
        assert_eq!(line.actor_kind, "user");
        assert_eq!(line.actor["userId"], admin.user_id.as_str());
    });
}

#[test]
fn an_unknown_person_and_a_wrong_password_look_the_same() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let mut answers = Vec::new();
        for email in [admin.email.as_str(), "unknown@example.com"] {
            let body = json!({ "email": email, "password": "wrong-password" });
            let answer = app.nobody().post("/api/v3/auth/login", body).await;
            assert_eq!(answer.cookie("jid"), None);
            let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
            names.sort();
            let mut body = answer.refused(400, "BadRequest");
            body["reqId"] = json!(null);
            answers.push((names, body));
        }
        assert_eq!(answers[0], answers[1]);
    });
}

#[test]
fn every_invalid_field_is_named() {
    on_each_database(async || {
        let (app, _admin) = TestApp::bootstrapped().await;
        let nobody = app.nobody();
        let bad = json!({ "email": "nobody", "password": "" });
        assert_eq!(nobody.post("/api/v3/auth/login", bad).await.invalid(), ["email", "password"]);
        let missing = json!({ "email": "a@example.com", "password": null });
        assert_eq!(nobody.post("/api/v3/auth/login", missing).await.invalid(), ["password"]);
        let long = json!({ "email": "a@example.com", "password": "x".repeat(1025) });
        assert_eq!(nobody.post("/api/v3/auth/login", long).await.invalid(), ["password"]);
    });
}

#[test]
fn the_older_login_in_two_steps_is_refused_cleanly() {
    on_each_database(async || {
        let (app, _admin) = TestApp::bootstrapped().await;
        for path in ["/api/v3/auth/login1", "/api/v3/auth/login2"] {
            app.nobody().post(path, json!({ "email": "x" })).await.refused(400, "BadRequest");
        }
    });
}

#[test]
fn an_expired_forged_or_malformed_token_asks_for_a_new_login() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let person = app.log_in(&admin.email, &admin.password).await;
        let (signed, signature) = person.token().rsplit_once('.').unwrap();
        let forged = format!("{signed}.{}", signature.chars().rev().collect::<String>());
        for token in [forged.as_str(), "nonsense", "a.b.c", "st.1.2"] {
            app.nobody().with_token(token).get("/api/v1/user").await.refused(403, "TokenError");
        }
        app.nobody().get("/api/v1/user").await.refused(401, "UnauthorizedError");
        app.advance(24 * 3600 - 1);
        person.get("/api/v1/user").await.ok();
        app.advance(1);
        person.get("/api/v1/user").await.refused(403, "TokenError");
    });
}

#[test]
fn a_machine_is_no_person() {
    on_each_database(async || {
        let (_app, admin) = TestApp::bootstrapped().await;
        for path in ["/api/v1/user", "/api/v1/organization", "/api/v2/users/me/organizations"] {
            admin.get(path).await.refused(403, "ForbiddenError");
        }
        for path in ["/api/v1/auth/checkAuth", "/api/v1/auth/logout"] {
            admin.post(path, json!({})).await.refused(403, "ForbiddenError");
        }
    });
}

#[test]
fn an_api_key_is_refused() {
    on_each_database(async || {
        let (app, _admin) = TestApp::bootstrapped().await;
        app.nobody()
            .with_header("x-api-key", "some-key")
            .get("/api/v1/user")
            .await
            .refused(400, "BadRequest");
    });
}
