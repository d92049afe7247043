//! Secrets of a project: names × environments at a glance, and one folder of one environment.

mod several;

pub(super) use several::{create, delete, download, import, import_form, new};

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::access::ProjectScope;
use kms_app::secrets::{ListQuery, ReadOptions, Secret};
use kms_core::permission::{Resource, project};
use serde::Deserialize;

use super::error::WebResult;
use super::frame::{Frame, InProject};
use super::page::Page;
use super::place::Here;
use super::session::Viewer;
use super::show::{At, Paging};
use crate::state::ServerState;

#[derive(Deserialize)]
pub(super) struct Wanted {
    pub(super) path: Option<String>,
    q: Option<String>,
    page: Option<String>,
}

pub(super) struct Column {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) current: bool,
}

/// A name in one environment.
#[derive(Clone)]
pub(super) struct Cell {
    pub(super) kind: &'static str,
    pub(super) sign: &'static str,
    pub(super) text: &'static str,
}

const MISSING: Cell = Cell {
    kind: "missing",
    sign: "–",
    text: "missing",
};
const NO_ACCESS: Cell = Cell {
    kind: "",
    sign: "·",
    text: "you may not see it",
};

pub(super) struct OverviewRow {
    pub(super) name: String,
    pub(super) folder: bool,
    pub(super) href: String,
    pub(super) cells: Vec<Cell>,
}

#[derive(Template)]
#[template(path = "secrets/overview.html")]
pub(super) struct OverviewPage {
    pub(super) frame: Frame,
    pub(super) project: String,
    pub(super) here: Here,
    pub(super) action: String,
    pub(super) search: String,
    pub(super) failed: usize,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<OverviewRow>,
    pub(super) paging: Paging,
}

/// Names on one page.
const SIZE: usize = 100;

fn listing(here: &Here) -> ListQuery {
    ListQuery {
        place: here.selector(),
        recursive: false,
        metadata: Vec::new(),
        tags: Vec::new(),
        options: ReadOptions {
            values: false,
            expand: false,
        },
    }
}

fn cell(secret: &Secret) -> Cell {
    let (kind, sign, text) = if secret.record.rotation.is_some() {
        ("rotated", "↻", "present, rotated")
    } else if secret.is_empty() {
        ("blank", "○", "present, but empty")
    } else {
        ("present", "✓", "present")
    };
    Cell { kind, sign, text }
}

pub(super) async fn overview(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> WebResult {
    let InProject { frame, project: found, .. } = viewer.in_project(&state, &id, "secrets").await?;
    let here = Here::new(&id, "", wanted.path.as_deref())?;
    let search = wanted.q.unwrap_or_default();
    let lowered = search.to_lowercase();
    let count = found.environments.len();
    // Folders sort before secrets: `false` before `true`.
    let mut names: BTreeMap<(bool, String), Vec<Cell>> = BTreeMap::new();
    let mut columns = Vec::with_capacity(count);
    for (index, environment) in found.environments.iter().enumerate() {
        let place = Here {
            environment: environment.slug.clone(),
            ..here.clone()
        };
        columns.push(Column {
            name: environment.name.clone(),
            href: place.environment_at(here.path.as_str()),
            current: false,
        });
        let mut note = |key: (bool, String), cell: Cell| {
            if key.1.to_lowercase().contains(&lowered)
                && let Some(known) = names.entry(key).or_insert_with(|| vec![MISSING; count]).get_mut(index)
            {
                *known = cell;
            }
        };
        match state.app.list_folders(&viewer.actor, &place.selector(), false).await {
            Ok(folders) => {
                for folder in folders {
                    note(
                        (false, folder.name),
                        Cell {
                            kind: "present",
                            sign: "✓",
                            text: "present",
                        },
                    );
                }
            }
            Err(Error::PermissionDenied { .. }) => {}
            Err(other) => return Err(other.into()),
        }
        match state.app.list_secrets(&viewer.actor, &listing(&place)).await {
            Ok(secrets) => secrets
                .iter()
                .for_each(|secret| note((true, secret.record.key.clone()), cell(secret))),
            Err(Error::PermissionDenied { .. }) => {
                for cells in names.values_mut() {
                    if let Some(cell) = cells.get_mut(index) {
                        *cell = NO_ACCESS;
                    }
                }
            }
            Err(other) => return Err(other.into()),
        }
    }
    let action = format!("/projects/{id}/secrets");
    let page = wanted.page.unwrap_or_default();
    let paging = Paging::new(names.len(), SIZE, &page, &action, &[("q", &search), ("path", here.path.as_str())]);
    let rows = paging
        .part(names.into_iter().collect())
        .into_iter()
        .map(|((is_secret, name), cells)| OverviewRow {
            href: here.overview_at(here.path.join(&name).as_str()),
            folder: !is_secret,
            name,
            cells,
        })
        .collect();
    let failed = state.app.failed_rotations(&viewer.actor).await?;
    Ok(Page(OverviewPage {
        frame: frame.titled("Secrets"),
        project: id,
        action,
        search,
        failed: failed.get(&found.record.id).copied().unwrap_or(0),
        here,
        columns,
        rows,
        paging,
    })
    .into_response())
}

pub(super) struct FolderRow {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) href: String,
    pub(super) edit: String,
}

pub(super) struct SecretRow {
    pub(super) id: String,
    pub(super) href: String,
    pub(super) name: String,
    pub(super) comment: String,
    pub(super) version: u32,
    pub(super) empty: bool,
    pub(super) rotation: Option<String>,
    pub(super) changed: At,
}

#[derive(Template)]
#[template(path = "secrets/environment.html")]
pub(super) struct EnvironmentPage {
    pub(super) frame: Frame,
    pub(super) here: Here,
    pub(super) environment: String,
    pub(super) tabs: Vec<Column>,
    pub(super) search: String,
    pub(super) folders: Vec<FolderRow>,
    pub(super) rows: Vec<SecretRow>,
    pub(super) paging: Paging,
    pub(super) may_create: bool,
    pub(super) may_read: bool,
    pub(super) may_delete: bool,
    pub(super) may_rotate: bool,
    pub(super) may_add_folder: bool,
}

/// A page about an environment.
pub(super) struct InEnvironment {
    pub(super) frame: Frame,
    /// All environments of the project.
    pub(super) tabs: Vec<Column>,
    /// The environment's name.
    pub(super) name: String,
    /// What the viewer may do in the project.
    pub(super) scope: ProjectScope,
}

/// A page about the environment that the address names.
pub(super) async fn in_environment(state: &ServerState, viewer: &Viewer, here: &Here) -> Result<InEnvironment, Error> {
    let InProject {
        frame,
        project: found,
        scope,
    } = viewer.in_project(state, &here.project, "secrets").await?;
    let name = found
        .environments
        .iter()
        .find(|environment| environment.slug == here.environment)
        .map(|environment| environment.name.clone())
        .ok_or_else(|| Error::not_found(format!("no environment \"{}\" in this project", here.environment)))?;
    let tabs = found
        .environments
        .into_iter()
        .map(|environment| Column {
            current: environment.slug == here.environment,
            href: Here {
                environment: environment.slug,
                ..here.clone()
            }
            .environment_at(here.path.as_str()),
            name: environment.name,
        })
        .collect();
    Ok(InEnvironment {
        frame: frame.below("Secrets", format!("/projects/{}/secrets", here.project)),
        tabs,
        name,
        scope,
    })
}

pub(super) async fn environment(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((id, slug)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> WebResult {
    let here = Here::new(&id, &slug, wanted.path.as_deref())?;
    let InEnvironment { frame, tabs, name, scope } = in_environment(&state, &viewer, &here).await?;
    let search = wanted.q.unwrap_or_default();
    let lowered = search.to_lowercase();
    let fits = |name: &str| name.to_lowercase().contains(&lowered);
    let folders = match state.app.list_folders(&viewer.actor, &here.selector(), false).await {
        Ok(folders) => folders,
        Err(Error::PermissionDenied { .. }) => Vec::new(),
        Err(other) => return Err(other.into()),
    };
    let folders = folders
        .into_iter()
        .filter(|folder| fits(&folder.name))
        .map(|folder| FolderRow {
            href: here.environment_at(folder.path.as_str()),
            edit: format!("/projects/{id}/folders/{slug}/{}", folder.id),
            description: folder.description.unwrap_or_default(),
            name: folder.name,
        })
        .collect();
    let secrets: Vec<_> = state
        .app
        .list_secrets(&viewer.actor, &listing(&here))
        .await?
        .into_iter()
        .filter(|secret| fits(&secret.record.key))
        .collect();
    let page = wanted.page.unwrap_or_default();
    let base = format!("/projects/{id}/secrets/{slug}");
    let paging = Paging::new(secrets.len(), SIZE, &page, &base, &[("q", &search), ("path", here.path.as_str())]);
    let rows = paging
        .part(secrets)
        .into_iter()
        .map(|secret| SecretRow {
            empty: secret.is_empty(),
            id: secret.record.id.to_string(),
            href: format!("/projects/{id}/secret/{}", secret.record.id),
            name: secret.record.key,
            comment: secret.comment,
            version: secret.record.version,
            rotation: secret.record.rotation.map(|rotation| rotation.to_string()),
            changed: secret.record.updated_at.into(),
        })
        .collect();
    let at = Resource::at(&slug, here.path.as_str());
    Ok(Page(EnvironmentPage {
        may_create: scope.allows(project::SECRETS_CREATE, &at),
        may_read: scope.allows(project::SECRETS_READ_VALUE, &at),
        may_delete: scope.allows(project::SECRETS_DELETE, &at),
        may_rotate: scope.allows(project::ROTATION_CREATE, &at),
        may_add_folder: scope.allows(project::FOLDERS_CREATE, &at),
        frame: frame.titled(&name).live(format!("/projects/{id}/live")),
        environment: name,
        here,
        tabs,
        search,
        folders,
        rows,
        paging,
    })
    .into_response())
}
