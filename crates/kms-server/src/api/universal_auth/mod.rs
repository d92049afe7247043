//! Universal Auth: client ids and client secrets of machine identities.

mod client_secrets;
mod login;
mod settings;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(login::log_in))
        .routes(routes!(settings::attach, settings::update, settings::get, settings::detach))
        .routes(routes!(settings::clear_lockouts))
        .routes(routes!(client_secrets::create, client_secrets::list))
        .routes(routes!(client_secrets::get))
        .routes(routes!(client_secrets::revoke))
}
