//! Access Control → Machine Identities of an organization.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::identities::{Identity, IdentityChanges, IdentityFilter, NewIdentity};
use kms_app::universal_auth::UniversalAuthChanges;
use kms_core::ids::IdentityId;
use kms_core::permission::{OrgRole, Resource, org};
use serde::Deserialize;

use super::universal_auth::{UniversalAuthPart, of_identity};
use super::{IDENTITIES, SECTION, below_list, method_label, org_roles, org_tabs, role_label};
use crate::api::extract::{Issues, id};
use crate::state::ServerState;
use crate::web::error::WebResult;
use crate::web::form::{Field, Form, Given, Kind, require_typed};
use crate::web::form_page::FormPage;
use crate::web::frame::{Frame, InOrg, Tab};
use crate::web::page::Page;
use crate::web::session::Viewer;
use crate::web::show::{At, Paging};

pub(super) const LIST: &str = "/access-control/identities";

struct Row {
    id: IdentityId,
    name: String,
    role: &'static str,
    methods: Vec<&'static str>,
    last_login: Option<At>,
    created: At,
}

#[derive(Template)]
#[template(path = "access/identities.html")]
struct IdentitiesPage {
    frame: Frame,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    search: String,
    may_create: bool,
    paging: Paging,
}

#[derive(Deserialize)]
pub(in crate::web) struct Wanted {
    q: Option<String>,
    page: Option<String>,
}

/// Identities on one page.
const SIZE: usize = 100;

pub(in crate::web) async fn list(State(state): State<ServerState>, viewer: Viewer, Query(wanted): Query<Wanted>) -> WebResult {
    let InOrg { frame, scope } = viewer.in_org(&state, SECTION).await?;
    let search = wanted.q.unwrap_or_default();
    let number = wanted.page.unwrap_or_default();
    let asked = number.parse::<usize>().unwrap_or(1).clamp(1, 1_000_000);
    let filter = IdentityFilter {
        search: (!search.is_empty()).then(|| search.clone()),
        offset: u64::try_from((asked - 1).saturating_mul(SIZE)).unwrap_or(u64::MAX),
        limit: u64::try_from(SIZE).unwrap_or(u64::MAX),
        ..IdentityFilter::default()
    };
    let found = state.app.list_identities(&viewer.actor, None, &filter).await?;
    let total = usize::try_from(found.total).unwrap_or(usize::MAX);
    let rows = found.identities.into_iter().map(|identity| Row {
        id: identity.record.id,
        name: identity.record.name,
        role: role_label(identity.member.role.slug()),
        methods: identity.auth_methods.into_iter().map(method_label).collect(),
        last_login: identity.record.last_login_at.map(At::from),
        created: identity.record.created_at.into(),
    });
    Ok(Page(IdentitiesPage {
        frame: frame.titled("Access Control"),
        tabs: org_tabs(&scope, IDENTITIES),
        rows: rows.collect(),
        paging: Paging::new(total, SIZE, &number, LIST, &[("q", &search)]),
        search,
        may_create: scope.allows(org::IDENTITY_CREATE, &Resource::ANY),
    })
    .into_response())
}

fn new_form(roles: Field) -> Form {
    let name = Field::text("name", "Name")
        .required()
        .helped("What it is for, such as billing-service or deploy.");
    Form::new("identity", format!("{LIST}/new"), "Create identity", vec![name, roles])
        .busy("Creating…")
        .cancel(LIST)
}

async fn new_page(state: &ServerState, viewer: &Viewer, again: Option<Form>) -> Result<FormPage, Error> {
    let InOrg { frame, scope } = viewer.in_org(state, SECTION).await?;
    Ok(FormPage {
        frame: below_list(frame, "Machine Identities", LIST, "Create identity"),
        intro: "A machine identity is how an application, a job or a server logs in. It gets Universal Auth: a client id, and \
                client secrets that you create for it. Access to secrets comes from the projects it is added to."
            .to_owned(),
        form: new_form(org_roles(&scope, OrgRole::NoAccess)).or_again(again.as_ref()),
    })
}

pub(in crate::web) async fn new(State(state): State<ServerState>, viewer: Viewer) -> WebResult {
    Ok(Page(new_page(&state, &viewer, None).await?).into_response())
}

/// Name and role, as a form gives them.
fn given_facts(given: &Given) -> Result<(String, OrgRole), Error> {
    let mut issues = Issues::new();
    let name = issues.short_text("name", given.text("name"));
    let role = OrgRole::from_slug(given.text("role"));
    issues.check(role.is_some(), "role", "custom", "must be one of the roles");
    match (role, issues.is_empty()) {
        (Some(role), true) => Ok((name, role)),
        _ => Err(issues.into_error()),
    }
}

pub(in crate::web) async fn create(State(state): State<ServerState>, viewer: Viewer, given: Given) -> WebResult {
    let made = async {
        let (name, role) = given_facts(&given)?;
        let new = NewIdentity {
            org: None,
            name,
            role,
            delete_protection: false,
            metadata: Vec::new(),
        };
        state.app.create_identity(&viewer.actor, new).await
    };
    match made.await {
        Ok(identity) => {
            // Without it nothing could log in. If this fails, the identity's page offers it again.
            let id = identity.record.id;
            state
                .app
                .attach_universal_auth(&viewer.actor, id, UniversalAuthChanges::default())
                .await?;
            Ok(viewer.go(&format!("{LIST}/{id}?done=identity-created")))
        }
        Err(error) => {
            let scope = state.app.org_access(&viewer.actor).await?;
            let form = new_form(org_roles(&scope, OrgRole::NoAccess));
            viewer
                .refuse(error, form, &given, None, |form| new_page(&state, &viewer, Some(form)))
                .await
        }
    }
}

#[derive(Template)]
#[template(path = "access/identity.html")]
pub(super) struct IdentityPage {
    frame: Frame,
    id: IdentityId,
    role: &'static str,
    methods: Vec<&'static str>,
    last_login: Option<At>,
    created: At,
    universal_auth: UniversalAuthPart,
    edit: Option<Form>,
    delete: Option<Form>,
}

fn edit_form(identity: &str, name: &str, roles: Field, protected: bool) -> Form {
    let fields = vec![
        Field::text("name", "Name").required().valued(name),
        roles,
        Field::new("protected", "Delete protection", Kind::Switch)
            .helped("While it is set, the identity cannot be deleted.")
            .ticked(protected),
    ];
    Form::new("identity", format!("{LIST}/{identity}"), "Save", fields)
}

fn delete_form(identity: &str, name: &str) -> Form {
    let field = Field::text("confirm", "Type the identity's name to delete it")
        .required()
        .helped(name);
    Form::new("delete", format!("{LIST}/{identity}/delete"), "Delete identity", vec![field])
        .busy("Deleting…")
        .danger()
}

/// `again`: the form of the page that was not accepted.
pub(super) async fn page(state: &ServerState, viewer: &Viewer, text: &str, again: Option<Form>) -> Result<IdentityPage, Error> {
    let again = again.as_ref();
    let InOrg { frame, scope } = viewer.in_org(state, SECTION).await?;
    let Identity {
        record,
        member,
        auth_methods,
    } = state.app.get_identity(&viewer.actor, id("identityId", text)?).await?;
    let covered = scope.role().covers(member.role);
    let may = |permission| covered && scope.allows(permission, &Resource::ANY);
    Ok(IdentityPage {
        frame: below_list(frame, "Machine Identities", LIST, &record.name),
        id: record.id,
        role: role_label(member.role.slug()),
        last_login: record.last_login_at.map(At::from),
        created: record.created_at.into(),
        universal_auth: of_identity(state, viewer, &scope, record.id, &auth_methods, covered, again).await?,
        methods: auth_methods.into_iter().map(method_label).collect(),
        edit: may(org::IDENTITY_EDIT)
            .then(|| edit_form(text, &record.name, org_roles(&scope, member.role), record.delete_protection).or_again(again)),
        delete: may(org::IDENTITY_DELETE).then(|| delete_form(text, &record.name).or_again(again)),
    })
}

pub(in crate::web) async fn one(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>) -> WebResult {
    Ok(Page(page(&state, &viewer, &text, None).await?).into_response())
}

pub(in crate::web) async fn save(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>, given: Given) -> WebResult {
    let saved = async {
        let (name, role) = given_facts(&given)?;
        let changes = IdentityChanges {
            name: Some(name),
            role: Some(role),
            delete_protection: Some(given.ticked("protected")),
            metadata: None,
        };
        state.app.update_identity(&viewer.actor, id("identityId", &text)?, changes).await
    };
    match saved.await {
        Ok(_identity) => Ok(viewer.go(&format!("{LIST}/{text}?done=identity-saved"))),
        Err(error) => {
            let scope = state.app.org_access(&viewer.actor).await?;
            let form = edit_form(&text, "", org_roles(&scope, OrgRole::NoAccess), false);
            viewer
                .refuse(error, form, &given, None, |form| page(&state, &viewer, &text, Some(form)))
                .await
        }
    }
}

pub(in crate::web) async fn delete(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>, given: Given) -> WebResult {
    let identity = id("identityId", &text)?;
    let name = state.app.get_identity(&viewer.actor, identity).await?.record.name;
    let deleted = async {
        require_typed(&given, &name)?;
        state.app.delete_identity(&viewer.actor, identity).await
    };
    match deleted.await {
        Ok(_identity) => Ok(viewer.go(&format!("{LIST}?done=identity-deleted"))),
        Err(error) => {
            viewer
                .refuse(error, delete_form(&text, &name), &given, None, |form| {
                    page(&state, &viewer, &text, Some(form))
                })
                .await
        }
    }
}
