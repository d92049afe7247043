//! Secrets: two generations of paths over the same functions (`core-api.md` §9). They differ in the project's key and in the
//! defaults for expansion.

mod batch;
mod named;
mod read;
mod relocate;
mod versions;
mod wire;
mod write;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(read::list_v3))
        .routes(routes!(read::get_v3, write::create_v3, write::update_v3, write::delete_v3))
        .routes(routes!(read::get_by_id_v3))
        .routes(routes!(read::list_v4))
        .routes(routes!(read::get_v4, write::create_v4, write::update_v4, write::delete_v4))
        .routes(routes!(read::get_by_id_v4))
        .routes(routes!(batch::create_v3, batch::update_v3, batch::delete_v3))
        .routes(routes!(batch::create_v4, batch::update_v4, batch::delete_v4))
        .routes(routes!(relocate::move_v4))
        .routes(routes!(versions::list))
        .merge(named::routes())
}
