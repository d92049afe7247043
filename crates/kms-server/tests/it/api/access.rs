//! Every route, tried by everybody: the table is checked in as `docs/access.txt`, and a new route without a line fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::http::Method;
use kms_core::permission::{OrgRole, ProjectRole};
use kms_store::organizations::Principal;
use serde_json::{Value, json};

use super::openapi::{checked_in, document, operations};
use crate::support::{Admin, Caller, TestApp, on_each_database, text};
use openrouter_sim::Simulator;

/// Routes of one's own affairs: everybody who is logged in may ask, and sees nothing but their own.
const OWN: [&str; 22] = [
    "GET /api/v1/app-connections",
    "GET /api/v1/app-connections/open-router/available",
    "GET /api/v1/app-connections/options",
    "GET /api/v1/identities",
    "GET /api/v1/identities/details",
    "GET /api/v1/invite-org",
    "GET /api/v1/organization",
    "GET /api/v1/organization/accessible-with-sub-orgs",
    "GET /api/v1/projects",
    "GET /api/v1/user",
    "GET /api/v1/workspace",
    "GET /api/v2/secret-rotations/options",
    "GET /api/v2/users/me/organizations",
    "POST /api/v1/auth/checkAuth",
    "POST /api/v1/projects",
    "POST /api/v2/identities/search",
    "POST /api/v2/workspace",
    "POST /api/v1/auth/logout",
    "POST /api/v1/invite-org/join",
    "POST /api/v1/auth/token/renew",
    "POST /api/v1/auth/token/revoke",
    "POST /api/v3/auth/select-organization",
];

/// Who belongs to the organization and the project sees them, whatever their role; rights are on what is inside.
const OF_MEMBERS: [&str; 5] = [
    "GET /api/v1/organization/{organizationId}",
    "GET /api/v1/projects/slug/{slug}",
    "GET /api/v1/projects/{projectId}",
    "GET /api/v1/workspace/{projectId}",
    "GET /api/v2/workspace/{projectId}",
];

/// The administrator gets past the check, and is told that the state does not allow it.
const NOT_NOW: [&str; 2] = [
    "DELETE /api/v1/app-connections/open-router/{connectionId}",
    "POST /api/v2/secret-rotations/{type}/{rotationId}/reconcile",
];

/// The instance's settings, and founding organizations, are for instance administrators, who are people.
const NOT_FOR_MACHINES: [&str; 2] = ["PATCH /api/v1/admin/config", "POST /api/v2/organizations"];

/// A project with one of everything.
struct World {
    _simulator: Simulator,
    app: TestApp,
    admin: Admin,
    project: String,
    names: BTreeMap<&'static str, String>,
    universal: Value,
}

impl World {
    async fn new() -> Self {
        let (simulator, app, admin) = TestApp::with_simulator().await;
        let made = admin.post("/api/v1/projects", json!({ "projectName": "Shop" })).await.ok();
        let project = text(&made, "/project/id");
        let slug = text(&made, "/project/slug");
        let environment = text(&made, "/project/environments/0/id");
        let at = json!({ "projectId": project, "environment": "prod", "path": "/", "name": "llm" });
        let folder = text(&admin.post("/api/v2/folders", at).await.ok(), "/folder/id");
        let secret = json!({ "projectId": project, "environment": "prod", "secretPath": "/", "secretValue": "a-value-to-keep" });
        let secret = text(&admin.post("/api/v4/secrets/THERE", secret).await.ok(), "/secret/id");
        let connection = json!({
            "name": "router", "method": "api-key", "projectId": project, "credentials": { "apiKey": simulator.management_key() },
        });
        let connection = admin.post("/api/v1/app-connections/open-router", connection).await.ok();
        let connection = text(&connection, "/appConnection/id");
        let rotation = json!({
            "name": "router-key", "projectId": project, "connectionId": connection, "environment": "prod", "secretPath": "/llm",
            "rotationInterval": 30, "parameters": { "name": "gateway" }, "secretsMapping": { "apiKey": "ROTATED" },
        });
        let rotation = admin.post("/api/v2/secret-rotations/open-router-api-key", rotation).await.ok();
        let rotation = text(&rotation, "/secretRotation/id");
        let identity = admin
            .post("/api/v1/identities", json!({ "name": "deployer", "role": "member" }))
            .await
            .ok();
        let identity = text(&identity, "/identity/id");
        let universal_auth = format!("/api/v1/auth/universal-auth/identities/{identity}");
        admin.post(&universal_auth, json!({})).await.ok();
        let client_secret = admin.post(&format!("{universal_auth}/client-secrets"), json!({})).await.ok();
        let token_auth = format!("/api/v1/auth/token-auth/identities/{identity}");
        admin.post(&token_auth, json!({})).await.ok();
        let token = admin.post(&format!("{token_auth}/tokens"), json!({})).await.ok();
        let joined = format!("/api/v1/projects/{project}/memberships/identities/{identity}");
        let membership = text(
            &admin.post(&joined, json!({ "role": "viewer" })).await.ok(),
            "/identityMembership/id",
        );

        let user = app.add_person("there@example.com").await;
        let org_id = admin.org_id.parse().unwrap();
        app.join(Principal::User(user), org_id, OrgRole::NoAccess).await;
        app.join_project(Principal::User(user), &project, ProjectRole::Viewer).await;
        let people = format!("/api/v1/projects/{project}/user/{user}/membership");
        let person_membership = text(&admin.get(&people).await.ok(), "/membership/id");
        let members = format!("/api/v2/organizations/{}/memberships", admin.org_id);
        let members = admin.get(&members).await.ok();
        let there = members["users"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["inviteEmail"] == "there@example.com");
        let org_membership = text(there.unwrap(), "/id");
        let invite = json!({ "inviteeEmails": ["invited@example.com"], "organizationId": admin.org_id });
        admin.post("/api/v1/invite-org/signup", invite).await.ok();
        let invitation = text(&admin.get("/api/v1/invite-org").await.ok(), "/invitations/0/id");

        // One body for all: unknown keys are ignored.
        let universal = json!({
            "projectId": project, "workspaceId": project, "environment": "prod", "secretPath": "/", "path": "/",
            "projectName": "Another", "name": "another", "slug": "another", "role": "member",
            "secretValue": "another-value", "secretKey": "THERE",
            "secrets": [{ "secretKey": "THERE", "secretName": "THERE", "secretValue": "another-value" }],
            "folders": [{ "id": folder, "environment": "prod", "name": "renamed", "path": "/" }],
            "sourceEnvironment": "prod", "destinationEnvironment": "staging", "secretIds": [secret],
            "method": "api-key", "credentials": { "apiKey": simulator.management_key() },
            "connectionId": connection, "rotationInterval": 30, "parameters": { "name": "gateway" },
            "secretsMapping": { "apiKey": "ROTATED_TOO" }, "auditLogsRetentionDays": 7, "destinationSecretPath": "/",
            "organizationId": admin.org_id, "search": "deploy",
            "inviteeEmails": ["another@example.com"], "username": "there@example.com",
        });
        let names = BTreeMap::from([
            ("projectId", project.clone()),
            ("slug", slug),
            ("envId", environment),
            ("environment", "prod".to_owned()),
            ("path", "llm".to_owned()),
            ("folderId", folder),
            ("secretId", secret),
            ("secretName", "THERE".to_owned()),
            ("connectionId", connection),
            ("connectionName", "router".to_owned()),
            ("rotationId", rotation),
            ("rotationName", "router-key".to_owned()),
            ("type", "open-router-api-key".to_owned()),
            ("identityId", identity),
            ("tokenId", text(&token, "/tokenData/id")),
            ("clientSecretId", text(&client_secret, "/clientSecretData/id")),
            ("membershipId", membership),
            ("organizationId", admin.org_id.clone()),
            ("userId", user.to_string()),
            ("invitationId", invitation),
            ("membership of a person in the project", person_membership),
            ("membership of a person in the organization", org_membership),
        ]);
        Self {
            _simulator: simulator,
            app,
            admin,
            project,
            names,
            universal,
        }
    }

    async fn somebody(&self, who: &str) -> Caller {
        let role = match who {
            "nobody" => return self.app.nobody(),
            "stranger" => return self.app.stranger().await,
            "admin" => return (*self.admin).clone(),
            "no-access" => ProjectRole::NoAccess,
            "viewer" => ProjectRole::Viewer,
            _ => ProjectRole::Member,
        };
        self.app.person_in_project(&self.admin.org_id, &self.project, role).await
    }

    /// Tries the route. `None` if it was refused for who asks, else the status.
    async fn try_route(&self, who: &Caller, method: &str, path: &str) -> Option<u16> {
        let mut filled = path.to_owned();
        for (name, value) in &self.names {
            let slug = format!("{{{name}}}");
            // What is made must not be there yet, what is looked up by a slug in a project is an environment.
            let value = match (*name, method) {
                ("secretName", "POST") => "NEW",
                ("slug", _) if path.contains("environments/slug") => "prod",
                // The first part of these two paths is a project, for older clients.
                ("folderId", _) if path.starts_with("/api/v1/folders/{folderId}/") => &self.project,
                ("membershipId", _) if path.starts_with("/api/v2/organizations/") => {
                    &self.names["membership of a person in the organization"]
                }
                ("membershipId", _) if path.starts_with("/api/v1/workspace/") => &self.names["membership of a person in the project"],
                _ => value,
            };
            filled = filled.replace(&slug, value);
        }
        let mut body = self.universal.clone();
        if method == "POST" && path.contains("/batch") {
            body["secrets"] = json!([{ "secretKey": "NEW", "secretName": "NEW", "secretValue": "another-value" }]);
        }
        if path.ends_with("/memberships/identities/{identityId}") || path.ends_with("/identity-memberships/{identityId}") {
            body["roles"] = json!([{ "role": "viewer" }]);
        }
        if path.ends_with("/workspace/{projectId}/memberships") {
            body["emails"] = json!(["there@example.com"]);
            if method == "POST" {
                let fresh = self.app.add_person("fresh@example.com").await;
                let org = self.admin.org_id.parse().unwrap();
                self.app.join(Principal::User(fresh), org, OrgRole::NoAccess).await;
                body["emails"] = json!(["fresh@example.com"]);
            }
        }
        let joins = method == "POST"
            && (path.ends_with("memberships/identities/{identityId}") || path.ends_with("identity-memberships/{identityId}"));
        let attaches = method == "POST" && path.ends_with("-auth/identities/{identityId}");
        if joins || attaches {
            // Somebody who is not there yet, and has no way to log in yet.
            let fresh = self.app.add_identity(&self.admin.org_id, "fresh").await.to_string();
            filled = filled.replace(&self.names["identityId"], &fresh);
        }
        let query = format!(
            "?projectId={0}&workspaceId={0}&environment=prod&secretPath={2}&path=/&organizationId={1}",
            self.project,
            self.admin.org_id,
            if path.contains("rotation-name") { "/llm" } else { "/" }
        );
        let answer = match method {
            "GET" => who.get(&format!("{filled}{query}")).await,
            "DELETE" => who.delete_with(&filled, body).await,
            other => {
                let method: Method = other.parse().unwrap();
                who.send_raw(method, &filled, "application/json", body.to_string()).await
            }
        };
        let status = answer.status.as_u16();
        // Where a body names a project, one that the caller cannot see is a violated rule and not a missing page.
        let unseen = status == 400
            && answer.json["message"]
                .as_str()
                .is_some_and(|text| text.starts_with("no project with the id"));
        (!matches!(status, 401 | 403 | 404) && !unseen).then_some(status)
    }
}

#[test]
fn everybody_may_do_what_the_table_says_and_no_more() {
    on_each_database(async || {
        let world = World::new().await;
        let routes: Vec<(String, String)> = operations(&document(&world.app).await)
            .into_iter()
            .filter(|(_, _, operation)| operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty()))
            .map(|(method, path, _)| (path, method))
            .collect();
        assert!(routes.len() > 100, "{}", routes.len());
        let mut rows: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut wrong = Vec::new();
        for who in ["nobody", "stranger", "no-access", "viewer", "member", "admin"] {
            let mut world = World::new().await;
            let mut caller = world.somebody(who).await;
            for (path, method) in &routes {
                let allowed = world.try_route(&caller, method, path).await;
                let name = format!("{method} {path}");
                let own = OWN.contains(&name.as_str());
                match (who, allowed) {
                    ("nobody", Some(status)) => wrong.push(format!("{name}: nobody got {status}")),
                    ("no-access", Some(200)) if OF_MEMBERS.contains(&name.as_str()) => {}
                    ("stranger" | "no-access", Some(status)) if !own => wrong.push(format!("{name}: {who} got {status}")),
                    ("admin", Some(200 | 204)) => {}
                    ("admin", Some(400)) if NOT_NOW.contains(&name.as_str()) => {}
                    ("admin", None) if NOT_FOR_MACHINES.contains(&name.as_str()) => {}
                    ("admin", other) if !own => wrong.push(format!("{name}: the administrator got {other:?}")),
                    _ => {}
                }
                let row = rows.entry((path.clone(), method.clone())).or_default();
                row.push_str(if allowed.is_some() { "  yes " } else { "   -  " });
                // Whoever was let in may have changed everything.
                if allowed.is_some() && (method != "GET" || own) {
                    world = World::new().await;
                    caller = world.somebody(who).await;
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let mut table =
            "Who gets past the check of each route. Stranger: the administrator of another organization. The others: people with that\n\
                         role in the project and none in the organization; admin: of the organization. Public routes are not listed.\n\n\
                         nobody stranger no-access viewer member admin\n"
                .to_owned();
        for ((path, method), row) in rows {
            writeln!(table, "{row}  {method:<6} {path}").unwrap();
        }
        checked_in("access.txt", &table);
    });
}
