use serde_json::{Value, json};

use crate::support::{TestApp, on_each_database};

fn request() -> Value {
    json!({ "email": "Admin@Example.com", "password": "correct-horse-battery-staple", "organization": "Example Org" })
}

#[test]
fn the_first_start_makes_an_administrator_an_organization_and_an_identity() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let made = app.nobody().post("/api/v1/admin/bootstrap", request()).await.ok();
        let org = &made["organization"];
        assert_eq!(org["name"], "Example Org");
        assert!(org["slug"].as_str().unwrap().starts_with("example-org-"), "{org}");
        assert_eq!(
            made["user"],
            json!({
                "id": made["user"]["id"],
                "username": "admin@example.com",
                "email": "admin@example.com",
                "firstName": "Admin",
                "lastName": "User",
                "superAdmin": true,
            })
        );
        assert_eq!(made["identity"]["name"], "Instance Admin Identity");
        assert!(made["message"].is_string());

        // The token opens routes that need an organization.
        let admin = app.caller(made["identity"]["credentials"]["token"].as_str().unwrap());
        admin.patch("/api/v1/admin/config", json!({})).await.refused(403, "ForbiddenError");
        // It has no end.
        app.advance(10 * 365 * 24 * 3600);
        admin.patch("/api/v1/admin/config", json!({})).await.refused(403, "ForbiddenError");
    });
}

#[test]
fn a_second_bootstrap_is_refused_and_changes_nothing() {
    on_each_database(async || {
        let (app, _admin) = TestApp::bootstrapped().await;
        let other = json!({ "email": "other@example.com", "password": "another-password", "organization": "Other" });
        app.nobody().post("/api/v1/admin/bootstrap", other).await.refused(400, "BadRequest");
        assert_eq!(app.store.read().find_user_by_email("other@example.com").await.unwrap(), None);
        let sign_up = json!({ "email": "other@example.com", "password": "another-password", "firstName": "Other" });
        let refused = app.nobody().post("/api/v1/admin/signup", sign_up).await;
        assert_eq!(refused.cookie("jid"), None);
        refused.refused(400, "BadRequest");
        assert_eq!(app.store.read().find_user_by_email("other@example.com").await.unwrap(), None);
    });
}

#[test]
fn of_bootstraps_at_the_same_time_exactly_one_succeeds() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let tries = (0..8).map(|number| {
            let nobody = app.nobody();
            let body = json!({ "email": format!("admin{number}@example.com"), "password": "some-password", "organization": "Example" });
            async move { nobody.post("/api/v1/admin/bootstrap", body).await }
        });
        let answers = futures::future::join_all(tries).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1);
        for answer in lost {
            answer.refused(400, "BadRequest");
        }
        let mut users = 0;
        for number in 0..8 {
            let email = format!("admin{number}@example.com");
            users += usize::from(app.store.read().find_user_by_email(&email).await.unwrap().is_some());
        }
        assert_eq!(users, 1);
    });
}

#[test]
fn every_invalid_field_is_named() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let nobody = app.nobody();
        let bad = json!({ "email": "nobody", "password": "", "organization": " " });
        assert_eq!(
            nobody.post("/api/v1/admin/bootstrap", bad).await.invalid(),
            ["email", "password", "organization"]
        );
        assert_eq!(nobody.post("/api/v1/admin/bootstrap", json!({})).await.invalid(), ["email"]);
        let long = json!({ "email": "a@example.com", "password": "x".repeat(1025), "organization": "x".repeat(65) });
        assert_eq!(
            nobody.post("/api/v1/admin/bootstrap", long).await.invalid(),
            ["password", "organization"]
        );
        let config = nobody.get("/api/v1/admin/config").await.ok();
        assert_eq!(config["config"]["initialized"], false);
    });
}

#[test]
fn unknown_keys_are_ignored() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let mut body = request();
        body["domain"] = json!("https://kms.example.com");
        app.nobody().post("/api/v1/admin/bootstrap/", body).await.ok();
    });
}
