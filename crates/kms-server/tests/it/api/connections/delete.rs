use serde_json::{Value, json};

use super::{PATH, connect, rotate_with, start};
use crate::support::on_each_database;

#[test]
fn a_deleted_connection_is_answered_as_it_was_and_is_gone() {
    on_each_database(async || {
        let (simulator, app, admin, project) = start().await;
        let id = connect(&admin, &simulator, &json!(project), "router").await;
        let path = format!("{PATH}/{id}");
        let before = admin.get(&path).await.ok();
        // Terraform sends a body, PY an empty one.
        assert_eq!(
            admin.delete_with(&path, json!({ "ID": id, "App": "open-router" })).await.ok(),
            before
        );
        admin.get(&path).await.refused(404, "NotFound");
        admin.delete(&path).await.refused(404, "NotFound");
        assert_eq!(
            app.only_event(&admin.org_id, "delete-app-connection").await.metadata,
            json!({ "connectionId": id })
        );
        // The name is free again.
        connect(&admin, &simulator, &json!(project), "router").await;
    });
}

#[test]
fn a_connection_in_use_stays() {
    on_each_database(async || {
        let (simulator, _app, admin, project) = start().await;
        let id = connect(&admin, &simulator, &Value::Null, "router").await;
        let path = format!("{PATH}/{id}");
        let rotation = rotate_with(&admin, &project, &id, "chat-key").await;
        let refused = admin.delete(&path).await.refused(400, "BadRequest");
        assert!(refused["message"].as_str().unwrap().contains("chat-key"), "{refused}");
        admin.get(&path).await.ok();
        admin
            .delete(&format!("/api/v2/secret-rotations/open-router-api-key/{rotation}"))
            .await
            .ok();
        admin.delete(&path).await.ok();
    });
}

#[test]
fn the_connections_of_a_project_go_with_it() {
    on_each_database(async || {
        let (simulator, _app, admin, project) = start().await;
        let id = connect(&admin, &simulator, &json!(project), "router").await;
        let kept = connect(&admin, &simulator, &Value::Null, "router").await;
        admin.delete(&format!("/api/v1/projects/{project}")).await.ok();
        admin.get(&format!("{PATH}/{id}")).await.refused(404, "NotFound");
        admin.get(&format!("{PATH}/{kept}")).await.ok();
    });
}
