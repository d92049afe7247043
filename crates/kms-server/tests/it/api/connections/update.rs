use kms_core::ids::ConnectionId;
use kms_core::seal::Sealed;
use kms_core::time::Clock as _;
use kms_store::connections::ConnectionRecord;
use serde_json::{Value, json};

use super::{PATH, connect, start};
use crate::support::{on_each_database, text};

#[test]
fn name_and_description_change_without_a_question_to_the_provider() {
    on_each_database(async || {
        let (simulator, app, admin, project) = start().await;
        let id = connect(&admin, &simulator, &json!(project), "router").await;
        let path = format!("{PATH}/{id}");
        let mut expected = admin.get(&path).await.ok();
        let asked = simulator.control().stats().requests.total;
        app.advance(60);

        let changed = admin
            .patch(&path, json!({ "name": " other ", "description": " mine ", "credentials": null }))
            .await
            .ok();
        for (field, value) in [
            ("name", "other"),
            ("description", "mine"),
            ("updatedAt", "2026-03-01T12:01:00.000Z"),
        ] {
            expected["appConnection"][field] = json!(value);
        }
        assert_eq!(changed, expected, "the hash stays too");
        assert_eq!(admin.get(&path).await.ok(), expected);

        let changed = admin.patch(&path, json!({ "description": null })).await.ok();
        expected["appConnection"]["description"] = Value::Null;
        assert_eq!(changed, expected);
        let changed = admin.patch(&path, json!({})).await.ok();
        assert_eq!(changed, expected);
        assert_eq!(simulator.control().stats().requests.total, asked);

        let metadata: Vec<Value> = app
            .events(&admin.org_id, "update-app-connection")
            .await
            .into_iter()
            .map(|event| event.metadata)
            .collect();
        assert_eq!(metadata.len(), 3);
        for expected in [
            json!({ "connectionId": id, "credentialsUpdated": false, "name": "other", "description": "mine" }),
            json!({ "connectionId": id, "credentialsUpdated": false, "description": null }),
            json!({ "connectionId": id, "credentialsUpdated": false }),
        ] {
            assert!(metadata.contains(&expected), "{expected}: {metadata:?}");
        }
    });
}

#[test]
fn new_credentials_are_asked_about_and_change_the_hash() {
    on_each_database(async || {
        let (simulator, app, admin, _project) = start().await;
        let id = connect(&admin, &simulator, &Value::Null, "router").await;
        let path = format!("{PATH}/{id}");
        let mut hashes = vec![text(&admin.get(&path).await.ok(), "/appConnection/credentialsHash")];
        let second = simulator.control().add_provisioning_key(None, None).unwrap();
        app.remember_secret(second.key.expose());
        // The same key again, and another one: each write seals anew.
        for key in [simulator.management_key(), second.key.expose()] {
            let changed = admin.patch(&path, json!({ "credentials": { "apiKey": key } })).await.ok();
            assert_eq!(changed["appConnection"]["version"], 1);
            hashes.push(text(&changed, "/appConnection/credentialsHash"));
            assert_eq!(
                Some(&text(&admin.get(&path).await.ok(), "/appConnection/credentialsHash")),
                hashes.last()
            );
        }
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), 3);
        assert!(
            app.events(&admin.org_id, "update-app-connection")
                .await
                .iter()
                .all(|event| event.metadata["credentialsUpdated"] == true)
        );
    });
}

#[test]
fn what_cannot_change_is_ignored() {
    on_each_database(async || {
        let (simulator, _app, admin, project) = start().await;
        let id = connect(&admin, &simulator, &Value::Null, "router").await;
        let path = format!("{PATH}/{id}");
        let before = admin.get(&path).await.ok();
        // Terraform sends these.
        let body = json!({ "method": "oauth", "projectId": project, "app": "redis", "App": "redis", "ID": id, "gatewayId": null });
        assert_eq!(admin.patch(&path, body).await.ok(), before);
    });
}

#[test]
fn every_refusal_leaves_the_connection_as_it_was() {
    on_each_database(async || {
        let (simulator, _app, admin, _project) = start().await;
        connect(&admin, &simulator, &Value::Null, "taken").await;
        let id = connect(&admin, &simulator, &Value::Null, "router").await;
        let path = format!("{PATH}/{id}");
        let before = admin.get(&path).await.ok();

        let taken = admin.patch(&path, json!({ "name": "taken" })).await.refused(400, "BadRequest");
        assert!(taken["message"].as_str().unwrap().contains("\"taken\""), "{taken}");
        for credentials in [json!({}), json!({ "username": "x" }), json!({ "apiKey": "" }), json!("text")] {
            admin
                .patch(&path, json!({ "name": "new", "credentials": credentials }))
                .await
                .refused(400, "BadRequest");
        }
        for (body, field) in [
            (json!({ "name": "A" }), "name"),
            (json!({ "description": "x".repeat(257) }), "description"),
            (json!({ "isPlatformManagedCredentials": true }), "isPlatformManagedCredentials"),
            (json!({ "isAutoRotationEnabled": true }), "isAutoRotationEnabled"),
            (json!({ "gatewayId": id }), "gatewayId"),
            (json!({ "gatewayPoolId": id }), "gatewayPoolId"),
            (json!({ "rotation": {} }), "rotation"),
            (json!({ "name": 5 }), "name"),
        ] {
            assert_eq!(admin.patch(&path, body).await.invalid(), [field]);
        }
        admin
            .patch(&format!("{PATH}/3d0c9a52-71de-4a0b-9c6e-0a4f5f6f1b11"), json!({}))
            .await
            .refused(404, "NotFound");
        assert_eq!(admin.patch(&format!("{PATH}/router"), json!({})).await.invalid(), ["connectionId"]);
        assert_eq!(admin.get(&path).await.ok(), before);
    });
}

#[test]
fn a_connection_is_not_reached_through_another_app() {
    on_each_database(async || {
        let (_simulator, app, admin, _project) = start().await;
        let now = app.clock.now();
        let record = ConnectionRecord {
            id: ConnectionId::random(app.app.entropy()),
            org: admin.org_id.parse().unwrap(),
            project: None,
            name: "cache".to_owned(),
            description: None,
            app: "redis".to_owned(),
            method: "username-and-password".to_owned(),
            sealed_credentials: Sealed::from_bytes(vec![1, 2, 3]),
            public_credentials: json!({ "host": "redis.example.com" }),
            credentials_revision: 1,
            created_at: now,
            updated_at: now,
        };
        let tx = app.store.write().await.unwrap();
        tx.insert_connection(&record).await.unwrap();
        tx.commit().await.unwrap();
        let path = format!("{PATH}/{}", record.id);
        admin.get(&path).await.refused(400, "BadRequest");
        admin.get(&format!("{PATH}/connection-name/cache")).await.refused(400, "BadRequest");
        admin.patch(&path, json!({ "name": "renamed" })).await.refused(400, "BadRequest");
        admin.delete(&path).await.refused(400, "BadRequest");
        admin.get(&format!("{path}/usage")).await.refused(400, "BadRequest");
        let stored = app.store.read().find_connection(record.org, record.id).await.unwrap();
        assert_eq!(stored, Some(record), "nothing was written");
        assert_eq!(admin.get(PATH).await.ok(), json!({ "appConnections": [] }));
        let all = admin.get("/api/v1/app-connections").await.ok();
        // What is no secret is given back, without opening what is sealed.
        assert_eq!(all["appConnections"][0]["credentials"], json!({ "host": "redis.example.com" }));
    });
}
