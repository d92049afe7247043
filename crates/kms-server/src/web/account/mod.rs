//! What concerns whoever looks: colours, the organization that is worked in, password, sessions.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_core::ids::SessionId;

use super::error::WebResult;
use super::form::{Field, Form, Given, Kind};
use super::frame::{Frame, Theme};
use super::page::{Page, go};
use super::session::{Viewer, Visit};
use super::show::At;
use crate::api::extract::{Issues, id};
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

struct SessionRow {
    id: SessionId,
    device: String,
    address: String,
    last_used: At,
    began: At,
    is_this: bool,
}

#[derive(Template)]
#[template(path = "account/account.html")]
struct AccountPage {
    frame: Frame,
    sessions: Vec<SessionRow>,
    password: Form,
}

/// Browser and system, as far as the client's own words tell.
fn device(user_agent: Option<&str>) -> String {
    let Some(text) = user_agent.filter(|text| !text.is_empty()) else {
        return "unknown".to_owned();
    };
    let first = |known: &[(&str, &'static str)]| known.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name);
    // Most browsers name others in their words too; the most particular name comes first.
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ => text.chars().take(60).collect(),
    }
}

fn password_form() -> Form {
    let fields = vec![
        Field::new("currentPassword", "Current password", Kind::Password { new: false }).required(),
        Field::new_password("newPassword", "New password"),
    ];
    Form::new("password", "/account/password", "Change password", fields).busy("Changing…")
}

async fn page(state: &ServerState, viewer: &Viewer, again: Option<Form>) -> Result<AccountPage, Error> {
    let frame = viewer.in_org(state, "").await?.frame;
    let sessions = state.app.list_sessions(&viewer.signed_in).await?;
    let rows = sessions.into_iter().map(|session| SessionRow {
        is_this: session.id == viewer.signed_in.session(),
        id: session.id,
        device: device(session.user_agent.as_deref()),
        address: session.address.unwrap_or_default(),
        last_used: session.last_used_at.into(),
        began: session.created_at.into(),
    });
    Ok(AccountPage {
        frame: frame.titled("Your account"),
        sessions: rows.collect(),
        password: password_form().or_again(again.as_ref()),
    })
}

pub(super) async fn show(State(state): State<ServerState>, viewer: Viewer) -> WebResult {
    Ok(Page(page(&state, &viewer, None).await?).into_response())
}

pub(super) async fn change_password(State(state): State<ServerState>, viewer: Viewer, given: Given) -> WebResult {
    let changed = async {
        let mut issues = Issues::new();
        let current = given.secret("currentPassword");
        issues.password("currentPassword", &current);
        let new = given.new_password(&mut issues, "newPassword");
        issues.finish()?;
        state.app.change_password(&viewer.signed_in, current, new).await
    };
    match changed.await {
        Ok(()) => Ok(viewer.go("/account?done=password-changed")),
        Err(error) => {
            viewer
                .refuse(error, password_form(), &given, None, |form| page(&state, &viewer, Some(form)))
                .await
        }
    }
}

pub(super) async fn end_session(State(state): State<ServerState>, viewer: Viewer, Path(session): Path<String>) -> WebResult {
    state.app.end_session(&viewer.signed_in, id("sessionId", &session)?).await?;
    Ok(viewer.go("/account?done=session-ended"))
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn a_device_is_named_by_what_its_client_says() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        assert_eq!(device(Some(firefox)), "Firefox on Linux");
        let edge =
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0";
        assert_eq!(device(Some(edge)), "Edge on Windows");
        assert_eq!(device(Some("cli")), "cli");
        assert_eq!(device(Some(&"ü".repeat(500))).chars().count(), 60);
        assert_eq!(device(None), "unknown");
    }
}
