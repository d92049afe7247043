//! Sessions of people: login, the choice of an organization, renewal, logout.

pub(crate) mod cookie;

use utoipa_axum::router::OpenApiRouter;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
}
