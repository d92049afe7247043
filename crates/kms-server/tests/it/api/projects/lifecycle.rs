use kms_core::permission::{OrgRole, ProjectRole};
use serde_json::{Value, json};

use super::project;
use crate::support::{TestApp, WEAK_ROLES, on_each_database, text, texts};

#[test]
fn a_new_project_has_three_environments_and_its_maker() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let made = admin.post("/api/v2/workspace", json!({ "projectName": " My Shop " })).await.ok();
        let slug = text(&made, "/project/slug");
        assert!(slug.starts_with("my-shop-"), "{slug}");
        let environments = &made["project"]["environments"];
        assert_eq!(texts(environments, "/name"), ["Development", "Staging", "Production"]);
        assert_eq!(texts(environments, "/slug"), ["dev", "staging", "prod"]);
        let id = text(&made, "/project/id");
        assert_eq!(made["project"], project(&id, &slug, "My Shop", &admin.org_id, environments));
        assert_eq!(
            app.only_event(&admin.org_id, "create-project").await.metadata,
            json!({ "name": "My Shop", "slug": slug, "type": "secret-manager" })
        );
        // Its maker is its administrator.
        admin
            .patch(&format!("/api/v1/projects/{id}"), json!({ "name": "Store" }))
            .await
            .ok();
    });
}

#[test]
fn a_project_is_made_as_it_was_asked_for() {
    on_each_database(async || {
        let (_app, admin) = TestApp::bootstrapped().await;
        let body = json!({
            "projectName": "Keys", "projectDescription": " for signing ", "slug": " My-Keys ", "type": "kms",
            "shouldCreateDefaultEnvs": false, "hasDeleteProtection": true, "template": "", "kmsKeyId": null,
            "organizationId": "x", "organizationSlug": "",
        });
        let made = admin.post("/api/v1/projects", body).await.ok();
        for (field, value) in [
            ("description", json!("for signing")),
            ("slug", json!("my-keys")),
            ("type", json!("kms")),
            ("environments", json!([])),
            ("hasDeleteProtection", json!(true)),
        ] {
            assert_eq!(made["project"][field], value, "{field}");
        }
        admin
            .post("/api/v1/projects", json!({ "projectName": "Other", "slug": "my-keys" }))
            .await
            .refused(400, "BadRequest");
        let generated = admin
            .post("/api/v1/projects", json!({ "projectName": "Other", "slug": "" }))
            .await
            .ok();
        assert!(text(&generated, "/project/slug").starts_with("other-"));
    });
}

#[test]
fn invalid_fields_are_named() {
    on_each_database(async || {
        let (_app, admin) = TestApp::bootstrapped().await;
        for (more, field) in [
            (json!({ "projectName": " " }), "projectName"),
            (json!({ "projectName": "x".repeat(65) }), "projectName"),
            (json!({ "projectName": null }), "projectName"),
            (json!({ "projectDescription": "x".repeat(1025) }), "projectDescription"),
            (json!({ "slug": "abcd" }), "slug"),
            (json!({ "slug": "has space" }), "slug"),
            (json!({ "type": "toaster" }), "type"),
            (json!({ "shouldCreateDefaultEnvs": "yes" }), "shouldCreateDefaultEnvs"),
        ] {
            let mut body = json!({ "projectName": "Shop" });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            for path in ["/api/v1/projects", "/api/v2/workspace"] {
                assert_eq!(admin.post(path, body.clone()).await.invalid(), [field], "{more}");
            }
        }
        // The two generations differ in the longest slug.
        let body = |length: usize| json!({ "projectName": "Shop", "slug": "s".repeat(length) });
        admin.post("/api/v2/workspace", body(36)).await.ok();
        assert_eq!(admin.post("/api/v2/workspace", body(37)).await.invalid(), ["slug"]);
        admin.post("/api/v1/projects", body(64)).await.ok();
        assert_eq!(admin.post("/api/v1/projects", body(65)).await.invalid(), ["slug"]);
        assert_eq!(admin.get("/api/v1/projects?type=toaster").await.invalid(), ["type"]);
        assert_eq!(admin.get("/api/v1/projects?includeRoles=maybe").await.invalid(), ["includeRoles"]);
    });
}

#[test]
fn everything_about_a_project_can_change() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let id = admin.project("Shop").await;
        let path = format!("/api/v1/projects/{id}");
        let mut expected = admin.get(&path).await.ok();
        app.advance(1);
        let body = json!({
            "name": "Store", "description": "goods", "slug": "the-store", "autoCapitalization": true, "hasDeleteProtection": true,
            "pitVersionLimit": 20, "secretSharing": false, "auditLogsRetentionDays": 30, "unknown": 1,
        });
        let changed = admin.patch(&path, body.clone()).await.ok();
        for (field, value) in body.as_object().unwrap() {
            if field != "unknown" {
                expected["project"][field] = value.clone();
            }
        }
        expected["project"]["updatedAt"] = json!("2026-03-01T12:00:01.000Z");
        assert_eq!(changed, expected);
        assert_eq!(admin.get(&path).await.ok(), expected);

        // Absent, null and (of a slug) empty mean: as it was. An empty description and 0 days clear.
        let same = admin
            .patch(
                &path,
                json!({ "name": null, "slug": "", "description": null, "auditLogsRetentionDays": null }),
            )
            .await
            .ok();
        assert_eq!(same, expected);
        let cleared = admin
            .patch(&path, json!({ "description": "", "auditLogsRetentionDays": 0 }))
            .await
            .ok();
        assert_eq!(
            (&cleared["project"]["description"], &cleared["project"]["auditLogsRetentionDays"]),
            (&Value::Null, &Value::Null)
        );
        for (body, field) in [
            (json!({ "name": "" }), "name"),
            (json!({ "slug": "a b c d" }), "slug"),
            (json!({ "pitVersionLimit": 0 }), "pitVersionLimit"),
            (json!({ "pitVersionLimit": 101 }), "pitVersionLimit"),
            (json!({ "pitVersionLimit": "10" }), "pitVersionLimit"),
            (json!({ "auditLogsRetentionDays": 3651 }), "auditLogsRetentionDays"),
            (json!({ "auditLogsRetentionDays": -1 }), "auditLogsRetentionDays"),
        ] {
            assert_eq!(admin.patch(&path, body).await.invalid(), [field]);
        }
        admin
            .post("/api/v1/projects", json!({ "projectName": "Other", "slug": "taken-slug" }))
            .await
            .ok();
        admin.patch(&path, json!({ "slug": "taken-slug" })).await.refused(400, "BadRequest");
    });
}

#[test]
fn a_protected_project_stays_until_the_protection_is_off() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let id = admin.project("Shop").await;
        let path = format!("/api/v1/projects/{id}");
        admin.patch(&path, json!({ "hasDeleteProtection": true })).await.ok();
        admin.delete(&path).await.refused(403, "ForbiddenError");
        let before = admin.patch(&path, json!({ "hasDeleteProtection": false })).await.ok();
        assert_eq!(admin.delete(&path).await.ok(), before);
        admin.get(&path).await.refused(404, "NotFound");
        admin.delete(&path).await.refused(404, "NotFound");
        assert_eq!(admin.get("/api/v1/projects").await.ok(), json!({ "projects": [] }));
        app.only_event(&admin.org_id, "delete-project").await;
    });
}

#[test]
fn members_see_a_project_and_its_administrator_changes_it() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let id = admin.project("Shop").await;
        let path = format!("/api/v1/projects/{id}");
        let shown = admin.get(&path).await.ok();
        for role in WEAK_ROLES {
            let who = app.person_in_project(&admin.org_id, &id, role).await;
            assert_eq!(who.get(&path).await.ok(), shown);
            assert_eq!(
                texts(&who.get("/api/v1/projects").await.ok()["projects"], "/id"),
                std::slice::from_ref(&id)
            );
            who.patch(&path, json!({ "name": "Mine" })).await.refused(403, "PermissionDenied");
            who.put(
                &format!("/api/v1/workspace/{id}/audit-logs-retention"),
                json!({ "auditLogsRetentionDays": 1 }),
            )
            .await
            .refused(403, "PermissionDenied");
            who.delete(&path).await.refused(403, "PermissionDenied");
            who.post("/api/v1/projects", json!({ "projectName": "Mine" }))
                .await
                .refused(403, "PermissionDenied");
        }
        let owner = app.person_in_project(&admin.org_id, &id, ProjectRole::Admin).await;
        owner.patch(&path, json!({ "name": "Ours" })).await.ok();

        let outsider = app.person_in(&admin.org_id, "outsider@example.com", OrgRole::Admin).await;
        let stranger = app.stranger().await;
        let nobody = app.nobody();
        for (who, status, kind) in [
            (&outsider, 403, "ForbiddenError"),
            (&stranger, 404, "NotFound"),
            (&nobody, 401, "UnauthorizedError"),
        ] {
            who.get(&path).await.refused(status, kind);
            who.patch(&path, json!({})).await.refused(status, kind);
            who.delete(&path).await.refused(status, kind);
        }
        for who in [&outsider, &stranger] {
            assert_eq!(who.get("/api/v1/projects").await.ok(), json!({ "projects": [] }));
        }
        nobody.get("/api/v1/projects").await.refused(401, "UnauthorizedError");
        nobody
            .post("/api/v1/projects", json!({ "projectName": "Mine" }))
            .await
            .refused(401, "UnauthorizedError");
        let member = app.person_in(&admin.org_id, "member@example.com", OrgRole::Member).await;
        member.post("/api/v1/projects", json!({ "projectName": "Mine" })).await.ok();
    });
}
