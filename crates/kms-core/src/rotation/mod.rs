//! Secret Rotation: when it is due ([`schedule`]), what an attempt does next ([`machine`]), and what becomes of each issued key
//! ([`ledger`]). Pure functions; `kms-app` performs what they decide.

pub mod ledger;
pub mod machine;
pub mod policy;
pub mod schedule;

pub use policy::Policy;

/// Whether the last finished run of a rotation succeeded. The contract knows no other value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The last run published a key.
    Success,
    /// The last run has finally failed; the previous key is still served.
    Failed,
}

impl Status {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
        }
    }
}

/// Longest failure message that is kept, in characters.
pub const MESSAGE_LIMIT: usize = 1024;

/// Cuts a failure message to [`MESSAGE_LIMIT`] characters, the last three dots if something was left out.
pub fn cut_message(message: &str) -> String {
    if message.chars().count() <= MESSAGE_LIMIT {
        message.to_owned()
    } else {
        message.chars().take(MESSAGE_LIMIT - 3).chain("...".chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_end_in_dots() {
        let cut = cut_message(&"ü".repeat(2000));
        assert_eq!(cut.chars().count(), MESSAGE_LIMIT);
        assert!(cut.ends_with("..."));
        assert_eq!(cut_message("short"), "short");
    }
}
