#![doc = include_str!("README.md")]

mod calls;
mod listing;
mod rotation;
mod wire;

use async_trait::async_trait;
use http::{Method as HttpMethod, StatusCode};
use kms_core::secret::SecretString;
use serde_json::{Value, json};

use self::calls::{Api, Request};
pub use self::rotation::{OpenRouterApiKey, Parameters};
use crate::connector::{Connector, UnreadableCredentials};
use crate::declaration::{App, Field, FieldIssue, FieldKind, Method};
use crate::exchange::Verb;
use crate::outcome::CallError;
use crate::reading::Fields;
use crate::registry::Registry;
use crate::rotator::Outbound;

/// Where OpenRouter is.
#[derive(Debug, Clone)]
pub struct OpenRouterSettings {
    /// Address of the API up to and including `/api/v1`. A trailing slash, a query and credentials in it are left out.
    pub base_url: url::Url,
    /// Whether the operator chose the address: then it may be plain http and private.
    pub base_url_set_by_operator: bool,
}

/// Adds the app and its rotation to the registry.
pub(crate) fn register(registry: &mut Registry, settings: &OpenRouterSettings) {
    registry.add(OpenRouter::new(settings)).rotated_by(OpenRouterApiKey::new(settings));
}

/// Slug of the app.
const SLUG: &str = "open-router";

/// Longest key that is accepted, in characters. Real ones have 73.
const KEY_LIMIT: usize = 512;

const API_KEY: Field = Field {
    name: "apiKey",
    label: "Provisioning API Key",
    help: "Create one in OpenRouter under Settings → Provisioning API Keys (now called management keys). \
           An ordinary API key will not do: it cannot create keys.",
    kind: FieldKind::Secret,
    required: true,
};

static APP: App = App {
    slug: SLUG,
    name: "OpenRouter",
    help: "Issues and rotates OpenRouter API keys with a provisioning key (management key) of your OpenRouter account.",
    methods: &[Method {
        slug: "api-key",
        label: "API Key",
        fields: &[API_KEY],
    }],
};

/// The app OpenRouter.
#[derive(Debug, Clone)]
pub struct OpenRouter {
    api: Api,
}

/// What a connection to OpenRouter keeps.
#[derive(Debug, Clone)]
pub struct OpenRouterCredentials {
    /// The provisioning key.
    pub api_key: SecretString,
}

impl OpenRouter {
    /// OpenRouter at the given address.
    pub fn new(settings: &OpenRouterSettings) -> Self {
        Self { api: Api::new(settings) }
    }
}

/// Reads the field `apiKey` of a stored object; other fields are ignored.
fn stored_api_key(text: &SecretString) -> Result<SecretString, UnreadableCredentials> {
    #[derive(serde::Deserialize)]
    struct Stored {
        #[serde(rename = "apiKey")]
        api_key: SecretString,
    }
    // The reader's error may quote the text; it goes no further.
    serde_json::from_str::<Stored>(text.expose())
        .map(|stored| stored.api_key)
        .map_err(|_quotes_the_text| UnreadableCredentials)
}

#[async_trait]
impl Connector for OpenRouter {
    type Credentials = OpenRouterCredentials;

    fn app(&self) -> &'static App {
        &APP
    }

    fn read(&self, method: &str, given: &Value) -> Result<OpenRouterCredentials, Vec<FieldIssue>> {
        APP.known_method(method)?;
        let mut fields = Fields::of(given);
        let api_key = fields.secret(&API_KEY, KEY_LIMIT);
        fields.finish(OpenRouterCredentials { api_key })
    }

    fn to_plaintext(&self, credentials: &OpenRouterCredentials) -> SecretString {
        SecretString::new(json!({ "apiKey": credentials.api_key.expose() }).to_string())
    }

    fn from_plaintext(&self, method: &str, text: &SecretString) -> Result<OpenRouterCredentials, UnreadableCredentials> {
        APP.known_method(method).map_err(|_issues| UnreadableCredentials)?;
        stored_api_key(text).map(|api_key| OpenRouterCredentials { api_key })
    }

    fn public_part(&self, _credentials: &OpenRouterCredentials) -> Value {
        json!({})
    }

    /// Lists keys, which only a provisioning key may. Up to three more tries after an outage or 429, as long as the first
    /// tries together took no longer than the deadline of one request.
    async fn validate(&self, outbound: &Outbound<'_>, credentials: &OpenRouterCredentials) -> Result<(), CallError> {
        let key = &credentials.api_key;
        let outcome = self
            .api
            .read_patiently(outbound, &Request::bare(Verb::Validate, HttpMethod::GET, &["keys"], key))
            .await;
        let answer = calls::answered(outcome, &[key])?;
        if answer.status == StatusCode::OK {
            return Ok(());
        }
        match calls::call_error(&answer, "list the keys", &[key]) {
            // Whatever else it says, it says nothing about the key.
            CallError::Refused { reason } => Err(CallError::Unavailable { reason }),
            error => Err(error),
        }
    }
}
