//! What the app says about the credentials decides, and an outage is no refusal.

use std::collections::BTreeMap;
use std::time::Duration;

use kms_app::Settings;
use openrouter_sim::{Action, FaultRule, ForeignKey, RetryAfterFormat, Simulator};
use serde_json::{Value, json};

use super::{PATH, connect, request, start, with};
use crate::support::{Admin, Options, TestApp, on_each_database, stored_bytes, text};

fn key(text: &str) -> Value {
    json!({ "credentials": { "apiKey": text } })
}

/// What OpenRouter can do instead of answering.
fn troubles() -> Vec<(&'static str, Action)> {
    let status = |status: u16, body: &str| Action::Status {
        status,
        body: body.to_owned(),
        headers: BTreeMap::from([("location".to_owned(), "/elsewhere".to_owned())]),
    };
    let busy = Action::RateLimit {
        retry_after_s: 60,
        format: RetryAfterFormat::default(),
        limit: 10,
        remaining: 0,
    };
    vec![
        ("429", busy),
        ("500", status(500, "json")),
        ("503 of something before it", status(503, "html")),
        ("a redirect", status(302, "empty")),
        ("another success", status(204, "empty")),
        ("another refusal", status(418, "json")),
        ("a reset", Action::Reset),
        ("a close", Action::Close),
        ("silence", Action::Hang { max_ms: None }),
        ("a cut answer", Action::Truncate { bytes: 3 }),
    ]
}

/// With a short deadline, so that silence does not take long.
async fn start_impatient() -> (Simulator, TestApp, Admin) {
    let mut settings = Settings::default();
    settings.policy.call_deadline = Duration::from_millis(400);
    let options = Options {
        settings,
        ..Options::default()
    };
    TestApp::with_simulator_and(options).await
}

#[test]
fn a_key_that_is_refused_is_answered_with_401_and_not_stored() {
    on_each_database(async || {
        let (simulator, app, admin, _project) = start().await;
        let inference = simulator.control().create_foreign_key(ForeignKey::default()).unwrap();
        let kept = connect(&admin, &simulator, &Value::Null, "kept").await;
        let before = admin.get(&format!("{PATH}/{kept}")).await.ok();
        for bad in ["sk-or-v1-EXAMPLE", inference.key.expose()] {
            let body = with(request(&simulator, &Value::Null, "router"), &key(bad));
            for answer in [admin.post(PATH, body).await, admin.patch(&format!("{PATH}/{kept}"), key(bad)).await] {
                assert!(!answer.text.contains(bad), "the key is in the answer");
                let refused = answer.refused(401, "UnauthorizedError");
                let message = refused["message"].as_str().unwrap();
                assert!(message.starts_with("Unable to validate connection"), "{message}");
            }
        }
        let list = admin.get("/api/v1/app-connections").await.ok();
        assert_eq!(list["appConnections"].as_array().unwrap().len(), 1);
        assert_eq!(admin.get(&format!("{PATH}/{kept}")).await.ok(), before, "nothing was changed");
        assert_eq!(app.events(&admin.org_id, "create-app-connection").await.len(), 1);
        assert!(app.events(&admin.org_id, "update-app-connection").await.is_empty());
    });
}

#[test]
fn trouble_at_the_provider_is_a_400_and_nothing_is_stored() {
    on_each_database(async || {
        let (simulator, _app, admin) = start_impatient().await;
        let kept = connect(&admin, &simulator, &Value::Null, "kept").await;
        let before = admin.get(&format!("{PATH}/{kept}")).await.ok();
        for (what, action) in troubles() {
            simulator.control().add_fault(FaultRule::on("keys.list", action)).unwrap();
            let answer = admin.post(PATH, request(&simulator, &Value::Null, "router")).await;
            assert_eq!(answer.status, 400, "{what}: {}", answer.text);
            assert!(
                !answer.text.contains(simulator.management_key()),
                "{what}: the key is in the answer"
            );
            answer.refused(400, "BadRequest");
            admin
                .patch(&format!("{PATH}/{kept}"), key(simulator.management_key()))
                .await
                .refused(400, "BadRequest");
            simulator.control().clear_faults();
        }
        let list = admin.get("/api/v1/app-connections").await.ok();
        assert_eq!(list["appConnections"].as_array().unwrap().len(), 1);
        assert_eq!(admin.get(&format!("{PATH}/{kept}")).await.ok(), before, "nothing was changed");
    });
}

#[test]
fn a_short_trouble_passes_unnoticed() {
    on_each_database(async || {
        let (simulator, _app, admin, _project) = start().await;
        let mut rule = FaultRule::on(
            "keys.list",
            Action::Status {
                status: 502,
                body: "html".to_owned(),
                headers: BTreeMap::new(),
            },
        );
        rule.times = 2;
        simulator.control().add_fault(rule).unwrap();
        connect(&admin, &simulator, &Value::Null, "router").await;
    });
}

#[test]
fn the_database_is_free_while_the_provider_is_asked() {
    on_each_database(async || {
        let (simulator, _app, admin, _project) = start().await;
        simulator
            .control()
            .add_fault(FaultRule::on("keys.list", Action::Hang { max_ms: None }))
            .unwrap();
        let body = request(&simulator, &Value::Null, "router");
        tokio::select! {
            answer = admin.post(PATH, body) => panic!("the provider did answer: {}", answer.text),
            project = async {
                // The question has reached the provider, and stays there.
                while simulator.control().stats().requests.in_flight == 0 {
                    tokio::task::yield_now().await;
                }
                admin.project("Search").await
            } => assert!(!project.is_empty()),
        }
    });
}

#[test]
fn the_name_is_checked_again_after_the_provider_was_asked() {
    on_each_database(async || {
        let (simulator, _app, admin, _project) = start().await;
        let slow = Action::Latency {
            ms: "300".parse().unwrap(),
            then: None,
        };
        simulator.control().add_fault(FaultRule::on("keys.list", slow)).unwrap();
        let post = || admin.post(PATH, request(&simulator, &Value::Null, "router"));
        let (one, other) = tokio::join!(post(), post());
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400], "{} {}", one.text, other.text);
    });
}

#[test]
fn the_key_is_in_no_answer_and_no_stored_byte() {
    on_each_database(async || {
        let (simulator, _app, admin, project) = start().await;
        let secret = simulator.management_key().to_owned();
        for scope in [Value::Null, json!(project)] {
            let id = connect(&admin, &simulator, &scope, "router").await;
            let query = if scope.is_null() {
                String::new()
            } else {
                format!("?projectId={project}")
            };
            let answers = [
                admin.get(&format!("{PATH}/{id}")).await,
                admin.get(&format!("{PATH}/connection-name/router{query}")).await,
                admin.get(&format!("{PATH}{query}")).await,
                admin.get(&format!("/api/v1/app-connections{query}")).await,
                admin.get(&format!("{PATH}/available{query}")).await,
                admin.get(&format!("{PATH}/{id}/usage")).await,
                admin.patch(&format!("{PATH}/{id}"), key(&secret)).await,
                admin.delete(&format!("{PATH}/{id}")).await,
                admin.get("/api/v1/organization/audit-logs").await,
            ];
            for answer in answers {
                let text = answer.text.clone();
                answer.ok();
                assert!(!text.contains(&secret), "the key is in an answer");
            }
        }
        connect(&admin, &simulator, &json!(project), "stays").await;
        if let Some(bytes) = stored_bytes() {
            let contains = |wanted: &str| bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes());
            assert!(contains("stays"), "the connection is in the files");
            assert!(!contains(&secret), "the key is in the files");
            let (_, secret_part) = secret.rsplit_once('-').unwrap();
            assert!(!contains(secret_part), "the key is in the files");
        }
        let list = admin.get(&format!("{PATH}?projectId={project}")).await.ok();
        assert_eq!(text(&list, "/appConnections/0/name"), "stays");
    });
}
