//! The first start.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kms_app::Error;
use kms_app::instance::FirstAdmin;
use kms_core::names::Email;

use super::error::WebResult;
use super::form::{Field, Form, Given, Kind};
use super::frame::Look;
use super::page::{Page, go, refuse};
use super::session::Visit;
use crate::api::extract::Issues;
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "setup/setup.html")]
pub(super) struct SetupPage {
    pub(super) look: Look,
    pub(super) form: Form,
}

/// Shortest password of the first administrator, in characters.
const LEAST: usize = 12;

pub(super) fn form() -> Form {
    Form::new(
        "setup",
        "/setup",
        "Set up",
        vec![
            Field::new("email", "E-mail address", Kind::Email).required(),
            Field::text("name", "Your name"),
            Field::new("password", "Password", Kind::Password { new: true })
                .required()
                .helped("At least 12 characters. Several words that do not belong together are easy to remember and hard to guess."),
            Field::text("organization", "Organization")
                .required()
                .helped("What your team or company is called. It can be changed later."),
        ],
    )
    .busy("Setting up…")
}

pub(super) async fn show(State(state): State<ServerState>, visit: Visit) -> WebResult {
    if state.app.get_instance().await?.initialized {
        return Ok(go(visit.part, "/login"));
    }
    Ok(Page(SetupPage {
        look: visit.look,
        form: form(),
    })
    .into_response())
}

pub(super) async fn set_up(State(state): State<ServerState>, visit: Visit, given: Given) -> WebResult {
    let refused = |error: &Error| -> Response {
        let form = form().filled(&given).refused(error);
        refuse(visit.part, form, |form| SetupPage { look: visit.look, form })
    };
    let mut issues = Issues::new();
    let email = issues.take("email", Email::parse(given.text("email")));
    let password = given.secret("password");
    issues.password("password", &password);
    issues.check(
        given.text("password").chars().count() >= LEAST,
        "password",
        "too_small",
        "must have at least 12 characters",
    );
    // "Ada Lovelace" is a first and a last name; more words belong to the last.
    let name = given.optional("name").unwrap_or_default();
    let (first, last) = name.split_once(' ').unwrap_or((&name, ""));
    let part = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    let (first_name, last_name) = (issues.note("name", part(first), 64), issues.note("name", part(last), 64));
    let organization = issues.short_text("organization", given.text("organization"));
    let (Some(email), true) = (email, issues.is_empty()) else {
        return Ok(refused(&issues.into_error()));
    };
    let admin = FirstAdmin {
        email,
        password,
        first_name,
        last_name,
        organization,
    };
    match state.app.sign_up_first_admin(admin, &visit.origin).await {
        Ok(signed_up) => {
            let mut response = go(visit.part, "/projects?done=set-up");
            visit.cookies.keep(&mut response, &signed_up.session);
            Ok(response)
        }
        Err(error @ (Error::BadRequest { .. } | Error::Invalid { .. })) => Ok(refused(&error)),
        Err(other) => Err(other.into()),
    }
}
