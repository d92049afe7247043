//! The API's description is complete, and the copies that are checked in are up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use axum::http::{Method, header};
use serde_json::{Map, Value};

use crate::support::{TestApp, on_each_database};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

pub(super) async fn document(app: &TestApp) -> Value {
    app.nobody().get("/api/docs/json").await.ok()
}

/// Method, path and description of each operation.
pub(super) fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if METHODS.contains(&method.as_str()) {
                found.push((method.to_uppercase(), path.clone(), operation.clone()));
            }
        }
    }
    found
}

/// What `$ref` leads to, or the thing itself.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document
            .pointer(reference.strip_prefix('#').unwrap())
            .unwrap_or_else(|| panic!("{reference} leads nowhere")),
        None => schema,
    }
}

/// The names of all properties of a schema and of what it is made of, and whether each is write-only.
fn properties(document: &Value, schema: &Value, seen: &mut BTreeSet<String>, found: &mut BTreeMap<String, bool>) {
    if let Some(reference) = schema["$ref"].as_str()
        && !seen.insert(reference.to_owned())
    {
        return;
    }
    let schema = resolved(document, schema);
    for (name, property) in schema["properties"].as_object().unwrap_or(&Map::new()) {
        let hidden = resolved(document, property)["writeOnly"] == true;
        *found.entry(name.clone()).or_default() |= hidden;
        properties(document, property, seen, found);
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            properties(document, &schema[key], seen, found);
        }
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for part in schema[key].as_array().unwrap_or(&Vec::new()) {
            properties(document, part, seen, found);
        }
    }
}

/// Compares a checked-in file with what it must be; with `KMS_UPDATE=1` it is rewritten instead.
#[track_caller]
pub(super) fn checked_in(name: &str, expected: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("KMS_UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    let present = std::fs::read_to_string(&path).unwrap_or_default();
    if present == expected {
        return;
    }
    let line = present
        .lines()
        .zip(expected.lines())
        .position(|(old, new)| old != new)
        .unwrap_or_else(|| present.lines().count().min(expected.lines().count()));
    panic!(
        "docs/{name} is out of date from line {} on: {:?} must be {:?}. Run this test with KMS_UPDATE=1 and commit the file.",
        line + 1,
        present.lines().nth(line),
        expected.lines().nth(line)
    );
}

#[test]
fn the_description_that_is_checked_in_is_up_to_date() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let mut text = serde_json::to_string_pretty(&document(&app).await).unwrap();
        text.push('\n');
        checked_in("openapi.json", &text);
    });
}

#[test]
fn the_list_of_routes_that_is_checked_in_is_up_to_date() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let mut lines: Vec<(String, String)> = operations(&document(&app).await)
            .into_iter()
            .map(|(method, path, _)| (path, method))
            .collect();
        lines.extend(
            kms_server::UNDESCRIBED_ROUTES
                .iter()
                .map(|path| ((*path).to_owned(), "GET".to_owned())),
        );
        lines.sort();
        let lines: Vec<String> = lines.iter().map(|(path, method)| format!("{method:<6} {path}\n")).collect();
        let text = lines.concat();
        checked_in("routes.txt", &text);
    });
}

#[test]
fn every_operation_is_described() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let document = document(&app).await;
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["title"], "Hanzo KMS");
        assert!(document["info"]["description"].as_str().unwrap().contains("Authorization: Bearer"));
        assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
        let tags: BTreeMap<&str, &str> = document["tags"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tag| (tag["name"].as_str().unwrap(), tag["description"].as_str().unwrap()))
            .collect();
        let mut ids = BTreeSet::new();
        for (method, path, operation) in operations(&document) {
            let what = format!("{method} {path}");
            let id = operation["operationId"]
                .as_str()
                .unwrap_or_else(|| panic!("{what} has no operation id"));
            assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{what}: {id}");
            assert!(ids.insert(id.to_owned()), "{what}: the operation id {id} is used twice");
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(!summary.is_empty() && !summary.contains('{'), "{what}: {summary:?}");
            let own: Vec<&str> = operation["tags"]
                .as_array()
                .unwrap()
                .iter()
                .map(|tag| tag.as_str().unwrap())
                .collect();
            assert_eq!(own.len(), 1, "{what}");
            assert!(
                tags.get(own[0]).is_some_and(|text| !text.is_empty()),
                "{what}: the tag {} is not described",
                own[0]
            );

            // Every parameter of the path is described, and no other.
            let in_path: BTreeSet<&str> = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                .collect();
            let described: BTreeSet<&str> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            assert_eq!(in_path, described, "{what}");

            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses {
                let schema = response["content"]
                    .as_object()
                    .and_then(|content| content.values().next())
                    .map(|content| resolved(&document, &content["schema"]));
                let has_body = !matches!(status.as_str(), "204" | "304");
                assert_eq!(
                    schema.is_some_and(|schema| !schema.is_null()),
                    has_body,
                    "{what}: the schema of {status}"
                );
            }
            // The login in two steps is known, and always refused.
            let refused = what.contains("/v3/auth/login1") || what.contains("/v3/auth/login2");
            assert!(refused || responses.keys().any(|status| status.starts_with('2')), "{what}");
            let error = &responses["422"]["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(error, "#/components/schemas/ErrorBody", "{what}");
        }
        assert!(ids.len() > 80, "{}", ids.len());
    });
}

#[test]
fn what_is_only_written_is_in_no_answer() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let document = document(&app).await;
        let mut written = BTreeSet::new();
        for (method, path, operation) in operations(&document) {
            if let Some(content) = operation["requestBody"]["content"].as_object() {
                for body in content.values() {
                    let mut found = BTreeMap::new();
                    properties(&document, &body["schema"], &mut BTreeSet::new(), &mut found);
                    written.extend(found.into_iter().filter(|(_, hidden)| *hidden).map(|(name, _)| name));
                }
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                for body in response["content"].as_object().into_iter().flat_map(Map::values) {
                    let mut found = BTreeMap::new();
                    properties(&document, &body["schema"], &mut BTreeSet::new(), &mut found);
                    let hidden: Vec<_> = found.iter().filter(|(_, hidden)| **hidden).collect();
                    assert!(hidden.is_empty(), "{method} {path}, {status}: {hidden:?}");
                }
            }
        }
        assert!(written.contains("credentials") && written.contains("apiKey"), "{written:?}");
        // The credentials that an app's connection takes, and what it gives back of them.
        let schemas = &document["components"]["schemas"];
        let asked = &schemas["CreateOpenRouterConnectionRequest"]["properties"];
        assert_eq!(asked["credentials"]["required"], serde_json::json!(["apiKey"]));
        assert_eq!(asked["method"]["enum"], serde_json::json!(["api-key"]));
        assert!(schemas["ConnectionBody"]["properties"]["credentials"]["properties"].is_null());
    });
}

#[test]
fn every_schema_name_means_one_thing() {
    // The description keeps one schema for each name; of two types with the same name, one would be lost without a word.
    let mut names: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let mut described = false;
            for line in text.lines().map(str::trim_start) {
                if line.starts_with("#[derive(") {
                    described = line.contains("ToSchema");
                }
                let named = line
                    .strip_prefix("pub struct ")
                    .or_else(|| line.strip_prefix("pub enum "))
                    .or_else(|| line.strip_prefix("pub(crate) struct "))
                    .or_else(|| line.strip_prefix("pub(super) struct "))
                    .or_else(|| line.strip_prefix("struct "));
                if let Some(rest) = named.filter(|_| described) {
                    let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
                    if let Some(other) = names.insert(name.clone(), path.clone()) {
                        panic!("two schemas are called {name}: in {} and in {}", other.display(), path.display());
                    }
                    described = false;
                }
            }
        }
    }
    assert!(names.len() > 50);
}

#[test]
fn every_route_asks_nobody_in_that_does_not_say_so() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let document = document(&app).await;
        let mut open = BTreeSet::new();
        for (method, path, operation) in operations(&document) {
            let needs_token = operation["security"].as_array().is_some_and(|list| !list.is_empty());
            if !needs_token {
                open.insert(format!("{method} {path}"));
                continue;
            }
            let concrete: Vec<&str> = path
                .split('/')
                .map(|part| {
                    if part.starts_with('{') {
                        "3d0c9a52-71de-4a0b-9c6e-0a4f5f6f1b11"
                    } else {
                        part
                    }
                })
                .collect();
            let method: Method = method.parse().unwrap();
            let answer = app
                .nobody()
                .send_raw(method.clone(), &concrete.join("/"), "application/json", "{}".to_owned())
                .await;
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text);
            answer.refused(401, "UnauthorizedError");
        }
        for known in ["GET /api/status", "GET /api/v1/admin/config", "POST /api/v1/admin/bootstrap"] {
            assert!(open.contains(known), "{known}: {open:?}");
        }
        let allowed = [
            "/api/status",
            "/api/v1/admin/",
            "/api/v1/auth/",
            // Its body holds the secret of an invitation.
            "/api/v1/invite-org/accept",
            "/api/v2/auth/",
            "/api/v3/auth/",
        ];
        for route in &open {
            let path = route.split_once(' ').unwrap().1;
            assert!(allowed.iter().any(|start| path.starts_with(start)), "{route} is open to everybody");
        }
    });
}

#[test]
fn the_page_shows_the_description_and_loads_nothing_from_elsewhere() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let nobody = app.nobody();
        for path in ["/api/docs", "/api/docs/"] {
            let answer = nobody.get(path).await;
            assert_eq!(answer.status, 303, "{path}");
            assert_eq!(answer.headers[header::LOCATION], "/api/docs/index.html");
        }
        let page = nobody.get("/api/docs/index.html").await;
        assert_eq!(page.status, 200);
        assert!(page.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("style-src 'self' 'unsafe-inline'"),
            "{policy}"
        );
        assert_eq!(page.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");

        // Everything that the page names is served beside it.
        let mut parts = 0;
        for attribute in ["src=\"", "href=\""] {
            for rest in page.text.split(attribute).skip(1) {
                let name = rest.split('"').next().unwrap().trim_start_matches("./");
                assert!(!name.contains("//"), "{name}");
                let file = nobody.get(&format!("/api/docs/{name}")).await;
                assert_eq!(file.status, 200, "{name}");
                parts += 1;
            }
        }
        assert!(parts >= 6, "{parts}");
        let start = nobody.get("/api/docs/swagger-initializer.js").await;
        assert!(
            start.text.contains("\"/api/docs/json\"") && start.text.contains("\"validatorUrl\": \"none\""),
            "{}",
            start.text
        );
        nobody.get("/api/docs/no-such-file.js").await.refused(404, "NotFound");

        // Everywhere else the policy is the strict one.
        let strict = nobody.get("/api/status").await.headers[header::CONTENT_SECURITY_POLICY].clone();
        assert!(!strict.to_str().unwrap().contains("unsafe"));
    });
}
