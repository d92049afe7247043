//! What a call to a provider can end in. Only the provider can tell whether a request may have had an effect, so it must say.

use std::time::Duration;

/// A text from or about a provider that is fit for people: no key, no credential in it, at most 1,024 characters.
/// Made only by [`crate::registry`]'s providers through [`Reason::scrubbed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// Keeps at most this many characters.
    pub const LIMIT: usize = 1024;

    /// Takes `text`, replacing each of `secrets` and everything that looks like a key by a mask and control characters by blanks,
    /// and cuts it to [`Reason::LIMIT`].
    pub fn scrubbed(text: &str, secrets: &[&kms_core::secret::SecretString]) -> Self {
        let mut clean = text.to_owned();
        for secret in secrets {
            // Shorter ones are no keys, and replacing them would tear ordinary words apart.
            if secret.len() >= 4 {
                clean = clean.replace(secret.expose(), MASK);
            }
        }
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        Self(mask_keys(&clean).chars().map(printable).take(Self::LIMIT).collect())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

const MASK: &str = "***";

/// Masks whatever looks like a provider's key: `sk-` at the start of a word with 12 or more characters of a key behind it.
fn mask_keys(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("sk-") {
        let (before, candidate) = rest.split_at(start);
        masked.push_str(before);
        let length = candidate
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
            .unwrap_or(candidate.len());
        let (word, behind) = candidate.split_at(length);
        let begins_a_word = !masked.ends_with(|c: char| c.is_alphanumeric());
        masked.push_str(if begins_a_word && length >= 15 { MASK } else { word });
        rest = behind;
    }
    masked.push_str(rest);
    masked
}

/// Why a key was not issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The request never left, or the provider answered 429: there is no key. May be tried again.
    #[error("the request was not carried out: {reason}")]
    NotSent {
        /// What happened.
        reason: Reason,
        /// The provider's wish, if it had one.
        retry_after: Option<Duration>,
    },
    /// The provider refused: there is no key, and asking again will not help.
    #[error("{reason}")]
    Refused {
        /// The provider's words.
        reason: Reason,
    },
    /// The request may have been carried out: a key may exist that nobody knows.
    #[error("the answer was lost: {reason}")]
    Uncertain {
        /// What happened.
        reason: Reason,
    },
}

/// Why a repeatable call (list, read, delete, validate) did not answer its question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The provider could not be reached, answered 5xx or nonsense, or not in time.
    #[error("{reason}")]
    Unavailable {
        /// What happened.
        reason: Reason,
    },
    /// 429.
    #[error("{reason}")]
    RateLimited {
        /// What happened.
        reason: Reason,
        /// The provider's wish, if it had one.
        retry_after: Option<Duration>,
    },
    /// The provider refused the connection's credentials (401, 403).
    #[error("{reason}")]
    Unauthorized {
        /// The provider's words.
        reason: Reason,
    },
    /// The provider refused the request for another reason (other 4xx).
    #[error("{reason}")]
    Refused {
        /// The provider's words.
        reason: Reason,
    },
}

/// What a new key's check showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// The key works and has the properties that were asked for.
    Works,
    /// The key is refused so far; new keys may need some time.
    NotYet(Reason),
    /// The key works but is not what was asked for (its limits differ).
    Differs(Reason),
}

/// What a deletion showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// The provider deleted the key.
    Deleted,
    /// The provider knows no such key (any more).
    AlreadyGone,
}

/// Whether a deleted key is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// The provider refuses the key, or no longer knows it.
    Dead,
    /// The key is still accepted.
    StillAccepted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_carries_no_key() {
        let key = kms_core::secret::SecretString::new("opaque-credential");
        let reason = Reason::scrubbed("bad key \"sk-or-v1-0123456789abcdef\", was opaque-credential.", &[&key]);
        assert_eq!(reason.as_str(), "bad key \"***\", was ***.");
        assert_eq!(Reason::scrubbed(&"x".repeat(5000), &[]).as_str().len(), Reason::LIMIT);
    }

    #[test]
    fn a_key_is_masked_wherever_it_stands() {
        for (text, clean) in [
            ("key=sk-or-v1-0123456789abcdef&x=1", "key=***&x=1"),
            ("[sk-or-v1-0123456789abcdef]sk-or-v1-0123456789abcdef", "[***]***"),
            ("ü sk-or-mgmt-0123456789 ü", "ü *** ü"),
            ("a task-oriented-approach stays", "a task-oriented-approach stays"),
            ("the prefix is sk-or-v1-", "the prefix is sk-or-v1-"),
            ("one\r\ntwo\u{1b}[31m", "one  two [31m"),
        ] {
            assert_eq!(Reason::scrubbed(text, &[]).as_str(), clean);
        }
    }

    #[test]
    fn a_key_cut_by_the_limit_was_masked_before() {
        let text = format!("{}sk-or-v1-0123456789abcdef", "x ".repeat(Reason::LIMIT / 2 - 8));
        assert!(!Reason::scrubbed(&text, &[]).as_str().contains("sk-"));
    }
}
