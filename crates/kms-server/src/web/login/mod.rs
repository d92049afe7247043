//! Logging in and out.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use kms_app::Error;
use kms_app::sessions::SessionGrant;
use kms_core::names::Email;
use serde::Deserialize;

use super::error::WebResult;
use super::form::{Field, Form, Given, Kind};
use super::frame::Look;
use super::invitation;
use super::page::{Page, go, refuse};
use super::session::Visit;
use crate::api::extract::Issues;
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "login/login.html")]
pub(super) struct LoginPage {
    pub(super) look: Look,
    pub(super) form: Form,
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    next: Option<String>,
}

pub(super) fn form(next: &str) -> Form {
    Form::new(
        "login",
        "/login",
        "Log in",
        vec![
            Field::new("email", "E-mail address", Kind::Email).required(),
            Field::new("password", "Password", Kind::Password { new: false }).required(),
            Field::hidden("next", next),
        ],
    )
    .busy("Logging in…")
}

/// An address of this site; anything else leads to the first page.
fn local(next: &str) -> &str {
    if next.starts_with('/') && !next.starts_with("//") && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        next
    } else {
        "/projects"
    }
}

pub(super) async fn show(State(state): State<ServerState>, visit: Visit, Query(wanted): Query<Wanted>) -> WebResult {
    if !state.app.get_instance().await?.initialized {
        return Ok(go(visit.part, "/setup"));
    }
    let next = wanted.next.unwrap_or_default();
    if visit.signed_in.is_some_and(|signed_in| signed_in.org().is_some()) {
        return Ok(go(visit.part, local(&next)));
    }
    Ok(Page(LoginPage {
        look: visit.look,
        form: form(local(&next)),
    })
    .into_response())
}

pub(super) async fn log_in(State(state): State<ServerState>, visit: Visit, given: Given) -> WebResult {
    let refused = |error: &Error| -> Response {
        let form = form(local(given.text("next"))).filled(&given).refused(error);
        refuse(visit.part, form, |form| LoginPage { look: visit.look, form })
    };
    let mut issues = Issues::new();
    let email = issues.take("email", Email::parse(given.text("email")));
    let password = given.secret("password");
    issues.password("password", &password);
    let (Some(email), true) = (&email, issues.is_empty()) else {
        return Ok(refused(&issues.into_error()));
    };
    let grant = match state.app.log_in(email, password, &visit.origin).await {
        Ok(grant) => grant,
        Err(error @ (Error::BadRequest { .. } | Error::RateLimited { .. })) => return Ok(refused(&error)),
        Err(other) => return Err(other.into()),
    };
    let signed_in = state
        .app
        .authenticate_user(grant.access_token.expose(), visit.origin.clone())
        .await?;
    let orgs = state.app.list_own_orgs(&signed_in).await?;
    let Some((org, _member)) = orgs.first() else {
        // Whoever is invited belongs to none before they join.
        if given.text("next") == invitation::PATH {
            let mut response = go(visit.part, invitation::PATH);
            visit.cookies.keep(&mut response, &grant);
            return Ok(response);
        }
        let error = Error::forbidden("you are not a member of any organization; ask an administrator to invite you");
        return Ok(refused(&error));
    };
    // The token that renews the session came with the login, and stays as it is.
    let session = SessionGrant {
        refresh_token: grant.refresh_token,
        ..state.app.select_org(&signed_in, org.id).await?
    };
    let mut response = go(visit.part, local(given.text("next")));
    visit.cookies.keep(&mut response, &session);
    Ok(response)
}

pub(super) async fn log_out(State(state): State<ServerState>, visit: Visit) -> WebResult {
    if let Some(signed_in) = &visit.signed_in {
        state.app.log_out(signed_in).await?;
    }
    let mut response = go(visit.part, "/login");
    visit.cookies.forget(&mut response);
    Ok(response)
}
