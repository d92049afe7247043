//! A walk through the dashboard of a fresh server, in one theme; and what has to hold on every page it comes by.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::axe::Axe;
use super::driver::{Chromium, OpenRouter};
use super::page::{Page, wait_for};
use crate::binary::{Server, Setup};

/// A desk's screen and a telephone's.
const WIDTHS: [(u32, u32); 2] = [(1440, 900), (360, 800)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theme {
    Light,
    Dark,
}

impl Theme {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// What the switch calls it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Light => "Light",
            Self::Dark => "Dark",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Light => Self::Dark,
            Self::Dark => Self::Light,
        }
    }
}

pub(super) struct Walk {
    pub(super) chromium: Chromium,
    pub(super) server: Server,
    pub(super) openrouter: OpenRouter,
    pub(super) theme: Theme,
    axe: Axe,
    /// Values that no page may hold before somebody asks for them.
    secrets: RefCell<Vec<String>>,
    /// Names of the pages that were looked at.
    seen: RefCell<BTreeSet<String>>,
    /// What was wrong with them.
    faults: RefCell<Vec<String>>,
    _folder: TempDir,
}

impl Walk {
    /// A server without data, a simulated OpenRouter, and a browser on a system of this theme.
    pub(super) async fn start(theme: Theme) -> Self {
        Self::start_with(theme, Setup::default()).await
    }

    /// The same with further settings of the server.
    pub(super) async fn start_with(theme: Theme, setup: Setup) -> Self {
        let axe = Axe::load();
        let folder = tempfile::tempdir().unwrap();
        let openrouter = OpenRouter::start(folder.path());
        let setup = setup
            .with("KMS_OPENROUTER_BASE_URL", &openrouter.base_url)
            .with("KMS_CONNECTION_RATE", "1000");
        let server = Server::start(folder.path(), &setup);
        let chromium = Chromium::start(true).await;
        // Keeps what was received, so that it can be read as it came.
        chromium.command("Network.enable", json!({})).await;
        let walk = Self {
            secrets: RefCell::new(vec![openrouter.management_key.clone()]),
            chromium,
            server,
            openrouter,
            theme,
            axe,
            seen: RefCell::default(),
            faults: RefCell::default(),
            _folder: folder,
        };
        walk.system_prefers(theme).await;
        walk.resize(WIDTHS[0]).await;
        walk
    }

    pub(super) fn page(&self) -> Page<'_> {
        Page::of(&self.chromium.driver)
    }

    /// Opens an address, as from a bookmark.
    pub(super) async fn open(&self, path: &str) {
        self.chromium.driver.goto(&format!("{}{path}", self.server.base)).await.unwrap();
    }

    /// Loads the page again.
    pub(super) async fn open_again(&self) {
        self.chromium.driver.refresh().await.unwrap();
    }

    /// From here on this value belongs into no page.
    pub(super) fn remember_secret(&self, value: &str) {
        self.secrets.borrow_mut().push(value.to_owned());
    }

    /// The setting of the system, which a choice in the top bar overrides. Nothing moves, so that pictures are of what stays.
    pub(super) async fn system_prefers(&self, theme: Theme) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": theme.word() },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.chromium
            .command("Emulation.setEmulatedMedia", json!({ "features": features }))
            .await;
    }

    /// The colours that the page is shown in.
    pub(super) async fn colours(&self) -> Result<String, String> {
        let script = "return getComputedStyle(document.documentElement).colorScheme";
        let answer = self.chromium.driver.execute(script, Vec::new()).await;
        let colours = answer.map_err(|error| error.to_string())?;
        Ok(colours.as_str().unwrap_or_default().to_owned())
    }

    async fn resize(&self, (width, height): (u32, u32)) {
        // Not as a telephone: that would show a page that is too wide smaller, and hide the fault.
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.chromium.command("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    async fn script(&self, script: &str) -> Value {
        self.chromium.driver.execute(script, Vec::new()).await.unwrap()
    }

    /// Looks at the page that is shown, which holds no secret: see [`Self::look_at`].
    pub(super) async fn inspect(&self, name: &str) {
        let now = self.chromium.driver.source().await.unwrap();
        self.assert_sealed(name, "the page", &now);
        self.inspect_revealed(name).await;
    }

    /// Looks at a page on which somebody revealed a value, which did not come with the page.
    pub(super) async fn inspect_revealed(&self, name: &str) {
        let html = self.received().await;
        self.assert_sealed(name, "the page's first HTML", &html);
        self.look_at(name).await;
    }

    /// Looks at the page that is shown: it has the chosen colours, nothing serious is wrong with it for people who cannot see it
    /// well, it fits into both widths, and the console is silent. Leaves its pictures.
    pub(super) async fn look_at(&self, name: &str) {
        assert!(self.seen.borrow_mut().insert(name.to_owned()), "two pages are called {name}");
        assert_eq!(self.colours().await.unwrap(), self.theme.word(), "the colours of {name}");
        for violation in self.axe.violations(&self.chromium).await {
            self.fault(name, &violation);
        }
        for (width, height) in WIDTHS {
            self.resize((width, height)).await;
            self.assert_fits(name, width).await;
            self.picture(name, width).await;
        }
        self.resize(WIDTHS[0]).await;
        for error in self.console_errors().await {
            self.fault(name, &format!("the console says: {error}"));
        }
    }

    /// Something is wrong with a page. The walk goes on, so that everything that is wrong is said at once.
    fn fault(&self, name: &str, what: &str) {
        self.faults.borrow_mut().push(format!("{name}: {what}"));
    }

    /// The end of the walk.
    pub(super) fn finish(self) {
        let faults = self.faults.take();
        assert!(
            faults.is_empty(),
            "{} faults in {} colours:\n{}",
            faults.len(),
            self.theme.word(),
            faults.join("\n")
        );
        let pages = self.seen.borrow().len();
        println!("looked at {pages} pages; their pictures are in {}", pictures().display());
    }

    /// The document as the server sent it.
    async fn received(&self) -> String {
        let tree = self.chromium.command("Page.getFrameTree", json!({})).await;
        // The request of a document has the id of what loads it.
        let request = json!({ "requestId": tree["frameTree"]["frame"]["loaderId"] });
        let answer = self.chromium.command("Network.getResponseBody", request).await;
        answer["body"].as_str().unwrap().to_owned()
    }

    fn assert_sealed(&self, name: &str, what: &str, html: &str) {
        assert!(html.contains("Hanzo KMS"), "{name}: {what} is none: {html}");
        let secrets = self.secrets.borrow();
        if secrets.iter().any(|secret| html.contains(secret.as_str())) {
            self.fault(name, &format!("a secret is in {what}"));
        }
    }

    async fn assert_fits(&self, name: &str, width: u32) {
        let wide = self
            .script(
                "const limit = document.documentElement.clientWidth;
                if (document.documentElement.scrollWidth <= limit) return null;
                const scrolled = (element) => element.parentElement && (getComputedStyle(element.parentElement).overflowX !== 'visible' || scrolled(element.parentElement));
                return [document.documentElement.scrollWidth, ...[...document.body.querySelectorAll('*')]
                    .filter((element) => element.getBoundingClientRect().right > limit && !scrolled(element))
                    .slice(0, 5).map((element) => `${element.tagName} ${element.className} ${(element.innerText ?? '').slice(0, 60)}`)]",
            )
            .await;
        if !wide.is_null() {
            self.fault(name, &format!("it is wider than a window of {width} pixels: {wide}"));
        }
    }

    async fn picture(&self, name: &str, width: u32) {
        // What stays at the top of the window would stand in the middle of the picture.
        self.script("scrollTo(0, 0)").await;
        let sizes = self.chromium.command("Page.getLayoutMetrics", json!({})).await;
        let height = sizes["cssContentSize"]["height"].as_f64().unwrap();
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let request = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let answer = self.chromium.command("Page.captureScreenshot", request).await;
        let png = base64::engine::general_purpose::STANDARD
            .decode(answer["data"].as_str().unwrap())
            .unwrap();
        let folder = pictures();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}-{}-{width}.png", self.theme.word())), png).unwrap();
    }

    /// Errors in the browser's console since it was last asked.
    async fn console_errors(&self) -> Vec<String> {
        let entries = self.chromium.driver.console().await.unwrap();
        entries
            .into_iter()
            .filter(|(level, _)| level == "SEVERE")
            .map(|(_, message)| message)
            .collect()
    }

    /// Something was just refused on purpose: the console tells of this answer, and of nothing else.
    pub(super) async fn was_refused(&self, status: u16) {
        let told = format!("the server responded with a status of {status}");
        let mut errors: Vec<String> = Vec::new();
        wait_for(&format!("the console to tell of an answer {status}"), async || {
            errors.extend(self.console_errors().await);
            if errors.iter().any(|error| error.contains(&told)) {
                Ok(())
            } else {
                Err(format!("{errors:?}"))
            }
        })
        .await;
        assert_eq!(errors.len(), 1, "{errors:?}");
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        // The walk ended somewhere on its way; what it had found by then is not lost.
        for fault in self.faults.take() {
            eprintln!("{fault}");
        }
    }
}

/// Where pictures of the pages are left for people to look at.
fn pictures() -> PathBuf {
    // <target>/<profile>/kms
    let target = Path::new(env!("CARGO_BIN_EXE_kms")).ancestors().nth(2).unwrap();
    target.join("screenshots")
}
