use serde_json::{Value, json};

use super::{PATH, connect, rotate_with, start};
use crate::support::{on_each_database, text, texts};

const ALL: &str = "/api/v1/app-connections";

#[test]
fn the_apps_are_told_by_name() {
    on_each_database(async || {
        let (_simulator, _app, admin, _project) = start().await;
        let expected = json!({ "appConnectionOptions": [{ "name": "OpenRouter", "app": "open-router", "methods": ["api-key"] }] });
        for query in ["", "?projectType=secret-manager", "?projectType="] {
            assert_eq!(admin.get(&format!("{ALL}/options{query}")).await.ok(), expected, "{query}");
        }
        for kind in ["cert-manager", "kms", "ssh", "secret-scanning", "pam"] {
            let none = admin.get(&format!("{ALL}/options?projectType={kind}")).await.ok();
            assert_eq!(none, json!({ "appConnectionOptions": [] }), "{kind}");
        }
        let told = admin.get(&format!("{ALL}/options?projectType=toaster")).await.invalid();
        assert_eq!(told, ["projectType"]);
    });
}

#[test]
fn lists_are_sorted_and_say_which_project() {
    on_each_database(async || {
        let (simulator, app, admin, project) = start().await;
        for (scope, name) in [
            (json!(project), "b"),
            (Value::Null, "c"),
            (json!(project), "a1"),
            (Value::Null, "a"),
        ] {
            connect(&admin, &simulator, &scope, name).await;
        }
        let shown = json!({
            "id": project, "name": "Chat", "type": "secret-manager",
            "slug": text(&admin.get(&format!("/api/v1/projects/{project}")).await.ok(), "/project/slug"),
        });
        for path in [ALL, PATH] {
            let all = admin.get(path).await.ok();
            assert_eq!(texts(&all["appConnections"], "/name"), ["a", "a1", "b", "c"]);
            let projects: Vec<&Value> = all["appConnections"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| &one["project"])
                .collect();
            assert_eq!(projects, [&Value::Null, &shown, &shown, &Value::Null]);

            let own = admin.get(&format!("{path}?projectId={project}")).await.ok();
            assert_eq!(texts(&own["appConnections"], "/name"), ["a1", "b"]);
            assert_eq!(own["appConnections"][0]["project"], shown);
        }
        // A listed connection is the connection, and the project beside it.
        let all = admin.get(ALL).await.ok();
        let mut listed = all["appConnections"][0].clone();
        listed.as_object_mut().unwrap().remove("project");
        let one = admin.get(&format!("{PATH}/{}", text(&listed, "/id"))).await.ok();
        assert_eq!(listed, one["appConnection"]);

        let events = app.events(&admin.org_id, "get-app-connections").await;
        assert_eq!(events.len(), 5);
        let ids: Vec<&Value> = all["appConnections"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
        let whole: Vec<_> = events
            .iter()
            .filter(|event| event.metadata == json!({ "count": 4, "connectionIds": ids }))
            .collect();
        assert_eq!(whole.len(), 2);
        assert!(
            events
                .iter()
                .any(|event| event.metadata == json!({ "app": "open-router", "count": 4, "connectionIds": ids }))
        );
        app.only_event(&admin.org_id, "get-app-connection").await;
    });
}

#[test]
fn a_project_that_is_not_there_has_no_list() {
    on_each_database(async || {
        let (_simulator, _app, admin, _project) = start().await;
        let unknown = "3d0c9a52-71de-4a0b-9c6e-0a4f5f6f1b11";
        admin.get(&format!("{ALL}?projectId={unknown}")).await.refused(404, "NotFound");
        assert_eq!(admin.get(&format!("{ALL}?projectId=chat")).await.invalid(), ["projectId"]);
        for project in [unknown, "chat"] {
            admin
                .get(&format!("{PATH}/available?projectId={project}"))
                .await
                .refused(400, "BadRequest");
        }
    });
}

#[test]
fn what_can_be_used_is_told_without_its_inside() {
    on_each_database(async || {
        let (simulator, app, admin, project) = start().await;
        let own = connect(&admin, &simulator, &json!(project), "b").await;
        let shared = connect(&admin, &simulator, &Value::Null, "c").await;
        let other = admin.project("Search").await;
        connect(&admin, &simulator, &json!(other), "a").await;
        let line = |id: &str, name: &str, project: Value| json!({ "app": "open-router", "id": id, "name": name, "projectId": project, "orgId": admin.org_id });
        assert_eq!(
            admin.get(&format!("{PATH}/available")).await.ok(),
            json!({ "appConnections": [line(&shared, "c", Value::Null)] })
        );
        assert_eq!(
            admin.get(&format!("{PATH}/available?projectId={project}")).await.ok(),
            json!({ "appConnections": [line(&own, "b", json!(project)), line(&shared, "c", Value::Null)] })
        );
        let events = app.events(&admin.org_id, "get-available-app-connections-details").await;
        assert!(
            events
                .iter()
                .any(|event| event.metadata == json!({ "app": "open-router", "count": 2, "connectionIds": [own, shared] }))
        );
    });
}

#[test]
fn by_name_each_scope_is_looked_at_alone() {
    on_each_database(async || {
        let (simulator, _app, admin, project) = start().await;
        let own = connect(&admin, &simulator, &json!(project), "own").await;
        let shared = connect(&admin, &simulator, &Value::Null, "shared").await;
        let named = |name: &str, query: &str| format!("{PATH}/connection-name/{name}{query}");
        let in_project = format!("?projectId={project}");
        for (path, id) in [
            (named("own", &in_project), &own),
            (named("shared", ""), &shared),
            (named("shared", "?projectId="), &shared),
            (named("%20own%20", &in_project), &own),
        ] {
            assert_eq!(text(&admin.get(&path).await.ok(), "/appConnection/id"), *id, "{path}");
        }
        for (path, scope) in [
            (named("own", ""), "organization"),
            (named("shared", &in_project), "project"),
            (named("OWN", &in_project), "project"),
        ] {
            let refused = admin.get(&path).await.refused(404, "NotFound");
            assert!(refused["message"].as_str().unwrap().contains(scope), "{refused}");
        }
        assert_eq!(admin.get(&named("%20", "")).await.invalid(), ["connectionName"]);
        assert_eq!(admin.get(&named("own", "?projectId=x")).await.invalid(), ["projectId"]);
    });
}

#[test]
fn by_id_only_what_is_there_is_found() {
    on_each_database(async || {
        let (simulator, _app, admin, _project) = start().await;
        let id = connect(&admin, &simulator, &Value::Null, "router").await;
        admin.get(&format!("{PATH}/{}/", id.to_uppercase())).await.ok();
        admin
            .get(&format!("{PATH}/3d0c9a52-71de-4a0b-9c6e-0a4f5f6f1b11"))
            .await
            .refused(404, "NotFound");
        for malformed in ["router", "3d0c9a5271de4a0b9c6e0a4f5f6f1b11", "%00"] {
            assert_eq!(admin.get(&format!("{PATH}/{malformed}")).await.invalid(), ["connectionId"]);
        }
        // No other app has routes.
        for method in [axum::http::Method::GET, axum::http::Method::POST] {
            admin
                .send_raw(method, "/api/v1/app-connections/redis", "application/json", "{}".to_owned())
                .await
                .refused(404, "NotFound");
        }
        admin
            .get(&format!("/api/v1/app-connections/redis/{id}"))
            .await
            .refused(404, "NotFound");
    });
}

#[test]
fn usage_names_the_rotations_by_project() {
    on_each_database(async || {
        let (simulator, app, admin, project) = start().await;
        let id = connect(&admin, &simulator, &Value::Null, "router").await;
        let path = format!("{PATH}/{id}/usage");
        assert_eq!(admin.get(&path).await.ok(), json!({ "projects": [] }));
        let other = admin.project("Assist").await;
        let second = rotate_with(&admin, &project, &id, "second").await;
        let first = rotate_with(&admin, &project, &id, "first").await;
        let third = rotate_with(&admin, &other, &id, "third").await;
        let used = |rotations: Value| json!({ "secretSyncs": [], "secretRotations": rotations, "externalCas": [], "dataSources": [] });
        let slug = async |id: &str| text(&admin.get(&format!("/api/v1/projects/{id}")).await.ok(), "/project/slug");
        assert_eq!(
            admin.get(&path).await.ok(),
            json!({ "projects": [
                {
                    "id": other, "name": "Assist", "slug": slug(&other).await, "type": "secret-manager",
                    "resources": used(json!([{ "id": third, "name": "third" }])),
                },
                {
                    "id": project, "name": "Chat", "slug": slug(&project).await, "type": "secret-manager",
                    "resources": used(json!([{ "id": first, "name": "first" }, { "id": second, "name": "second" }])),
                },
            ] })
        );
        let events = app.events(&admin.org_id, "get-app-connection-usage").await;
        assert_eq!(events.len(), 2);
        assert_eq!(events[0].metadata, json!({ "connectionId": id }));
    });
}
