//! Answers of screens.

use askama::Template;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use kms_app::Error;

use super::error::{WebError, WebResult};
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

/// The problems of a form that was not accepted, where its page is still there.
fn problems(form: &Form) -> Response {
    unprocessable(FormErrors { form })
}

/// A page that shows a form that was not accepted.
fn unprocessable<T: Template>(page: T) -> Response {
    let mut response = Page(page).into_response();
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

/// The answer to a form that was not accepted: the problems alone where its page is still there, else the page with the form.
pub(super) fn refuse<T: Template>(part: bool, form: Form, page: impl FnOnce(Form) -> T) -> Response {
    if part { problems(&form) } else { unprocessable(page(form)) }
}

impl Viewer {
    /// Leads on, after something was done.
    pub(super) fn go(&self, to: &str) -> Response {
        go(self.part, to)
    }

    /// The answer to a form that was not accepted, if the person can do something about it there; else the error. `at`: the field
    /// that it is about, where the error itself does not say.
    pub(super) async fn refuse<T: Template, F: Future<Output = Result<T, Error>>>(
        &self,
        error: Error,
        form: Form,
        given: &Given,
        at: Option<&str>,
        page: impl FnOnce(Form) -> F,
    ) -> WebResult {
        if matches!(
            error,
            Error::Unavailable { .. } | Error::Internal { .. } | Error::NotFound { .. } | Error::Token { .. }
        ) {
            return Err(WebError(error));
        }
        let form = form.filled(given);
        let form = match at {
            Some(name) => form.refused_at(name, &error),
            None => form.refused(&error),
        };
        if self.part {
            return Ok(problems(&form));
        }
        Ok(unprocessable(page(form).await?))
    }
}

/// `text` as a part of an address.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
