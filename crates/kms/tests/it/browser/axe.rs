//! The accessibility check.

use serde_json::Value;

use super::driver::Chromium;

const RUN: &str = "const done = arguments[0];
    axe.run(document, { resultTypes: ['violations'] }).then(
        (results) => done(results.violations
            .filter((violation) => ['serious', 'critical'].includes(violation.impact))
            .flatMap((violation) => violation.nodes.map((node) =>
                `${violation.impact} ${violation.id} at ${node.target.join(' ')}: ${node.failureSummary.replace(/\\s+/g, ' ')}`))),
        (error) => done([`it did not run: ${error}`]))";

/// axe-core, as it is published.
pub(super) struct Axe(String);

impl Axe {
    /// Reads the file that `KMS_TEST_AXE` names.
    pub(super) fn load() -> Self {
        let path =
            std::env::var("KMS_TEST_AXE").expect("KMS_TEST_AXE names no axe.min.js of axe-core; scripts/test installs it and sets this");
        Self(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("KMS_TEST_AXE: {path}: {error}")))
    }

    /// Serious and critical violations of the page that is shown, one a line.
    pub(super) async fn violations(&self, chromium: &Chromium) -> Vec<String> {
        let driver = &chromium.driver;
        // Once a page; what is left from the page before is gone.
        let there = driver.execute("return typeof axe === 'object'", Vec::new()).await.unwrap();
        if there != Value::Bool(true) {
            driver.execute(self.0.as_str(), Vec::new()).await.unwrap();
        }
        serde_json::from_value(driver.execute_async(RUN).await.unwrap()).unwrap()
    }
}
