//! The API's error object (`core-api.md` §2.2), and the one mapping to it.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kms_app::Error;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// What a handler answers instead of a result.
#[derive(Debug)]
pub struct ApiError(pub Error);

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// A result of a handler.
pub type ApiResult<T> = Result<Json<T>, ApiError>;

/// An error on its way out. The middleware adds the request id, logs it once and writes the body.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) kind: &'static str,
    pub(crate) message: Value,
    pub(crate) details: Option<Value>,
    /// For the log only.
    pub(crate) cause: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<Value>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            details: None,
            cause: None,
        }
    }
}

/// The error object.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// Names the request; `req-` and 14 letters and digits.
    pub req_id: String,
    /// The HTTP status.
    pub status_code: u16,
    /// For people. For invalid fields (422) an array of `{code, path, message}`.
    pub message: Value,
    /// Kind of error, for programs.
    pub error: String,
    /// More for programs, depending on the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let text = error.to_string();
        match error {
            Error::BadRequest { details, .. } => Self {
                details: details.clone(),
                ..Self::new(StatusCode::BAD_REQUEST, "BadRequest", text)
            },
            Error::Unauthorized { .. } => Self::new(StatusCode::UNAUTHORIZED, "UnauthorizedError", text),
            Error::Token { .. } => Self::new(StatusCode::FORBIDDEN, "TokenError", text),
            Error::PermissionDenied { missing } => Self {
                details: Some(json!([{ "action": missing.action, "subject": missing.subject }])),
                ..Self::new(StatusCode::FORBIDDEN, "PermissionDenied", text)
            },
            Error::Forbidden { details, .. } => Self {
                details: details.clone(),
                ..Self::new(StatusCode::FORBIDDEN, "ForbiddenError", text)
            },
            Error::Boundary { .. } => Self {
                details: Some(json!({ "missingPermissions": [] })),
                ..Self::new(StatusCode::FORBIDDEN, "PermissionBoundaryError", text)
            },
            Error::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "NotFound", text),
            Error::Invalid { issues } => {
                let list: Vec<Value> = issues
                    .iter()
                    .map(|issue| json!({ "code": issue.code, "path": issue.path, "message": issue.message }))
                    .collect();
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "ValidationFailure", list)
            }
            Error::RateLimited { .. } => Self::new(StatusCode::TOO_MANY_REQUESTS, "RateLimitExceeded", text),
            Error::Failed { .. } => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", text),
            Error::Unavailable { cause } => Self {
                cause: Some(cause.clone()),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", text)
            },
            Error::Internal { cause } => Self {
                cause: Some(cause.clone()),
                ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", text)
            },
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Problem::from(&self.0).into_response();
        let seconds = match &self.0 {
            Error::RateLimited { retry_after } => Some(retry_after.as_secs().max(1)),
            Error::Unavailable { .. } => Some(1),
            _ => None,
        };
        if let Some(seconds) = seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The body of a problem.
pub(crate) fn problem_response(problem: &Problem, request_id: &str) -> Response {
    let body = ErrorBody {
        req_id: request_id.to_owned(),
        status_code: problem.status.as_u16(),
        message: problem.message.clone(),
        error: problem.kind.to_owned(),
        details: problem.details.clone(),
    };
    (problem.status, Json(body)).into_response()
}

/// The errors that every operation can answer, for the API's documentation.
#[derive(utoipa::IntoResponses)]
pub enum ApiErrors {
    /// A rule was violated, something exists already, or the state does not allow it.
    #[response(status = 400)]
    BadRequest(ErrorBody),
    /// No, unknown, revoked or used-up credentials.
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// Not allowed, or the access token is expired or malformed.
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// No such thing, or not visible to the caller.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The body is of a type that is not understood.
    #[response(status = 415)]
    UnsupportedMediaType(ErrorBody),
    /// Invalid fields; `message` is an array.
    #[response(status = 422)]
    Invalid(ErrorBody),
    /// Too many requests.
    #[response(status = 429)]
    RateLimited(ErrorBody),
    /// Failed; the message says what is known.
    #[response(status = 500)]
    Failed(ErrorBody),
    /// The database is not available; nothing was changed.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}
