//! Who may do what with connections (`app-connections.md` §9).

use kms_core::permission::{OrgRole, ProjectRole};
use serde_json::{Value, json};

use super::{PATH, connect, request, start};
use crate::support::{Caller, TestResponse, WEAK_ROLES, on_each_database, texts};

const ALL: &str = "/api/v1/app-connections";

/// What is done to one connection, and the rest of the routes that need the same rights.
async fn every_use(who: &Caller, id: &str, name: &str, query: &str) -> Vec<(&'static str, TestResponse)> {
    vec![
        ("get", who.get(&format!("{PATH}/{id}")).await),
        ("get by name", who.get(&format!("{PATH}/connection-name/{name}{query}")).await),
        ("list", who.get(&format!("{ALL}{query}")).await),
        ("list of the app", who.get(&format!("{PATH}{query}")).await),
        ("update", who.patch(&format!("{PATH}/{id}"), json!({ "description": "mine" })).await),
        ("delete", who.delete(&format!("{PATH}/{id}")).await),
    ]
}

#[track_caller]
fn all_denied(answers: Vec<(&'static str, TestResponse)>, subject: &str) {
    for (what, answer) in answers {
        assert_eq!(answer.status, 403, "{what}: {}", answer.text);
        let refused = answer.refused(403, "PermissionDenied");
        assert_eq!(refused["details"][0]["subject"], subject, "{what}: {refused}");
    }
}

#[test]
fn without_credentials_nothing_is_told() {
    on_each_database(async || {
        let (simulator, app, admin, project) = start().await;
        let id = connect(&admin, &simulator, &json!(project), "router").await;
        let nobody = app.nobody();
        let mut answers = every_use(&nobody, &id, "router", "").await;
        answers.push(("create", nobody.post(PATH, request(&simulator, &json!(project), "new")).await));
        answers.push(("options", nobody.get(&format!("{ALL}/options")).await));
        answers.push(("available", nobody.get(&format!("{PATH}/available")).await));
        answers.push(("usage", nobody.get(&format!("{PATH}/{id}/usage")).await));
        for (what, answer) in answers {
            assert_eq!(answer.status, 401, "{what}: {}", answer.text);
            answer.refused(401, "UnauthorizedError");
        }
    });
}

#[test]
fn another_organization_sees_nothing_of_it() {
    on_each_database(async || {
        let (simulator, app, admin, project) = start().await;
        let own = connect(&admin, &simulator, &json!(project), "own").await;
        let shared = connect(&admin, &simulator, &Value::Null, "shared").await;
        let stranger = app.stranger().await;
        for id in [own, shared] {
            let path = format!("{PATH}/{id}");
            stranger.get(&path).await.refused(404, "NotFound");
            stranger.patch(&path, json!({})).await.refused(404, "NotFound");
            stranger.delete(&path).await.refused(404, "NotFound");
            stranger.get(&format!("{path}/usage")).await.refused(404, "NotFound");
            admin.get(&path).await.ok();
        }
        stranger
            .get(&format!("{PATH}/connection-name/shared"))
            .await
            .refused(404, "NotFound");
        stranger
            .get(&format!("{PATH}/connection-name/own?projectId={project}"))
            .await
            .refused(404, "NotFound");
        stranger.get(&format!("{ALL}?projectId={project}")).await.refused(404, "NotFound");
        stranger
            .get(&format!("{PATH}/available?projectId={project}"))
            .await
            .refused(400, "BadRequest");
        for path in [ALL.to_owned(), PATH.to_owned(), format!("{PATH}/available")] {
            assert_eq!(stranger.get(&path).await.ok(), json!({ "appConnections": [] }), "{path}");
        }
    });
}

#[test]
fn in_a_project_only_its_administrator_manages_connections() {
    on_each_database(async || {
        let (simulator, app, admin, project) = start().await;
        let id = connect(&admin, &simulator, &json!(project), "router").await;
        let query = format!("?projectId={project}");
        for role in WEAK_ROLES {
            let who = app.person_in_project(&admin.org_id, &project, role).await;
            all_denied(every_use(&who, &id, "router", &query).await, "app-connections");
            let create = who.post(PATH, request(&simulator, &json!(project), "new")).await;
            let refused = create.refused(403, "PermissionDenied");
            assert_eq!(
                refused["details"],
                json!([{ "action": "create-app-connections", "subject": "app-connections" }])
            );
            let available = who.get(&format!("{PATH}/available{query}")).await;
            if role == ProjectRole::Member {
                assert_eq!(texts(&available.ok()["appConnections"], "/id"), std::slice::from_ref(&id));
            } else {
                available.refused(403, "PermissionDenied");
            }
        }
        // Nobody but members reaches it, and rights in the organization do not replace a membership.
        let outsider = app.person_in(&admin.org_id, "outsider@example.com", OrgRole::Admin).await;
        outsider.get(&format!("{PATH}/{id}")).await.refused(403, "ForbiddenError");
        outsider
            .post(PATH, request(&simulator, &json!(project), "new"))
            .await
            .refused(403, "ForbiddenError");

        let owner = app.person_in_project(&admin.org_id, &project, ProjectRole::Admin).await;
        owner.post(PATH, request(&simulator, &json!(project), "new")).await.ok();
        for (what, answer) in every_use(&owner, &id, "router", &query).await {
            assert_eq!(answer.status, 200, "{what}: {}", answer.text);
        }
        // Rights in a project are none in the organization.
        owner
            .post(PATH, request(&simulator, &Value::Null, "shared"))
            .await
            .refused(403, "PermissionDenied");
        owner.get(ALL).await.refused(403, "PermissionDenied");
    });
}

#[test]
fn in_the_organization_only_its_administrator_manages_connections() {
    on_each_database(async || {
        let (simulator, app, admin, _project) = start().await;
        let id = connect(&admin, &simulator, &Value::Null, "router").await;
        for (role, email) in [(OrgRole::NoAccess, "none@example.com"), (OrgRole::Member, "member@example.com")] {
            let who = app.person_in(&admin.org_id, email, role).await;
            all_denied(every_use(&who, &id, "router", "").await, "app-connections");
            let create = who.post(PATH, request(&simulator, &Value::Null, "new")).await;
            assert_eq!(
                create.refused(403, "PermissionDenied")["details"],
                json!([{ "action": "create", "subject": "app-connections" }])
            );
            who.get(&format!("{PATH}/{id}/usage")).await.refused(403, "PermissionDenied");
            // Members may use it; those without access get an empty list, no refusal.
            let available = who.get(&format!("{PATH}/available")).await.ok();
            let expected = if role == OrgRole::Member { vec![id.clone()] } else { vec![] };
            assert_eq!(texts(&available["appConnections"], "/id"), expected);
            who.get(&format!("{ALL}/options")).await.ok();
        }
        let owner = app.person_in(&admin.org_id, "owner@example.com", OrgRole::Admin).await;
        owner.get(&format!("{PATH}/{id}/usage")).await.ok();
        for (what, answer) in every_use(&owner, &id, "router", "").await {
            assert_eq!(answer.status, 200, "{what}: {}", answer.text);
        }
    });
}

#[test]
fn the_form_is_checked_before_the_rights_and_the_rights_before_the_provider() {
    on_each_database(async || {
        let (simulator, app, admin, project) = start().await;
        let who = app.person_in_project(&admin.org_id, &project, ProjectRole::Viewer).await;
        who.post(PATH, json!({ "projectId": project }))
            .await
            .refused(422, "ValidationFailure");
        who.post(PATH, request(&simulator, &json!("3d0c9a52-71de-4a0b-9c6e-0a4f5f6f1b11"), "new"))
            .await
            .refused(400, "BadRequest");
        who.post(PATH, request(&simulator, &json!(project), "new"))
            .await
            .refused(403, "PermissionDenied");
        assert_eq!(simulator.control().stats().requests.total, 0, "OpenRouter was not asked");
    });
}
