//! Projects, their environments and members: three generations of paths over the same functions (`core-api.md` §7).

mod environments;
mod handlers;
mod identity_memberships;
mod members;
mod people;
pub(crate) mod roles;
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
        .routes(routes!(
            handlers::get_workspace_bare,
            handlers::update_workspace_bare,
            handlers::delete_workspace_bare
        ))
        .routes(routes!(handlers::update_retention))
        .routes(routes!(people::list))
        .routes(routes!(people::add, people::remove))
        .routes(routes!(people::find))
        .routes(routes!(people::get))
        .routes(routes!(people::update))
        .routes(routes!(identity_memberships::list_in_workspace))
        .routes(routes!(
            identity_memberships::get_in_workspace,
            identity_memberships::add_to_workspace,
            identity_memberships::update_in_workspace,
            identity_memberships::remove_from_workspace
        ))
        .routes(routes!(identity_memberships::get_by_membership))
        .routes(routes!(identity_memberships::list))
        .routes(routes!(
            identity_memberships::get_one,
            identity_memberships::add,
            identity_memberships::update,
            identity_memberships::remove
        ))
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
