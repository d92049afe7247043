//! Organization Settings, and founding another organization.

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::organizations::OrgChanges;
use kms_core::names::Slug;
use kms_core::permission::{Resource, org};

use super::error::WebResult;
use super::form::{Field, Form, Given};
use super::form_page::FormPage;
use super::frame::{Frame, InOrg};
use super::page::Page;
use super::session::{Viewer, Visit};
use crate::api::extract::Issues;
use crate::state::ServerState;

const SETTINGS: &str = "/organization-settings";
const NEW: &str = "/organizations/new";

#[derive(Template)]
#[template(path = "organization/settings.html")]
struct SettingsPage {
    frame: Frame,
    id: String,
    name: String,
    slug: String,
    edit: Option<Form>,
}

fn edit_form(name: &str, slug: &str) -> Form {
    let fields = vec![
        Field::text("name", "Name").required().valued(name),
        Field::text("slug", "Slug")
            .required()
            .mono()
            .helped("What machines name it by at login: small letters, digits and dashes. Unique on this server.")
            .valued(slug),
    ];
    Form::new("organization", SETTINGS, "Save", fields)
}

async fn page(state: &ServerState, viewer: &Viewer, again: Option<Form>) -> Result<SettingsPage, Error> {
    let InOrg { frame, scope } = viewer.in_org(state, SETTINGS).await?;
    scope.require(org::SETTINGS_READ, &Resource::ANY)?;
    let record = state.app.get_org(&viewer.actor, viewer.actor.org()).await?;
    Ok(SettingsPage {
        frame: frame.titled("Organization Settings"),
        id: record.id.to_string(),
        edit: scope
            .allows(org::SETTINGS_EDIT, &Resource::ANY)
            .then(|| edit_form(&record.name, &record.slug).or_again(again.as_ref())),
        name: record.name,
        slug: record.slug,
    })
}

pub(super) async fn settings(State(state): State<ServerState>, viewer: Viewer) -> WebResult {
    Ok(Page(page(&state, &viewer, None).await?).into_response())
}

pub(super) async fn save(State(state): State<ServerState>, viewer: Viewer, given: Given) -> WebResult {
    let saved = async {
        let mut issues = Issues::new();
        let name = issues.short_text("name", given.text("name"));
        let slug = issues.take("slug", Slug::parse(given.text("slug").trim(), 1, 64));
        issues.finish()?;
        let changes = OrgChanges { name: Some(name), slug };
        state.app.update_org(&viewer.actor, viewer.actor.org(), changes).await
    };
    match saved.await {
        Ok(_org) => Ok(viewer.go(&format!("{SETTINGS}?done=organization-saved"))),
        Err(error) => {
            viewer
                .refuse(error, edit_form("", ""), &given, None, |form| page(&state, &viewer, Some(form)))
                .await
        }
    }
}

fn new_form() -> Form {
    let name = Field::text("name", "Name").required().helped("It can be changed later.");
    Form::new("organization", NEW, "Create", vec![name])
        .busy("Creating…")
        .cancel("/projects")
}

async fn new_page(state: &ServerState, viewer: &Viewer, form: Form) -> Result<FormPage, Error> {
    let frame = viewer.in_org(state, "").await?.frame;
    Ok(FormPage {
        frame: frame.titled("New organization"),
        intro: "An organization has people, machine identities, connections and projects of its own, and its own encryption key. \
                Nothing of one is seen from another."
            .to_owned(),
        form,
    })
}

pub(super) async fn new(State(state): State<ServerState>, viewer: Viewer) -> WebResult {
    Ok(Page(new_page(&state, &viewer, new_form()).await?).into_response())
}

pub(super) async fn create(State(state): State<ServerState>, visit: Visit, viewer: Viewer, given: Given) -> WebResult {
    let made = async {
        let mut issues = Issues::new();
        let name = issues.short_text("name", given.text("name"));
        issues.finish()?;
        state.app.create_org(&viewer.signed_in, name).await
    };
    match made.await {
        Ok(org) => {
            let session = state.app.select_org(&viewer.signed_in, org.id).await?;
            let mut response = viewer.go("/projects?done=organization-created");
            visit.cookies.keep(&mut response, &session);
            Ok(response)
        }
        Err(error) => {
            viewer
                .refuse(error, new_form(), &given, None, |form| new_page(&state, &viewer, form))
                .await
        }
    }
}
