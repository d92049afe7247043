//! Who acts in stories about projects: people with each role, machine identities, and OpenRouter.

use kms_core::ids::{IdentityId, MembershipId, OrgId, ProjectId, RoleAssignmentId};
use kms_core::permission::{OrgRole, ProjectRole};
use kms_core::time::Clock as _;
use kms_store::identities::IdentityRecord;
use kms_store::organizations::Principal;
use kms_store::projects::{ProjectMemberRecord, RoleAssignment};
use openrouter_sim::{SimConfig, Simulator};
use serde_json::{Value, json};

use super::{Admin, Caller, Options, TestApp};

/// Every built-in role of a project that is not the administrator's.
pub(crate) const WEAK_ROLES: [ProjectRole; 3] = [ProjectRole::NoAccess, ProjectRole::Viewer, ProjectRole::Member];

impl TestApp {
    /// A service with an administrator, and OpenRouter on a port of its own.
    pub(crate) async fn with_simulator() -> (Simulator, Self, Admin) {
        Self::with_simulator_and(Options::default()).await
    }

    /// The same with other options.
    pub(crate) async fn with_simulator_and(options: Options) -> (Simulator, Self, Admin) {
        let config = SimConfig {
            key_marker: Some("51a51a51".to_owned()),
            ..SimConfig::default()
        };
        let simulator = Simulator::start(config).await.unwrap();
        let options = Options {
            openrouter: Some(simulator.base_url().parse().unwrap()),
            ..options
        };
        let (app, admin) = Self::bootstrapped_with(options).await;
        app.remember_secret(simulator.management_key());
        (simulator, app, admin)
    }

    /// Makes somebody a member of a project.
    pub(crate) async fn join_project(&self, who: Principal, project: &str, role: ProjectRole) {
        let now = self.clock.now();
        let member = ProjectMemberRecord {
            id: MembershipId::random(self.app.entropy()),
            project: project.parse::<ProjectId>().unwrap(),
            principal: who,
            roles: vec![RoleAssignment {
                id: RoleAssignmentId::random(self.app.entropy()),
                role,
                temporary: None,
            }],
            created_at: now,
            updated_at: now,
        };
        let tx = self.store.write().await.unwrap();
        tx.insert_project_member(&member).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A person without rights in the organization, and with a role in one project.
    pub(crate) async fn person_in_project(&self, org: &str, project: &str, role: ProjectRole) -> Caller {
        let email = format!("{}@{}.example.com", role.slug(), &project[..8]);
        let user = self.add_person(&email).await;
        self.join(Principal::User(user), org.parse().unwrap(), OrgRole::NoAccess).await;
        self.join_project(Principal::User(user), project, role).await;
        self.log_in_to(&email, super::PASSWORD, org).await
    }

    /// The administrator of another organization.
    pub(crate) async fn stranger(&self) -> Caller {
        let org = self.add_org("Elsewhere").await;
        self.person_in(&org.to_string(), "stranger@example.org", OrgRole::Admin).await
    }

    /// A machine identity of an organization. It cannot log in.
    pub(crate) async fn add_identity(&self, org: &str, name: &str) -> IdentityId {
        let now = self.clock.now();
        let org: OrgId = org.parse().unwrap();
        let identity = IdentityRecord {
            id: IdentityId::random(self.app.entropy()),
            org,
            name: name.to_owned(),
            delete_protection: false,
            instance_admin: false,
            metadata: json!([]),
            last_login_method: None,
            last_login_at: None,
            created_at: now,
            updated_at: now,
        };
        let tx = self.store.write().await.unwrap();
        tx.insert_identity(&identity).await.unwrap();
        tx.commit().await.unwrap();
        self.join(Principal::Identity(identity.id), org, OrgRole::NoAccess).await;
        identity.id
    }
}

impl Admin {
    /// Makes a project. Answers its id.
    pub(crate) async fn project(&self, name: &str) -> String {
        let made = self.post("/api/v1/projects", json!({ "projectName": name })).await.ok();
        text(&made, "/project/id")
    }
}

/// The text at a place of a body.
#[track_caller]
pub(crate) fn text(body: &Value, pointer: &str) -> String {
    let found = body.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no text at {pointer} of {body}")).to_owned()
}

/// The texts at a place of each of several things.
#[track_caller]
pub(crate) fn texts(list: &Value, pointer: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| text(one, pointer)).collect()
}
