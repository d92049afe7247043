//! Token Auth: tokens that people make for a machine identity.

mod settings;
mod tokens;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ServerState;

pub(super) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(settings::attach, settings::update, settings::get, settings::detach))
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::get, tokens::rename))
        .routes(routes!(tokens::revoke))
}
