//! Forms: what is asked, what was given, what was wrong with it. One declaration serves the page, the answer to a refused form, and
//! the reading of it. What was typed into a masked field, or one of
//! several lines, never goes back into a page.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use kms_app::{Error, FieldIssue};
use kms_core::secret::SecretString;

use super::error::WebError;
use crate::api::extract::Issues;
use crate::state::ServerState;

/// What a person sent. `Debug` is left out on purpose: there may be secrets in it.
pub(super) struct Given(Vec<(String, String)>);

impl FromRequest<ServerState> for Given {
    type Rejection = WebError;

    async fn from_request(request: Request, state: &ServerState) -> Result<Self, WebError> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_too_large_or_cut| Error::bad_request("the form could not be read: it is larger than 4 MB, or was cut off"))?;
        serde_urlencoded::from_bytes(&bytes)
            .map(Self)
            .map_err(|_malformed| WebError(Error::bad_request("this is not a form")))
    }
}

impl Given {
    /// What was typed; empty if nothing was.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0
            .iter()
            .rfind(|(given, _)| given == name)
            .map_or("", |(_, value)| value.as_str())
    }

    /// What was typed, without blanks around it; none if nothing was.
    pub(super) fn optional(&self, name: &str) -> Option<String> {
        let text = self.text(name).trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Whether a box was ticked.
    pub(super) fn ticked(&self, name: &str) -> bool {
        matches!(self.text(name), "on" | "true" | "1")
    }

    /// All values of a repeated field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// A whole number; none, and no issue, if nothing was typed.
    pub(super) fn number<T: std::str::FromStr>(&self, issues: &mut Issues, name: &str) -> Option<T> {
        let text = self.optional(name)?;
        let number = text.parse().ok();
        issues.check(number.is_some(), name, "invalid_type", "must be a whole number, 0 or greater");
        number
    }

    /// A whole number that has to be given; an issue, and none, if it is not.
    pub(super) fn required_number<T: std::str::FromStr>(&self, issues: &mut Issues, name: &str) -> Option<T> {
        issues.check(self.optional(name).is_some(), name, "too_small", "must not be empty");
        self.number(issues, name)
    }

    /// First and last name out of one field: "Ada Lovelace" is a first and a last name; more words belong to the last.
    pub(super) fn person_name(&self, issues: &mut Issues, name: &str) -> (Option<String>, Option<String>) {
        let text = self.optional(name).unwrap_or_default();
        let (first, last) = text.split_once(' ').unwrap_or((&text, ""));
        let part = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        (issues.note(name, part(first), 64), issues.note(name, part(last), 64))
    }

    /// A password that somebody chooses.
    pub(super) fn new_password(&self, issues: &mut Issues, name: &str) -> SecretString {
        let password = self.secret(name);
        issues.password(name, &password);
        issues.check(
            self.text(name).chars().count() >= LEAST_PASSWORD,
            name,
            "too_small",
            "must have at least 12 characters",
        );
        password
    }

    /// A secret.
    pub(super) fn secret(&self, name: &str) -> SecretString {
        SecretString::new(self.text(name))
    }
}

/// Shortest password that people may choose on a screen, in characters.
const LEAST_PASSWORD: usize = 12;

/// How a field is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Email,
    /// A password; `new` where one is chosen.
    Password {
        new: bool,
    },
    /// Masked text that is no password of a person.
    Secret,
    Number,
    Choice(Vec<(String, String)>),
    Switch,
    /// Several lines.
    Area,
    /// A time of day; shown in the zone of whoever looks.
    Time,
    /// Goes along unseen.
    Hidden,
}

impl Kind {
    /// Value of the attribute `type`.
    pub(super) fn input_type(&self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Password { .. } | Self::Secret => "password",
            Self::Time => "time",
            Self::Hidden => "hidden",
            _ => "text",
        }
    }

    /// Value of the attribute `autocomplete`.
    pub(super) fn autocomplete(&self) -> &'static str {
        match self {
            Self::Email => "username",
            Self::Password { new: true } => "new-password",
            Self::Password { new: false } => "current-password",
            _ => "off",
        }
    }

    pub(super) fn is_masked(&self) -> bool {
        matches!(self, Self::Password { .. } | Self::Secret)
    }
}

/// A field of a form.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Its name in the form: the path of the API's body, so that the use case's issues find it.
    pub(super) name: String,
    pub(super) label: String,
    pub(super) help: String,
    pub(super) kind: Kind,
    pub(super) value: String,
    pub(super) error: Option<String>,
    pub(super) required: bool,
    /// Shown in the face for names and values.
    pub(super) mono: bool,
}

impl Field {
    pub(super) fn new(name: &str, label: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            help: String::new(),
            kind,
            value: String::new(),
            error: None,
            required: false,
            mono: false,
        }
    }

    pub(super) fn text(name: &str, label: &str) -> Self {
        Self::new(name, label, Kind::Text)
    }

    /// Where somebody chooses a password.
    pub(super) fn new_password(name: &str, label: &str) -> Self {
        Self::new(name, label, Kind::Password { new: true })
            .required()
            .helped("At least 12 characters. Several words that do not belong together are easy to remember and hard to guess.")
    }

    pub(super) fn hidden(name: &str, value: impl Into<String>) -> Self {
        Self::new(name, "", Kind::Hidden).valued(value)
    }

    pub(super) fn choice(name: &str, label: &str, options: impl IntoIterator<Item = (String, String)>) -> Self {
        Self::new(name, label, Kind::Choice(options.into_iter().collect()))
    }

    /// A field that a provider declares.
    pub(super) fn declared(below: &str, declared: &kms_app::connections::Field) -> Self {
        use kms_app::connections::FieldKind;
        let kind = match declared.kind {
            FieldKind::Text => Kind::Text,
            FieldKind::Secret => Kind::Secret,
            FieldKind::Number => Kind::Number,
            FieldKind::Choice(options) => Kind::Choice(
                options
                    .iter()
                    .map(|(value, label)| ((*value).to_owned(), (*label).to_owned()))
                    .collect(),
            ),
            FieldKind::Switch => Kind::Switch,
        };
        Self {
            required: declared.required,
            ..Self::new(&format!("{below}.{}", declared.name), declared.label, kind).helped(declared.help)
        }
    }

    pub(super) fn helped(mut self, help: &str) -> Self {
        help.clone_into(&mut self.help);
        self
    }

    pub(super) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(super) fn mono(mut self) -> Self {
        self.mono = true;
        self
    }

    pub(super) fn valued(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    pub(super) fn ticked(self, ticked: bool) -> Self {
        self.valued(if ticked { "on" } else { "" })
    }

    /// Takes what was typed, but for masked fields and those of several lines.
    pub(super) fn fill(&mut self, given: &Given) {
        if self.is_switch() {
            let ticked = if given.ticked(&self.name) { "on" } else { "" };
            ticked.clone_into(&mut self.value);
        } else if !self.kind.is_masked() && !self.is_area() {
            given.text(&self.name).clone_into(&mut self.value);
        }
    }

    /// Its id in the page.
    pub(super) fn id(&self, form: &str) -> String {
        format!("{form}-{}", self.name.replace('.', "-"))
    }

    /// What belongs to it, for those who hear the page. Ids consist of letters and dashes.
    pub(super) fn described(&self, id: &str) -> String {
        let help = if self.help.is_empty() {
            String::new()
        } else {
            format!("{id}-help ")
        };
        let invalid = if self.error.is_some() { " aria-invalid=\"true\"" } else { "" };
        format!(" aria-describedby=\"{help}{id}-error\"{invalid}")
    }

    pub(super) fn options(&self) -> Option<&[(String, String)]> {
        match &self.kind {
            Kind::Choice(options) => Some(options),
            _ => None,
        }
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.kind == Kind::Hidden
    }

    pub(super) fn is_switch(&self) -> bool {
        self.kind == Kind::Switch
    }

    pub(super) fn is_area(&self) -> bool {
        self.kind == Kind::Area
    }

    pub(super) fn is_number(&self) -> bool {
        self.kind == Kind::Number
    }

    pub(super) fn is_time(&self) -> bool {
        self.kind == Kind::Time
    }

    pub(super) fn is_new_password(&self) -> bool {
        self.kind == Kind::Password { new: true }
    }
}

/// A form.
#[derive(Debug, Clone)]
pub(super) struct Form {
    /// Distinguishes it from others of the page.
    pub(super) id: &'static str,
    /// Where it is sent.
    pub(super) action: String,
    pub(super) fields: Vec<Field>,
    /// What the button says.
    pub(super) submit: &'static str,
    /// What it says while the answer is awaited.
    pub(super) busy: &'static str,
    /// Where "Cancel" leads.
    pub(super) cancel: Option<String>,
    /// What is wrong with the whole.
    pub(super) error: Option<String>,
    /// The button deletes something.
    pub(super) danger: bool,
    /// Stands beside one that matters more.
    pub(super) secondary: bool,
    /// Answered with a page of its own: one that shows something once, or asks for more.
    pub(super) own_page: bool,
}

impl Form {
    pub(super) fn new(id: &'static str, action: impl Into<String>, submit: &'static str, fields: Vec<Field>) -> Self {
        Self {
            id,
            action: action.into(),
            fields,
            submit,
            busy: "Saving…",
            cancel: None,
            error: None,
            danger: false,
            secondary: false,
            own_page: false,
        }
    }

    pub(super) fn own_page(mut self) -> Self {
        self.own_page = true;
        self
    }

    pub(super) fn busy(mut self, busy: &'static str) -> Self {
        self.busy = busy;
        self
    }

    pub(super) fn cancel(mut self, href: impl Into<String>) -> Self {
        self.cancel = Some(href.into());
        self
    }

    pub(super) fn secondary(mut self) -> Self {
        self.secondary = true;
        self
    }

    pub(super) fn danger(mut self) -> Self {
        self.danger = true;
        self
    }

    /// With what was typed, but for masked fields and fields of several lines: values go into those, and do not go back into a page.
    pub(super) fn filled(mut self, given: &Given) -> Self {
        for field in &mut self.fields {
            field.fill(given);
        }
        self
    }

    /// This form, or the one that was not accepted if it is the same.
    pub(super) fn or_again(self, again: Option<&Self>) -> Self {
        again.filter(|again| again.id == self.id).cloned().unwrap_or(self)
    }

    /// With what was wrong: beside the fields where it belongs to one, else above the button.
    pub(super) fn refused(mut self, error: &Error) -> Self {
        let Error::Invalid { issues } = error else {
            self.error = Some(sentence(&error.to_string()));
            return self;
        };
        let mut rest = Vec::new();
        for issue in issues {
            match self.fields.iter_mut().find(|field| is_about(issue, &field.name)) {
                Some(field) if field.error.is_none() => field.error = Some(sentence(&issue.message)),
                Some(_) => {}
                None => rest.push(sentence(&issue.message)),
            }
        }
        if !rest.is_empty() {
            self.error = Some(rest.join(" "));
        }
        self
    }

    /// With what was wrong beside one field.
    pub(super) fn refused_at(mut self, name: &str, error: &Error) -> Self {
        if matches!(error, Error::Invalid { .. }) {
            return self.refused(error);
        }
        match self.fields.iter_mut().find(|field| field.name == name) {
            Some(field) => field.error = Some(sentence(&error.to_string())),
            None => self.error = Some(sentence(&error.to_string())),
        }
        self
    }
}

fn is_about(issue: &FieldIssue, name: &str) -> bool {
    issue.path.join(".") == name || issue.path.last().is_some_and(|last| last == name)
}

/// The text as a sentence of a page: a capital at its beginning, a full stop at its end.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut sentence: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    sentence.push_str(letters.as_str());
    if !sentence.ends_with(['.', '!', '?', '…']) {
        sentence.push('.');
    }
    sentence
}

/// Demands that the name was typed into `confirm`, before something that cannot be undone.
pub(super) fn require_typed(given: &Given, name: &str) -> Result<(), Error> {
    if given.text("confirm").trim() == name {
        Ok(())
    } else {
        Err(Error::invalid(
            "confirm",
            "custom",
            format!("type \"{name}\" to delete it; nothing was changed"),
        ))
    }
}
