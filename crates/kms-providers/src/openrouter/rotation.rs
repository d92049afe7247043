//! Rotation of OpenRouter API keys.

use async_trait::async_trait;
use aws_lc_rs::digest;
use http::{Method, StatusCode};
use kms_core::secret::SecretString;
use serde_json::{Map, Number, Value, json};

use super::calls::{self, Api, Request};
use super::listing::Listing;
use super::wire::{self, CreateKey, CreatedKey, CurrentKey, CurrentKeyData, Deleted, Said};
use super::{OpenRouter, OpenRouterCredentials, OpenRouterSettings, SLUG};
use crate::connector::UnreadableCredentials;
use crate::declaration::{Field, FieldIssue, FieldKind, MappingField, RotationType};
use crate::exchange::{Answer, Verb};
use crate::marker::Marker;
use crate::outcome::{CallError, Confirmation, IssueError, Reason, Revocation, Verification};
use crate::reading::Fields;
use crate::rotator::{Found, Issued, Outbound, Rotator, Spending, SweepScope};

/// Longest name of a key, in characters: the configured one as well as the one sent, marker included.
const NAME_LIMIT: usize = 100;

const NAME: Field = Field {
    name: "name",
    label: "Key name",
    help: "The name of the key in OpenRouter. A short marker is appended to it.",
    kind: FieldKind::Text,
    required: true,
};

const LIMIT: Field = Field {
    name: "limit",
    label: "Limit",
    help: "What the key may spend, in US dollars. Empty: no limit.",
    kind: FieldKind::Number,
    required: false,
};

const LIMIT_RESET: Field = Field {
    name: "limitReset",
    label: "Limit reset",
    help: "When the spent amount starts again at zero: at midnight UTC, on Mondays, or on the first of the month.",
    kind: FieldKind::Choice(&[("", "Never"), ("daily", "Daily"), ("weekly", "Weekly"), ("monthly", "Monthly")]),
    required: false,
};

const INCLUDE_BYOK_IN_LIMIT: Field = Field {
    name: "includeByokInLimit",
    label: "Include BYOK in limit",
    help: "Whether usage through your own provider keys counts against the limit.",
    kind: FieldKind::Switch,
    required: false,
};

static TYPE: RotationType = RotationType {
    slug: "open-router-api-key",
    name: "OpenRouter API Key",
    app: SLUG,
    parameters: &[NAME, LIMIT, LIMIT_RESET, INCLUDE_BYOK_IN_LIMIT],
    mapping: &[MappingField {
        name: "apiKey",
        label: "API Key",
        default_secret: "OPEN_ROUTER_API_KEY",
    }],
};

/// The rotation type `open-router-api-key`.
#[derive(Debug, Clone)]
pub struct OpenRouterApiKey {
    api: Api,
}

/// What is asked for at each issue.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Name of the key, 1 to 100 characters, without marker.
    pub name: String,
    /// Spending cap in US dollars, above zero. Kept as it was given, so that 250 stays 250 and 25.5 stays 25.5.
    pub limit: Option<Number>,
    /// `daily`, `weekly` or `monthly`.
    pub limit_reset: Option<&'static str>,
    /// Whether BYOK usage counts against the cap. Absent: OpenRouter's default.
    pub include_byok_in_limit: Option<bool>,
}

impl OpenRouterApiKey {
    /// The rotation at the given address.
    pub fn new(settings: &OpenRouterSettings) -> Self {
        Self { api: Api::new(settings) }
    }

    /// Asks OpenRouter about a key with the key itself.
    async fn ask_about_itself(&self, outbound: &Outbound<'_>, verb: Verb, key: &SecretString) -> Result<Answer, CallError> {
        let request = Request::bare(verb, Method::GET, &["key"], key);
        calls::answered(self.api.read(outbound, &request).await, &[key])
    }
}

/// The key in a credential that [`OpenRouterApiKey`] issued.
fn key_of(credential: &SecretString) -> Result<SecretString, CallError> {
    super::stored_api_key(credential).map_err(|unreadable| CallError::Refused {
        reason: Reason::scrubbed(&unreadable.to_string(), &[]),
    })
}

/// The handle as a path segment.
fn checked(handle: &str) -> Result<&str, CallError> {
    if calls::is_handle(handle) {
        Ok(handle)
    } else {
        Err(CallError::Refused {
            reason: Reason::scrubbed("The stored hash of the key cannot be put into an address", &[]),
        })
    }
}

#[async_trait]
impl Rotator for OpenRouterApiKey {
    type Connector = OpenRouter;
    type Parameters = Parameters;

    fn rotation_type(&self) -> &'static RotationType {
        &TYPE
    }

    fn read_parameters(&self, given: &Value) -> Result<Parameters, Vec<FieldIssue>> {
        let mut fields = Fields::of(given);
        let parameters = Parameters {
            name: fields.text(&NAME, NAME_LIMIT),
            limit: fields.positive_number(&LIMIT),
            limit_reset: fields.choice(&LIMIT_RESET),
            include_byok_in_limit: fields.switch(&INCLUDE_BYOK_IN_LIMIT),
        };
        fields.finish(parameters)
    }

    fn show_parameters(&self, parameters: &Parameters) -> Value {
        let mut shown = Map::new();
        shown.insert(NAME.name.to_owned(), json!(parameters.name));
        if let Some(limit) = &parameters.limit {
            shown.insert(LIMIT.name.to_owned(), json!(limit));
        }
        if let Some(reset) = parameters.limit_reset {
            shown.insert(LIMIT_RESET.name.to_owned(), json!(reset));
        }
        if let Some(include) = parameters.include_byok_in_limit {
            shown.insert(INCLUDE_BYOK_IN_LIMIT.name.to_owned(), json!(include));
        }
        Value::Object(shown)
    }

    async fn issue(
        &self,
        outbound: &Outbound<'_>,
        credentials: &OpenRouterCredentials,
        parameters: &Parameters,
        marker: &Marker,
    ) -> Result<Issued, IssueError> {
        let secrets = [&credentials.api_key];
        let body = CreateKey {
            name: &marker.mark(&parameters.name, NAME_LIMIT),
            limit: parameters.limit.as_ref(),
            limit_reset: parameters.limit_reset,
            include_byok_in_limit: parameters.include_byok_in_limit,
        };
        let body = serde_json::to_vec(&body).map_err(|_unwritable| IssueError::Refused {
            reason: Reason::scrubbed("The parameters cannot be put into a request", &[]),
        })?;
        let request = Request {
            body: body.into(),
            ..Request::bare(Verb::Issue, Method::POST, &["keys"], &credentials.api_key)
        };
        let answer = self
            .api
            .send(outbound, &request)
            .await
            .map_err(|failure| calls::issue_failure(&failure, &secrets))?;
        if !answer.status.is_success() {
            return Err(calls::issue_error(&answer, &secrets));
        }
        issued(&answer).ok_or_else(|| IssueError::Uncertain {
            reason: Reason::scrubbed("OpenRouter's answer to the creation of a key lacks the key or its hash", &secrets),
        })
    }

    async fn sweep(
        &self,
        outbound: &Outbound<'_>,
        credentials: &OpenRouterCredentials,
        scope: SweepScope,
    ) -> Result<Vec<Found>, CallError> {
        Listing::new(&self.api, outbound, &credentials.api_key).run(scope).await
    }

    async fn verify(&self, outbound: &Outbound<'_>, parameters: &Parameters, credential: &SecretString) -> Result<Verification, CallError> {
        let key = key_of(credential)?;
        let answer = self.ask_about_itself(outbound, Verb::Verify, &key).await?;
        match answer.status {
            StatusCode::OK => {
                let current: CurrentKey = wire::read(&answer.body).ok_or_else(|| calls::unreadable("the key's properties"))?;
                compared(parameters, &current.data)
            }
            StatusCode::UNAUTHORIZED => Ok(Verification::NotYet(calls::refusal(&answer, &[&key]))),
            _ => Err(calls::key_call_error(&answer, &[&key])),
        }
    }

    async fn check(&self, outbound: &Outbound<'_>, credential: &SecretString) -> Result<Verification, CallError> {
        let key = key_of(credential)?;
        let answer = self.ask_about_itself(outbound, Verb::Check, &key).await?;
        match answer.status {
            StatusCode::OK => Ok(Verification::Works),
            StatusCode::UNAUTHORIZED => Ok(Verification::NotYet(calls::refusal(&answer, &[&key]))),
            _ => Err(calls::key_call_error(&answer, &[&key])),
        }
    }

    async fn spending(&self, outbound: &Outbound<'_>, credential: &SecretString) -> Result<Option<Spending>, CallError> {
        let key = key_of(credential)?;
        let answer = self.ask_about_itself(outbound, Verb::Spending, &key).await?;
        if answer.status != StatusCode::OK {
            return Err(calls::key_call_error(&answer, &[&key]));
        }
        let current: CurrentKey = wire::read(&answer.body).ok_or_else(|| calls::unreadable("what the key has spent"))?;
        spent(&current.data).map(Some)
    }

    async fn revoke(&self, outbound: &Outbound<'_>, credentials: &OpenRouterCredentials, handle: &str) -> Result<Revocation, CallError> {
        let secrets = [&credentials.api_key];
        let path = ["keys", checked(handle)?];
        let request = Request::bare(Verb::Revoke, Method::DELETE, &path, &credentials.api_key);
        let answer = calls::answered(self.api.send(outbound, &request).await, &secrets)?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(Revocation::AlreadyGone);
        }
        if answer.status != StatusCode::OK {
            return Err(calls::call_error(&answer, "delete the key", &secrets));
        }
        match wire::read::<Deleted>(&answer.body) {
            Some(Deleted { deleted: Some(true) }) => Ok(Revocation::Deleted),
            _ => Err(calls::unreadable("the confirmation that the key was deleted")),
        }
    }

    async fn confirm_revoked(
        &self,
        outbound: &Outbound<'_>,
        credentials: &OpenRouterCredentials,
        handle: &str,
        credential: Option<&SecretString>,
    ) -> Result<Confirmation, CallError> {
        if let Some(credential) = credential {
            let key = key_of(credential)?;
            let answer = self.ask_about_itself(outbound, Verb::Confirm, &key).await?;
            return match answer.status {
                StatusCode::UNAUTHORIZED => Ok(Confirmation::Dead),
                // A key that may not spend, or not from here, is still a key.
                StatusCode::OK | StatusCode::PAYMENT_REQUIRED | StatusCode::FORBIDDEN => Ok(Confirmation::StillAccepted),
                _ => Err(calls::key_call_error(&answer, &[&key])),
            };
        }
        let secrets = [&credentials.api_key];
        let path = ["keys", checked(handle)?];
        let request = Request::bare(Verb::Confirm, Method::GET, &path, &credentials.api_key);
        let answer = calls::answered(self.api.read(outbound, &request).await, &secrets)?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(Confirmation::Dead),
            StatusCode::OK => Ok(Confirmation::StillAccepted),
            _ => Err(calls::call_error(&answer, "show the key", &secrets)),
        }
    }

    fn publish(&self, credential: &SecretString) -> Result<Vec<(&'static str, SecretString)>, UnreadableCredentials> {
        super::stored_api_key(credential).map(|key| vec![("apiKey", key)])
    }
}

/// The key in the answer to its creation; `None` if it or its hash is missing.
fn issued(answer: &Answer) -> Option<Issued> {
    let created: CreatedKey = wire::read(&answer.body)?;
    let key = created.key.filter(|key| !key.is_empty())?;
    let hash = created.data?.hash.filter(|hash| calls::is_handle(hash))?;
    let sha256 = hex::encode(digest::digest(&digest::SHA256, key.expose().as_bytes()));
    Some(Issued {
        warning: (sha256 != hash).then_some("the hash that OpenRouter gave is not the SHA-256 of the key"),
        credential: SecretString::new(json!({"apiKey": key.expose(), "keyHash": hash}).to_string()),
        handle: hash,
    })
}

/// Compares what a key says about itself with what was asked for.
fn compared(parameters: &Parameters, current: &CurrentKeyData) -> Result<Verification, CallError> {
    let differs = |what: &str| Ok(Verification::Differs(Reason::scrubbed(what, &[])));
    if current.is_management_key.or(current.is_provisioning_key) == Some(true) {
        return differs("The new key is a provisioning key");
    }
    let limit = told(parameters.limit.is_some(), &current.limit, "the key's limit")?;
    let same = match (&parameters.limit, limit) {
        (None, None) => true,
        (Some(wanted), Some(actual)) => same_number(wanted, actual),
        _ => false,
    };
    if !same {
        return differs(&format!(
            "The new key's limit is {} instead of {}",
            shown(limit.map(ToString::to_string)),
            shown(parameters.limit.as_ref().map(ToString::to_string))
        ));
    }
    let reset = told(parameters.limit_reset.is_some(), &current.limit_reset, "the key's limit reset")?.map(String::as_str);
    if reset != parameters.limit_reset {
        return differs(&format!(
            "The new key's limit reset is {} instead of {}",
            shown(reset.map(str::to_owned)),
            shown(parameters.limit_reset.map(str::to_owned))
        ));
    }
    match (parameters.include_byok_in_limit, current.include_byok_in_limit) {
        (Some(wanted), Some(actual)) if wanted != actual => {
            differs("The new key does not treat usage through your own provider keys as asked for")
        }
        (Some(_), None) => Err(calls::unreadable("whether BYOK usage counts")),
        _ => Ok(Verification::Works),
    }
}

/// What a key says that it has spent. Of a limit that is reset, what is left of it tells more than what was ever spent.
fn spent(current: &CurrentKeyData) -> Result<Spending, CallError> {
    let limit = told(false, &current.limit, "the key's limit")?.and_then(Number::as_f64);
    let reset = told(false, &current.limit_reset, "the key's limit reset")?.cloned();
    let spent = match (limit, current.limit_remaining) {
        (Some(limit), Some(remaining)) => Some(limit - remaining),
        _ => current.usage,
    };
    let spent = spent.ok_or_else(|| calls::unreadable("what the key has spent"))?;
    Ok(Spending {
        spent: spent.max(0.0),
        limit,
        reset,
    })
}

/// What the answer says about a property: nothing at all is no answer if something was asked for.
fn told<'a, T>(asked_for: bool, said: &'a Said<T>, what: &str) -> Result<Option<&'a T>, CallError> {
    match said {
        Said::Value(value) => Ok(Some(value)),
        Said::Nothing if asked_for => Err(calls::unreadable(what)),
        Said::Nothing | Said::Null => Ok(None),
    }
}

fn shown(value: Option<String>) -> String {
    value.unwrap_or_else(|| "none".to_owned())
}

/// Whether two amounts are the same: 250 and 250.0 are, and what differs only by rounding in between is.
fn same_number(left: &Number, right: &Number) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => (left - right).abs() <= left.abs().max(right.abs()) * 1e-9,
        _ => false,
    }
}
