//! App Connections (`app-connections.md`).
//!
//! The routes of every app are the same functions. Each app of the registry gets them under its own path, with its own operation
//! ids and the credentials it asks for in its schema ([`per_app`]): a new app needs no code here.

mod manage;
mod per_app;
mod read;
mod wire;

use kms_app::connections::ConnectableApp;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ServerState;

pub(super) fn routes(apps: &[&'static ConnectableApp]) -> OpenApiRouter<ServerState> {
    let mut router = OpenApiRouter::new().routes(routes!(read::options)).routes(routes!(read::list));
    for app in apps {
        for routes in [
            routes!(read::list_of_app, manage::create),
            routes!(read::available),
            routes!(read::get_by_name),
            routes!(read::get_one, manage::update, manage::delete),
            routes!(read::usage),
        ] {
            router = router.routes(per_app::bind(app, routes));
        }
    }
    router
}
