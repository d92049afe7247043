//! App Connections: of the organization, and of a project (**Integrations**).

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::access::{OrgScope, ProjectScope};
use kms_app::connections::{ConnectableApp, Connection, ConnectionChanges, GivenCredentials, NewConnection};
use kms_core::ids::ConnectionId;
use kms_core::names::ResourceName;
use kms_core::permission::{Permission, Resource, org, project};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::WebResult;
use super::form::{Field, Form, Given, Kind};
use super::frame::{Frame, InOrg, InProject};
use super::page::Page;
use super::session::Viewer;
use super::show::{At, initials};
use crate::api::extract::{DESCRIPTION_LIMIT, Issues, id};
use crate::state::ServerState;

pub(super) struct Row {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) app: &'static str,
    pub(super) initials: String,
    pub(super) method: &'static str,
    pub(super) place: String,
    pub(super) changed: At,
}

#[derive(Template)]
#[template(path = "connections/list.html")]
pub(super) struct ConnectionsPage {
    pub(super) frame: Frame,
    pub(super) heading: &'static str,
    pub(super) in_project: bool,
    pub(super) add: String,
    pub(super) may_create: bool,
    pub(super) rows: Vec<Row>,
}

pub(super) struct AppCard {
    pub(super) href: String,
    pub(super) name: &'static str,
    pub(super) initials: String,
    pub(super) help: &'static str,
}

#[derive(Template)]
#[template(path = "connections/apps.html")]
pub(super) struct AppsPage {
    pub(super) frame: Frame,
    pub(super) action: &'static str,
    pub(super) project: String,
    pub(super) search: String,
    pub(super) apps: Vec<AppCard>,
}

#[derive(Template)]
#[template(path = "connections/new.html")]
pub(super) struct NewPage {
    pub(super) frame: Frame,
    pub(super) app: &'static ConnectableApp,
    pub(super) form: Form,
}

pub(super) struct Use {
    pub(super) href: String,
    pub(super) label: String,
    pub(super) place: String,
}

#[derive(Template)]
#[template(path = "connections/one.html")]
pub(super) struct OnePage {
    pub(super) frame: Frame,
    pub(super) id: String,
    pub(super) app: &'static str,
    pub(super) initials: String,
    pub(super) method: &'static str,
    pub(super) created: At,
    pub(super) changed: At,
    pub(super) uses: Vec<Use>,
    pub(super) edit: Option<Form>,
    pub(super) delete: Option<Form>,
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    project: Option<String>,
    q: Option<String>,
}

/// Where connections of the organization, or of a project, are listed.
fn home(project: Option<&str>) -> String {
    project.map_or_else(|| "/app-connections".to_owned(), |id| format!("/projects/{id}/integrations"))
}

fn app_of(state: &ServerState, slug: &str) -> Result<&'static ConnectableApp, Error> {
    state
        .app
        .connectable_apps()
        .into_iter()
        .find(|app| app.slug == slug)
        .ok_or_else(|| Error::not_found(format!("no app \"{slug}\"")))
}

fn row(state: &ServerState, connection: &Connection, place: String) -> Result<Row, Error> {
    let record = &connection.record;
    let app = app_of(state, &record.app)?;
    Ok(Row {
        href: format!("/app-connections/{}/{}", record.app, record.id),
        name: record.name.clone(),
        description: record.description.clone().unwrap_or_default(),
        app: app.name,
        initials: initials(app.name),
        method: app.method(&record.method).map_or("", |method| method.label),
        place,
        changed: record.updated_at.into(),
    })
}

pub(super) async fn of_org(State(state): State<ServerState>, viewer: Viewer) -> WebResult {
    let InOrg { frame, scope } = viewer.in_org(&state, "/app-connections").await?;
    let org_name = frame.org_name().to_owned();
    let mut rows = Vec::new();
    for (connection, project) in state.app.list_connections(&viewer.actor, None, None).await? {
        let place = project.map_or_else(|| org_name.clone(), |project| format!("Project {}", project.name));
        rows.push(row(&state, &connection, place)?);
    }
    Ok(Page(ConnectionsPage {
        frame: frame.titled("App Connections"),
        heading: "App Connections",
        in_project: false,
        add: "/app-connections/new".to_owned(),
        may_create: scope.allows(org::APP_CONNECTIONS_CREATE, &Resource::ANY),
        rows,
    })
    .into_response())
}

pub(super) async fn of_project(State(state): State<ServerState>, viewer: Viewer, Path(project_id): Path<String>) -> WebResult {
    let InProject { frame, project, scope } = viewer.in_project(&state, &project_id, "integrations").await?;
    let mut rows = Vec::new();
    for (connection, _project) in state.app.list_connections(&viewer.actor, None, Some(project.record.id)).await? {
        rows.push(row(&state, &connection, format!("Project {}", project.record.name))?);
    }
    // Those of the organization are listed where they may be used.
    if scope.allows_somewhere(project::APP_CONNECTIONS_CONNECT) {
        for app in state.app.connectable_apps() {
            for record in state.app.available_connections(&viewer.actor, app.slug, None).await? {
                rows.push(row(&state, &record.into(), frame.org_name().to_owned())?);
            }
        }
    }
    Ok(Page(ConnectionsPage {
        frame: frame.titled("Integrations"),
        heading: "Integrations",
        in_project: true,
        add: format!("/app-connections/new?project={project_id}"),
        may_create: scope.allows_somewhere(project::APP_CONNECTIONS_CREATE),
        rows,
    })
    .into_response())
}

/// What the viewer may do where a connection lives.
enum Where {
    Org(OrgScope),
    Project(ProjectScope),
}

impl Where {
    fn allows(&self, (in_org, in_project): (Permission, Permission), resource: &Resource<'_>) -> bool {
        match self {
            Self::Org(scope) => scope.allows(in_org, resource),
            Self::Project(scope) => scope.allows(in_project, resource),
        }
    }
}

/// The frame of a page about connections of the organization or of a project, and what may be done there.
async fn frame_for(state: &ServerState, viewer: &Viewer, project: Option<&str>) -> Result<(Frame, Where), Error> {
    let (frame, label, place) = match project {
        Some(id) => {
            let found = viewer.in_project(state, id, "integrations").await?;
            (found.frame, "Integrations", Where::Project(found.scope))
        }
        None => {
            let found = viewer.in_org(state, "/app-connections").await?;
            (found.frame, "App Connections", Where::Org(found.scope))
        }
    };
    Ok((frame.below(label, home(project)), place))
}

pub(super) async fn apps(State(state): State<ServerState>, viewer: Viewer, Query(wanted): Query<Wanted>) -> WebResult {
    let project = wanted.project.filter(|id| !id.is_empty());
    let (frame, _place) = frame_for(&state, &viewer, project.as_deref()).await?;
    let search = wanted.q.unwrap_or_default();
    let query = project.as_deref().map(|id| format!("?project={id}")).unwrap_or_default();
    let apps = state
        .app
        .connectable_apps()
        .into_iter()
        .filter(|app| app.name.to_lowercase().contains(&search.to_lowercase()))
        .map(|app| AppCard {
            href: format!("/app-connections/new/{}{query}", app.slug),
            name: app.name,
            initials: initials(app.name),
            help: app.help,
        })
        .collect();
    Ok(Page(AppsPage {
        frame: frame.titled("Add Connection"),
        action: "/app-connections/new",
        project: project.unwrap_or_default(),
        search,
        apps,
    })
    .into_response())
}

/// Name of the field that holds the first secret of the credentials: problems that a service reports stand there.
fn secret_field(app: &ConnectableApp) -> Option<String> {
    let method = app.methods.first()?;
    let field = method
        .fields
        .iter()
        .find(|field| field.kind == kms_app::connections::FieldKind::Secret)?;
    Some(format!("credentials.{}", field.name))
}

fn new_form(app: &'static ConnectableApp, project: Option<&str>) -> Form {
    let mut fields = vec![
        Field::text("name", "Name").required().helped("For example openrouter-prod.").mono(),
        Field::text("description", "Description"),
    ];
    if let [method] = app.methods {
        fields.push(Field::hidden("method", method.slug));
    } else {
        let methods = app.methods.iter().map(|method| (method.slug.to_owned(), method.label.to_owned()));
        fields.push(Field::choice("method", "Method", methods).required());
    }
    for method in app.methods {
        fields.extend(method.fields.iter().map(|field| Field::declared("credentials", field)));
    }
    let query = project.map(|id| format!("?project={id}")).unwrap_or_default();
    Form::new("connection", format!("/app-connections/new/{}{query}", app.slug), "Create", fields)
        .busy("Checking the key…")
        .cancel(home(project))
}

async fn new_page(
    state: &ServerState,
    viewer: &Viewer,
    app: &'static ConnectableApp,
    project: Option<&str>,
    form: Form,
) -> Result<NewPage, Error> {
    let (frame, _place) = frame_for(state, viewer, project).await?;
    let add = project.map(|id| format!("?project={id}")).unwrap_or_default();
    Ok(NewPage {
        frame: frame.below("Add Connection", format!("/app-connections/new{add}")).titled(app.name),
        app,
        form,
    })
}

pub(super) async fn new(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path(slug): Path<String>,
    Query(wanted): Query<Wanted>,
) -> WebResult {
    let app = app_of(&state, &slug)?;
    let project = wanted.project.filter(|id| !id.is_empty());
    let form = new_form(app, project.as_deref());
    Ok(Page(new_page(&state, &viewer, app, project.as_deref(), form).await?).into_response())
}

fn credentials(app: &ConnectableApp, method: &str, given: &Given) -> GivenCredentials {
    let fields = app.method(method).map_or(&[][..], |method| method.fields);
    let filled: Map<String, Value> = fields
        .iter()
        .filter_map(|field| {
            let text = given.text(&format!("credentials.{}", field.name)).trim();
            (!text.is_empty()).then(|| (field.name.to_owned(), Value::from(text)))
        })
        .collect();
    GivenCredentials::new(Value::Object(filled))
}

pub(super) async fn create(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path(slug): Path<String>,
    Query(wanted): Query<Wanted>,
    given: Given,
) -> WebResult {
    let app = app_of(&state, &slug)?;
    let project = wanted.project.filter(|id| !id.is_empty());
    let made = async {
        let mut issues = Issues::new();
        let name = issues.take("name", ResourceName::parse(given.text("name")));
        let description = issues.note("description", given.optional("description"), DESCRIPTION_LIMIT);
        let method = given.text("method").to_owned();
        let credentials = credentials(app, &method, &given);
        issues.append(state.app.check_credentials(app.slug, &method, &credentials));
        let (Some(name), true) = (name, issues.is_empty()) else {
            return Err(issues.into_error());
        };
        let new = NewConnection {
            app: app.slug.to_owned(),
            name,
            description,
            project: project.clone(),
            method,
            credentials,
        };
        state.app.create_connection(&viewer.actor, new).await
    };
    match made.await {
        Ok(_connection) => Ok(viewer.go(&format!("{}?done=connection-created", home(project.as_deref())))),
        Err(error) => {
            let at = place_of(&error, app);
            let form = new_form(app, project.as_deref());
            viewer
                .refuse(error, form, &given, at.as_deref(), |form| {
                    new_page(&state, &viewer, app, project.as_deref(), form)
                })
                .await
        }
    }
}

/// What the service said about the credentials stands beside them; what this server says about the rest, above the button.
fn place_of(error: &Error, app: &ConnectableApp) -> Option<String> {
    match error {
        Error::Unauthorized { .. } => secret_field(app),
        Error::BadRequest { message, .. } if message.contains("exists already") => Some("name".to_owned()),
        Error::BadRequest { .. } => secret_field(app),
        _ => None,
    }
}

fn edit_form(app: &'static ConnectableApp, connection: &Connection) -> Form {
    let record = &connection.record;
    let mut fields = vec![
        Field::text("name", "Name").required().mono().valued(record.name.as_str()),
        Field::text("description", "Description").valued(record.description.clone().unwrap_or_default()),
    ];
    if let Some(method) = app.method(&record.method) {
        fields.extend(method.fields.iter().map(|declared| {
            let mut field = Field::declared("credentials", declared);
            field.required = false;
            if field.kind == Kind::Secret {
                field.label = format!("New {}", declared.label);
                "Leave it empty to keep the one that is stored.".clone_into(&mut field.help);
            }
            field
        }));
    }
    Form::new(
        "connection",
        format!("/app-connections/{}/{}", record.app, record.id),
        "Save",
        fields,
    )
    .busy("Checking…")
}

fn delete_form(record_app: &str, id: ConnectionId, name: &str) -> Form {
    let field = Field::text("confirm", "Type the connection's name to delete it")
        .required()
        .mono()
        .helped(name);
    Form::new(
        "delete",
        format!("/app-connections/{record_app}/{id}/delete"),
        "Delete Connection",
        vec![field],
    )
    .busy("Deleting…")
    .danger()
}

async fn one_page(state: &ServerState, viewer: &Viewer, slug: &str, wanted: &str, again: Option<Form>) -> Result<OnePage, Error> {
    let app = app_of(state, slug)?;
    let connection = state.app.get_connection(&viewer.actor, slug, id("connectionId", wanted)?).await?;
    let record = &connection.record;
    let id_text = record.id.to_string();
    let project = record.project.map(|id| id.to_string());
    let (frame, place) = frame_for(state, viewer, project.as_deref()).await?;
    let uses = state.app.connection_usage(&viewer.actor, slug, record.id).await?;
    let resource = Resource::ANY.through(&id_text);
    let edit = place
        .allows((org::APP_CONNECTIONS_EDIT, project::APP_CONNECTIONS_EDIT), &resource)
        .then(|| edit_form(app, &connection).or_again(again.as_ref()));
    let delete = place
        .allows((org::APP_CONNECTIONS_DELETE, project::APP_CONNECTIONS_DELETE), &resource)
        .then(|| delete_form(slug, record.id, &record.name).or_again(again.as_ref()));
    Ok(OnePage {
        frame: frame.titled(&record.name),
        id: id_text.clone(),
        app: app.name,
        initials: initials(app.name),
        method: app.method(&record.method).map_or("", |method| method.label),
        created: record.created_at.into(),
        changed: record.updated_at.into(),
        uses: uses
            .into_iter()
            .flat_map(|uses| {
                let project = uses.project;
                uses.rotations.into_iter().map(move |rotation| Use {
                    href: format!("/projects/{}/rotations/{}", project.id, rotation.rotation),
                    label: rotation.name,
                    place: project.name.clone(),
                })
            })
            .collect(),
        edit,
        delete,
    })
}

pub(super) async fn one(State(state): State<ServerState>, viewer: Viewer, Path((slug, id_text)): Path<(String, String)>) -> WebResult {
    Ok(Page(one_page(&state, &viewer, &slug, &id_text, None).await?).into_response())
}

pub(super) async fn save(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((slug, id_text)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let app = app_of(&state, &slug)?;
    let connection_id: ConnectionId = id("connectionId", &id_text)?;
    let before = state.app.get_connection(&viewer.actor, &slug, connection_id).await?;
    let saved = async {
        let mut issues = Issues::new();
        let name = issues.take("name", ResourceName::parse(given.text("name")));
        let description = issues.note("description", given.optional("description"), DESCRIPTION_LIMIT);
        issues.finish()?;
        let method = before.record.method.as_str();
        let typed = app.method(method).is_some_and(|method| {
            let mut fields = method.fields.iter();
            fields.any(|field| !given.text(&format!("credentials.{}", field.name)).trim().is_empty())
        });
        let changes = ConnectionChanges {
            name,
            description: Some(description),
            credentials: typed.then(|| credentials(app, method, &given)),
        };
        state.app.update_connection(&viewer.actor, &slug, connection_id, changes).await
    };
    match saved.await {
        Ok(_connection) => Ok(viewer.go(&format!("/app-connections/{slug}/{connection_id}?done=connection-saved"))),
        Err(error) => {
            let at = place_of(&error, app);
            viewer
                .refuse(error, edit_form(app, &before), &given, at.as_deref(), |form| {
                    one_page(&state, &viewer, &slug, &id_text, Some(form))
                })
                .await
        }
    }
}

pub(super) async fn delete(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((slug, id_text)): Path<(String, String)>,
    given: Given,
) -> WebResult {
    let connection_id: ConnectionId = id("connectionId", &id_text)?;
    let before = state.app.get_connection(&viewer.actor, &slug, connection_id).await?;
    let name = before.record.name;
    let deleted = async {
        super::form::require_typed(&given, &name)?;
        state.app.delete_connection(&viewer.actor, &slug, connection_id).await
    };
    match deleted.await {
        Ok(connection) => {
            let project = connection.record.project.map(|id| id.to_string());
            Ok(viewer.go(&format!("{}?done=connection-deleted", home(project.as_deref()))))
        }
        Err(error) => {
            viewer
                .refuse(error, delete_form(&slug, connection_id, &name), &given, None, |form| {
                    one_page(&state, &viewer, &slug, &id_text, Some(form))
                })
                .await
        }
    }
}
