//! A browser without scripts.

use axum::http::{Method, StatusCode};

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
