//! What concerns whoever looks: colours, and the organization that is worked in.

use axum::extract::State;
use axum::http::{HeaderMap, header};

use super::error::WebResult;
use super::form::Given;
use super::frame::Theme;
use super::page::go;
use super::session::{Viewer, Visit};
use crate::api::extract::id;
use crate::state::ServerState;

/// The page that the form stood on, if the browser tells and it is one of this site.
fn back(headers: &HeaderMap) -> String {
    headers
        .get(header::REFERER)
        .and_then(|value| value.to_str().ok())
        .and_then(|address| address.parse::<axum::http::Uri>().ok())
        .and_then(|uri| uri.path_and_query().map(|path| path.as_str().to_owned()))
        .filter(|path| path.starts_with('/') && !path.starts_with("//"))
        .unwrap_or_else(|| "/projects".to_owned())
}

pub(super) async fn choose_theme(visit: Visit, headers: HeaderMap, given: Given) -> WebResult {
    let mut response = go(visit.part, &back(&headers));
    visit.cookies.keep_theme(&mut response, Theme::from_word(given.text("theme")));
    Ok(response)
}

pub(super) async fn select_org(State(state): State<ServerState>, visit: Visit, viewer: Viewer, given: Given) -> WebResult {
    let org = id("id", given.text("id"))?;
    let grant = state.app.select_org(&viewer.signed_in, org).await?;
    let mut response = go(visit.part, "/projects");
    visit.cookies.keep(&mut response, &grant);
    Ok(response)
}
