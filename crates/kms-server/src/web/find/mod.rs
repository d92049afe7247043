//! Finding projects, secrets, connections and pages by name: a page of its own, and what the command palette shows.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::IntoResponse;
use serde::Deserialize;

use super::error::WebResult;
use super::frame::Frame;
use super::page::Page;
use super::session::Viewer;
use crate::state::ServerState;

struct Item {
    href: String,
    label: String,
    /// Where it is.
    place: String,
    mono: bool,
}

impl Item {
    fn new(href: String, label: String, place: String) -> Self {
        Self {
            href,
            label,
            place,
            mono: false,
        }
    }
}

struct Group {
    title: &'static str,
    items: Vec<Item>,
}

#[derive(Template)]
#[template(path = "find/find.html")]
struct FindPage {
    frame: Frame,
    search: String,
    groups: Vec<Group>,
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    q: Option<String>,
}

pub(super) async fn find(State(state): State<ServerState>, viewer: Viewer, Query(wanted): Query<Wanted>) -> WebResult {
    let search = wanted.q.unwrap_or_default();
    let frame = viewer.in_org(&state, "").await?.frame.titled("Find");
    let found = state.app.find_by_name(&viewer.actor, &search).await?;
    let lowered = search.trim().to_lowercase();
    let pages = frame
        .nav
        .iter()
        .map(|item| (item.label, item.href.clone()))
        .chain([("Your account", "/account".to_owned())])
        .filter(|(label, _)| label.to_lowercase().contains(&lowered))
        .map(|(label, href)| Item::new(href, label.to_owned(), String::new()));
    let projects = found.projects.into_iter().map(|project| {
        let description = project.record.description.unwrap_or_default();
        Item::new(format!("/projects/{}/secrets", project.record.id), project.record.name, description)
    });
    let secrets = found.secrets.into_iter().map(|secret| Item {
        href: format!("/projects/{}/secret/{}", secret.project, secret.id),
        label: secret.key,
        place: format!("{} · {} · {}", secret.project_name, secret.environment, secret.path.as_str()),
        mono: true,
    });
    let connections = found.connections.into_iter().map(|connection| {
        let record = connection.record;
        Item::new(format!("/app-connections/{}/{}", record.app, record.id), record.name, record.app)
    });
    let groups = [
        ("Projects", projects.collect::<Vec<_>>()),
        ("Secrets", secrets.collect()),
        ("App Connections", connections.collect()),
        ("Pages", pages.collect()),
    ];
    Ok(Page(FindPage {
        frame,
        search,
        groups: groups
            .into_iter()
            .filter(|(_, items)| !items.is_empty())
            .map(|(title, items)| Group { title, items })
            .collect(),
    })
    .into_response())
}
