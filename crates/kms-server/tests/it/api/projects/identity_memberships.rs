use kms_core::permission::{OrgRole, ProjectRole};
use serde_json::{Value, json};

use crate::support::{START_ON_THE_WIRE, TestApp, WEAK_ROLES, on_each_database, text, texts};

/// Where the memberships of a project are, in each generation.
fn both(project: &str) -> [String; 2] {
    [
        format!("/api/v2/workspace/{project}/identity-memberships"),
        format!("/api/v1/projects/{project}/memberships/identities"),
    ]
}

/// A role for good, but for its id.
fn permanent(role: &Value) -> Value {
    json!({
        "id": text(role, "/id"), "role": role["role"], "customRoleId": null, "customRoleName": null, "customRoleSlug": null,
        "isTemporary": false, "temporaryMode": null, "temporaryRange": null, "temporaryAccessStartTime": null,
        "temporaryAccessEndTime": null,
    })
}

#[test]
fn an_identity_joins_is_shown_changes_and_leaves() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        for generation in 0..2 {
            let project = admin.project("Shop").await;
            let list = &both(&project)[generation];
            let identity = app.add_identity(&admin.org_id, "ci").await.to_string();
            let path = format!("{list}/{identity}");

            let joined = admin.post(&path, json!({ "role": "viewer" })).await.ok();
            let id = text(&joined, "/identityMembership/id");
            assert_eq!(
                joined,
                json!({ "identityMembership": {
                    "id": id, "identityId": identity, "projectId": project, "createdAt": START_ON_THE_WIRE, "updatedAt": START_ON_THE_WIRE,
                } })
            );
            admin.post(&path, json!({ "role": "viewer" })).await.refused(400, "BadRequest");

            let shown = admin.get(&path).await.ok();
            let roles = &shown["identityMembership"]["roles"];
            assert_eq!(
                shown,
                json!({ "identityMembership": {
                    "id": id, "identityId": identity, "createdAt": START_ON_THE_WIRE, "updatedAt": START_ON_THE_WIRE,
                    "roles": [permanent(&roles[0])],
                    "identity": { "id": identity, "name": "ci", "authMethods": [] },
                    "project": { "id": project, "name": "Shop" },
                } })
            );
            assert_eq!(roles[0]["role"], "viewer");
            assert_eq!(admin.get(&format!("/api/v2/workspace/identity-memberships/{id}")).await.ok(), shown);

            let changed = admin
                .patch(&path, json!({ "roles": [{ "role": "member" }, { "role": "admin" }] }))
                .await
                .ok();
            if generation == 0 {
                assert_eq!(texts(&changed["roles"], "/role"), ["member", "admin"]);
                assert_eq!(changed["roles"][0], permanent(&changed["roles"][0]));
            } else {
                assert_eq!(changed, joined);
            }
            let all = admin.get(list).await.ok();
            // The maker of the project is an identity too. Both joined in the same instant, so either may come first.
            assert_eq!(all["totalCount"], 2);
            let mut all = all["identityMemberships"].as_array().unwrap().clone();
            all.sort_by_key(|membership| membership["identityId"] != admin.identity_id.as_str());
            let all = json!({ "identityMemberships": all });
            assert_eq!(
                texts(&all["identityMemberships"], "/identityId"),
                [admin.identity_id.clone(), identity.clone()]
            );
            assert_eq!(all["identityMemberships"][0]["identity"]["authMethods"], json!(["token-auth"]));
            assert_eq!(texts(&all["identityMemberships"][1]["roles"], "/role"), ["member", "admin"]);

            assert_eq!(admin.delete(&path).await.ok(), joined);
            admin.get(&path).await.refused(404, "NotFound");
            admin.patch(&path, json!({ "role": "member" })).await.refused(404, "NotFound");
            admin.delete(&path).await.refused(404, "NotFound");
            admin
                .get(&format!("/api/v2/workspace/identity-memberships/{id}"))
                .await
                .refused(404, "NotFound");
        }
        for event in [
            "create-identity-project-membership",
            "update-identity-project-membership",
            "delete-identity-project-membership",
        ] {
            assert_eq!(app.events(&admin.org_id, event).await.len(), 2, "{event}");
        }
    });
}

#[test]
fn what_terraform_fills_in_for_a_role_for_good_is_ignored() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        let identity = app.add_identity(&admin.org_id, "ci").await;
        let path = format!("{}/{identity}", both(&project)[0]);
        let body = json!({ "roles": [{
            "role": "member", "isTemporary": false, "temporaryMode": "", "temporaryRange": "", "temporaryAccessStartTime": "0001-01-01T00:00:00Z",
        }] });
        admin.post(&path, body).await.ok();
        let role = &admin.get(&path).await.ok()["identityMembership"]["roles"][0];
        assert_eq!(*role, permanent(role));
        let body = json!({ "roles": [{ "role": "viewer", "isTemporary": null, "temporaryMode": 7, "temporaryRange": { "x": [] } }] });
        let changed = admin.patch(&path, body).await.ok();
        assert_eq!(changed["roles"][0], permanent(&changed["roles"][0]));
    });
}

#[test]
fn a_temporary_role_ends_by_itself() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        let user = app.add_person("night@example.com").await;
        let principal = kms_store::organizations::Principal::User(user);
        app.join(principal, admin.org_id.parse().unwrap(), OrgRole::NoAccess).await;
        let identity = app.add_identity(&admin.org_id, "ci").await;
        let path = format!("{}/{identity}", both(&project)[1]);
        let temporary = |range: &str, start: &str| {
            json!({
                "role": "admin", "isTemporary": true, "temporaryMode": "relative", "temporaryRange": range, "temporaryAccessStartTime": start,
            })
        };
        admin
            .post(
                &path,
                json!({ "roles": [{ "role": "viewer" }, temporary("1h", "2026-03-01T12:30:00+00:00")] }),
            )
            .await
            .ok();
        let roles = admin.get(&path).await.ok()["identityMembership"]["roles"].clone();
        assert_eq!(roles[0]["role"], "viewer");
        assert_eq!(
            roles[1],
            json!({
                "id": text(&roles[1], "/id"), "role": "admin", "customRoleId": null, "customRoleName": null, "customRoleSlug": null,
                "isTemporary": true, "temporaryMode": "relative", "temporaryRange": "1h",
                "temporaryAccessStartTime": "2026-03-01T12:30:00.000Z", "temporaryAccessEndTime": "2026-03-01T13:30:00.000Z",
            })
        );
        for (role, field) in [
            (temporary("", "2026-03-01T12:30:00Z"), "temporaryRange"),
            (temporary("0h", "2026-03-01T12:30:00Z"), "temporaryRange"),
            (temporary("1 moon", "2026-03-01T12:30:00Z"), "temporaryRange"),
            (temporary("1h", "tomorrow"), "temporaryAccessStartTime"),
            (
                json!({ "role": "admin", "isTemporary": true, "temporaryRange": "1h", "temporaryAccessStartTime": "2026-03-01T12:30:00Z" }),
                "temporaryMode",
            ),
        ] {
            let told = admin.patch(&path, json!({ "roles": [{ "role": "viewer" }, role] })).await.invalid();
            assert_eq!(told, [format!("roles.1.{field}")]);
        }
    });
}

#[test]
fn roles_must_exist_and_be_given() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        let identity = app.add_identity(&admin.org_id, "ci").await;
        let path = format!("{}/{identity}", both(&project)[0]);
        admin.post(&path, json!({ "role": "emperor" })).await.refused(400, "BadRequest");
        assert_eq!(admin.post(&path, json!({ "roles": [] })).await.invalid(), ["roles"]);
        assert_eq!(admin.post(&path, json!({ "roles": [{}] })).await.invalid(), ["roles.0.role"]);
        // Without a role, the one that gives nothing.
        admin.post(&path, json!({})).await.ok();
        assert_eq!(
            texts(&admin.get(&path).await.ok()["identityMembership"]["roles"], "/role"),
            ["no-access"]
        );
        assert_eq!(admin.patch(&path, json!({})).await.invalid(), ["roles"]);
        let unknown = "3d0c9a52-71de-4a0b-9c6e-0a4f5f6f1b11";
        let [list, _] = both(&project);
        admin
            .post(&format!("{list}/{unknown}"), json!({ "role": "viewer" }))
            .await
            .refused(404, "NotFound");
        assert_eq!(admin.get(&format!("{list}/ci")).await.invalid(), ["identityId"]);
        assert_eq!(admin.get(&both("shop")[0]).await.invalid(), ["projectId"]);
        let stray = "/api/v2/workspace/identity-memberships/ci";
        assert_eq!(admin.get(stray).await.invalid(), ["membershipId"]);
    });
}

#[test]
fn the_list_can_be_searched_and_cut() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        let [list, _] = both(&project);
        for name in ["deploy-eu", "deploy-us", "backup"] {
            app.advance(1);
            let identity = app.add_identity(&admin.org_id, name).await;
            admin.post(&format!("{list}/{identity}"), json!({ "role": "viewer" })).await.ok();
        }
        for (query, names, total) in [
            ("?search=DEPLOY", vec!["deploy-eu", "deploy-us"], 2),
            ("?search=deploy&offset=1", vec!["deploy-us"], 2),
            ("?offset=1&limit=2", vec!["deploy-eu", "deploy-us"], 4),
            ("?offset=9", vec![], 4),
            ("?limit=&offset=&search=", vec!["*", "deploy-eu", "deploy-us", "backup"], 4),
        ] {
            let found = admin.get(&format!("{list}{query}")).await.ok();
            let shown = texts(&found["identityMemberships"], "/identity/name");
            assert_eq!(shown.len(), names.len(), "{query}: {shown:?}");
            assert!(
                names.iter().zip(&shown).all(|(name, shown)| *name == "*" || name == shown),
                "{query}: {shown:?}"
            );
            assert_eq!(found["totalCount"], total, "{query}");
        }
        assert_eq!(admin.get(&format!("{list}?limit=0")).await.invalid(), ["limit"]);
        assert_eq!(admin.get(&format!("{list}?offset=x")).await.invalid(), ["offset"]);
    });
}

#[test]
fn nobody_gives_or_takes_more_than_they_have() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        let [list, _] = both(&project);
        let identity = app.add_identity(&admin.org_id, "ci").await;
        let path = format!("{list}/{identity}");
        let member = app.person_in_project(&admin.org_id, &project, ProjectRole::Member).await;
        member
            .post(&path, json!({ "role": "admin" }))
            .await
            .refused(403, "PermissionBoundaryError");
        member.post(&path, json!({ "role": "member" })).await.ok();
        member
            .patch(&path, json!({ "role": "admin" }))
            .await
            .refused(403, "PermissionBoundaryError");
        let owner = format!("{list}/{}", admin.identity_id);
        member
            .patch(&owner, json!({ "role": "viewer" }))
            .await
            .refused(403, "PermissionBoundaryError");
        member.delete(&owner).await.refused(403, "PermissionBoundaryError");
        member.patch(&path, json!({ "role": "viewer" })).await.ok();
        member.delete(&path).await.ok();
    });
}

#[test]
fn who_may_see_and_change_members() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        let identity = app.add_identity(&admin.org_id, "ci").await;
        let [list, _] = both(&project);
        let path = format!("{list}/{identity}");
        let joined = admin.post(&path, json!({ "role": "viewer" })).await.ok();
        let alone = format!("/api/v2/workspace/identity-memberships/{}", text(&joined, "/identityMembership/id"));
        for role in WEAK_ROLES {
            let who = app.person_in_project(&admin.org_id, &project, role).await;
            for read in [&list, &path, &alone] {
                let answer = who.get(read).await;
                if role == ProjectRole::NoAccess {
                    answer.refused(403, "PermissionDenied");
                } else {
                    answer.ok();
                }
            }
            if role != ProjectRole::Member {
                who.post(&path, json!({ "role": "no-access" }))
                    .await
                    .refused(403, "PermissionDenied");
                who.patch(&path, json!({ "role": "no-access" }))
                    .await
                    .refused(403, "PermissionDenied");
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
            for read in [&list, &path, &alone] {
                who.get(read).await.refused(status, kind);
            }
            who.post(&path, json!({ "role": "no-access" })).await.refused(status, kind);
            who.patch(&path, json!({ "role": "no-access" })).await.refused(status, kind);
            who.delete(&path).await.refused(status, kind);
        }
        // An identity of another organization cannot be let in.
        let other = app.add_org("Third").await;
        let foreign = app.add_identity(&other.to_string(), "spy").await;
        admin
            .post(&format!("{list}/{foreign}"), json!({ "role": "viewer" }))
            .await
            .refused(404, "NotFound");
    });
}
