//! App Connections (`app-connections.md`). The routes of every app are the same; `{app}` names one of the registry.

mod manage;
mod read;
mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(read::options))
        .routes(routes!(read::list))
        .routes(routes!(read::list_of_app, manage::create))
        .routes(routes!(read::available))
        .routes(routes!(read::get_by_name))
        .routes(routes!(read::get_one, manage::update, manage::delete))
        .routes(routes!(read::usage))
}
