//! Machine identities.

mod change;
mod list;
mod one;
pub(crate) mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(change::create_identity, list::list_identities))
        .routes(routes!(one::get_identity_details))
        .routes(routes!(one::get_identity, change::update_identity, change::delete_identity))
        .routes(routes!(list::search_identities))
}
