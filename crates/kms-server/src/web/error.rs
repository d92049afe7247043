//! What is shown when something went wrong. The same errors as the API's, in words for a page.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kms_app::Error;

use super::form::sentence;
use super::frame::Look;
use super::page::Page;
use crate::api::error::Problem;

/// An error of a screen.
#[derive(Debug)]
pub(super) struct WebError(pub(super) Error);

impl<E: Into<Error>> From<E> for WebError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// Result of a screen.
pub(super) type WebResult = Result<Response, WebError>;

/// An error on its way to the layer that knows how the page is to look ([`super::session::around`]).
#[derive(Debug, Clone)]
pub(super) struct Unshown {
    pub(super) status: StatusCode,
    pub(super) message: String,
    /// The person has to log in (again).
    pub(super) login: bool,
    cause: Option<String>,
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let problem = Problem::from(&self.0);
        let message = match &self.0 {
            Error::Invalid { issues } => issues.iter().map(|issue| sentence(&issue.message)).collect::<Vec<_>>().join(" "),
            other => sentence(&other.to_string()),
        };
        let mut response = problem.status.into_response();
        response.extensions_mut().insert(Unshown {
            status: problem.status,
            message,
            login: matches!(self.0, Error::Unauthorized { .. } | Error::Token { .. }),
            cause: problem.cause,
        });
        response
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    look: Look,
    status: u16,
    heading: &'static str,
    message: &'a str,
    request_id: &'a str,
}

#[derive(Template)]
#[template(path = "error_toast.html")]
struct ErrorToast<'a> {
    message: &'a str,
    request_id: &'a str,
}

fn heading(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::FORBIDDEN => "You may not do this",
        StatusCode::TOO_MANY_REQUESTS => "Too many tries",
        StatusCode::SERVICE_UNAVAILABLE => "Hanzo KMS is not available at the moment",
        status if status.is_server_error() => "Something went wrong here",
        _ => "This could not be done",
    }
}

impl Unshown {
    /// An error that no use case made.
    pub(super) fn new(status: StatusCode, message: &str) -> Self {
        Self {
            status,
            message: message.to_owned(),
            login: false,
            cause: None,
        }
    }

    /// As a page, or as a notice on the page where it happened. Logged here, once.
    pub(super) fn show(&self, look: Look, part: bool, request_id: &str) -> Response {
        match &self.cause {
            Some(cause) => tracing::error!(request_id, status = self.status.as_u16(), cause, "web.request.failed"),
            None => tracing::info!(request_id, status = self.status.as_u16(), "web.request.refused"),
        }
        let mut response = if part {
            let mut response = Page(ErrorToast {
                message: &self.message,
                request_id,
            })
            .into_response();
            // The part that was asked for stays as it is; only the notice is added.
            response.headers_mut().insert("hx-reswap", HeaderValue::from_static("none"));
            response
        } else {
            Page(ErrorPage {
                look,
                status: self.status.as_u16(),
                heading: heading(self.status),
                message: &self.message,
                request_id,
            })
            .into_response()
        };
        *response.status_mut() = self.status;
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
