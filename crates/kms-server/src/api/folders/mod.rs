//! Folders: two generations of paths over the same functions (`core-api.md` §8).

mod batch;
mod handlers;
mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(handlers::list_v1, handlers::create_v1))
        .routes(routes!(handlers::get_v1, handlers::update_v1, handlers::delete_v1))
        .routes(routes!(handlers::list_v2, handlers::create_v2))
        .routes(routes!(handlers::get_v2, handlers::update_v2, handlers::delete_v2))
        .routes(routes!(batch::update_v1))
        .routes(routes!(batch::update_v2))
        .routes(routes!(batch::get_by_path))
        .routes(routes!(batch::get_root))
        .merge(batch::named())
}
