//! Secrets and folders over HTTP, in both generations of paths.

use serde_json::{Value, json};

use crate::support::{Admin, TestApp, on_each_database};

async fn start() -> (TestApp, Admin, String) {
    let (app, admin) = TestApp::bootstrapped().await;
    let project = admin.post("/api/v1/projects", json!({ "projectName": "Shop" })).await.ok();
    let project = project["project"]["id"].as_str().unwrap().to_owned();
    (app, admin, project)
}

fn body(project: &str, more: Value) -> Value {
    let mut body = json!({ "workspaceId": project, "environment": "dev" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn a_secret_is_made_read_changed_and_deleted() {
    on_each_database(async || {
        let (_app, admin, project) = start().await;
        let path = "/api/v3/secrets/raw/DB_URL";
        let made = admin
            .post(path, body(&project, json!({ "secretValue": " postgres://db \n" })))
            .await
            .ok();
        let made = &made["secret"];
        assert_eq!(made["_id"], made["id"]);
        assert_eq!(
            (made["secretValue"].as_str(), made["secretComment"].as_str()),
            (Some("postgres://db\n"), Some(""))
        );
        assert_eq!((made["version"].as_i64(), made["type"].as_str()), (Some(1), Some("shared")));
        admin
            .post(path, body(&project, json!({ "secretValue": "x" })))
            .await
            .refused(400, "BadRequest");

        // `null` means absent.
        let changed = admin
            .patch(path, body(&project, json!({ "secretValue": "two", "secretComment": null })))
            .await
            .ok();
        assert_eq!(
            (changed["secret"]["secretValue"].as_str(), changed["secret"]["version"].as_i64()),
            (Some("two"), Some(2))
        );
        let read = format!("/api/v4/secrets/DB_URL?projectId={project}&environment=dev");
        assert_eq!(admin.get(&read).await.ok()["secret"]["secretValue"], "two");
        assert_eq!(
            admin.get(&format!("{read}&version=1")).await.ok()["secret"]["secretValue"],
            "postgres://db\n"
        );
        let hidden = admin.get(&format!("{read}&viewSecretValue=false")).await.ok();
        assert_eq!(hidden["secret"]["secretValueHidden"], true);
        assert_ne!(hidden["secret"]["secretValue"], "two");

        let id = made["id"].as_str().unwrap();
        assert_eq!(
            admin.get(&format!("/api/v3/secrets/raw/id/{id}")).await.ok()["secret"]["secretPath"],
            "/"
        );
        let versions = admin.get(&format!("/api/v1/secret/{id}/secret-versions")).await.ok();
        assert_eq!(versions["secretVersions"].as_array().unwrap().len(), 2);

        admin.delete_with(path, body(&project, json!({}))).await.ok();
        admin.get(&read).await.refused(404, "NotFound");
        admin
            .patch(path, body(&project, json!({ "secretValue": "x" })))
            .await
            .refused(404, "NotFound");
    });
}

#[test]
fn references_lead_on_and_follow_a_rename() {
    on_each_database(async || {
        let (_app, admin, project) = start().await;
        let write = |name: &'static str, value: &'static str| {
            let request = body(&project, json!({ "secretValue": value }));
            let admin = &admin;
            async move { admin.post(&format!("/api/v3/secrets/raw/{name}"), request).await }
        };
        write("HOST", "db.example.com").await.ok();
        write("URL", "postgres://${HOST}/shop").await.ok();
        write("BAD", "${NO_SUCH_SECRET}").await.refused(400, "BadRequest");
        let url = |more: &str| format!("/api/v4/secrets/URL?projectId={project}&environment=dev{more}");
        assert_eq!(
            admin.get(&url("")).await.ok()["secret"]["secretValue"],
            "postgres://db.example.com/shop"
        );
        assert_eq!(
            admin.get(&url("&expandSecretReferences=false")).await.ok()["secret"]["secretValue"],
            "postgres://${HOST}/shop"
        );
        let raw = format!("/api/v3/secrets/raw/URL?workspaceId={project}&environment=dev");
        assert_eq!(
            admin.get(&raw).await.ok()["secret"]["secretValue"],
            "postgres://${HOST}/shop",
            "the older generation does not expand"
        );
        admin
            .patch("/api/v3/secrets/raw/HOST", body(&project, json!({ "newSecretName": "DB_HOST" })))
            .await
            .ok();
        assert_eq!(admin.get(&raw).await.ok()["secret"]["secretValue"], "postgres://${DB_HOST}/shop");
        assert_eq!(
            admin.get(&url("")).await.ok()["secret"]["secretValue"],
            "postgres://db.example.com/shop"
        );
    });
}

#[test]
fn a_list_is_complete_the_same_each_time_and_not_sent_twice() {
    on_each_database(async || {
        let (_app, admin, project) = start().await;
        let folder = json!({ "projectId": project, "environment": "dev", "path": "/a", "name": "b" });
        let made = admin.post("/api/v2/folders", folder.clone()).await.ok();
        assert_eq!(made["folder"]["path"], "/a/b", "missing parents are made");
        assert_eq!(
            admin.post("/api/v2/folders", folder).await.ok()["folder"]["id"],
            made["folder"]["id"],
            "and making it again is no error"
        );
        for (name, path) in [("B", "/"), ("A", "/"), ("DEEP", "/a/b")] {
            let request = body(&project, json!({ "secretValue": "v", "secretPath": path }));
            admin.post(&format!("/api/v3/secrets/raw/{name}"), request).await.ok();
        }
        let list = format!("/api/v3/secrets/raw?workspaceId={project}&workspaceSlug=&environment=dev");
        let names = |answer: &Value| -> Vec<String> {
            answer["secrets"]
                .as_array()
                .unwrap()
                .iter()
                .map(|secret| secret["secretKey"].as_str().unwrap().to_owned())
                .collect()
        };
        let first = admin.get(&list).await;
        let tag = first.headers["etag"].to_str().unwrap().to_owned();
        let answer = first.ok();
        assert_eq!(
            (names(&answer), &answer["imports"]),
            (vec!["A".to_owned(), "B".to_owned()], &json!([]))
        );
        let again = admin.with_header("if-none-match", &tag).get(&list).await;
        assert_eq!(again.status, 304);
        let all = admin.get(&format!("{list}&recursive=True")).await.ok();
        assert_eq!(names(&all), ["A", "B", "DEEP"]);
        // A folder that is not there: nothing in a plain list, an error in a recursive one.
        assert_eq!(
            admin.get(&format!("{list}&secretPath=/none")).await.ok(),
            json!({ "secrets": [], "imports": [] })
        );
        admin
            .get(&format!("{list}&secretPath=/none&recursive=true"))
            .await
            .refused(404, "NotFound");
        admin
            .get(&format!("{list}&recursive=perhaps"))
            .await
            .refused(422, "ValidationFailure");
    });
}

#[test]
fn several_at_once_are_all_or_none() {
    on_each_database(async || {
        let (_app, admin, project) = start().await;
        let secrets = |names: &[&str]| -> Value { names.iter().map(|name| json!({ "secretKey": name, "secretValue": "v" })).collect() };
        let path = "/api/v4/secrets/batch";
        let request = |list: Value| json!({ "projectId": project, "environment": "dev", "secrets": list });
        admin.post(path, request(secrets(&["A", "B"]))).await.ok();
        admin.post(path, request(secrets(&["C", "A"]))).await.refused(400, "BadRequest");
        let list = format!("/api/v4/secrets?projectId={project}&environment=dev");
        assert_eq!(
            admin.get(&list).await.ok()["secrets"].as_array().unwrap().len(),
            2,
            "C was not made"
        );
        admin.patch(path, request(secrets(&["A", "D"]))).await.refused(404, "NotFound");
        let mut upsert = request(secrets(&["A", "D"]));
        upsert["mode"] = json!("upsert");
        admin.patch(path, upsert).await.ok();
        admin.delete_with(path, request(secrets(&["A", "B", "D"]))).await.ok();
        assert_eq!(admin.get(&list).await.ok()["secrets"], json!([]));
        admin
            .post("/api/v3/secrets/raw/A%20B", body(&project, json!({ "secretValue": "v" })))
            .await
            .refused(422, "ValidationFailure");
    });
}
