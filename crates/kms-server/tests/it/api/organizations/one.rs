use kms_core::permission::OrgRole;
use serde_json::json;

use crate::support::{START_ON_THE_WIRE, TestApp, on_each_database};

#[test]
fn an_administrator_renames_the_organization() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let path = format!("/api/v1/organization/{}", admin.org_id);
        let before = admin.get(&path).await.ok();
        app.advance(60);
        let changed = admin
            .patch(&path, json!({ "name": " New Name ", "slug": "New-Slug", "unknown": 1 }))
            .await
            .ok();
        assert_eq!(
            changed,
            json!({ "organization": {
                "id": admin.org_id,
                "name": "New Name",
                "slug": "new-slug",
                "createdAt": START_ON_THE_WIRE,
                "updatedAt": "2026-03-01T12:01:00.000Z",
                "authEnforced": false,
                "scimEnabled": false,
            } })
        );
        assert_eq!(before["organization"]["name"], "Example Org");
        assert_eq!(admin.get(&path).await.ok(), changed);
        let line = app.only_event(&admin.org_id, "update-org").await;
        assert_eq!(line.metadata, json!({ "name": "New Name", "slug": "new-slug" }));

        // A person does the same.
        let person = app.log_in_to(&admin.email, &admin.password, &admin.org_id).await;
        let changed = person.patch(&path, json!({ "name": null, "slug": "newer" })).await.ok();
        assert_eq!(changed["organization"]["name"], "New Name");
    });
}

#[test]
fn changes_are_refused() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let other = app.add_org("Other").await;
        let path = format!("/api/v1/organization/{}", admin.org_id);
        let change = json!({ "name": "x" });
        app.nobody().patch(&path, change.clone()).await.refused(401, "UnauthorizedError");
        let member = app.person_in(&admin.org_id, "member@example.com", OrgRole::Member).await;
        member.get(&path).await.ok();
        let denied = member.patch(&path, change.clone()).await.refused(403, "PermissionDenied");
        assert_eq!(denied["details"], json!([{ "action": "edit", "subject": "settings" }]));
        for method in ["get", "patch"] {
            let foreign = format!("/api/v1/organization/{other}");
            let answer = match method {
                "get" => admin.get(&foreign).await,
                _ => admin.patch(&foreign, change.clone()).await,
            };
            answer.refused(404, "NotFound");
        }
        admin.patch(&path, json!({ "slug": "other" })).await.refused(400, "BadRequest");
        assert_eq!(
            admin.patch(&path, json!({ "name": " ", "slug": "not a slug" })).await.invalid(),
            ["name", "slug"]
        );
        assert_eq!(admin.get("/api/v1/organization/none").await.invalid(), ["organizationId"]);
    });
}
