//! Choices where the contract is only assumed.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A setting of `--compat` that does not exist, or a value it does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCompat(String);

macro_rules! choice {
    ($(#[$meta:meta])* $name:ident { $(#[$first_meta:meta])* $first:ident = $first_text:literal, $(#[$second_meta:meta])* $second:ident = $second_text:literal $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $(#[$first_meta])*
            #[default]
            #[serde(rename = $first_text)]
            $first,
            $(#[$second_meta])*
            #[serde(rename = $second_text)]
            $second,
        }

        impl FromStr for $name {
            type Err = InvalidCompat;

            fn from_str(text: &str) -> Result<Self, InvalidCompat> {
                match text {
                    $first_text => Ok(Self::$first),
                    $second_text => Ok(Self::$second),
                    _ => Err(InvalidCompat(format!("one of {} and {}", $first_text, $second_text))),
                }
            }
        }
    };
}

choice! {
    /// Status for an inference key on GET `/keys` and on GET and DELETE `/keys/{hash}`.
    ListForbidden {
        /// 403.
        Forbidden = "403",
        /// 401.
        Unauthorized = "401",
    }
}
choice! {
    /// Status for a management key on `/chat/completions`.
    ManagementOnInference {
        /// 401.
        Unauthorized = "401",
        /// 403.
        Forbidden = "403",
    }
}
choice! {
    /// Status for a completion with a key whose cap is spent.
    OverLimit {
        /// 403.
        Forbidden = "403",
        /// 402 with `metadata.limit_source`.
        PaymentRequired = "402",
    }
}
choice! {
    /// What an expired key is told.
    ExpiredMessage {
        /// The same as an unknown key.
        UserNotFound = "user_not_found",
        /// That it has expired.
        KeyExpired = "key_expired",
    }
}
choice! {
    /// Status for deleting a key that does not exist.
    DeleteMissing {
        /// 404.
        NotFound = "404",
        /// 200, as if it had been there.
        Deleted = "200",
    }
}
choice! {
    /// What a negative limit in a create or update gets.
    NegativeLimit {
        /// 400.
        Refused = "400",
        /// Success.
        Accepted = "201",
    }
}
choice! {
    /// What `expires_at` in the past gets.
    PastExpiry {
        /// 400.
        Refused = "400",
        /// 201 with a key that is dead from the start.
        Accepted = "201",
    }
}
choice! {
    /// Lowest `limit_remaining`.
    RemainingFloor {
        /// Zero.
        Zero = "zero",
        /// Overspending shows as a negative amount.
        Negative = "negative",
    }
}
choice! {
    /// Trailing characters of a label.
    LabelStyle {
        /// Three.
        Three = "3",
        /// Four.
        Four = "4",
    }
}
choice! {
    /// How timestamps are written.
    TimestampStyle {
        /// Milliseconds and `Z`.
        Z = "z",
        /// Microseconds and `+00:00`.
        Offset = "offset",
    }
}

/// Choices where the contract is assumed. The default is the first value of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compat {
    /// Inference key on reading and deleting keys.
    pub list_forbidden: ListForbidden,
    /// Management key on completions.
    pub mgmt_on_inference: ManagementOnInference,
    /// Completion over the cap.
    pub over_limit: OverLimit,
    /// Message for an expired key.
    pub expired_message: ExpiredMessage,
    /// Delete of a missing key.
    pub delete_missing: DeleteMissing,
    /// Negative limits.
    pub negative_limit: NegativeLimit,
    /// Expiry in the past.
    pub past_expiry: PastExpiry,
    /// Floor of `limit_remaining`.
    pub remaining_floor: RemainingFloor,
    /// Labels.
    pub label: LabelStyle,
    /// Timestamps.
    pub timestamps: TimestampStyle,
    /// Longest life of a key in days; keys without expiry or beyond it get 401.
    pub max_lifetime_days: Option<u32>,
    /// Most live keys an account may hold; a create beyond it gets 403.
    pub max_keys: Option<u32>,
}

impl Compat {
    /// Sets one choice by its name, as `--compat NAME=VALUE` does. `none` clears a number.
    ///
    /// # Errors
    /// The name or the value does not exist.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), InvalidCompat> {
        fn read<T: FromStr<Err = InvalidCompat>>(name: &str, value: &str) -> Result<T, InvalidCompat> {
            value
                .parse()
                .map_err(|InvalidCompat(choices)| InvalidCompat(format!("compat {name}: {choices}")))
        }
        let number = || match value {
            "none" => Ok(None),
            digits => digits
                .parse()
                .map(Some)
                .map_err(|_not_a_number| InvalidCompat(format!("compat {name}: a whole number, or none"))),
        };
        match name {
            "list_forbidden" => self.list_forbidden = read(name, value)?,
            "mgmt_on_inference" => self.mgmt_on_inference = read(name, value)?,
            "over_limit" => self.over_limit = read(name, value)?,
            "expired_message" => self.expired_message = read(name, value)?,
            "delete_missing" => self.delete_missing = read(name, value)?,
            "negative_limit" => self.negative_limit = read(name, value)?,
            "past_expiry" => self.past_expiry = read(name, value)?,
            "remaining_floor" => self.remaining_floor = read(name, value)?,
            "label" => self.label = read(name, value)?,
            "timestamps" => self.timestamps = read(name, value)?,
            "max_lifetime_days" => self.max_lifetime_days = number()?,
            "max_keys" => self.max_keys = number()?,
            _ => return Err(InvalidCompat(format!("compat {name}: no such choice"))),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn compat_choices_are_set_by_name() {
        let mut compat = Compat::default();
        compat.set("over_limit", "402").unwrap();
        compat.set("max_keys", "3").unwrap();
        assert_eq!(compat.over_limit, OverLimit::PaymentRequired);
        assert_eq!(compat.max_keys, Some(3));
        compat.set("max_keys", "none").unwrap();
        assert_eq!(compat.max_keys, None);
        assert!(compat.set("over_limit", "404").is_err());
        assert!(compat.set("colour", "blue").is_err());
        assert!(compat.set("max_keys", "many").is_err());
    }
}
