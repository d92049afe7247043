//! One error for all use cases, free of transport. The public text and the cause are separate: `Display` shows only the former.
//!
//! `kms-server` turns it into the API's error object with one `match`, and into a page with another.

use std::time::Duration;

use kms_core::permission::Permission;
use kms_providers::declaration::FieldIssue;
use kms_store::StoreError;
use serde_json::Value;

/// Why a use case was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule was violated, something exists already, or the state does not allow it.
    #[error("{message}")]
    BadRequest {
        /// What happened and what to do.
        message: String,
        /// For machines.
        details: Option<Value>,
    },
    /// No, unknown, revoked or used-up credentials; also an outside system that refused a connection's credentials.
    #[error("{message}")]
    Unauthorized {
        /// What happened and what to do.
        message: String,
    },
    /// An access token is expired, malformed or forged.
    #[error("{message}")]
    Token {
        /// What happened and what to do.
        message: String,
    },
    /// The caller's roles do not give the permission.
    #[error("you are not allowed to {} on {}", missing.action, missing.subject)]
    PermissionDenied {
        /// What is missing.
        missing: Permission,
    },
    /// Refused for another reason than a missing permission.
    #[error("{message}")]
    Forbidden {
        /// What happened and what to do.
        message: String,
        /// For machines.
        details: Option<Value>,
    },
    /// Somebody tried to give more than they have.
    #[error("{message}")]
    Boundary {
        /// What happened.
        message: String,
    },
    /// No such thing, or not visible to the caller.
    #[error("{message}")]
    NotFound {
        /// What was looked for.
        message: String,
    },
    /// Fields that somebody filled in are not as they must be.
    #[error("some fields are invalid")]
    Invalid {
        /// Every problem.
        issues: Vec<FieldIssue>,
    },
    /// Too many tries.
    #[error("too many requests; try again in {} seconds", retry_after.as_secs().max(1))]
    RateLimited {
        /// When it may work again.
        retry_after: Duration,
    },
    /// The work was done as far as it could be, and failed; the text is fit for people.
    #[error("{message}")]
    Failed {
        /// What happened, what stayed safe.
        message: String,
    },
    /// The database is not available. Nothing was changed.
    #[error("the service is not available at the moment; nothing was changed. Try again shortly")]
    Unavailable {
        /// For the log.
        cause: String,
    },
    /// A defect, or damaged data.
    #[error("something went wrong on the server")]
    Internal {
        /// For the log.
        cause: String,
    },
}

impl Error {
    /// A violated rule.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::BadRequest {
            message: message.into(),
            details: None,
        }
    }

    /// Refused credentials.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::Unauthorized { message: message.into() }
    }

    /// Refused.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::Forbidden {
            message: message.into(),
            details: None,
        }
    }

    /// Not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound { message: message.into() }
    }

    /// A defect.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal { cause: cause.to_string() }
    }

    /// One invalid field.
    pub fn invalid(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid {
            issues: vec![FieldIssue::at(field, code, message)],
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => Self::Unavailable { cause },
            other => Self::Internal { cause: other.to_string() },
        }
    }
}

impl From<kms_crypto::data::OpenError> for Error {
    fn from(error: kms_crypto::data::OpenError) -> Self {
        Self::Internal {
            cause: format!("a stored value does not open: {error}"),
        }
    }
}

impl From<kms_core::secret::NotText> for Error {
    fn from(error: kms_core::secret::NotText) -> Self {
        Self::internal(error)
    }
}

/// The store's answer, or `otherwise` if the named constraint refused the write.
pub(crate) fn on_constraint<T>(result: Result<T, StoreError>, constraint: &str, otherwise: impl FnOnce() -> Error) -> Result<T, Error> {
    result.map_err(|error| {
        if error.is_constraint(constraint) {
            otherwise()
        } else {
            error.into()
        }
    })
}
