//! What stands around the content of every page: the head, the navigation, where one is, what was just done.

use kms_app::Error;
use kms_app::access::{OrgScope, ProjectScope};
use kms_app::projects::Project;
use kms_core::permission::{Resource, org, project};

use super::session::Viewer;
use super::{access, assets};
use crate::state::ServerState;

/// Colours: the system's, or as somebody chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub(super) fn from_word(word: &str) -> Self {
        match word {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// What even the simplest page needs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    pub(super) theme: Theme,
}

impl Look {
    pub(super) fn style_sheet(self) -> String {
        assets::url("app.css")
    }

    pub(super) fn script(self) -> String {
        assets::url("app.js")
    }

    pub(super) fn htmx(self) -> String {
        assets::url("htmx.min.js")
    }

    pub(super) fn icon(self, name: &str) -> String {
        format!("{}#{name}", assets::url("icons.svg"))
    }
}

/// A step of the way to the page.
#[derive(Debug, Clone)]
pub(super) struct Crumb {
    pub(super) label: String,
    /// None for the page itself.
    pub(super) href: Option<String>,
}

/// A place in the navigation.
#[derive(Debug, Clone)]
pub(super) struct NavItem {
    pub(super) label: &'static str,
    pub(super) icon: &'static str,
    pub(super) href: String,
    pub(super) current: bool,
}

/// A page beside others of the same place.
#[derive(Debug, Clone)]
pub(super) struct Tab {
    pub(super) label: &'static str,
    pub(super) href: String,
    pub(super) current: bool,
}

/// A thing to switch to.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) current: bool,
}

/// What stands around a page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) look: Look,
    pub(super) title: String,
    /// E-mail address of whoever looks.
    pub(super) person: String,
    pub(super) orgs: Vec<Choice>,
    /// Whether the person may found another organization.
    pub(super) may_found_orgs: bool,
    /// Name of the project, on its pages.
    pub(super) project: Option<Choice>,
    pub(super) projects: Vec<Choice>,
    pub(super) nav: Vec<NavItem>,
    pub(super) crumbs: Vec<Crumb>,
    /// What was just done.
    pub(super) notice: Option<&'static str>,
    /// A day of a rotation's interval lasts a minute.
    pub(super) development: bool,
    /// Where news about this page comes from.
    pub(super) live: Option<String>,
}

/// Projects that the switcher offers; the others are found on the page of all.
const SWITCHABLE: usize = 30;

impl Frame {
    /// A page below the others.
    pub(super) fn below(mut self, label: &str, href: String) -> Self {
        self.crumbs.push(Crumb {
            label: label.to_owned(),
            href: Some(href),
        });
        self
    }

    /// The page's own title.
    pub(super) fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self.crumbs.push(Crumb {
            label: title.to_owned(),
            href: None,
        });
        self
    }

    pub(super) fn live(mut self, source: String) -> Self {
        self.live = Some(source);
        self
    }

    pub(super) fn org_name(&self) -> &str {
        self.orgs.iter().find(|org| org.current).map_or("", |org| org.name.as_str())
    }
}

/// A page of the organization.
pub(super) struct InOrg {
    pub(super) frame: Frame,
    /// What the viewer may do in it.
    pub(super) scope: OrgScope,
}

/// A page of a project.
pub(super) struct InProject {
    pub(super) frame: Frame,
    pub(super) project: Project,
    /// What the viewer may do in it.
    pub(super) scope: ProjectScope,
}

impl Viewer {
    async fn bare_frame(&self, state: &ServerState) -> Result<(Frame, Vec<Project>), Error> {
        let app = &state.app;
        let orgs = app.list_own_orgs(&self.signed_in).await?;
        let projects = app.list_projects(&self.actor).await?;
        let frame = Frame {
            look: self.look,
            title: String::new(),
            person: self.signed_in.user().email.clone(),
            orgs: orgs
                .into_iter()
                .map(|(org, _member)| Choice {
                    current: org.id == self.actor.org(),
                    id: org.id.to_string(),
                    name: org.name,
                })
                .collect(),
            may_found_orgs: self.signed_in.user().instance_admin,
            project: None,
            projects: projects.iter().take(SWITCHABLE).map(|project| choice(project, None)).collect(),
            nav: Vec::new(),
            crumbs: Vec::new(),
            notice: self.done.as_deref().and_then(notice),
            development: app.settings().pace == kms_core::rotation::schedule::Pace::DevelopmentMinutes,
            live: None,
        };
        Ok((frame, projects))
    }

    /// A page of the organization. `section`: the address of its place in the navigation.
    pub(super) async fn in_org(&self, state: &ServerState, section: &str) -> Result<InOrg, Error> {
        let (mut frame, _projects) = self.bare_frame(state).await?;
        let scope = state.app.org_access(&self.actor).await?;
        let item = |label, icon, href: &str| NavItem {
            label,
            icon,
            href: href.to_owned(),
            current: href == section,
        };
        frame.nav.push(item("Projects", "projects", "/projects"));
        if scope.allows(org::APP_CONNECTIONS_READ, &Resource::ANY) {
            frame.nav.push(item("App Connections", "integrations", "/app-connections"));
        }
        if let Some(first) = access::org_tabs(&scope, "").first() {
            frame.nav.push(NavItem {
                label: "Access Control",
                icon: "access",
                href: first.href.clone(),
                current: section == access::SECTION,
            });
        }
        if scope.allows(org::AUDIT_LOGS_READ, &Resource::ANY) {
            frame.nav.push(item("Audit Logs", "audit", "/audit-logs"));
        }
        if scope.allows(org::SETTINGS_READ, &Resource::ANY) {
            frame.nav.push(item("Organization Settings", "settings", "/organization-settings"));
        }
        Ok(InOrg { frame, scope })
    }

    /// A page of a project. `section`: the last part of the address of its place in the navigation.
    pub(super) async fn in_project(&self, state: &ServerState, id: &str, section: &str) -> Result<InProject, Error> {
        let (mut frame, projects) = self.bare_frame(state).await?;
        let found = projects
            .into_iter()
            .find(|project| project.record.id.to_string() == id)
            .ok_or_else(|| Error::not_found(format!("no project with the id {id}, or none that you may see")))?;
        let base = format!("/projects/{id}");
        let scope = state.app.project_access(&self.actor, found.record.id).await?;
        let item = |label, icon, last: &str| NavItem {
            label,
            icon,
            href: format!("{base}/{last}"),
            current: last == section,
        };
        if scope.allows_somewhere(project::SECRETS_DESCRIBE) {
            frame.nav.push(item("Secrets", "secrets", "secrets"));
        }
        if scope.allows_somewhere(project::ROTATION_READ) {
            frame.nav.push(item("Secret Rotation", "rotation", "rotations"));
        }
        if scope.allows_somewhere(project::APP_CONNECTIONS_READ) {
            frame.nav.push(item("Integrations", "integrations", "integrations"));
        }
        if let Some(first) = access::project_tabs(&scope, id, "").first() {
            frame.nav.push(NavItem {
                label: "Access Control",
                icon: "access",
                href: first.href.clone(),
                current: section == access::SECTION,
            });
        }
        if scope.allows(project::AUDIT_LOGS_READ, &Resource::ANY) {
            frame.nav.push(item("Audit Logs", "audit", "audit-logs"));
        }
        frame.nav.push(item("Project Settings", "settings", "settings"));
        for offered in &mut frame.projects {
            offered.current = offered.id == id;
        }
        frame.project = Some(choice(&found, Some(id)));
        frame.crumbs.push(Crumb {
            label: found.record.name.clone(),
            href: Some(format!("{base}/secrets")),
        });
        Ok(InProject {
            frame,
            project: found,
            scope,
        })
    }
}

fn choice(project: &Project, current: Option<&str>) -> Choice {
    let id = project.record.id.to_string();
    Choice {
        current: current == Some(id.as_str()),
        name: project.record.name.clone(),
        id,
    }
}

/// What is said about something that was just done. The address carries the word, so that a page can be loaded again.
fn notice(word: &str) -> Option<&'static str> {
    Some(match word {
        "set-up" => "Hanzo KMS is set up, and you are logged in.",
        "project-created" => "The project is there.",
        "project-saved" => "The project's settings are saved.",
        "project-deleted" => "The project is deleted. Keys that it had issued are being revoked.",
        "person-saved" => "The role is saved. It holds from the next request on.",
        "person-removed" => "The person has no access any more.",
        "invitation-withdrawn" => "The invitation is withdrawn; its link is worthless.",
        "people-added" => "The person has access to the project.",
        "identity-created" => "The machine identity is there, with Universal Auth. Create a client secret next.",
        "identity-saved" => "The machine identity is saved.",
        "identity-deleted" => "The machine identity is deleted. Its client secrets and tokens are good no longer.",
        "identity-added" => "The machine identity has access to the project.",
        "identity-removed" => "The machine identity has no access to the project any more.",
        "auth-added" => "Universal Auth is there. Create a client secret next.",
        "auth-saved" => "Universal Auth is saved.",
        "auth-removed" => "Universal Auth is removed. Its client secrets and tokens are good no longer.",
        "lockouts-cleared" => "Whoever was locked out can try again.",
        "client-secret-revoked" => "The client secret is revoked, and every token that was given for it.",
        "organization-created" => "The organization is there, and you administer it.",
        "organization-saved" => "The organization is saved.",
        "joined" => "Welcome to the organization.",
        "password-changed" => "The password is changed. All your other sessions are ended.",
        "session-ended" => "The session is ended.",
        "environment-saved" => "The environment is saved.",
        "environment-deleted" => "The environment is deleted. Keys that it had issued are being revoked.",
        "environment-created" => "The environment is there.",
        "connection-created" => "The connection is there. It is ready to be used by a Secret Rotation.",
        "connection-saved" => "The connection is saved.",
        "connection-deleted" => "The connection is deleted.",
        "secret-created" => "The secret is saved.",
        "secrets-created" => "The secrets are saved.",
        "secret-saved" => "The secret is saved as a new version.",
        "secret-restored" => "The earlier version is current again, as a new version.",
        "secret-deleted" => "The secret is deleted.",
        "secrets-deleted" => "The secrets are deleted.",
        "folder-created" => "The folder is there.",
        "folder-saved" => "The folder is saved.",
        "folder-deleted" => "The folder is deleted.",
        "rotation-created" => "The rotation is there, and its first key is stored.",
        "rotation-saved" => "The rotation is saved.",
        "rotated" => "Rotated: the new key is what applications read from now on.",
        "checked" => "The key that applications read is accepted.",
        "rotation-deleted" => "The rotation is deleted.",
        _ => return None,
    })
}
