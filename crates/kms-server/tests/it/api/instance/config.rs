use serde_json::json;

use crate::support::{TestApp, on_each_database};

#[test]
fn anybody_learns_whether_the_instance_is_set_up() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let expected = |initialized: bool| {
            json!({ "config": {
                "initialized": initialized,
                "allowSignUp": false,
                "isMigrationModeOn": false,
                "isSecretScanningDisabled": true,
                "defaultAuthOrgSlug": null,
            } })
        };
        assert_eq!(app.nobody().get("/api/v1/admin/config").await.ok(), expected(false));
        app.bootstrap().await;
        assert_eq!(app.nobody().get("/api/v1/admin/config").await.ok(), expected(true));
    });
}

#[test]
fn only_an_administrator_changes_the_settings() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let sign_up = json!({ "email": "ann@example.com", "password": "some-password", "firstName": "Ann" });
        let made = app.nobody().post("/api/v1/admin/signup", sign_up).await.ok();
        let admin = app.caller(made["token"].as_str().unwrap());
        let change = json!({ "allowSignUp": true });
        app.nobody()
            .patch("/api/v1/admin/config", change.clone())
            .await
            .refused(401, "UnauthorizedError");
        app.nobody()
            .with_token("nonsense")
            .patch("/api/v1/admin/config", change.clone())
            .await
            .refused(403, "TokenError");
        let changed = admin.patch("/api/v1/admin/config", change).await.ok();
        assert_eq!(changed["config"]["allowSignUp"], true);
        assert_eq!(app.nobody().get("/api/v1/admin/config").await.ok(), changed);
        // Nothing given, nothing changed.
        assert_eq!(
            admin.patch("/api/v1/admin/config", json!({ "allowSignUp": null })).await.ok(),
            changed
        );
        assert_eq!(
            admin.patch("/api/v1/admin/config", json!({ "allowSignUp": "yes" })).await.invalid(),
            ["allowSignUp"]
        );
    });
}
