//! A headless Chromium of the test's own, and the programs that a walk needs beside it.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::webdriver::WebDriver;
use crate::binary::{Setup, program};

/// How long a program may take to begin, and a page to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// People do not sit in UTC: the zone of the browser, half an hour off the full one.
const ZONE: &str = "Asia/Kolkata";

/// A child process. It, and nothing else, is killed when this goes away.
struct Process(Child);

impl Process {
    /// Starts a program, and waits until `ready` finds what it looks for in what the program has written.
    fn start<T>(mut command: Command, folder: &Path, what: &str, ready: impl Fn(&str) -> Option<T>) -> (Self, T) {
        let log = folder.join(format!("{what}.log"));
        let file = std::fs::File::create(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(file).stderr(Stdio::null()).spawn();
        let mut process = Self(child.unwrap_or_else(|error| {
            let path = command.get_program();
            panic!(
                "{what} cannot be started as {}: {error}. scripts/test installs what the tests need.",
                path.display()
            )
        }));
        let begun = Instant::now();
        loop {
            let text = std::fs::read_to_string(&log).unwrap();
            if let Some(found) = ready(&text) {
                return (process, found);
            }
            if let Some(status) = process.0.try_wait().unwrap() {
                panic!("{what} has ended ({status}): {text}");
            }
            assert!(begun.elapsed() < PATIENCE, "{what} does not begin: {text}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// `kms simulator openrouter`, as people start it.
pub(super) struct OpenRouter {
    _process: Process,
    pub(super) base_url: String,
    pub(super) control_url: String,
    /// What it accepts.
    pub(super) management_key: String,
}

impl OpenRouter {
    pub(super) fn start(folder: &Path) -> Self {
        let command = program(&["simulator", "openrouter"], &Setup::default());
        let (process, line) = Process::start(command, folder, "simulator", |text| {
            let line = text.split_once('\n')?.0;
            Some(serde_json::from_str::<Value>(line).unwrap())
        });
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        Self {
            _process: process,
            base_url: text("base_url"),
            control_url: text("control_url"),
            management_key: text("provisioning_key"),
        }
    }
}

/// Chromium with one window. Dropping it ends the session, which ends Chromium, before chromedriver is killed.
pub(super) struct Chromium {
    pub(super) driver: WebDriver,
    _chromedriver: Process,
    _profile: TempDir,
}

impl Chromium {
    /// Starts one that runs the scripts of pages, or does not.
    pub(super) async fn start(scripts: bool) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let named = std::env::var_os("KMS_TEST_CHROMEDRIVER");
        let mut command = Command::new(named.unwrap_or_else(|| OsString::from("chromedriver")));
        // Whatever the machine's language and zone, the same words and times are shown.
        command
            .arg("--port=0")
            .env("TZ", ZONE)
            .env("LC_ALL", "C.UTF-8")
            .env("LANGUAGE", "en");
        let (chromedriver, port) = Process::start(command, profile.path(), "chromedriver", |text| {
            let rest = text.split("started successfully on port ").nth(1)?;
            rest.split_once('.')?.0.parse::<u16>().ok()
        });
        let data = profile.path().join("profile").display().to_string();
        let arguments = [
            "--headless=new",
            // Containers and root have no sandbox; the pages are the program's own.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--lang=en-US",
            "--window-size=1440,900",
            // Nobody is asked whether a password of a test is worth changing.
            "--disable-features=PasswordLeakDetection,PasswordManagerOnboarding",
            &format!("--user-data-dir={data}"),
        ];
        let settings = json!({
            "profile.managed_default_content_settings.javascript": if scripts { 1 } else { 2 },
            "credentials_enable_service": false,
        });
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments, "prefs": settings },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let driver = WebDriver::connect(port, capabilities)
            .await
            .unwrap_or_else(|error| panic!("Chromium cannot be started through chromedriver: {error}"));
        Self {
            driver,
            _chromedriver: chromedriver,
            _profile: profile,
        }
    }

    /// A command of Chromium's own, beside WebDriver.
    pub(super) async fn command(&self, name: &str, parameters: Value) -> Value {
        let answer = self.driver.command(name, parameters).await;
        answer.unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}
