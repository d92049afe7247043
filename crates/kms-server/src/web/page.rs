//! Answers of screens.

use askama::Template;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::error::WebError;
use kms_app::Error;

use super::form::{Form, Given};
use super::session::Viewer;

/// A page, or a part of one.
pub(super) struct Page<T>(pub(super) T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(html) => Html(html).into_response(),
            Err(error) => WebError(kms_app::Error::internal(error)).into_response(),
        }
    }
}

const REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

/// Leads to another page, after something was done.
pub(super) fn go(part: bool, to: &str) -> Response {
    // Addresses are made of ids and encoded text.
    let Ok(value) = HeaderValue::from_str(to) else {
        return WebError(kms_app::Error::internal("an address that is none")).into_response();
    };
    if part {
        ([(REDIRECT, value)], StatusCode::OK).into_response()
    } else {
        ([(header::LOCATION, value)], StatusCode::SEE_OTHER).into_response()
    }
}

#[derive(Template)]
#[template(path = "form_errors.html")]
struct FormErrors<'a> {
    form: &'a Form,
}

/// The answer to a form that was refused: the problems alone where the page is still there, else the page with the form.
pub(super) fn refuse<T: Template>(part: bool, form: &Form, page: impl FnOnce() -> T) -> Response {
    let mut response = if part {
        Page(FormErrors { form }).into_response()
    } else {
        Page(page()).into_response()
    };
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

/// A form that was not accepted.
pub(super) enum Refused {
    /// The page is still there: these are the problems alone.
    Part(Response),
    /// The page has to be shown again, with this form.
    Page(Box<Form>),
}

impl Viewer {
    /// Leads on, after something was done.
    pub(super) fn go(&self, to: &str) -> Response {
        go(self.part, to)
    }

    /// Turns an error into a form that was not accepted, if the person can do something about it there. `at`: the field
    /// that it is about, where the error itself does not say.
    pub(super) fn refused(&self, error: Error, form: Form, given: &Given, at: Option<&str>) -> Result<Refused, WebError> {
        let correctable = !matches!(
            error,
            Error::Unavailable { .. } | Error::Internal { .. } | Error::NotFound { .. } | Error::Token { .. }
        );
        if !correctable {
            return Err(WebError(error));
        }
        let form = form.filled(given);
        let form = match at {
            Some(name) => form.refused_at(name, &error),
            None => form.refused(&error),
        };
        Ok(if self.part {
            let mut response = Page(FormErrors { form: &form }).into_response();
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            Refused::Part(response)
        } else {
            Refused::Page(Box::new(form))
        })
    }
}

/// A page with a form that was not accepted.
pub(super) fn unprocessable<T: Template>(page: T) -> Response {
    let mut response = Page(page).into_response();
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

/// `text` as a part of an address.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
