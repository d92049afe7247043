//! What a person does with a page: finds things by the words that stand there, reads, types, presses. Nothing is found by an
//! identifier, and everything is waited for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::driver::PATIENCE;
use super::webdriver::{Element, WebDriver, WebDriverError};

const FIND: &str = include_str!("find.js");

/// Waits until `look` finds something. `what` is awaited, in words; why it is not there yet is what `look` says.
pub(super) async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(why) => assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}: {why}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn why(error: WebDriverError) -> String {
    // The first lines say it; what follows are addresses in Chromium's code.
    error.to_string().lines().take(3).collect::<Vec<_>>().join(" ")
}

/// A page, or a place in it.
pub(super) struct Page<'a> {
    driver: &'a WebDriver,
    place: Option<String>,
}

impl<'a> Page<'a> {
    pub(super) fn of(driver: &'a WebDriver) -> Self {
        Self { driver, place: None }
    }

    /// The same, looking only in a place of it: a landmark or region by its name, or a row of a table by its heading.
    pub(super) fn within(&self, place: &str) -> Self {
        Self {
            driver: self.driver,
            place: Some(place.to_owned()),
        }
    }

    async fn script(&self, script: &str, arguments: Vec<Value>) -> Result<Value, String> {
        self.driver.execute(script, arguments).await.map_err(why)
    }

    async fn find(&self, kind: &str, words: &str) -> Result<Element<'a>, String> {
        let arguments = vec![json!(kind), json!(words), json!(self.place)];
        let answer = self.driver.execute(FIND, arguments).await.map_err(why)?;
        match answer.as_str() {
            Some(problem) => Err(problem.to_owned()),
            None => self.driver.element(&answer).map_err(why),
        }
    }

    /// Finds something and does something with it, until that works: a page may be on its way, or a part of it be replaced.
    async fn with<T>(&self, kind: &str, words: &str, act: impl AsyncFn(&Element<'a>) -> Result<T, WebDriverError>) -> T {
        let place = self.place.as_deref().map(|place| format!(" in {place}")).unwrap_or_default();
        wait_for(&format!("the {kind} \"{words}\"{place}"), async || {
            let element = self.find(kind, words).await?;
            act(&element).await.map_err(why)
        })
        .await
    }

    /// Presses a button, or what opens a menu.
    pub(super) async fn press(&self, button: &str) {
        self.with("button", button, Element::click).await;
    }

    /// Presses keys where the focus is. Keys without a character have the protocol's numbers (section 17.4.2): U+E009 is Control, U+E015
    /// the arrow down, U+E007 Enter.
    pub(super) async fn press_keys(&self, keys: &str) {
        let element = self.driver.active_element().await.unwrap();
        element.send_keys(keys).await.unwrap();
    }

    /// Follows a link.
    pub(super) async fn follow(&self, link: &str) {
        self.with("link", link, Element::click).await;
    }

    /// Types into the field with this label, in place of what is there.
    pub(super) async fn fill(&self, label: &str, text: &str) {
        self.with("field", label, async |element| {
            element.clear().await?;
            element.send_keys(text).await
        })
        .await;
    }

    /// Ticks a box, or unticks it.
    pub(super) async fn tick(&self, label: &str, wanted: bool) {
        self.with("field", label, async |element| {
            if element.is_selected().await? == wanted {
                return Ok(());
            }
            element.click().await
        })
        .await;
        assert_eq!(self.is_ticked(label).await, wanted, "{label}");
    }

    /// Chooses what a list offers by these words.
    pub(super) async fn choose(&self, label: &str, option: &str) {
        self.with("field", label, async |element| element.choose(option).await).await;
    }

    /// What is typed into a field, or the words that are chosen in a list.
    pub(super) async fn value(&self, label: &str) -> String {
        let element = self.with("field", label, async |element| Ok(element.clone())).await;
        let script = "const field = arguments[0]; return field.selectedOptions?.[0].innerText ?? field.value";
        let value = self.script(script, vec![element.argument()]).await.unwrap();
        value.as_str().unwrap().to_owned()
    }

    pub(super) async fn is_ticked(&self, label: &str) -> bool {
        self.with("field", label, async |element| element.is_selected().await).await
    }

    /// What stands at a field to help with it, and what was wrong with what was typed.
    pub(super) async fn beside(&self, label: &str) -> Result<String, String> {
        let element = self.find("field", label).await?;
        let script = "return (arguments[0].getAttribute('aria-describedby') ?? '').split(' ').filter(Boolean)
            .map((id) => document.getElementById(id)?.innerText ?? '').join(' ')";
        let said = self.script(script, vec![element.argument()]).await?;
        Ok(said.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until these words stand beside a field.
    pub(super) async fn see_beside(&self, label: &str, words: &str) {
        wait_for(&format!("\"{words}\" beside the field \"{label}\""), async || {
            let said = self.beside(label).await?;
            if said.contains(words) {
                Ok(())
            } else {
                Err(format!("it says: {said}"))
            }
        })
        .await;
    }

    /// What can be read.
    pub(super) async fn text(&self) -> Result<String, String> {
        let place = self.find("place", "").await?;
        let text = self.script("return arguments[0].innerText", vec![place.argument()]).await?;
        Ok(text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Waits until these words can be read.
    pub(super) async fn see(&self, words: &str) {
        wait_for(&format!("the words \"{words}\""), async || {
            let text = self.text().await?;
            if text.contains(words) {
                Ok(())
            } else {
                Err(format!("there stands: {text}"))
            }
        })
        .await;
    }

    /// Waits until these words can be read nowhere.
    pub(super) async fn see_no(&self, words: &str) {
        wait_for(&format!("the words \"{words}\" to go"), async || {
            let text = self.text().await?;
            if text.contains(words) {
                Err(format!("there stands: {text}"))
            } else {
                Ok(())
            }
        })
        .await;
    }

    /// Waits until there is a heading of these words.
    pub(super) async fn see_heading(&self, words: &str) {
        self.with("heading", words, async |_heading| Ok(())).await;
    }
}
