//! Fault rules: which request, when, and what happens to it.
//!
//! Rules are tried in order; the first that matches and fires wins. How a rule is carried out is decided in
//! [`crate::core`]; how an answer is spoiled in [`spoil`].

pub(crate) mod gate;
pub(crate) mod presets;
mod rules;
pub(crate) mod spoil;

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::distribution::Distribution;
use crate::key_text::KeyHash;

pub use rules::RuleView;
use rules::Target;
pub(crate) use rules::{Firing, Rules, Subject};

/// A rule of misbehaviour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Which requests.
    #[serde(rename = "match", default)]
    pub matching: Match,
    /// Before or after the effect. Without it: before for `latency`, `status`, `rate_limit`, `reset`,
    /// `close` and `hang`; after for everything that needs an answer to spoil.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// What happens.
    pub action: Action,
    /// Firings until the rule is spent; 0 = no end.
    #[serde(default)]
    pub times: u64,
    /// Probability that a match fires.
    #[serde(default = "always")]
    pub probability: f64,
}

fn always() -> f64 {
    1.0
}

/// Which requests a rule is about; absent fields match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// An endpoint name, `any`, or method and path pattern: `GET /keys/*`. `*` is one segment, `**` at the
    /// end any number.
    pub endpoint: Option<String>,
    /// Beginning of the key's name: the one in the body of a create, else of the key named in the path,
    /// else of the calling key.
    pub name_prefix: Option<String>,
    /// Hash of the key named in the path, else of the calling key.
    pub hash: Option<KeyHash>,
    /// Account of the credential.
    pub account: Option<String>,
    /// Kind of the credential.
    pub key_kind: Option<KeyKind>,
    /// Matches that pass before the rule begins.
    pub skip: u64,
}

/// Kind of a credential, for rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// A management key.
    Management,
    /// An API key.
    Inference,
    /// No credential, or nobody's.
    None,
}

/// Whether the state is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// The state is untouched.
    BeforeEffect,
    /// The change is made and stays; the reply is lost or spoiled. Such rules concern requests that would
    /// succeed: a refused one neither matches nor counts.
    AfterEffect,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Waits, then goes on: normally, or with `then`. Before the effect, the change is made after the wait,
    /// even if the client has gone.
    Latency {
        /// How long.
        ms: Distribution,
        /// What follows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        then: Option<Box<Action>>,
    },
    /// Another status.
    Status {
        /// 200 to 599.
        status: u16,
        /// `json` (the error shape), `html`, `empty`, or literal text.
        #[serde(default = "json_body")]
        body: String,
        /// Extra headers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
    },
    /// 429 with `Retry-After` and `X-RateLimit-…`.
    RateLimit {
        /// Seconds to wait.
        #[serde(default = "one_second")]
        retry_after_s: u64,
        /// How `Retry-After` is written.
        #[serde(default)]
        format: RetryAfterFormat,
        /// `X-RateLimit-Limit`.
        #[serde(default = "ten")]
        limit: u64,
        /// `X-RateLimit-Remaining`.
        #[serde(default)]
        remaining: u64,
    },
    /// TCP reset instead of a reply.
    Reset,
    /// Orderly close without a byte.
    Close,
    /// No reply until the client gives up or the time passes; then an orderly close.
    Hang {
        /// Longest wait in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_ms: Option<u64>,
    },
    /// Headers and a correct `Content-Length`, but only the first bytes, then close.
    Truncate {
        /// How many bytes of the body.
        bytes: usize,
    },
    /// Right status, body that is no JSON.
    MalformedJson,
    /// The body trickles.
    SlowBody {
        /// Wait before the first byte of the body.
        #[serde(default)]
        first_byte_ms: Distribution,
        /// Bytes in each piece.
        #[serde(default = "one")]
        bytes: usize,
        /// Wait between two pieces.
        #[serde(default)]
        interval_ms: u64,
    },
    /// Right body, other status.
    WrongStatus {
        /// 200 to 599.
        status: u16,
    },
    /// Right body, other type.
    WrongContentType {
        /// Value of `Content-Type`.
        content_type: String,
    },
    /// Leaves fields out of a JSON answer.
    DropFields {
        /// Dotted paths, `data.hash`; an array on the way means each of its elements.
        fields: Vec<String>,
    },
    /// Sets fields of a JSON answer to null.
    NullFields {
        /// Dotted paths.
        fields: Vec<String>,
    },
    /// Adds fields to a JSON answer.
    ExtraFields {
        /// Dotted path and value.
        fields: BTreeMap<String, serde_json::Value>,
    },
    /// The create or the completion happens twice; one is answered.
    DoubleEffect,
    /// Success is reported, nothing happens.
    IgnoreEffect,
}

fn json_body() -> String {
    "json".to_owned()
}

fn one_second() -> u64 {
    1
}

fn one() -> usize {
    1
}

fn ten() -> u64 {
    10
}

/// How `Retry-After` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfterFormat {
    /// Whole seconds.
    #[default]
    Seconds,
    /// An HTTP date, by the simulated clock.
    Date,
}

/// Why a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRule(String);

impl FaultRule {
    /// A rule that always fires on the requests of one endpoint.
    pub fn on(endpoint: impl Into<String>, action: Action) -> Self {
        Self {
            matching: Match {
                endpoint: Some(endpoint.into()),
                ..Match::default()
            },
            when: None,
            action,
            times: 0,
            probability: 1.0,
        }
    }

    /// With a moment.
    #[must_use]
    pub fn when(mut self, when: When) -> Self {
        self.when = Some(when);
        self
    }

    /// With a number of firings.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// With a probability.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn validate(&self) -> Result<(), InvalidRule> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(InvalidRule("probability: between 0 and 1".to_owned()));
        }
        if let Some(endpoint) = &self.matching.endpoint {
            Target::parse(endpoint)?;
        }
        self.action.validate()
    }
}

impl Action {
    fn validate(&self) -> Result<(), InvalidRule> {
        let status_fits = |status: u16| {
            if (200..=599).contains(&status) {
                Ok(())
            } else {
                Err(InvalidRule("action.status: between 200 and 599".to_owned()))
            }
        };
        match self {
            Self::Latency { then: Some(then), .. } => then.validate(),
            Self::Status { status, headers, .. } => {
                for (name, value) in headers {
                    if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                        return Err(InvalidRule("action.headers: not a header".to_owned()));
                    }
                }
                status_fits(*status)
            }
            Self::WrongStatus { status } => status_fits(*status),
            Self::WrongContentType { content_type } if HeaderValue::try_from(content_type).is_err() => {
                Err(InvalidRule("action.content_type: not a header value".to_owned()))
            }
            Self::SlowBody { bytes: 0, .. } => Err(InvalidRule("action.bytes: at least 1".to_owned())),
            _ => Ok(()),
        }
    }

    /// When the rule acts if it does not say.
    fn usual_moment(&self) -> When {
        match self {
            Self::Latency { then: Some(then), .. } => then.usual_moment(),
            Self::Latency { then: None, .. }
            | Self::Status { .. }
            | Self::RateLimit { .. }
            | Self::Reset
            | Self::Close
            | Self::Hang { .. } => When::BeforeEffect,
            _ => When::AfterEffect,
        }
    }

    /// Draws the waits of leading `latency` actions; returns their sum and what remains.
    pub(crate) fn unwrap_latency(&self, generator: &mut ChaCha8Rng) -> (Duration, Option<&Self>) {
        let mut wait = Duration::ZERO;
        let mut action = Some(self);
        while let Some(Self::Latency { ms, then }) = action {
            wait = wait.saturating_add(ms.draw(generator));
            action = then.as_deref();
        }
        (wait, action)
    }

    /// Whether it needs an answer to work on.
    pub(crate) fn spoils_answer(&self) -> bool {
        matches!(
            self,
            Self::Truncate { .. }
                | Self::MalformedJson
                | Self::SlowBody { .. }
                | Self::WrongStatus { .. }
                | Self::WrongContentType { .. }
                | Self::DropFields { .. }
                | Self::NullFields { .. }
                | Self::ExtraFields { .. }
        )
    }
}

/// A status of 200 to 599 as the HTTP library's type.
pub(crate) fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
