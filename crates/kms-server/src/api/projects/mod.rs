//! Projects and their environments: three generations of paths over the same functions (`core-api.md` §7).

mod environments;
mod handlers;
mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(handlers::create_v2))
        .routes(routes!(handlers::list, handlers::create))
        .routes(routes!(handlers::list_workspaces))
        .routes(routes!(handlers::get_one, handlers::update, handlers::delete))
        .routes(routes!(handlers::get_by_slug))
        .routes(routes!(
            handlers::get_workspace,
            handlers::update_workspace,
            handlers::delete_workspace
        ))
        .routes(routes!(handlers::get_workspace_bare, handlers::delete_workspace_bare))
        .routes(routes!(environments::create_in_workspace))
        .routes(routes!(
            environments::get_in_workspace,
            environments::update_in_workspace,
            environments::delete_in_workspace
        ))
        .routes(routes!(environments::get_alone))
        .routes(routes!(environments::create))
        .routes(routes!(environments::get_one, environments::update, environments::delete))
        .routes(routes!(environments::get_by_slug))
}
