//! The dashboard over HTTP, as a browser without scripts uses it: pages and plain forms.

mod access;
mod browser;
mod overview;
mod states;

use axum::http::{Method, StatusCode};

use crate::support::{PASSWORD, TestApp, on_each_database, simulated_openrouter};
use browser::{Browser, encoded, id_after, set_up};

#[test]
fn a_key_is_connected_rotated_and_revealed_by_forms_alone() {
    on_each_database(async || {
        let (simulator, options) = simulated_openrouter().await;
        let app = TestApp::with(options).await;
        app.remember_secret(simulator.management_key());
        let mut browser = set_up(&app).await;
        let empty = browser.open("/projects?done=set-up").await;
        assert!(empty.text.contains("No project yet") && empty.text.contains("Hanzo KMS is set up"));

        let project = [("name", "Chat"), ("description", ""), ("environments", "on")];
        let overview = browser.submit("/projects/new", &project).await;
        let project = id_after(&overview, "/projects/");

        // A refused key: the form is filled in but for the key, the reason stands beside the field, and nothing was made.
        let form = "/app-connections/new/open-router";
        let refused_key = "not-a-provisioning-key-0001";
        app.remember_secret(refused_key);
        let fields = |key| {
            [
                ("name", "openrouter-prod"),
                ("description", "for tests"),
                ("method", "api-key"),
                ("credentials.apiKey", key),
            ]
        };
        let refused = browser.send(form, &fields(refused_key)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
        assert!(refused.text.contains("value=\"openrouter-prod\"") && refused.text.contains("value=\"for tests\""));
        assert!(!refused.text.contains(refused_key));
        let beside = refused.text.split("id=\"connection-credentials-apiKey-error\">").nth(1).unwrap();
        assert!(!beside.starts_with("</p>"), "{beside}");

        let to = browser.submit(form, &fields(simulator.management_key())).await;
        assert_eq!(to, "/app-connections?done=connection-created");
        let listed = browser.open(&to).await;
        assert!(listed.text.contains("openrouter-prod") && listed.text.contains("Connected"));
        assert!(!listed.text.contains(simulator.management_key()));
        let connection = id_after(&listed.text, "/app-connections/open-router/");

        // The steps: each is checked, and carries what was typed before.
        let wizard = format!("/projects/{project}/rotations/new/open-router-api-key?environment=prod&path=%2F");
        let first = browser.open(&wizard).await;
        for words in [
            "Configuration",
            "OpenRouter Connection",
            "Rotation Interval",
            "Rotate At",
            "Auto-Rotation Enabled",
        ] {
            assert!(first.text.contains(words), "{words}");
        }
        let mut typed = vec![
            ("connectionId", connection.as_str()),
            ("rotationInterval", "0"),
            ("rotateAt", "03:30"),
            ("offset", "60"),
            ("isAutoRotationEnabled", "on"),
            ("parameters.name", "gateway-prod"),
            ("parameters.limit", "25.5"),
            ("parameters.limitReset", "monthly"),
            ("secretsMapping.apiKey", "OPEN_ROUTER_API_KEY"),
            ("name", "router-key"),
            ("description", ""),
        ];
        let step = async |browser: &mut Browser, typed: &[(&str, &str)], number: &str, go: &str| {
            let mut fields = typed.to_vec();
            fields.extend([("step", number), ("go", go)]);
            browser.send(&wizard, &fields).await
        };
        let wrong = step(&mut browser, &typed, "0", "next").await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(wrong.text.contains("from 1 to 3650"), "{}", wrong.text);
        typed[1].1 = "30";
        for (number, title) in [("0", "Parameters"), ("1", "Secrets Mapping"), ("2", "Details"), ("3", "Review")] {
            let next = step(&mut browser, &typed, number, "next").await;
            assert_eq!(next.status, StatusCode::OK, "{}", next.text);
            assert!(next.text.contains(&format!("<h2>{title}</h2>")), "{title}: {}", next.text);
            assert!(next.text.contains("value=\"gateway-prod\""));
        }
        let back = step(&mut browser, &typed, "4", "back").await;
        assert!(back.text.contains("<h2>Details</h2>") && back.text.contains("value=\"router-key\""));
        let review = step(&mut browser, &typed, "3", "next").await;
        assert!(review.text.contains("every 30 days at 02:30 UTC"), "{}", review.text);
        let created = step(&mut browser, &typed, "4", "next").await;
        assert_eq!(created.status, StatusCode::SEE_OTHER, "{}", created.text);
        let environment = browser.open(created.headers["location"].to_str().unwrap()).await;
        assert!(environment.text.contains("OPEN_ROUTER_API_KEY") && environment.text.contains("rotated"));
        assert!(!environment.text.contains("sk-or-"), "no value in the page");

        // Revealing is a request of its own; rotating by hand replaces what it shows.
        let secret = id_after(&environment.text, &format!("/projects/{project}/secret/"));
        let reveal = format!("/projects/{project}/secret/{secret}/reveal");
        let key_in = |text: &str| {
            let start = text.find("<code>sk-or-").unwrap_or_else(|| panic!("{text}")) + "<code>".len();
            text[start..].split('<').next().unwrap().to_owned()
        };
        let before = key_in(&browser.send(&reveal, &[]).await.text);
        app.remember_secret(&before);
        let rotation = id_after(created.headers["location"].to_str().unwrap(), "rotation=");
        let base = format!("/projects/{project}/rotations/{rotation}");
        assert_eq!(browser.submit(&format!("{base}/check"), &[]).await, format!("{base}?done=checked"));
        assert_eq!(browser.submit(&format!("{base}/rotate"), &[]).await, format!("{base}?done=rotated"));
        let after = key_in(&browser.send(&reveal, &[]).await.text);
        app.remember_secret(&after);
        assert_ne!(before, after);
        let shown = browser.open(&base).await;
        for words in [
            "still valid",
            "What applications read",
            "Valid until the next rotation",
            "<svg class=\"chart\"",
            "by hand",
        ] {
            assert!(shown.text.contains(words), "{words}: {}", shown.text);
        }
        assert!(!shown.text.contains(&after) && !shown.text.contains(&before));
        let history = browser.open(&format!("/projects/{project}/secret/{secret}")).await;
        assert!(!history.text.contains("sk-or-") && history.text.contains("Reveal version 1"));
        let logs = browser.open(&format!("/projects/{project}/audit-logs")).await;
        assert!(
            logs.text.contains("rotate-secret-rotation") || logs.text.contains("secret-rotation"),
            "{}",
            logs.text
        );

        // Deleting asks for the name, and says what it was told about keys and secrets.
        let refused = browser.send(&format!("{base}/delete"), &[("confirm", "other")]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        let fields = [
            ("deleteSecrets", "on"),
            ("revokeGeneratedCredentials", "on"),
            ("confirm", "router-key"),
        ];
        browser.submit(&format!("{base}/delete"), &fields).await;
        let gone = browser.caller().get(&format!("/projects/{project}/secret/{secret}")).await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND);
        simulator.shutdown().await;
    });
}

#[test]
fn secrets_are_added_changed_restored_pasted_downloaded_and_deleted() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let mut browser = set_up(&app).await;
        let made = browser.submit("/projects/new", &[("name", "Chat"), ("environments", "on")]).await;
        let project = id_after(&made, "/projects/");
        let base = format!("/projects/{project}/secrets/dev");
        let value = "the first <value> & more";
        app.remember_secret(value);
        let fields = [
            ("secretName", "DATABASE_URL"),
            ("secretValue", value),
            ("secretComment", "<b>bold</b>"),
        ];
        browser.submit(&format!("{base}/new?path=%2F"), &fields).await;
        let twice = browser.send(&format!("{base}/new?path=%2F"), &fields).await;
        assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(!twice.text.contains("the first"), "a value does not come back in a page");

        let page = browser.open(&base).await;
        assert!(page.text.contains("&#60;b&#62;bold") && !page.text.contains("<b>bold") && !page.text.contains("the first"));
        let secret = format!(
            "/projects/{project}/secret/{}",
            id_after(&page.text, &format!("/projects/{project}/secret/"))
        );
        let revealed = browser.send(&format!("{secret}/reveal"), &[]).await;
        assert!(revealed.text.contains("the first &#60;value&#62; &#38; more"), "{}", revealed.text);
        assert_eq!(revealed.headers["cache-control"], "no-store");

        let fields = [
            ("newSecretName", "DATABASE_URL"),
            ("secretValue", "the second value"),
            ("secretComment", ""),
        ];
        app.remember_secret("the second value");
        browser.submit(&secret, &fields).await;
        browser.submit(&format!("{secret}/restore"), &[("version", "1")]).await;
        let again = browser.send(&format!("{secret}/reveal"), &[]).await;
        assert!(again.text.contains("the first"), "{}", again.text);

        let import = format!("{base}/import?path=%2F");
        let bad = browser.send(&import, &[("file", "A=1\nnonsense")]).await;
        assert!(
            bad.status == StatusCode::UNPROCESSABLE_ENTITY && bad.text.contains("Line 2"),
            "{}",
            bad.text
        );
        browser.submit(&import, &[("file", "A=1\r\nEMPTY=\r\nB='two words'")]).await;
        let overview = browser.open(&format!("/projects/{project}/secrets")).await;
        assert!(overview.text.contains("present, but empty") && overview.text.contains("missing"));
        let file = browser.send(&format!("{base}/download?path=%2F"), &[]).await;
        assert_eq!(
            file.text,
            "A=1\nB=\"two words\"\nDATABASE_URL=\"the first <value> & more\"\nEMPTY=\"\"\n"
        );

        browser
            .submit(&format!("/projects/{project}/folders/dev/new?path=%2F"), &[("name", "llm")])
            .await;
        let delete = format!("{base}/delete?path=%2F");
        let asked = browser.send(&delete, &[("name", "A"), ("name", "B")]).await;
        assert!(asked.status == StatusCode::OK && asked.text.contains("Delete 2 secrets?"));
        browser.submit(&delete, &[("name", "A"), ("name", "B"), ("sure", "on")]).await;
        let left = browser.open(&base).await;
        assert!(!left.text.contains(">A<") && left.text.contains("llm/") && left.text.contains("EMPTY"));
    });
}

#[test]
fn whoever_is_not_logged_in_is_led_to_the_login_and_back() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let mut known = set_up(&app).await;
        let made = known.submit("/projects/new", &[("name", "Chat"), ("environments", "on")]).await;
        let project = id_after(&made, "/projects/");
        let mut stranger = Browser::new(&app);
        for path in [
            "/projects".to_owned(),
            "/app-connections".to_owned(),
            "/audit-logs".to_owned(),
            format!("/projects/{project}/secrets/dev"),
            format!("/projects/{project}/rotations"),
            format!("/projects/{project}/live"),
        ] {
            let answer = stranger.caller().get(&path).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
            let to = answer.headers["location"].to_str().unwrap();
            assert!(to.starts_with("/login?next=%2F"), "{to}");
        }
        let wrong = [
            ("email", "admin@example.com"),
            ("password", "wrong-password-1"),
            ("next", "/audit-logs"),
        ];
        let refused = stranger.send("/login", &wrong).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text.contains("is wrong") && !refused.text.contains("wrong-password-1"));
        let right = [("email", "admin@example.com"), ("password", PASSWORD), ("next", "/audit-logs")];
        let logged_in = stranger.send("/login", &right).await;
        assert_eq!(logged_in.headers["location"], "/audit-logs", "{}", logged_in.text);
        let set = logged_in.headers.get_all("set-cookie").iter().count();
        assert_eq!(set, 2, "the access token for the organization, and the one that renews it");
        assert_eq!(stranger.caller().get("/audit-logs").await.status, StatusCode::OK);
        // Only addresses of this site are led to.
        let mut other = Browser::new(&app);
        let elsewhere = [
            ("email", "admin@example.com"),
            ("password", PASSWORD),
            ("next", "//evil.example.com"),
        ];
        assert_eq!(other.submit("/login", &elsewhere).await, "/projects");
        // The access token runs out; the session renews it.
        app.advance(25 * 3600);
        assert_eq!(stranger.open("/audit-logs").await.status, StatusCode::OK);
        stranger.submit("/logout", &[]).await;
        let cookies = known.cookies();
        known.submit("/logout", &[]).await;
        known.set_cookies(cookies);
        let ended = known.caller().get("/projects").await;
        assert_eq!(ended.status, StatusCode::SEE_OTHER, "an ended session is good no longer");
    });
}

#[test]
fn forms_of_other_sites_are_refused_and_pages_are_strict() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let mut browser = set_up(&app).await;
        let forged = browser
            .caller()
            .with_header("sec-fetch-site", "cross-site")
            .send_raw(
                Method::POST,
                "/projects/new",
                "application/x-www-form-urlencoded",
                encoded(&[("name", "Forged")]),
            )
            .await;
        assert_eq!(forged.status, StatusCode::FORBIDDEN);
        let page = browser.open("/projects").await;
        assert!(!page.text.contains("Forged"));
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.headers["cache-control"], "no-store");
        assert_eq!(page.headers["x-frame-options"], "DENY");
        assert!(!page.text.contains("style=\"") && !page.text.contains("onclick"));
        let sheet = page
            .text
            .split("href=\"/assets/")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned();
        let asset = browser.open(&format!("/assets/{sheet}")).await;
        assert!(asset.headers["cache-control"].to_str().unwrap().contains("immutable"));
        let nowhere = browser.caller().with_header("accept", "text/html").get("/no/such/page").await;
        assert!(nowhere.status == StatusCode::NOT_FOUND && nowhere.text.contains("There is nothing here"));
        let script = browser.caller().get("/no/such/page").await;
        script.refused(404, "NotFound");
        browser.submit("/theme", &[("theme", "dark")]).await;
        assert!(browser.open("/projects").await.text.contains("data-theme=\"dark\""));
    });
}
