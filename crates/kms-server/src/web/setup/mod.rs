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

pub(super) fn form() -> Form {
    Form::new(
        "setup",
        "/setup",
        "Set up",
        vec![
            Field::new("email", "E-mail address", Kind::Email).required(),
            Field::text("name", "Your name"),
            Field::new_password("password", "Password"),
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
    let password = given.new_password(&mut issues, "password");
    let (first_name, last_name) = given.person_name(&mut issues, "name");
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
