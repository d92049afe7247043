//! Organizations.

pub(crate) mod invitations;
mod list;
mod members;
mod one;
pub(crate) mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_organizations))
        .routes(routes!(list::list_own_organizations))
        .routes(routes!(list::list_accessible_organizations))
        .routes(routes!(one::get_organization, one::update_organization))
        .routes(routes!(one::create_organization))
        .routes(routes!(members::list_members))
        .routes(routes!(members::get_member, members::update_member, members::remove_member))
        .routes(routes!(invitations::invite))
        .routes(routes!(invitations::list))
        .routes(routes!(invitations::withdraw))
        .routes(routes!(invitations::accept))
        .routes(routes!(invitations::join))
}
