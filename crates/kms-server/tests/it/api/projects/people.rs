use kms_core::permission::{OrgRole, ProjectRole};
use serde_json::json;

use crate::support::{TestApp, WEAK_ROLES, on_each_database, text, texts};

#[test]
fn people_are_added_found_changed_and_removed() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        for name in ["a", "b"] {
            app.advance(1);
            app.person_in(&admin.org_id, &format!("{name}@example.com"), OrgRole::NoAccess)
                .await;
        }
        let members = format!("/api/v2/workspace/{project}/memberships");
        let body = json!({ "emails": ["A@example.com", "a@example.com"], "usernames": ["b@example.com"] });
        let added = admin.post(&members, body).await.ok();
        assert_eq!(texts(&added["memberships"], "/projectId"), [project.as_str(), project.as_str()]);
        let person = admin
            .post(
                &format!("/api/v1/workspace/{project}/memberships/details"),
                json!({ "username": "a@example.com" }),
            )
            .await
            .ok();
        assert_eq!(text(&person, "/membership/roles/0/role"), "member");
        let user = text(&person, "/membership/user/id");
        let by_user = admin.get(&format!("/api/v1/projects/{project}/user/{user}/membership")).await.ok();
        assert_eq!(by_user, person);

        let membership = text(&person, "/membership/id");
        let roles = json!({ "roles": [
            { "role": "viewer" },
            { "role": "admin", "isTemporary": true, "temporaryMode": "relative", "temporaryRange": "1h",
              "temporaryAccessStartTime": "2026-03-01T12:00:00.000Z" },
        ] });
        let path = format!("/api/v1/workspace/{project}/memberships/{membership}");
        let changed = admin.patch(&path, roles).await.ok();
        assert_eq!(texts(&changed["roles"], "/role"), ["viewer", "admin"]);
        let told = app.only_event(&admin.org_id, "update-user-project-role").await;
        assert_eq!(told.metadata["roles"], json!(["viewer", "admin"]));

        let removed = admin
            .delete_with(&members, json!({ "emails": ["a@example.com", "b@example.com"] }))
            .await
            .ok();
        assert_eq!(removed["memberships"].as_array().unwrap().len(), 2);
        let left = admin.get(&format!("/api/v1/projects/{project}/memberships")).await.ok();
        assert_eq!(
            left,
            json!({ "memberships": [] }),
            "the machine identity that made it is listed elsewhere"
        );
        assert_eq!(app.events(&admin.org_id, "remove-project-member").await.len(), 2);
    });
}

#[test]
fn all_are_added_or_removed_or_none() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        app.person_in(&admin.org_id, "a@example.com", OrgRole::NoAccess).await;
        let members = format!("/api/v2/workspace/{project}/memberships");
        let listed = format!("/api/v1/projects/{project}/memberships");
        let unknown = json!({ "emails": ["a@example.com", "nobody@example.com"] });
        admin.post(&members, unknown.clone()).await.refused(400, "BadRequest");
        assert_eq!(admin.get(&listed).await.ok(), json!({ "memberships": [] }));
        let body = json!({ "emails": ["a@example.com"], "roleSlugs": ["viewer"] });
        admin.post(&members, body.clone()).await.ok();
        admin.post(&members, body).await.refused(400, "BadRequest");
        admin.delete_with(&members, unknown).await.refused(404, "NotFound");
        assert_eq!(admin.get(&listed).await.ok()["memberships"].as_array().unwrap().len(), 1);
        for wrong in [
            json!({}),
            json!({ "emails": ["no address"] }),
            json!({ "emails": vec!["a@example.com"; 101] }),
        ] {
            assert_eq!(admin.post(&members, wrong).await.invalid()[0], "emails");
        }
        let role = json!({ "emails": ["a@example.com"], "roleSlugs": ["owner"] });
        admin.post(&members, role).await.refused(400, "BadRequest");
    });
}

#[test]
fn nobody_gives_or_takes_more_than_they_have() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        let members = format!("/api/v2/workspace/{project}/memberships");
        app.person_in(&admin.org_id, "a@example.com", OrgRole::NoAccess).await;
        for role in WEAK_ROLES {
            let weak = app.person_in_project(&admin.org_id, &project, role).await;
            let body = json!({ "emails": ["a@example.com"], "roleSlugs": ["admin"] });
            let refusal = if role == ProjectRole::Member {
                "PermissionBoundaryError"
            } else {
                "PermissionDenied"
            };
            weak.post(&members, body).await.refused(403, refusal);
            let own = weak.get("/api/v1/user").await.ok();
            let email = text(&own, "/user/email");
            weak.delete_with(&members, json!({ "emails": [email] }))
                .await
                .refused(403, "PermissionDenied");
        }
    });
}

#[test]
fn somebody_always_administers_the_project() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let boss = app.log_in_to(&admin.email, &admin.password, &admin.org_id).await;
        let made = boss.post("/api/v1/projects", json!({ "projectName": "Own" })).await.ok();
        let project = text(&made, "/project/id");
        let members = format!("/api/v2/workspace/{project}/memberships");
        let own = json!({ "emails": [admin.email] });
        boss.delete_with(&members, own.clone()).await.refused(400, "BadRequest");
        let listed = boss.get(&format!("/api/v1/projects/{project}/memberships")).await.ok();
        let membership = text(&listed, "/memberships/0/id");
        let path = format!("/api/v1/workspace/{project}/memberships/{membership}");
        boss.patch(&path, json!({ "role": "viewer" })).await.refused(400, "BadRequest");
        app.person_in(&admin.org_id, "second@example.com", OrgRole::NoAccess).await;
        boss.post(&members, json!({ "emails": ["second@example.com"], "roleSlugs": ["admin"] }))
            .await
            .ok();
        boss.delete_with(&members, own).await.ok();
        boss.get(&format!("/api/v1/projects/{project}"))
            .await
            .refused(403, "ForbiddenError");
    });
}
