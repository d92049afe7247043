//! What a provider says about itself. The form, the options endpoint and the API's schema come from the same declaration.

use serde::Serialize;

/// One problem with one field that somebody filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldIssue {
    /// Machine-readable kind: `invalid_type`, `too_small`, `too_big`, `invalid_string`, `invalid_enum_value`, `custom`.
    pub code: &'static str,
    /// Where, from the object that was given (`["apiKey"]`).
    pub path: Vec<String>,
    /// For people.
    pub message: String,
}

impl FieldIssue {
    /// An issue at one field.
    pub fn at(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            path: vec![field.to_owned()],
            message: message.into(),
        }
    }
}

/// How a field is shown and filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// One line of text.
    Text,
    /// Masked text that is never given back.
    Secret,
    /// A decimal number.
    Number,
    /// One of a fixed list of (value, label). An empty value stands for leaving the field out.
    Choice(&'static [(&'static str, &'static str)]),
    /// Yes or no.
    Switch,
}

/// A field of a form: of an app's credentials or of a rotation's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Name in the API (`apiKey`).
    pub name: &'static str,
    /// Label on the screen ("Provisioning API Key").
    pub label: &'static str,
    /// A sentence of help, or empty.
    pub help: &'static str,
    /// Kind of input.
    pub kind: FieldKind,
    /// Whether it must be given.
    pub required: bool,
}

/// A way to authenticate at an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Slug in the API (`api-key`).
    pub slug: &'static str,
    /// Label on the screen ("API Key").
    pub label: &'static str,
    /// Fields of the credentials.
    pub fields: &'static [Field],
}

/// An app that connections can be made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct App {
    /// Slug in the API (`open-router`).
    pub slug: &'static str,
    /// Display name ("OpenRouter").
    pub name: &'static str,
    /// One line on what it is and where to get the credentials.
    pub help: &'static str,
    /// The ways to authenticate.
    pub methods: &'static [Method],
}

impl App {
    /// The method with this slug.
    pub fn method(&self, slug: &str) -> Option<&'static Method> {
        self.methods.iter().find(|method| method.slug == slug)
    }

    /// The method with this slug, or the issue to answer with. Its path is empty: the method stands beside the credentials, not
    /// in them.
    pub fn known_method(&self, slug: &str) -> Result<&'static Method, Vec<FieldIssue>> {
        self.method(slug).ok_or_else(|| {
            vec![FieldIssue {
                code: "invalid_enum_value",
                path: Vec::new(),
                message: format!("{} has no such method to authenticate", self.name),
            }]
        })
    }
}

/// A field of a rotation's mapping: what of the credential goes into which secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappingField {
    /// Name in the API (`apiKey`).
    pub name: &'static str,
    /// Label on the screen ("API Key").
    pub label: &'static str,
    /// Suggested secret name (`OPEN_ROUTER_API_KEY`).
    pub default_secret: &'static str,
}

/// A type of Secret Rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationType {
    /// Slug in the API (`open-router-api-key`).
    pub slug: &'static str,
    /// Display name ("OpenRouter API Key").
    pub name: &'static str,
    /// Slug of the app its connections belong to.
    pub app: &'static str,
    /// Fields of the parameters.
    pub parameters: &'static [Field],
    /// Fields of the mapping.
    pub mapping: &'static [MappingField],
}
