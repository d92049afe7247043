use kms_core::permission::{OrgRole, ProjectRole};
use serde_json::{Value, json};

use crate::support::{Admin, START_ON_THE_WIRE, TestApp, on_each_database, text, texts};

async fn start() -> (TestApp, Admin, String) {
    let (app, admin) = TestApp::bootstrapped().await;
    let project = admin.project("Shop").await;
    (app, admin, project)
}

/// Both generations: where the environments are, and under which key an answer names the project.
fn both(project: &str) -> [(String, &'static str); 2] {
    [
        (format!("/api/v1/workspace/{project}/environments"), "workspace"),
        (format!("/api/v1/projects/{project}/environments"), "projectId"),
    ]
}

/// The slugs of a project's environments, in their order.
async fn slugs(admin: &Admin, project: &str) -> Vec<String> {
    let shown = admin.get(&format!("/api/v1/projects/{project}")).await.ok();
    texts(&shown["project"]["environments"], "/slug")
}

#[test]
fn an_environment_is_made_shown_changed_and_deleted() {
    on_each_database(async || {
        let (app, admin, project) = start().await;
        for (list, key) in both(&project) {
            let made = admin.post(&list, json!({ "name": " Quality ", "slug": " QA " })).await.ok();
            let id = text(&made, "/environment/id");
            let mut environment = json!({
                "id": id, "name": "Quality", "slug": "qa", "position": 4, "projectId": project,
                "createdAt": START_ON_THE_WIRE, "updatedAt": START_ON_THE_WIRE,
            });
            assert_eq!(made["environment"], environment);
            assert_eq!(made[key], project);
            assert!(made["message"].is_string());
            assert_eq!(made.as_object().unwrap().len(), 3);

            let nested = json!({ "environment": environment });
            for path in [format!("{list}/{id}"), format!("/api/v1/workspace/environments/{id}")] {
                assert_eq!(admin.get(&path).await.ok(), nested, "{path}");
            }
            // Terraform reads the top level, others the nested object.
            let mut both_ways = environment.clone();
            both_ways["environment"] = environment.clone();
            let by_slug = format!("/api/v1/projects/{project}/environments/slug/qa");
            assert_eq!(admin.get(&by_slug).await.ok(), both_ways);

            let changed = admin
                .patch(
                    &format!("{list}/{id}"),
                    json!({ "name": "Checks", "slug": "checks", "position": null }),
                )
                .await
                .ok();
            environment["name"] = json!("Checks");
            environment["slug"] = json!("checks");
            assert_eq!(changed["environment"], environment);
            assert_eq!(changed[key], project);
            admin.get(&by_slug).await.refused(404, "NotFound");

            let gone = admin.delete(&format!("{list}/{id}")).await.ok();
            assert_eq!(gone["environment"], environment);
            assert_eq!(gone[key], project);
            admin.get(&format!("{list}/{id}")).await.refused(404, "NotFound");
            admin.patch(&format!("{list}/{id}"), json!({})).await.refused(404, "NotFound");
            admin.delete(&format!("{list}/{id}")).await.refused(404, "NotFound");
        }
        for (event, times) in [
            ("create-environment", 2),
            ("update-environment", 2),
            ("delete-environment", 2),
            ("get-environment", 6),
        ] {
            let found = app.events(&admin.org_id, event).await;
            assert_eq!(found.len(), times, "{event}");
            assert!(found.iter().all(|event| event.metadata["environmentId"].is_string()));
        }
    });
}

#[test]
fn positions_start_at_1_and_stay_dense() {
    on_each_database(async || {
        let (_app, admin, project) = start().await;
        let [_, (list, _)] = both(&project);
        let made = admin
            .post(&list, json!({ "name": "First", "slug": "first", "position": 1 }))
            .await
            .ok();
        assert_eq!(made["environment"]["position"], 1);
        assert_eq!(slugs(&admin, &project).await, ["first", "dev", "staging", "prod"]);
        let first = text(&made, "/environment/id");
        for (position, got, order) in [
            (3, 3, ["dev", "staging", "first", "prod"]),
            (99, 4, ["dev", "staging", "prod", "first"]),
            (1, 1, ["first", "dev", "staging", "prod"]),
            (1, 1, ["first", "dev", "staging", "prod"]),
        ] {
            let changed = admin.patch(&format!("{list}/{first}"), json!({ "position": position })).await.ok();
            assert_eq!(changed["environment"]["position"], got);
            assert_eq!(slugs(&admin, &project).await, order);
        }
        let dev = text(&admin.get(&format!("{list}/slug/dev")).await.ok(), "/id");
        admin.delete(&format!("{list}/{dev}")).await.ok();
        let mut positions = Vec::new();
        for slug in ["first", "staging", "prod"] {
            positions.push(admin.get(&format!("{list}/slug/{slug}")).await.ok()["position"].clone());
        }
        assert_eq!(positions, [1, 2, 3]);
    });
}

#[test]
fn slugs_are_unique_and_fields_are_checked() {
    on_each_database(async || {
        let (_app, admin, project) = start().await;
        for (list, _) in both(&project) {
            admin
                .post(&list, json!({ "name": "Dev", "slug": "dev" }))
                .await
                .refused(400, "BadRequest");
            for (body, fields) in [
                (json!({}), vec!["name"]),
                (json!({ "name": " ", "slug": "" }), vec!["name", "slug"]),
                (json!({ "name": "QA", "slug": "a b" }), vec!["slug"]),
                (json!({ "name": "QA", "slug": "x".repeat(65) }), vec!["slug"]),
                (json!({ "name": "x".repeat(65), "slug": "qa" }), vec!["name"]),
                (json!({ "name": "QA", "slug": "qa", "position": 0 }), vec!["position"]),
                (json!({ "name": "QA", "slug": "qa", "position": -1 }), vec!["position"]),
            ] {
                assert_eq!(admin.post(&list, body).await.invalid(), fields);
            }
            let prod = text(
                &admin.get(&format!("/api/v1/projects/{project}/environments/slug/prod")).await.ok(),
                "/id",
            );
            admin
                .patch(&format!("{list}/{prod}"), json!({ "slug": "dev" }))
                .await
                .refused(400, "BadRequest");
            assert_eq!(
                admin
                    .patch(&format!("{list}/{prod}"), json!({ "slug": "a b", "position": 0 }))
                    .await
                    .invalid(),
                ["slug", "position"]
            );
            assert_eq!(admin.get(&format!("{list}/prod")).await.invalid(), ["envId"]);
        }
        assert_eq!(slugs(&admin, &project).await, ["dev", "staging", "prod"]);
    });
}

#[test]
fn a_slug_that_looks_like_an_id_is_a_slug() {
    on_each_database(async || {
        let (_app, admin, project) = start().await;
        let [_, (list, _)] = both(&project);
        let dev = text(&admin.get(&format!("{list}/slug/dev")).await.ok(), "/id");
        let odd = admin.post(&list, json!({ "name": "Odd", "slug": dev })).await.ok();
        let found = admin.get(&format!("{list}/slug/{dev}")).await.ok();
        assert_eq!(found["id"], odd["environment"]["id"]);
        assert_eq!(admin.get(&format!("{list}/{dev}")).await.ok()["environment"]["slug"], "dev");
    });
}

#[test]
fn an_environment_is_found_in_its_own_project_only() {
    on_each_database(async || {
        let (_app, admin, project) = start().await;
        let other = admin.project("Other").await;
        let [_, (list, _)] = both(&project);
        let id = text(&admin.get(&format!("{list}/slug/dev")).await.ok(), "/id");
        for (elsewhere, _) in both(&other) {
            let path = format!("{elsewhere}/{id}");
            admin.get(&path).await.refused(404, "NotFound");
            admin.patch(&path, json!({ "name": "Mine" })).await.refused(404, "NotFound");
            admin.delete(&path).await.refused(404, "NotFound");
        }
        assert_eq!(slugs(&admin, &project).await, ["dev", "staging", "prod"]);
    });
}

#[test]
fn who_may_see_and_change_environments() {
    on_each_database(async || {
        let (app, admin, project) = start().await;
        let [_, (list, _)] = both(&project);
        let id = text(&admin.get(&format!("{list}/slug/dev")).await.ok(), "/id");
        let path = format!("{list}/{id}");
        let reads = [
            path.clone(),
            format!("{list}/slug/dev"),
            format!("/api/v1/workspace/environments/{id}"),
        ];
        let new = |slug: &str| json!({ "name": "New", "slug": slug });
        for (role, sees, changes) in [
            (ProjectRole::NoAccess, false, false),
            (ProjectRole::Viewer, true, false),
            (ProjectRole::Member, true, true),
            (ProjectRole::Admin, true, true),
        ] {
            let who = app.person_in_project(&admin.org_id, &project, role).await;
            for read in &reads {
                let answer = who.get(read).await;
                if sees {
                    answer.ok();
                } else {
                    answer.refused(403, "PermissionDenied");
                }
            }
            let made = who.post(&list, new(role.slug())).await;
            let changed = who.patch(&path, json!({ "name": "Dev" })).await;
            if changes {
                let made = text(&made.ok(), "/environment/id");
                changed.ok();
                who.delete(&format!("{list}/{made}")).await.ok();
            } else {
                made.refused(403, "PermissionDenied");
                changed.refused(403, "PermissionDenied");
                who.delete(&path).await.refused(403, "PermissionDenied");
            }
        }
        let outsider = app.person_in(&admin.org_id, "outsider@example.com", OrgRole::Admin).await;
        let stranger = app.stranger().await;
        let nobody = app.nobody();
        for (who, status, kind) in [
            (&outsider, 403, "ForbiddenError"),
            (&stranger, 404, "NotFound"),
            (&nobody, 401, "UnauthorizedError"),
        ] {
            for read in &reads {
                who.get(read).await.refused(status, kind);
            }
            who.post(&list, new("mine")).await.refused(status, kind);
            who.patch(&path, json!({})).await.refused(status, kind);
            who.delete(&path).await.refused(status, kind);
        }
        let shown: Value = admin.get(&path).await.ok();
        assert_eq!(shown["environment"]["name"], "Dev");
    });
}
