//! A browser without scripts.

use axum::http::{Method, StatusCode};

use openrouter_sim::Simulator;

use crate::support::{Caller, PASSWORD, TestApp, TestResponse};

/// A browser: it keeps cookies and follows where it is led.
pub(super) struct Browser {
    caller: Caller,
    cookies: Vec<(String, String)>,
}

pub(super) fn encoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

impl Browser {
    pub(super) fn new(app: &TestApp) -> Self {
        Self {
            caller: app.nobody().with_header("sec-fetch-site", "same-origin"),
            cookies: Vec::new(),
        }
    }

    pub(super) fn caller(&self) -> Caller {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.caller.with_header("cookie", &cookies.join("; "))
    }

    /// What it keeps.
    pub(super) fn cookies(&self) -> Vec<(String, String)> {
        self.cookies.clone()
    }

    /// Forgets its cookies, and has these.
    pub(super) fn set_cookies(&mut self, cookies: Vec<(String, String)>) {
        self.cookies = cookies;
    }

    fn keep(&mut self, response: &TestResponse) {
        for name in ["kms-access", "kms-session", "kms-theme"] {
            if let Some(value) = response.cookie(name) {
                self.cookies.retain(|(known, _)| known != name);
                self.cookies.push((name.to_owned(), value));
            }
        }
    }

    /// A page, after redirects.
    pub(super) async fn open(&mut self, path: &str) -> TestResponse {
        let mut path = path.to_owned();
        loop {
            let response = self.caller().get(&path).await;
            self.keep(&response);
            match response.headers.get("location") {
                Some(to) => to.to_str().unwrap().clone_into(&mut path),
                None => return response,
            }
        }
    }

    /// Sends a form, and answers what comes of it without following.
    pub(super) async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> TestResponse {
        let response = self
            .caller()
            .send_raw(Method::POST, path, "application/x-www-form-urlencoded", encoded(fields))
            .await;
        self.keep(&response);
        response
    }

    /// Sends a form that has to be accepted, and answers where it leads.
    pub(super) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let response = self.send(path, fields).await;
        assert_eq!(response.status, StatusCode::SEE_OTHER, "{path}: {}", response.text);
        response.headers["location"].to_str().unwrap().to_owned()
    }
}

pub(super) async fn set_up(app: &TestApp) -> Browser {
    let mut browser = Browser::new(app);
    app.remember_secret(PASSWORD);
    let setup = browser.open("/").await;
    assert!(setup.text.contains("Set up Hanzo KMS"), "{}", setup.text);
    let fields = [
        ("email", "admin@example.com"),
        ("name", "Ada Example"),
        ("password", PASSWORD),
        ("organization", "Example Org"),
    ];
    assert_eq!(browser.submit("/setup", &fields).await, "/projects?done=set-up");
    browser
}

/// The id that follows `before` in an address or page.
pub(super) fn id_after(text: &str, before: &str) -> String {
    let start = text.find(before).unwrap_or_else(|| panic!("no {before} in {text}")) + before.len();
    text[start..start + 36].to_owned()
}

/// Invites somebody, and answers the code behind the `#` of their link.
pub(super) async fn invite(app: &TestApp, browser: &mut Browser, email: &str, role: &str) -> String {
    let shown = browser.send("/access-control/users", &[("emails", email), ("role", role)]).await;
    let rest = shown.text.split("/invitations#").nth(1).unwrap_or_else(|| panic!("{}", shown.text));
    let code = rest.split('<').next().unwrap().to_owned();
    app.remember_secret(&code);
    code
}

/// Connects OpenRouter, and lets a key for prod be rotated every week. Answers the rotation's id.
pub(super) async fn rotate_weekly(browser: &mut Browser, simulator: &Simulator, project: &str, description: &str) -> String {
    let fields = [
        ("name", "openrouter-connection-with-quite-a-long-name"),
        ("description", description),
        ("method", "api-key"),
        ("credentials.apiKey", simulator.management_key()),
    ];
    let connections = browser.submit("/app-connections/new/open-router", &fields).await;
    let connection = id_after(&browser.open(&connections).await.text, "/app-connections/open-router/");
    let fields = [
        ("connectionId", connection.as_str()),
        ("rotationInterval", "7"),
        ("rotateAt", "00:00"),
        ("offset", "0"),
        ("isAutoRotationEnabled", "on"),
        ("parameters.name", "gateway"),
        ("parameters.limit", "25.5"),
        ("parameters.limitReset", "monthly"),
        ("secretsMapping.apiKey", "OPEN_ROUTER_API_KEY"),
        ("name", "router-key"),
        ("description", description),
        ("step", "4"),
        ("go", "next"),
    ];
    let wizard = format!("/projects/{project}/rotations/new/open-router-api-key?environment=prod&path=%2F");
    let made = browser.submit(&wizard, &fields).await;
    id_after(&made, "rotation=")
}
