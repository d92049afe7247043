use kms_core::permission::{OrgRole, ProjectRole};
use serde_json::{Value, json};

use crate::support::{Admin, Caller, PASSWORD, TestApp, on_each_database, text};

/// Invites somebody, and answers what stands after `#` in the link.
async fn invite(app: &TestApp, admin: &Caller, org: &str, email: &str, more: Value) -> String {
    let mut body = json!({ "inviteeEmails": [email], "organizationId": org });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = admin
        .with_header("host", "kms.example.com")
        .post("/api/v1/invite-org/signup", body)
        .await
        .ok();
    assert_eq!(text(&answer, "/completeInviteLinks/0/email"), email);
    let link = text(&answer, "/completeInviteLinks/0/link");
    let token = link.strip_prefix("http://kms.example.com/invitations#").unwrap().to_owned();
    app.remember_secret(&token);
    token
}

async fn accept(app: &TestApp, token: &str) -> crate::support::TestResponse {
    let body = json!({ "token": token, "password": PASSWORD, "firstName": "New", "lastName": "Comer" });
    app.nobody().post("/api/v1/invite-org/accept", body).await
}

#[test]
fn a_newcomer_joins_once_with_the_roles_of_the_invitation() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        let projects = json!({ "projects": [{ "id": project, "projectRoleSlug": ["viewer"] }] });
        let token = invite(&app, &admin, &admin.org_id, "new@example.com", projects).await;
        let open = admin.get("/api/v1/invite-org").await.ok();
        assert_eq!(text(&open, "/invitations/0/email"), "new@example.com");
        assert_eq!(text(&open, "/invitations/0/role"), "member");
        assert!(!open.to_string().contains(&token), "the token is shown once");

        let accepted = accept(&app, &token).await;
        assert!(accepted.cookie("jid").is_some(), "the session can be renewed");
        let newcomer = app.caller(&text(&accepted.ok(), "/token"));
        let listed = newcomer.get("/api/v1/projects").await.ok();
        assert_eq!(text(&listed, "/projects/0/id"), project);
        let own = newcomer.get(&format!("/api/v1/projects/{project}/memberships")).await.ok();
        assert_eq!(text(&own, "/memberships/0/user/email"), "new@example.com");
        assert_eq!(text(&own, "/memberships/0/roles/0/role"), "viewer");
        app.log_in_to("new@example.com", PASSWORD, &admin.org_id).await;

        accept(&app, &token).await.refused(404, "NotFound");
        assert_eq!(admin.get("/api/v1/invite-org").await.ok(), json!({ "invitations": [] }));
        let told = app.only_event(&admin.org_id, "create-org-membership").await;
        assert_eq!(told.actor["email"], "new@example.com");
        app.only_event(&admin.org_id, "add-project-member").await;
    });
}

#[test]
fn a_link_is_worthless_once_replaced_withdrawn_or_over() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let first = invite(&app, &admin, &admin.org_id, "new@example.com", json!({})).await;
        let second = invite(&app, &admin, &admin.org_id, "new@example.com", json!({})).await;
        accept(&app, &first).await.refused(404, "NotFound");
        let open = admin.get("/api/v1/invite-org").await.ok();
        assert_eq!(open["invitations"].as_array().unwrap().len(), 1);
        let id = text(&open, "/invitations/0/id");
        admin.delete(&format!("/api/v1/invite-org/{id}")).await.ok();
        accept(&app, &second).await.refused(404, "NotFound");
        admin.delete(&format!("/api/v1/invite-org/{id}")).await.refused(404, "NotFound");

        let third = invite(&app, &admin, &admin.org_id, "new@example.com", json!({})).await;
        app.advance(7 * 24 * 3600);
        accept(&app, &third).await.refused(404, "NotFound");
        assert_eq!(admin.get("/api/v1/invite-org").await.ok(), json!({ "invitations": [] }));
        for nonsense in ["", "x", "0123456789_kmsin_abcdef", &third[1..]] {
            accept(&app, nonsense).await.refused(404, "NotFound");
        }
    });
}

#[test]
fn whoever_has_a_login_joins_by_being_logged_in_and_nobody_in_their_place() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let elsewhere = app.add_org("Elsewhere").await.to_string();
        app.person_in(&elsewhere, "known@example.com", OrgRole::Member).await;
        app.person_in(&elsewhere, "other@example.com", OrgRole::Member).await;
        let token = invite(
            &app,
            &admin,
            &admin.org_id,
            "known@example.com",
            json!({ "organizationRoleSlug": "admin" }),
        )
        .await;
        // Whoever found the link chooses no password for somebody who has one.
        accept(&app, &token).await.refused(400, "BadRequest");
        let other = app.log_in("other@example.com", PASSWORD).await;
        other
            .post("/api/v1/invite-org/join", json!({ "token": token }))
            .await
            .refused(403, "ForbiddenError");
        let known = app.log_in("known@example.com", PASSWORD).await;
        let joined = known.post("/api/v1/invite-org/join", json!({ "token": token })).await.ok();
        assert_eq!(text(&joined, "/organization/id"), admin.org_id);
        let here = app.log_in_to("known@example.com", PASSWORD, &admin.org_id).await;
        here.get(&format!("/api/v2/organizations/{}/memberships", admin.org_id)).await.ok();
        known
            .post("/api/v1/invite-org/join", json!({ "token": token }))
            .await
            .refused(404, "NotFound");
    });
}

async fn invited(caller: &Caller, org: &str, role: &str, projects: Value) -> crate::support::TestResponse {
    let body = json!({ "inviteeEmails": ["x@example.com"], "organizationId": org, "organizationRoleSlug": role, "projects": projects });
    caller.post("/api/v1/invite-org/signup", body).await
}

#[test]
fn nobody_invites_to_more_than_they_have() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        let member = app.person_in(&admin.org_id, "member@example.com", OrgRole::Member).await;
        invited(&member, &admin.org_id, "member", json!([]))
            .await
            .refused(403, "PermissionDenied");
        let boss = app.person_in(&admin.org_id, "boss@example.com", OrgRole::Admin).await;
        let there = json!([{ "id": project, "projectRoleSlug": ["viewer"] }]);
        // An administrator of the organization who is no member of the project gives no access to it.
        invited(&boss, &admin.org_id, "member", there).await.refused(403, "ForbiddenError");
        invited(&boss, &admin.org_id, "owner", json!([])).await.refused(400, "BadRequest");
        invited(&boss, &app.add_org("Elsewhere").await.to_string(), "member", json!([]))
            .await
            .refused(404, "NotFound");
        let taken = json!({ "inviteeEmails": ["y@example.com", "member@example.com"], "organizationId": admin.org_id });
        boss.post("/api/v1/invite-org/signup", taken).await.refused(400, "BadRequest");
        for wrong in [json!([]), json!(["no address"]), json!(vec!["a@example.com"; 101])] {
            let body = json!({ "inviteeEmails": wrong, "organizationId": admin.org_id });
            assert_eq!(boss.post("/api/v1/invite-org/signup", body).await.invalid()[0], "inviteeEmails");
        }
        assert_eq!(admin.get("/api/v1/invite-org").await.ok(), json!({ "invitations": [] }));
    });
}

async fn people(admin: &Admin) -> Vec<(String, String, String)> {
    let list = admin.get(&format!("/api/v2/organizations/{}/memberships", admin.org_id)).await.ok();
    let users = list["users"].as_array().unwrap().iter();
    users
        .map(|one| (text(one, "/id"), text(one, "/user/email"), text(one, "/role")))
        .collect()
}

#[test]
fn the_last_administrator_stays_and_who_is_removed_is_out_at_once() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let project = admin.project("Shop").await;
        app.advance(1);
        let member = app.person_in(&admin.org_id, "member@example.com", OrgRole::Member).await;
        let user = member.get("/api/v1/user").await.ok();
        let user = kms_store::organizations::Principal::User(text(&user, "/user/id").parse().unwrap());
        app.join_project(user, &project, ProjectRole::Member).await;
        member.get(&format!("/api/v1/projects/{project}")).await.ok();

        let all = people(&admin).await;
        let base = format!("/api/v2/organizations/{}/memberships", admin.org_id);
        let of = |index: usize| format!("{base}/{}", all[index].0);
        admin.patch(&of(0), json!({ "role": "member" })).await.refused(400, "BadRequest");
        admin.delete(&of(0)).await.refused(400, "BadRequest");
        member
            .patch(&of(1), json!({ "role": "admin" }))
            .await
            .refused(403, "PermissionDenied");
        let changed = admin.patch(&of(1), json!({ "role": "admin" })).await.ok();
        assert_eq!(text(&changed, "/membership/role"), "admin");
        // Two administer it now: either can go.
        admin.patch(&of(0), json!({ "role": "member" })).await.ok();
        admin.patch(&of(0), json!({ "role": "admin" })).await.ok();
        let removed = admin.delete(&of(1)).await.ok();
        assert_eq!(text(&removed, "/membership/user/email"), "member@example.com");
        member
            .get(&format!("/api/v1/projects/{project}"))
            .await
            .refused(401, "UnauthorizedError");
        assert_eq!(people(&admin).await.len(), 1);
        // Back in the organization, the projects have to be given again.
        let token = invite(&app, &admin, &admin.org_id, "member@example.com", json!({})).await;
        let again = app.log_in("member@example.com", PASSWORD).await;
        again.post("/api/v1/invite-org/join", json!({ "token": token })).await.ok();
        let again = app.log_in_to("member@example.com", PASSWORD, &admin.org_id).await;
        again
            .get(&format!("/api/v1/projects/{project}"))
            .await
            .refused(403, "ForbiddenError");
        admin.get(&of(1)).await.refused(404, "NotFound");
    });
}

#[test]
fn organizations_are_founded_by_who_administers_the_instance() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let founder = app.log_in(&admin.email, &admin.password).await;
        let made = founder.post("/api/v2/organizations", json!({ "name": "Second" })).await.ok();
        let second = text(&made, "/organization/id");
        let here = app.log_in_to(&admin.email, &admin.password, &second).await;
        assert_eq!(here.get("/api/v1/projects").await.ok(), json!({ "projects": [] }));
        // It has a data key of its own: secrets can be sealed in it.
        let project = here.post("/api/v1/projects", json!({ "projectName": "There" })).await.ok();
        let secret = json!({ "projectId": text(&project, "/project/id"), "environment": "dev", "secretValue": "a-value-to-keep" });
        here.post("/api/v4/secrets/NAME", secret).await.ok();

        app.add_person("eve@example.com").await;
        let eve = app.log_in("eve@example.com", PASSWORD).await;
        eve.post("/api/v2/organizations", json!({ "name": "Hers" }))
            .await
            .refused(403, "ForbiddenError");
        founder.post("/api/v2/organizations", json!({ "name": " " })).await.invalid();
    });
}
