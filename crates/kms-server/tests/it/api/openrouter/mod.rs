//! The main job over HTTP: connect OpenRouter, rotate its keys, read them. Against the simulator on a loopback port.

use openrouter_sim::{Action, FaultRule, Simulator};
use serde_json::{Value, json};

use crate::support::{Admin, TestApp, on_each_database, simulated_openrouter};

const CONNECTIONS: &str = "/api/v1/app-connections/open-router";
const ROTATIONS: &str = "/api/v2/secret-rotations/open-router-api-key";

async fn start() -> (Simulator, TestApp, Admin, String) {
    let (simulator, options) = simulated_openrouter().await;
    let (app, admin) = TestApp::bootstrapped_with(options).await;
    app.remember_secret(simulator.management_key());
    let project = admin.post("/api/v2/workspace", json!({ "projectName": "Chat" })).await.ok();
    let project = project["project"]["id"].as_str().unwrap().to_owned();
    let folder = json!({ "workspaceId": project, "environment": "prod", "path": "/", "name": "llm" });
    admin.post("/api/v1/folders", folder).await.ok();
    (simulator, app, admin, project)
}

fn connection(project: &str, key: &str) -> Value {
    json!({ "name": "my-openrouter-connection", "method": "api-key", "projectId": project, "credentials": { "apiKey": key } })
}

fn rotation(project: &str, connection: &str) -> Value {
    json!({
        "name": "router-key", "projectId": project, "connectionId": connection, "environment": "prod", "secretPath": "/llm/",
        "rotationInterval": "30", "rotateAtUtc": { "hours": 3, "minutes": 30 },
        "parameters": { "name": "gateway-prod", "limit": 250, "limitReset": "monthly", "includeByokInLimit": null },
        "secretsMapping": { "apiKey": "OPEN_ROUTER_API_KEY" },
    })
}

#[test]
fn the_founding_page_s_request_gives_every_field_of_its_answer() {
    on_each_database(async || {
        let (simulator, _app, admin, project) = start().await;
        let answer = admin.post(CONNECTIONS, connection(&project, simulator.management_key())).await.ok();
        let made = &answer["appConnection"];
        for (field, value) in [
            ("name", json!("my-openrouter-connection")),
            ("projectId", json!(project)),
            ("description", Value::Null),
            ("version", json!(1)),
            ("isPlatformManagedCredentials", json!(false)),
            ("app", json!("open-router")),
            ("method", json!("api-key")),
            ("credentials", json!({})),
        ] {
            assert_eq!(made.get(field), Some(&value), "{field}: {made}");
        }
        for field in ["id", "orgId", "createdAt", "updatedAt"] {
            assert!(made[field].is_string(), "{field}: {made}");
        }
        let hash = made["credentialsHash"].as_str().unwrap();
        assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
        let path = format!("{CONNECTIONS}/{}", made["id"].as_str().unwrap());
        assert_eq!(
            &admin.get(&path).await.ok()["appConnection"],
            made,
            "the hash is the same on every read"
        );
        assert!(!answer.to_string().contains(simulator.management_key()));
        simulator.shutdown().await;
    });
}

#[test]
fn a_refused_key_is_told_apart_from_an_outage() {
    on_each_database(async || {
        let (simulator, _app, admin, project) = start().await;
        let body = connection(&project, "sk-or-v1-EXAMPLE");
        let refused = admin.post(CONNECTIONS, body.clone()).await.refused(401, "UnauthorizedError");
        assert!(refused.to_string().contains("Unable to validate connection"), "{refused}");
        let down = Action::Status {
            status: 503,
            body: "html".to_owned(),
            headers: std::collections::BTreeMap::new(),
        };
        simulator.control().add_fault(FaultRule::on("any", down)).unwrap();
        admin
            .post(CONNECTIONS, connection(&project, simulator.management_key()))
            .await
            .refused(400, "BadRequest");
        simulator.control().clear_faults();
        let list = admin.get(&format!("/api/v1/app-connections?projectId={project}")).await.ok();
        assert_eq!(list, json!({ "appConnections": [] }), "nothing was stored");
        simulator.shutdown().await;
    });
}

#[test]
fn invalid_fields_are_all_told() {
    on_each_database(async || {
        let (simulator, _app, admin, project) = start().await;
        let body = json!({ "name": "Bad Name", "method": "oauth", "projectId": project, "credentials": {}, "gatewayId": "x" });
        let fields = admin.post(CONNECTIONS, body).await.invalid();
        for field in ["name", "method", "gatewayId"] {
            assert!(fields.iter().any(|told| told == field), "{field}: {fields:?}");
        }
        admin
            .post("/api/v1/app-connections/no-such-app", json!({}))
            .await
            .refused(404, "NotFound");
        admin.get("/api/v1/app-connections/no-such-app").await.refused(404, "NotFound");
        simulator.shutdown().await;
    });
}

#[test]
fn a_key_is_issued_rotated_read_and_revoked() {
    on_each_database(async || {
        let (simulator, app, admin, project) = start().await;
        let made = admin.post(CONNECTIONS, connection(&project, simulator.management_key())).await.ok();
        let connection = made["appConnection"]["id"].as_str().unwrap().to_owned();
        let made = admin.post(ROTATIONS, rotation(&project, &connection)).await.ok();
        let made = &made["secretRotation"];
        assert_eq!(
            made["parameters"],
            json!({ "name": "gateway-prod", "limit": 250, "limitReset": "monthly" })
        );
        assert_eq!(made["folder"]["path"], "/llm");
        assert_eq!(made["rotationStatus"], "success");
        assert_eq!(
            (made["rotationInterval"].as_i64(), made["activeIndex"].as_i64()),
            (Some(30), Some(0))
        );
        let path = format!("{ROTATIONS}/{}", made["id"].as_str().unwrap());

        let secret = format!("/api/v3/secrets/raw/OPEN_ROUTER_API_KEY?workspaceId={project}&environment=prod&secretPath=/llm");
        let mut served = Vec::new();
        for round in 0..3 {
            if round > 0 {
                let rotated = admin.post(&format!("{path}/rotate-secrets/"), json!({})).await.ok();
                assert_eq!(rotated["secretRotation"]["activeIndex"], round % 2);
            }
            let read = admin.get(&secret).await.ok();
            assert_eq!(read["secret"]["isRotatedSecret"], true);
            let key = read["secret"]["secretValue"].as_str().unwrap().to_owned();
            app.remember_secret(&key);
            served.push(key);
        }
        assert_eq!(admin.post(&format!("{path}/check-credentials"), json!({})).await.status, 204);
        let credentials = admin.get(&format!("{path}/generated-credentials")).await.ok();
        let keys: Vec<&str> = credentials["generatedCredentials"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["apiKey"].as_str().unwrap())
            .collect();
        assert_eq!(keys, [&served[2], &served[1]]);

        admin
            .patch(
                "/api/v3/secrets/raw/OPEN_ROUTER_API_KEY",
                json!({ "workspaceId": project, "environment": "prod", "secretPath": "/llm", "secretValue": "mine" }),
            )
            .await
            .refused(400, "BadRequest");
        admin
            .delete(&format!("{path}?revokeGeneratedCredentials=maybe"))
            .await
            .refused(422, "ValidationFailure");
        admin
            .delete(&format!("{path}?deleteSecrets=true&revokeGeneratedCredentials=true"))
            .await
            .ok();
        admin.get(&secret).await.refused(404, "NotFound");
        app.app.run_until_idle().await;
        assert_eq!(simulator.control().stats().keys.total.live, 0);
        simulator.shutdown().await;
    });
}

#[test]
fn without_a_token_nothing_opens() {
    on_each_database(async || {
        let (simulator, app, _admin, project) = start().await;
        for path in [
            "/api/v1/app-connections".to_owned(),
            CONNECTIONS.to_owned(),
            format!("/api/v2/secret-rotations?projectId={project}"),
            format!("/api/v3/secrets/raw?workspaceId={project}&environment=prod"),
            format!("/api/v1/workspace/{project}"),
            "/api/v1/projects".to_owned(),
        ] {
            app.nobody().get(&path).await.refused(401, "UnauthorizedError");
            app.caller("no.such.token").get(&path).await.refused(403, "TokenError");
        }
        app.nobody().get("/api/v1/no-such-route").await.refused(404, "NotFound");
        app.nobody().post("/api/status", json!({})).await.refused(405, "MethodNotAllowed");
        simulator.shutdown().await;
    });
}
