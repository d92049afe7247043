//! What shows much at once: finding by name, the calendar of rotations, activity, the audit log as a file.

use axum::http::StatusCode;
use serde_json::Value;

use super::browser::{Browser, id_after, invite, rotate_weekly, set_up};
use crate::support::{TestApp, on_each_database, simulated_openrouter};

#[test]
fn things_are_found_by_name_as_far_as_they_may_be_seen() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let mut browser = set_up(&app).await;
        let made = browser.submit("/projects/new", &[("name", "Chat"), ("environments", "on")]).await;
        let project = id_after(&made, "/projects/");
        for name in ["STRIPE_KEY", "STRIPEXKEY", "OTHER"] {
            let fields = [("secretName", name), ("secretValue", "a value of no matter"), ("secretComment", "")];
            browser
                .submit(&format!("/projects/{project}/secrets/prod/new?path=%2F"), &fields)
                .await;
        }
        let found = browser.open("/find?q=stripe_").await;
        assert!(
            found.text.contains("STRIPE_KEY") && found.text.contains("Chat · Production · /"),
            "{}",
            found.text
        );
        assert!(!found.text.contains("STRIPEXKEY"), "an underscore means itself");
        assert!(!found.text.contains("a value of no matter"));
        let href = found
            .text
            .split("href=\"/projects/")
            .find(|part| part.contains("STRIPE_KEY"))
            .unwrap();
        let secret = format!("/projects/{}", href.split('"').next().unwrap());
        assert_eq!(browser.open(&secret).await.status, StatusCode::OK);
        assert!(
            browser
                .open("/find?q=chat")
                .await
                .text
                .contains(&format!("/projects/{project}/secrets\""))
        );
        assert!(browser.open("/find?q=audit").await.text.contains("href=\"/audit-logs\""));
        let nothing = browser.open("/find?q=%25").await;
        assert!(nothing.text.contains("Nothing that you may see"), "{}", nothing.text);
        assert_eq!(browser.open("/find?q=%00").await.status, StatusCode::OK);

        // Somebody who is no member of the project finds nothing of it.
        let token = invite(&app, &mut browser, "eve@example.com", "member").await;
        let mut eve = Browser::new(&app);
        let join = [
            ("token", token.as_str()),
            ("step", "join"),
            ("name", "Eve"),
            ("password", crate::support::PASSWORD),
        ];
        eve.submit("/invitations", &join).await;
        let found = eve.open("/find?q=s").await;
        assert!(!found.text.contains("STRIPE") && !found.text.contains("Chat"), "{}", found.text);
    });
}

#[test]
fn rotations_stand_in_a_calendar_and_activity_and_entries_can_be_taken_away() {
    on_each_database(async || {
        let (simulator, options) = simulated_openrouter().await;
        let app = TestApp::with(options).await;
        app.remember_secret(simulator.management_key());
        let mut browser = set_up(&app).await;
        let made = browser.submit("/projects/new", &[("name", "Chat"), ("environments", "on")]).await;
        let project = id_after(&made, "/projects/");
        let rotation = rotate_weekly(&mut browser, &simulator, &project, "").await;
        let list = browser.open(&format!("/projects/{project}/rotations")).await;
        // The week it is, and four more; a run every seven days.
        assert!(
            list.text.contains("runs due in 5 weeks") && list.text.matches(": router-key</li>").count() == 3,
            "{}",
            list.text
        );

        let spending = browser.open(&format!("/projects/{project}/rotations/{rotation}/spending")).await;
        for words in ["$0.00 of $25.50", "monthly", "active"] {
            assert!(spending.text.contains(words), "{words}: {}", spending.text);
        }
        assert!(!spending.text.contains("sk-or-"));

        let logs = format!("/projects/{project}/audit-logs");
        let page = browser.open(&logs).await;
        assert!(
            page.text.contains("entries in 30 days") && page.text.contains("<li>2026-03-01: "),
            "{}",
            page.text
        );
        let file = browser
            .open(&format!("{logs}/export?event=create-secret-rotation&actor=&days=30"))
            .await;
        assert!(file.headers["content-type"].to_str().unwrap().starts_with("application/x-ndjson"));
        assert!(
            file.headers["content-disposition"]
                .to_str()
                .unwrap()
                .contains("audit-logs-2026-03-01.jsonl")
        );
        let lines: Vec<Value> = file.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 1, "{}", file.text);
        assert_eq!(lines[0]["event"]["type"], "create-secret-rotation");
        assert_eq!(lines[0]["actor"]["metadata"]["email"], "admin@example.com");
        let all = browser.open("/audit-logs/export").await;
        assert!(all.text.contains("\"export-audit-logs\""), "leaving the system is recorded too");
        simulator.shutdown().await;
    });
}

#[test]
fn the_components_are_shown_in_development_only() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let mut browser = set_up(&app).await;
        let hidden = browser.open("/_components").await;
        assert_eq!(
            hidden.status,
            if cfg!(debug_assertions) {
                StatusCode::OK
            } else {
                StatusCode::NOT_FOUND
            }
        );
    });
    on_each_database(async || {
        let mut options = crate::support::Options::default();
        options.settings.pace = kms_core::rotation::schedule::Pace::DevelopmentMinutes;
        let app = TestApp::with(options).await;
        let mut browser = set_up(&app).await;
        let shown = browser.open("/_components").await;
        for words in ["Secret field", "Empty state", "Danger", "Development mode"] {
            assert!(shown.text.contains(words), "{words}: {}", shown.text);
        }
    });
}
