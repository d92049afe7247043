//! Secret Rotations, version 2 (`secret-rotations.md`). The routes of every type are the same; each is registered under its own
//! static segment, which comes from the registry's list.

mod act;
mod manage;
mod read;
pub(in crate::api) mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(read::options))
        .routes(routes!(read::list))
        .routes(routes!(read::list_of_type, manage::create))
        .routes(routes!(read::get_one, manage::update, manage::delete))
        .routes(routes!(read::get_by_name))
        .routes(routes!(read::generated_credentials))
        .routes(routes!(act::rotate_now))
        .routes(routes!(act::check))
        .routes(routes!(act::move_to))
        .routes(routes!(act::reconcile))
}
