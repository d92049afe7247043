//! Projects: three generations of paths over the same functions.

mod wire;

use utoipa_axum::router::OpenApiRouter;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
}
