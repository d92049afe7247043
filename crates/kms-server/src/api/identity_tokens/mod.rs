//! Access tokens of machine identities: renewal and revocation by whoever has one.

mod life;
pub(crate) mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(life::renew_token))
        .routes(routes!(life::revoke_token))
}
