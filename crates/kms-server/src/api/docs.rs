//! The API's documentation: its description (OpenAPI 3.1) at `/api/docs/json`, and a page to read and try it at `/api/docs`.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

use super::error::Problem;
use crate::state::ServerState;

const DESCRIPTION: &str = "\
Hanzo KMS keeps secrets, App Connections, and Secret Rotations that exchange API keys by themselves.

**Authentication.** Send an access token as `Authorization: Bearer <token>`: that of a machine identity, or a person's. \
Missing, unknown and revoked credentials are answered with 401; an access token that is expired or malformed with 403 and `TokenError`.

**Bodies.** JSON. Unknown keys are ignored. `null` means absent, unless a field says that `null` clears it. Times are UTC with \
milliseconds (`2026-01-31T10:20:30.123Z`), ids are lower-case UUIDs. Success is always 200.

**Errors.** Every error has the body of the schema `ErrorBody`. For invalid fields (422) its `message` is an array that names each of them.

**Generations.** Some things have several paths, from different generations of clients. They do the same and differ in names only.

**Caching.** Answers to GET carry an `ETag`; with `If-None-Match` an unchanged answer is 304 without a body.";

/// The description without its operations.
#[derive(OpenApi)]
#[openapi(
    info(title = "Hanzo KMS", description = DESCRIPTION, license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")),
    servers((url = "/", description = "This server")),
    modifiers(&Security),
    components(schemas(super::error::ErrorBody)),
    tags(
        (name = "Instance", description = "State of the instance and its first start."),
        (name = "Login", description = "People log in, select an organization, and end their sessions."),
        (name = "Users", description = "One's own account."),
        (name = "Organizations", description = "Organizations and who belongs to them."),
        (name = "Machine Identities", description = "Programs that act: identities of the organization and their roles."),
        (name = "Universal Auth", description = "Machine identities that log in with a client id and a client secret."),
        (name = "Token Auth", description = "Machine identities that use tokens made for them."),
        (name = "Access Tokens", description = "Renewing and revoking the tokens of machine identities."),
        (name = "Projects", description = "Projects hold environments with secrets, connections and rotations of their own."),
        (name = "Environments", description = "The environments of a project."),
        (name = "Project Members", description = "Who may do what in a project."),
        (name = "Folders", description = "Folders of an environment."),
        (name = "Secrets", description = "Secrets with their versions, in two generations of paths."),
        (name = "App Connections", description = "The credentials with which Hanzo KMS acts on other services. They are validated when they are saved, sealed, and never given back."),
        (name = "Secret Rotations", description = "Keys that Hanzo KMS issues at a provider, publishes as secrets, and exchanges on a schedule."),
        (name = "Audit Logs", description = "Who did what, when and from where."),
    ),
)]
pub(super) struct Document;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("An access token of a machine identity or a person."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// What the page may do: it brings its own styles with it, and talks to this server only.
const POLICY: (HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// Where the page, its description and the page's files are.
pub(crate) const PATHS: [&str; 3] = ["/api/docs", "/api/docs/json", "/api/docs/{file}"];

/// The routes for a document, and for the page that shows it.
pub(super) fn routes(document: &utoipa::openapi::OpenApi) -> Router<ServerState> {
    let text = document.to_json().map(Bytes::from).map_err(|error| error.to_string());
    // No check of the document by somebody else's server.
    let config = Arc::new(
        Config::from(PATHS[1])
            .validator_url("none")
            .deep_linking(true)
            .doc_expansion("none"),
    );
    Router::new()
        // The page's files are named relative to it.
        .route(PATHS[0], get(|| async { Redirect::to("/api/docs/index.html") }))
        .route(PATHS[1], get(move || std::future::ready(described(&text))))
        .route(
            PATHS[2],
            get(move |Path(file): Path<String>| std::future::ready(page(&file, config.clone()))),
        )
}

fn described(text: &Result<Bytes, String>) -> Response {
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text.clone()).into_response(),
        Err(cause) => broken(cause.clone()),
    }
}

fn page(file: &str, config: Arc<Config<'static>>) -> Response {
    match utoipa_swagger_ui::serve(file, config) {
        Ok(Some(found)) => {
            let headers = [(header::CONTENT_TYPE, found.content_type), (POLICY.0, POLICY.1.to_owned())];
            let mut response = (headers, found.bytes.into_owned()).into_response();
            if found.gzpipped {
                let encoding = axum::http::HeaderValue::from_static("gzip");
                response.headers_mut().insert(header::CONTENT_ENCODING, encoding);
            }
            response
        }
        Ok(None) => Problem::new(StatusCode::NOT_FOUND, "NotFound", "the documentation has no such file").into_response(),
        Err(error) => broken(error.to_string()),
    }
}

fn broken(cause: String) -> Response {
    let problem = Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalServerError",
        "something went wrong on the server",
    );
    Problem {
        cause: Some(cause),
        ..problem
    }
    .into_response()
}
