//! The dashboard: screens, rendered on the server. One folder a screen, its template beside it.
//!
//! A screen takes a [`session::Viewer`], calls the same use cases as the API, and answers a page. Forms are plain forms; where
//! scripts run, they are sent in the background, the problems are put beside the fields, and nothing that was typed is lost.
//! To add a screen: a folder, a line in [`routes`], a place in [`frame`].

mod access;
mod account;
mod assets;
mod audit;
mod charts;
mod components;
mod connections;
mod environments;
mod error;
mod find;
mod folders;
mod form;
mod form_page;
mod frame;
pub(crate) mod invitation;
mod login;
mod organization;
mod page;
mod place;
mod project_settings;
mod projects;
mod rotations;
mod secret;
mod secrets;
mod session;
mod setup;
mod show;

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::csrf::CsrfLayer;

use crate::middleware::RequestId;
use crate::state::ServerState;

/// All screens.
pub(crate) fn routes(state: &ServerState) -> Router<ServerState> {
    let screens = Router::new()
        .route("/", get(async |visit: session::Visit| page::go(visit.part, "/projects")))
        .route("/setup", get(setup::show).post(setup::set_up))
        .route("/login", get(login::show).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/theme", post(account::choose_theme))
        .route("/account", get(account::show))
        .route("/account/password", post(account::change_password))
        .route("/account/sessions/{session}/end", post(account::end_session))
        .route(invitation::PATH, get(invitation::show).post(invitation::accept))
        .route("/organizations/select", post(account::select_org))
        .route("/organizations/new", get(organization::new).post(organization::create))
        .route("/organization-settings", get(organization::settings).post(organization::save))
        .route("/projects", get(projects::list))
        .route("/projects/new", get(projects::new).post(projects::create))
        .route("/app-connections", get(connections::of_org))
        .route("/app-connections/new", get(connections::apps))
        .route("/app-connections/new/{app}", get(connections::new).post(connections::create))
        .route("/app-connections/{app}/{id}", get(connections::one).post(connections::save))
        .route("/app-connections/{app}/{id}/delete", post(connections::delete))
        .route("/projects/{project}/integrations", get(connections::of_project))
        .route("/projects/{project}/secrets", get(secrets::overview))
        .route("/projects/{project}/secrets/{environment}", get(secrets::environment))
        .route(
            "/projects/{project}/secrets/{environment}/new",
            get(secrets::new).post(secrets::create),
        )
        .route(
            "/projects/{project}/secrets/{environment}/import",
            get(secrets::import_form).post(secrets::import),
        )
        .route("/projects/{project}/secrets/{environment}/download", post(secrets::download))
        .route("/projects/{project}/secrets/{environment}/delete", post(secrets::delete))
        .route("/projects/{project}/secret/{secret}", get(secret::show).post(secret::save))
        .route("/projects/{project}/secret/{secret}/reveal", post(secret::reveal))
        .route("/projects/{project}/secret/{secret}/restore", post(secret::restore))
        .route("/projects/{project}/secret/{secret}/delete", post(secret::delete))
        .route(
            "/projects/{project}/folders/{environment}/new",
            get(folders::new).post(folders::create),
        )
        .route(
            "/projects/{project}/folders/{environment}/{folder}",
            get(folders::show).post(folders::save),
        )
        .route("/projects/{project}/folders/{environment}/{folder}/delete", post(folders::delete))
        .route("/projects/{project}/live", get(rotations::live))
        .route("/projects/{project}/rotations", get(rotations::list))
        .route("/projects/{project}/rotations/new", get(rotations::types))
        .route(
            "/projects/{project}/rotations/new/{kind}",
            get(rotations::start).post(rotations::step),
        )
        .route("/projects/{project}/rotations/{rotation}", get(rotations::show))
        .route("/projects/{project}/rotations/{rotation}/spending", get(rotations::spending))
        .route("/projects/{project}/rotations/{rotation}/rotate", post(rotations::rotate_now))
        .route("/projects/{project}/rotations/{rotation}/check", post(rotations::check))
        .route(
            "/projects/{project}/rotations/{rotation}/edit",
            get(rotations::edit).post(rotations::save),
        )
        .route(
            "/projects/{project}/rotations/{rotation}/delete",
            get(rotations::delete_form).post(rotations::delete),
        )
        .route("/_components", get(components::show))
        .route("/find", get(find::find))
        .route("/audit-logs", get(audit::of_org))
        .route("/audit-logs/export", get(audit::export_of_org))
        .route("/projects/{project}/audit-logs/export", get(audit::export_of_project))
        .route("/projects/{project}/audit-logs", get(audit::of_project))
        .route(
            "/projects/{project}/settings",
            get(project_settings::show).post(project_settings::save),
        )
        .route("/projects/{project}/environments", post(environments::add))
        .route(
            "/projects/{project}/environments/{environment}",
            get(environments::show).post(environments::save),
        )
        .route("/projects/{project}/environments/{environment}/delete", post(environments::delete))
        .route("/projects/{project}/delete", post(project_settings::delete));
    let screens = screens.merge(access_routes());
    // The address that people use may differ from the host that a proxy asks for.
    let csrf = CsrfLayer::new();
    let csrf = match &state.settings.public_url {
        Some(url) => csrf.clone().add_trusted_origin(url).unwrap_or(csrf),
        None => csrf,
    };
    screens
        .layer(csrf)
        .layer(from_fn_with_state(state.clone(), session::around))
        .route(assets::PATH, get(assets::serve))
}

/// The screens about members.
fn access_routes() -> Router<ServerState> {
    use access::{identities, people, project_identities, project_people, universal_auth};
    Router::new()
        .route("/access-control", get(access::of_org))
        .route("/access-control/users", get(people::list).post(people::invite))
        .route("/access-control/users/{membership}", get(people::one).post(people::save))
        .route("/access-control/users/{membership}/remove", post(people::remove))
        .route("/access-control/invitations/{invitation}/withdraw", post(people::withdraw))
        .route("/access-control/identities", get(identities::list))
        .route("/access-control/identities/new", get(identities::new).post(identities::create))
        .route("/access-control/identities/{identity}", get(identities::one).post(identities::save))
        .route("/access-control/identities/{identity}/delete", post(identities::delete))
        .route("/access-control/identities/{identity}/universal-auth", post(universal_auth::save))
        .route(
            "/access-control/identities/{identity}/universal-auth/add",
            post(universal_auth::add),
        )
        .route(
            "/access-control/identities/{identity}/universal-auth/remove",
            post(universal_auth::remove),
        )
        .route(
            "/access-control/identities/{identity}/universal-auth/clear-lockouts",
            post(universal_auth::clear_lockouts),
        )
        .route(
            "/access-control/identities/{identity}/client-secrets",
            post(universal_auth::create_client_secret),
        )
        .route(
            "/access-control/identities/{identity}/client-secrets/{secret}/revoke",
            post(universal_auth::revoke_client_secret),
        )
        .route("/projects/{project}/access-control", get(access::of_project))
        .route(
            "/projects/{project}/access-control/users",
            get(project_people::list).post(project_people::add),
        )
        .route(
            "/projects/{project}/access-control/users/{membership}",
            get(project_people::one).post(project_people::save),
        )
        .route(
            "/projects/{project}/access-control/users/{membership}/remove",
            post(project_people::remove),
        )
        .route(
            "/projects/{project}/access-control/identities",
            get(project_identities::list).post(project_identities::add),
        )
        .route(
            "/projects/{project}/access-control/identities/{identity}",
            get(project_identities::one).post(project_identities::save),
        )
        .route(
            "/projects/{project}/access-control/identities/{identity}/remove",
            post(project_identities::remove),
        )
}

/// Whether a browser asks for a page or sends a form, and not the API.
pub(crate) fn is_screen(request: &Request) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    !request.uri().path().starts_with("/api/") && accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

/// Whether somebody looks for a page, not for the API.
pub(crate) fn wants_page(request: &Request) -> bool {
    request.method() == Method::GET && is_screen(request)
}

/// The page for a client that has used up its limit of requests.
pub(crate) fn too_many(request_id: &str, retry_after: std::time::Duration) -> Response {
    let seconds = retry_after.as_secs().max(1);
    let message = format!("Too many requests came from your address. Nothing was changed. Try again in {seconds} seconds.");
    let mut response = error::Unshown::new(StatusCode::TOO_MANY_REQUESTS, &message).show(frame::Look::default(), false, request_id);
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

/// The page for an address that leads nowhere.
pub(crate) fn nothing_here(state: &ServerState, request: Request) -> Response {
    let (parts, _body) = request.into_parts();
    let request_id = parts.extensions.get::<RequestId>().map_or("", |id| id.0.as_str());
    error::Unshown::new(
        StatusCode::NOT_FOUND,
        "The address leads nowhere. It may have been mistyped, or what stood here was deleted.",
    )
    .show(session::look(&parts, &state.settings), false, request_id)
    .into_response()
}
