//! Status of the instance, its first start and its settings.

mod config;
mod setup;
mod status;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(status::status))
        .routes(routes!(config::get_config, config::update_config))
        .routes(routes!(setup::bootstrap))
        .routes(routes!(setup::sign_up))
}
