//! Adding secrets, one or a whole `.env`; deleting and downloading several.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::secrets::{ListQuery, MissingMode, NewSecret, ReadOptions, SecretChanges};
use kms_core::dotenv;
use kms_core::names::SecretName;
use kms_core::secret::SecretString;

use super::{InEnvironment, Wanted, in_environment};
use crate::api::extract::Issues;
use crate::state::ServerState;
use crate::web::error::WebResult;
use crate::web::form::{Field, Form, Given, Kind};
use crate::web::form_page::FormPage;
use crate::web::frame::Frame;
use crate::web::page::Page;
use crate::web::place::Here;
use crate::web::session::Viewer;

fn new_form(here: &Here) -> Form {
    Form::new(
        "secret",
        here.at("new"),
        "Add Secret",
        vec![
            Field::text("secretName", "Name")
                .required()
                .mono()
                .helped("For example DATABASE_URL."),
            Field::new("secretValue", "Value", Kind::Area)
                .mono()
                .helped("Other secrets can be part of it: ${OTHER_NAME}, ${environment.folder.NAME}."),
            Field::text("secretComment", "Comment"),
        ],
    )
    .cancel(here.environment_at(here.path.as_str()))
}

async fn form_page(state: &ServerState, viewer: &Viewer, here: &Here, title: &str, intro: &str, form: Form) -> Result<FormPage, Error> {
    let InEnvironment { frame, name, .. } = in_environment(state, viewer, here).await?;
    Ok(FormPage {
        frame: frame.below(&name, here.environment_at(here.path.as_str())).titled(title),
        intro: intro.to_owned(),
        form,
    })
}

pub(in crate::web) async fn new(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, environment)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> WebResult {
    let here = Here::new(&project, &environment, wanted.path.as_deref())?;
    let form = new_form(&here);
    Ok(Page(form_page(&state, &viewer, &here, "Add Secret", "", form).await?).into_response())
}

fn plain(name: SecretName, value: SecretString, comment: String) -> NewSecret {
    NewSecret {
        name,
        value,
        comment,
        metadata: Vec::new(),
        skip_multiline_encoding: None,
        reminder_note: None,
        reminder_repeat_days: None,
    }
}

pub(in crate::web) async fn create(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, environment)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    given: Given,
) -> WebResult {
    let here = Here::new(&project, &environment, wanted.path.as_deref())?;
    let made = async {
        let mut issues = Issues::new();
        let name = issues.take("secretName", SecretName::parse(given.text("secretName").trim()));
        let (Some(name), true) = (name, issues.is_empty()) else {
            return Err(issues.into_error());
        };
        // Browsers send line ends as CR LF, whatever was typed.
        let value = SecretString::new(given.text("secretValue").replace("\r\n", "\n"));
        let new = plain(name, value, given.text("secretComment").trim().to_owned());
        state.app.create_secrets(&viewer.actor, &here.selector(), vec![new]).await
    };
    match made.await {
        Ok(_secrets) => Ok(viewer.go(&here.done("secret-created"))),
        Err(error) => {
            viewer
                .refuse(error, new_form(&here), &given, None, |form| {
                    form_page(&state, &viewer, &here, "Add Secret", "", form)
                })
                .await
        }
    }
}

const IMPORT_INTRO: &str = "Paste the text of a .env file, or drop the file onto the field. One NAME=value a line.";

fn file_form(here: &Here) -> Form {
    Form::new(
        "import",
        here.at("import"),
        "Add Secrets",
        vec![
            Field::new("file", "Text of the .env file", Kind::Area).required().mono(),
            Field::new("overwrite", "Change secrets that are there already", Kind::Switch)
                .helped("Without it, nothing is changed if one of the names is taken."),
        ],
    )
    .cancel(here.environment_at(here.path.as_str()))
}

pub(in crate::web) async fn import_form(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, environment)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> WebResult {
    let here = Here::new(&project, &environment, wanted.path.as_deref())?;
    let form = file_form(&here);
    Ok(Page(form_page(&state, &viewer, &here, "Paste a .env", IMPORT_INTRO, form).await?).into_response())
}

/// Reads a `.env` text; every problem is one with the field.
fn read_file(text: &str) -> Result<Vec<(SecretName, SecretString)>, Error> {
    let pairs = dotenv::parse(text).map_err(|error| Error::invalid("file", "custom", error.to_string()))?;
    if pairs.is_empty() {
        return Err(Error::invalid("file", "too_small", "there is no NAME=value in it"));
    }
    let mut read: Vec<(SecretName, SecretString)> = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let parsed = SecretName::parse(&name).map_err(|error| Error::invalid("file", error.code, format!("{name}: {}", error.message)))?;
        if read.iter().any(|(known, _)| *known == parsed) {
            return Err(Error::invalid("file", "custom", format!("{name} stands there twice")));
        }
        read.push((parsed, SecretString::new(value)));
    }
    Ok(read)
}

pub(in crate::web) async fn import(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, environment)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    given: Given,
) -> WebResult {
    let here = Here::new(&project, &environment, wanted.path.as_deref())?;
    let made = async {
        let pairs = read_file(given.text("file"))?;
        if given.ticked("overwrite") {
            let changes = pairs
                .into_iter()
                .map(|(name, value)| {
                    let change = SecretChanges {
                        value: Some(value),
                        ..SecretChanges::default()
                    };
                    (name, change)
                })
                .collect();
            state
                .app
                .update_secrets(&viewer.actor, &here.selector(), changes, MissingMode::Create)
                .await
        } else {
            let new = pairs.into_iter().map(|(name, value)| plain(name, value, String::new())).collect();
            state.app.create_secrets(&viewer.actor, &here.selector(), new).await
        }
    };
    match made.await {
        Ok(_secrets) => Ok(viewer.go(&here.done("secrets-created"))),
        Err(error) => {
            viewer
                .refuse(error, file_form(&here), &given, Some("file"), |form| {
                    form_page(&state, &viewer, &here, "Paste a .env", IMPORT_INTRO, form)
                })
                .await
        }
    }
}

#[derive(Template)]
#[template(path = "secrets/delete.html")]
pub(in crate::web) struct DeletePage {
    pub(in crate::web) frame: Frame,
    pub(in crate::web) here: Here,
    pub(in crate::web) environment: String,
    pub(in crate::web) names: Vec<String>,
}

pub(in crate::web) async fn delete(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, environment)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    given: Given,
) -> WebResult {
    let here = Here::new(&project, &environment, wanted.path.as_deref())?;
    let names: Vec<String> = given.all("name").map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(viewer.go(&here.environment_at(here.path.as_str())));
    }
    if !given.ticked("sure") {
        let InEnvironment { frame, name, .. } = in_environment(&state, &viewer, &here).await?;
        return Ok(Page(DeletePage {
            frame: frame.below(&name, here.environment_at(here.path.as_str())).titled("Delete secrets"),
            environment: name,
            here,
            names,
        })
        .into_response());
    }
    let parsed: Vec<SecretName> = names
        .iter()
        .map(|name| SecretName::parse(name).map_err(|error| Error::invalid("name", error.code, error.message)))
        .collect::<Result<_, _>>()?;
    state.app.delete_secrets(&viewer.actor, &here.selector(), &parsed).await?;
    Ok(viewer.go(&here.done("secrets-deleted")))
}

pub(in crate::web) async fn download(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, environment)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> WebResult {
    let here = Here::new(&project, &environment, wanted.path.as_deref())?;
    let query = ListQuery {
        options: ReadOptions {
            values: true,
            expand: true,
        },
        ..super::listing(&here)
    };
    let secrets = state.app.list_secrets(&viewer.actor, &query).await?;
    let text = dotenv::write(secrets.iter().filter_map(|secret| {
        let value = secret.value.as_ref()?;
        Some((secret.record.key.as_str(), value.expose()))
    }));
    let mut response = text.into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{environment}.env\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}
