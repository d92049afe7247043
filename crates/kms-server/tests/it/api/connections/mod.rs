mod access;
mod create;
mod delete;
mod read;
mod update;
mod validation;

use openrouter_sim::Simulator;
use serde_json::{Value, json};

use crate::support::{Admin, TestApp, text};

/// The routes of the app.
const PATH: &str = "/api/v1/app-connections/open-router";

/// A service with OpenRouter and a project.
async fn start() -> (Simulator, TestApp, Admin, String) {
    let (simulator, app, admin) = TestApp::with_simulator().await;
    let project = admin.project("Chat").await;
    (simulator, app, admin, project)
}

/// A request for a connection; of the organization where `project` is null.
fn request(simulator: &Simulator, project: &Value, name: &str) -> Value {
    json!({
        "name": name, "method": "api-key", "projectId": project, "credentials": { "apiKey": simulator.management_key() },
    })
}

/// The same with other fields.
fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Makes a connection. Answers its id.
async fn connect(admin: &Admin, simulator: &Simulator, project: &Value, name: &str) -> String {
    let made = admin.post(PATH, request(simulator, project, name)).await.ok();
    text(&made, "/appConnection/id")
}

/// Makes a rotation with a connection, in the environment `dev`. Answers its id.
async fn rotate_with(admin: &Admin, project: &str, connection: &str, name: &str) -> String {
    let body = json!({
        "name": name, "projectId": project, "connectionId": connection, "environment": "dev", "secretPath": "/", "rotationInterval": 30,
        "parameters": { "name": name }, "secretsMapping": { "apiKey": name.to_uppercase().replace('-', "_") },
    });
    let made = admin.post("/api/v2/secret-rotations/open-router-api-key", body).await.ok();
    text(&made, "/secretRotation/id")
}
