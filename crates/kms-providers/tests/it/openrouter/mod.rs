//! OpenRouter against scripted answers: what exactly is sent, and what answers mean that the simulator would not give.

mod issue;
mod keys;
mod listing;
mod metrics;
mod validate;

use kms_core::secret::SecretString;
use kms_providers::registry::AnyRotator;

use crate::stage::Stage;

/// The connection's key in these tests.
pub const PROVISIONING_KEY: &str = "sk-or-mgmt-0123456789abcdef-example";

/// A key as OpenRouter issues it, and its SHA-256.
pub const KEY: &str = "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";
pub const HASH: &str = "2482a0afc865d3674cfa3f97269ab7e7b5e3e45814d95dd1c400c1816f873894";

pub fn rotator(stage: &Stage) -> &dyn AnyRotator {
    stage.registry.rotation_type("open-router-api-key").unwrap()
}

pub fn credential() -> SecretString {
    SecretString::new(format!(r#"{{"apiKey":"{KEY}","keyHash":"{HASH}"}}"#))
}

/// Fails if a text that people may see holds a key.
pub fn assert_clean(text: &str) {
    for secret in [PROVISIONING_KEY, KEY, "0123456789abcdef-example", "00112233445566778899"] {
        assert!(!text.contains(secret), "{text}");
    }
}
