//! Sessions of people: login, the choice of an organization, renewal, logout.

pub(crate) mod cookie;
mod login;
mod running;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(login::log_in))
        .routes(routes!(login::select_organization))
        .routes(routes!(login::older_login_first))
        .routes(routes!(login::older_login_second))
        .routes(routes!(running::renew))
        .routes(routes!(running::check))
        .routes(routes!(running::log_out))
}
