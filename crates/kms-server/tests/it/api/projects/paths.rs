//! Every generation of paths leads to the same project, each in the envelope its clients expect.

use serde_json::{Value, json};

use crate::support::{TestApp, on_each_database, text};

#[test]
fn one_project_in_every_envelope() {
    on_each_database(async || {
        let (_app, admin) = TestApp::bootstrapped().await;
        let id = admin.project("Shop").await;
        let project = admin.get(&format!("/api/v1/projects/{id}")).await.ok()["project"].clone();
        let slug = text(&project, "/slug");
        for (path, expected) in [
            (format!("/api/v1/projects/{id}/"), json!({ "project": project })),
            (format!("/api/v1/workspace/{id}"), json!({ "workspace": project })),
            // Bare: the CLI, the operators and Terraform read the top level.
            (format!("/api/v1/projects/slug/{slug}"), project.clone()),
            (format!("/api/v2/workspace/{slug}"), project.clone()),
            ("/api/v1/projects".to_owned(), json!({ "projects": [project] })),
            ("/api/v1/workspace".to_owned(), json!({ "workspaces": [project] })),
            ("/api/v1/workspace?type=all".to_owned(), json!({ "workspaces": [project] })),
            ("/api/v1/projects?type=secret-manager".to_owned(), json!({ "projects": [project] })),
            ("/api/v1/projects?type=kms".to_owned(), json!({ "projects": [] })),
        ] {
            assert_eq!(admin.get(&path).await.ok(), expected, "{path}");
        }
        let with_roles = admin.get("/api/v1/workspace?includeRoles=true").await.ok();
        let roles: Vec<&Value> = with_roles["workspaces"][0]["roles"]
            .as_array()
            .unwrap()
            .iter()
            .map(|role| &role["slug"])
            .collect();
        assert_eq!(roles, ["admin", "member", "viewer", "no-access"]);
    });
}

#[test]
fn one_change_in_every_envelope() {
    on_each_database(async || {
        let (_app, admin) = TestApp::bootstrapped().await;
        let id = admin.project("Shop").await;
        let slug = text(&admin.get(&format!("/api/v1/projects/{id}")).await.ok(), "/project/slug");
        let body = json!({ "name": "Store" });
        let changed = admin.patch(&format!("/api/v1/projects/{id}"), body.clone()).await.ok();
        assert_eq!(changed["project"]["name"], "Store");
        let project = changed["project"].clone();
        for (path, expected) in [
            (format!("/api/v1/workspace/{id}"), json!({ "workspace": project })),
            (format!("/api/v2/workspace/{slug}"), project.clone()),
        ] {
            assert_eq!(admin.patch(&path, body.clone()).await.ok(), expected, "{path}");
        }
        let path = format!("/api/v1/workspace/{slug}/audit-logs-retention");
        let kept = admin.put(&path, json!({ "auditLogsRetentionDays": 30 })).await.ok();
        let mut expected = project;
        expected["auditLogsRetentionDays"] = json!(30);
        assert_eq!(kept["workspace"], expected);
        assert!(kept["message"].is_string());
        assert_eq!(admin.put(&path, json!({})).await.invalid(), ["auditLogsRetentionDays"]);
    });
}

#[test]
fn one_deletion_in_every_envelope() {
    on_each_database(async || {
        let (_app, admin) = TestApp::bootstrapped().await;
        for (generation, pointer) in [
            ("v1/projects", "/project/id"),
            ("v1/workspace", "/workspace/id"),
            ("v2/workspace", "/id"),
        ] {
            let id = admin.project("Shop").await;
            let slug = text(&admin.get(&format!("/api/v1/projects/{id}")).await.ok(), "/project/slug");
            let named = if generation.starts_with("v2") { slug } else { id.clone() };
            let gone = admin.delete(&format!("/api/{generation}/{named}")).await.ok();
            assert_eq!(text(&gone, pointer), id, "{generation}");
            admin.get(&format!("/api/v1/projects/{id}")).await.refused(404, "NotFound");
        }
    });
}

#[test]
fn what_is_not_there_is_not_found() {
    on_each_database(async || {
        let (_app, admin) = TestApp::bootstrapped().await;
        let unknown = "3d0c9a52-71de-4a0b-9c6e-0a4f5f6f1b11";
        for path in [
            format!("/api/v1/projects/{unknown}"),
            format!("/api/v1/workspace/{unknown}"),
            "/api/v1/projects/slug/nowhere".to_owned(),
            "/api/v2/workspace/nowhere".to_owned(),
        ] {
            admin.get(&path).await.refused(404, "NotFound");
        }
        for path in ["/api/v1/projects/nowhere", "/api/v1/workspace/nowhere"] {
            assert_eq!(admin.get(path).await.invalid(), ["projectId"], "{path}");
        }
        admin
            .get(&format!("/api/v2/workspace/{unknown}/encrypted-key"))
            .await
            .refused(404, "NotFound");
    });
}
