//! As much of the WebDriver protocol (<https://www.w3.org/TR/webdriver2/>) as the walks need, spoken with chromedriver on loopback.
//!
//! The crates for it switch on an order of keys in `serde_json` for the whole build; what is tested would then not be what is shipped.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

/// The name under which answers and arguments hold an element (section 12.1 of the protocol).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What went wrong, in the driver's words.
#[derive(Debug)]
pub(super) struct WebDriverError(String);

impl std::fmt::Display for WebDriverError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A session with a browser. It ends, and the browser with it, when this goes away.
pub(super) struct WebDriver {
    http: reqwest::Client,
    port: u16,
    session: String,
}

impl WebDriver {
    pub(super) async fn connect(port: u16, capabilities: Value) -> Result<Self, WebDriverError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        let mut driver = Self {
            http,
            port,
            session: String::new(),
        };
        let body = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let made = driver.send(Method::POST, "/session".to_owned(), Some(body)).await?;
        made["sessionId"].as_str().unwrap().clone_into(&mut driver.session);
        Ok(driver)
    }

    async fn send(&self, method: Method, path: String, body: Option<Value>) -> Result<Value, WebDriverError> {
        let failed = |error: reqwest::Error| WebDriverError(error.to_string());
        let mut request = self.http.request(method, format!("http://127.0.0.1:{}{path}", self.port));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let mut answer: Value = request.send().await.map_err(failed)?.json().await.map_err(failed)?;
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(WebDriverError(format!(
                "{error}: {}",
                value["message"].as_str().unwrap_or_default()
            ))),
            None => Ok(value),
        }
    }

    async fn post(&self, command: &str, body: Value) -> Result<Value, WebDriverError> {
        let path = format!("/session/{}/{command}", self.session);
        self.send(Method::POST, path, Some(body)).await
    }

    async fn get(&self, command: &str) -> Result<Value, WebDriverError> {
        self.send(Method::GET, format!("/session/{}/{command}", self.session), None).await
    }

    pub(super) async fn goto(&self, url: &str) -> Result<(), WebDriverError> {
        self.post("url", json!({ "url": url })).await.map(drop)
    }

    pub(super) async fn refresh(&self) -> Result<(), WebDriverError> {
        self.post("refresh", json!({})).await.map(drop)
    }

    /// The page as it is now.
    pub(super) async fn source(&self) -> Result<String, WebDriverError> {
        Ok(self.get("source").await?.as_str().unwrap_or_default().to_owned())
    }

    /// Runs a script in the page, and answers what it returns.
    pub(super) async fn execute(&self, script: &str, arguments: Vec<Value>) -> Result<Value, WebDriverError> {
        self.post("execute/sync", json!({ "script": script, "args": arguments })).await
    }

    /// The same of a script that calls its last argument when it is done.
    pub(super) async fn execute_async(&self, script: &str) -> Result<Value, WebDriverError> {
        self.post("execute/async", json!({ "script": script, "args": [] })).await
    }

    pub(super) async fn active_element(&self) -> Result<Element<'_>, WebDriverError> {
        self.element(&self.get("element/active").await?)
    }

    /// The element of an answer.
    pub(super) fn element(&self, answer: &Value) -> Result<Element<'_>, WebDriverError> {
        let id = answer[ELEMENT]
            .as_str()
            .ok_or_else(|| WebDriverError(format!("{answer} is no element")))?;
        Ok(Element {
            driver: self,
            id: id.to_owned(),
        })
    }

    /// What the page has written to its console since it was last asked: level and message.
    pub(super) async fn console(&self) -> Result<Vec<(String, String)>, WebDriverError> {
        let entries = self.post("se/log", json!({ "type": "browser" })).await?;
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        Ok(entries
            .as_array()
            .into_iter()
            .flatten()
            .map(|entry| (text(entry, "level"), text(entry, "message")))
            .collect())
    }

    /// A command of Chromium's own.
    pub(super) async fn command(&self, name: &str, parameters: Value) -> Result<Value, WebDriverError> {
        self.post("goog/cdp/execute", json!({ "cmd": name, "params": parameters })).await
    }
}

impl Drop for WebDriver {
    fn drop(&mut self) {
        // Asked here and now: the runtime may be ending, and a browser must not be left behind.
        let request = format!(
            "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            self.session
        );
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            drop(stream.set_read_timeout(Some(Duration::from_secs(10))));
            drop(stream.write_all(request.as_bytes()));
            drop(stream.read_to_end(&mut Vec::new()));
        }
    }
}

/// An element of the page.
#[derive(Clone)]
pub(super) struct Element<'a> {
    driver: &'a WebDriver,
    id: String,
}

impl Element<'_> {
    /// As an argument of a script.
    pub(super) fn argument(&self) -> Value {
        json!({ ELEMENT: self.id })
    }

    async fn post(&self, command: &str, body: Value) -> Result<Value, WebDriverError> {
        self.driver.post(&format!("element/{}/{command}", self.id), body).await
    }

    /// Clicks where a person would: what stands under the bar at the top is scrolled out of there first.
    pub(super) async fn click(&self) -> Result<(), WebDriverError> {
        let script = "arguments[0].scrollIntoView({ block: 'center' })";
        self.driver.execute(script, vec![self.argument()]).await?;
        self.post("click", json!({})).await.map(drop)
    }

    pub(super) async fn clear(&self) -> Result<(), WebDriverError> {
        self.post("clear", json!({})).await.map(drop)
    }

    pub(super) async fn send_keys(&self, keys: &str) -> Result<(), WebDriverError> {
        self.post("value", json!({ "text": keys })).await.map(drop)
    }

    pub(super) async fn is_selected(&self) -> Result<bool, WebDriverError> {
        let selected = self.driver.get(&format!("element/{}/selected", self.id)).await?;
        Ok(selected == Value::Bool(true))
    }

    /// Chooses what a list offers by these words.
    pub(super) async fn choose(&self, option: &str) -> Result<(), WebDriverError> {
        let path = format!("option[normalize-space()='{option}']");
        let found = self.post("element", json!({ "using": "xpath", "value": path })).await?;
        // An option cannot be scrolled to; choosing it is a click on it.
        self.driver.element(&found)?.post("click", json!({})).await.map(drop)
    }
}
