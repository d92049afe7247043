use kms_app::Settings;
use kms_core::permission::{OrgRole, ProjectRole};
use serde_json::{Value, json};

use crate::support::{Admin, Options, START_ON_THE_WIRE, TestApp, on_each_database, text, texts};

const PATH: &str = "/api/v1/organization/audit-logs";

/// The entries of an answer.
async fn logs(admin: &Admin, query: &str) -> Vec<Value> {
    let found = admin.get(&format!("{PATH}{query}")).await.ok();
    found["auditLogs"].as_array().unwrap().clone()
}

/// The names of the events of an answer.
async fn events(admin: &Admin, query: &str) -> Vec<String> {
    texts(&json!(logs(admin, query).await), "/event/type")
}

#[test]
fn an_entry_says_who_did_what_and_from_where() {
    on_each_database(async || {
        let (_app, admin) = TestApp::bootstrapped().await;
        let cli = admin.with_header("x-forwarded-for", "192.0.2.1");
        let made = cli.post("/api/v1/projects", json!({ "projectName": "Shop" })).await.ok();
        let found = admin.get(&format!("{PATH}?eventType=create-project")).await.ok();
        let id = text(&found, "/auditLogs/0/id");
        assert_eq!(
            found,
            json!({ "auditLogs": [{
                "id": id,
                "createdAt": START_ON_THE_WIRE,
                "updatedAt": START_ON_THE_WIRE,
                "ipAddress": "203.0.113.7",
                "userAgent": "kms-tests",
                "userAgentType": "other",
                "expiresAt": null,
                "orgId": admin.org_id,
                "projectId": made["project"]["id"],
                "projectName": "Shop",
                "event": {
                    "type": "create-project",
                    "metadata": { "name": "Shop", "slug": made["project"]["slug"], "type": "secret-manager" },
                },
                "actor": {
                    "type": "identity",
                    "metadata": { "identityId": admin.identity_id, "name": found["auditLogs"][0]["actor"]["metadata"]["name"], "authMethod": "token-auth" },
                },
            }] })
        );
        assert!(found["auditLogs"][0]["actor"]["metadata"]["name"].is_string());
    });
}

#[test]
fn each_filter_narrows_the_list() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        let other = admin.project("Search").await;
        app.advance(1);
        for (place, path) in [("dev", "/"), ("prod", "/")] {
            let body = json!({ "workspaceId": project, "environment": place, "secretPath": path, "secretValue": "value-of-a-secret" });
            admin.post("/api/v3/secrets/raw/DB_URL", body).await.ok();
        }
        app.advance(1);
        let person = app.person_in_project(&admin.org_id, &project, ProjectRole::Admin).await;
        person
            .with_header("user-agent", "cli")
            .patch(&format!("/api/v1/projects/{project}"), json!({ "name": "Store" }))
            .await
            .ok();
        let user = text(&json!(logs(&admin, "?eventType=update-project").await), "/0/actor/metadata/userId");

        for (query, expected) in [
            (format!("?projectId={other}"), vec!["create-project"]),
            (
                format!("?projectId={project}"),
                vec!["update-project", "create-secret", "create-secret", "create-project"],
            ),
            ("?environment=prod".to_owned(), vec!["create-secret"]),
            ("?secretKey=DB_URL&environment=dev".to_owned(), vec!["create-secret"]),
            ("?secretPath=/nowhere".to_owned(), vec![]),
            ("?secretKey=DB_URL&secretPath=".to_owned(), vec!["create-secret", "create-secret"]),
            (
                "?eventType=update-project,%20create-project".to_owned(),
                vec!["update-project", "create-project", "create-project"],
            ),
            (format!("?actor={user}&eventType=update-project"), vec!["update-project"]),
            (format!("?actor={user}&eventType=create-project"), vec![]),
            (
                "?actorType=user&eventType=update-project,create-project".to_owned(),
                vec!["update-project"],
            ),
            (
                format!("?actorType=identity&actor={}&projectId={other}", admin.identity_id),
                vec!["create-project"],
            ),
            ("?userAgentType=cli".to_owned(), vec!["update-project"]),
            ("?eventMetadata=name=Store".to_owned(), vec!["update-project"]),
            ("?eventMetadata=name=store".to_owned(), vec![]),
            ("?eventMetadata=name=Sto".to_owned(), vec![]),
            ("?eventMetadata=ame=Store".to_owned(), vec![]),
            (
                "?eventMetadata=%20name%20=Shop,type=secret-manager".to_owned(),
                vec!["create-project"],
            ),
            ("?eventMetadata=name=Shop,type=kms".to_owned(), vec![]),
            ("?eventMetadata=secretKey=DB_URL,environment=prod".to_owned(), vec!["create-secret"]),
            ("?eventMetadata=secretKey=DB%25".to_owned(), vec![]),
        ] {
            assert_eq!(events(&admin, &query).await, expected, "{query}");
        }
        let all = admin.get(&format!("{PATH}?limit=1000")).await;
        assert!(!all.text.contains("value-of-a-secret"));
    });
}

#[test]
fn pages_are_right_with_every_filter() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        let path = format!("/api/v1/projects/{project}");
        for number in 0..30 {
            app.advance(1);
            let name = if number % 3 == 0 {
                "Third".to_owned()
            } else {
                format!("Name {number}")
            };
            admin.patch(&path, json!({ "name": name })).await.ok();
        }
        let whole = logs(&admin, "?eventMetadata=name=Third&limit=1000").await;
        assert_eq!(whole.len(), 10);
        let times = texts(&json!(whole), "/createdAt");
        assert!(times.is_sorted_by(|a, b| a > b), "newest first: {times:?}");
        let mut pages = Vec::new();
        for offset in [0, 4, 8, 12] {
            pages.extend(logs(&admin, &format!("?eventMetadata=name=Third&limit=4&offset={offset}")).await);
        }
        assert_eq!(pages, whole);
        assert_eq!(logs(&admin, "?eventType=update-project").await.len(), 20, "20 are the usual page");
        assert_eq!(logs(&admin, "?eventType=update-project&limit=7").await.len(), 7);
    });
}

#[test]
fn without_dates_the_last_24_hours_are_meant() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        admin.project("Old").await;
        app.advance(24 * 3600);
        admin.project("New").await;
        let names = async |query: &str| {
            texts(
                &json!(logs(&admin, &format!("?eventType=create-project{query}")).await),
                "/projectName",
            )
        };
        assert_eq!(names("").await, ["New", "Old"], "to the second");
        app.advance(1);
        assert_eq!(names("").await, ["New"]);
        for (query, expected) in [
            ("&startDate=2026-03-01T12:00:00Z", vec!["New", "Old"]),
            ("&startDate=2026-03-01T13:00:00%2B01:00", vec!["New", "Old"]),
            ("&startDate=2026-03-01T12:00:00.001Z", vec!["New"]),
            ("&startDate=2026-03-01", vec!["New", "Old"]),
            // Both ends belong to it.
            ("&endDate=2026-03-01T12:00:00.000Z", vec!["Old"]),
            ("&startDate=2026-03-02T12:00:00.000Z&endDate=2026-03-02T12:00:00.000Z", vec!["New"]),
            ("&startDate=2026-01-01T00:00:00Z&endDate=2026-02-01T00:00:00Z", vec![]),
            ("&startDate=&endDate=", vec!["New"]),
        ] {
            assert_eq!(names(query).await, expected, "{query}");
        }
    });
}

#[test]
fn what_cannot_be_asked_is_named() {
    on_each_database(async || {
        let (_app, admin) = TestApp::bootstrapped().await;
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=-1", "limit"),
            ("limit=ten", "limit"),
            ("offset=-1", "offset"),
            ("offset=18446744073709551615", "offset"),
            ("projectId=shop", "projectId"),
            ("actor=me", "actor"),
            ("startDate=yesterday", "startDate"),
            ("endDate=2026-02-30T00:00:00Z", "endDate"),
            ("startDate=2026-03-01T12:00:01Z", "startDate"),
            ("startDate=2025-11-28T11:59:59Z", "startDate"),
            ("eventMetadata=name", "eventMetadata"),
            ("eventMetadata==x", "eventMetadata"),
            ("secretPath=a%00b", "secretPath"),
        ] {
            assert_eq!(admin.get(&format!("{PATH}?{query}")).await.invalid(), [field], "{query}");
        }
        assert!(logs(&admin, "?startDate=2025-12-01T12:00:00Z&limit=1000").await.len() > 1);
    });
}

#[test]
fn entries_expire_as_the_project_or_the_instance_says() {
    on_each_database(async || {
        let options = Options {
            settings: Settings {
                audit_retention_days: Some(90),
                ..Settings::default()
            },
            ..Options::default()
        };
        let (app, admin) = TestApp::bootstrapped_with(options).await;
        let usual = admin.project("Usual").await;
        let short = admin.project("Short").await;
        let path = format!("/api/v1/workspace/{short}/audit-logs-retention");
        admin.put(&path, json!({ "auditLogsRetentionDays": 1 })).await.ok();
        for (project, expiry) in [(&usual, "2026-05-30T12:00:00.000Z"), (&short, "2026-03-02T12:00:00.000Z")] {
            let found = logs(&admin, &format!("?projectId={project}&eventType=create-project")).await;
            assert_eq!(found[0]["expiresAt"], expiry);
        }

        // Nothing is too old yet, to the second.
        app.advance(24 * 3600);
        assert_eq!(app.app.remove_expired_audit_logs().await.unwrap(), 0);
        app.advance(1);
        let all = async || events(&admin, "?startDate=2026-03-01&limit=1000").await.len();
        let before = all().await;
        assert_eq!(app.app.remove_expired_audit_logs().await.unwrap(), 2);
        assert_eq!(all().await, before - 2);
        assert_eq!(
            events(&admin, &format!("?projectId={short}&startDate=2026-03-01")).await,
            Vec::<String>::new()
        );
        assert_eq!(
            events(&admin, &format!("?projectId={usual}&startDate=2026-03-01")).await,
            ["create-project"]
        );

        // A project that is gone no longer says anything; its entries are the instance's.
        admin.delete(&format!("/api/v1/projects/{usual}")).await.ok();
        app.advance(89 * 24 * 3600);
        assert_eq!(app.app.remove_expired_audit_logs().await.unwrap(), before as u64 - 2);
        assert_eq!(events(&admin, "?startDate=2026-03-01T13:00:00Z").await, ["delete-project"]);
        assert_eq!(logs(&admin, "?startDate=2026-03-01T13:00:00Z").await[0]["projectName"], Value::Null);
    });
}

#[test]
fn who_may_read_the_log() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        let of_project = format!("{PATH}?projectId={project}");
        for (role, reads) in [
            (ProjectRole::NoAccess, false),
            (ProjectRole::Viewer, false),
            (ProjectRole::Member, true),
            (ProjectRole::Admin, true),
        ] {
            let who = app.person_in_project(&admin.org_id, &project, role).await;
            let answer = who.get(&of_project).await;
            if reads {
                assert!(!answer.ok()["auditLogs"].as_array().unwrap().is_empty());
            } else {
                answer.refused(403, "PermissionDenied");
            }
            who.get(PATH).await.refused(403, "PermissionDenied");
        }
        let outsider = app.person_in(&admin.org_id, "outsider@example.com", OrgRole::Admin).await;
        outsider.get(PATH).await.ok();
        outsider.get(&of_project).await.refused(403, "ForbiddenError");

        let stranger = app.stranger().await;
        stranger.get(&of_project).await.refused(404, "NotFound");
        let own = stranger.get(&format!("{PATH}?limit=1000")).await.ok();
        let orgs = texts(&own["auditLogs"], "/orgId");
        assert!(orgs.iter().all(|org| *org != admin.org_id), "{own}");
        app.nobody().get(PATH).await.refused(401, "UnauthorizedError");
    });
}
