//! People and machines on the screen: members, invitations, machine identities and their client secrets, the own account.

use axum::http::StatusCode;
use serde_json::json;

use super::browser::{Browser, id_after, invite, set_up};
use crate::support::{PASSWORD, TestApp, on_each_database, text};

/// What stands in the element that can be copied.
fn copied(page: &str, slot: &str) -> String {
    let mark = format!("id=\"copy-{slot}\">");
    let start = page.find(&mark).unwrap_or_else(|| panic!("no {slot} in {page}")) + mark.len();
    page[start..].split('<').next().unwrap().to_owned()
}

#[test]
fn a_machine_identity_is_made_logs_in_and_reads_what_its_project_gives() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let mut browser = set_up(&app).await;
        let made = browser.submit("/projects/new", &[("name", "Chat"), ("environments", "on")]).await;
        let project = id_after(&made, "/projects/");
        let empty = browser.open("/access-control/identities").await;
        assert!(empty.text.contains("No machine identity yet") && empty.text.contains("Create identity"));

        let nameless = browser
            .send("/access-control/identities/new", &[("name", " "), ("role", "no-access")])
            .await;
        assert!(nameless.status == StatusCode::UNPROCESSABLE_ENTITY && nameless.text.contains("Must not be empty."));
        let made = browser
            .submit("/access-control/identities/new", &[("name", "chat-server"), ("role", "no-access")])
            .await;
        let identity = id_after(&made, "/access-control/identities/");
        let base = format!("/access-control/identities/{identity}");
        let page = browser.open(&made).await;
        assert!(page.text.contains("The identity cannot log in without one."), "{}", page.text);
        let client_id = copied(&page.text, "client-id");

        // The client secret is on the page that answers its creation, and nowhere else.
        let fields = [("description", "on the chat server"), ("ttl", "0"), ("numUsesLimit", "5")];
        let shown = browser.send(&format!("{base}/client-secrets"), &fields).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
        let client_secret = copied(&shown.text, "client-secret");
        app.remember_secret(&client_secret);
        assert!(shown.text.contains("shown only now") && shown.headers["cache-control"] == "no-store");
        assert_eq!(copied(&shown.text, "client-id"), client_id);
        let page = browser.open(&base).await;
        assert!(page.text.contains("on the chat server") && page.text.contains("0 of 5"));
        assert!(!page.text.contains(&client_secret));

        // Without a project it sees none.
        let login = json!({ "clientId": client_id, "clientSecret": client_secret });
        let token = app.nobody().post("/api/v1/auth/universal-auth/login", login.clone()).await.ok();
        let machine = app.caller(&text(&token, "/accessToken"));
        assert_eq!(machine.get("/api/v1/projects").await.ok(), json!({ "projects": [] }));
        let members = format!("/projects/{project}/access-control/identities");
        let offered = browser.open(&members).await;
        assert!(offered.text.contains("chat-server") && offered.text.contains("No machine identity has access yet"));
        let added = browser.submit(&members, &[("identity", &identity), ("role", "viewer")]).await;
        assert!(browser.open(&added).await.text.contains("has access to the project"));
        machine.get(&format!("/api/v1/projects/{project}")).await.ok();
        let twice = browser.send(&members, &[("identity", &identity), ("role", "viewer")]).await;
        assert!(twice.status == StatusCode::UNPROCESSABLE_ENTITY && twice.text.contains("already"));
        browser.submit(&format!("{members}/{identity}"), &[("role", "member")]).await;
        let one = browser.open(&format!("{members}/{identity}")).await;
        assert!(one.text.contains("<dd>Member</dd>"), "{}", one.text);
        browser.submit(&format!("{members}/{identity}/remove"), &[]).await;
        machine
            .get(&format!("/api/v1/projects/{project}"))
            .await
            .refused(403, "ForbiddenError");

        // Settings, lockouts, revocation.
        let settings = |networks: &'static str| {
            [
                ("accessTokenTTL", "600"),
                ("accessTokenMaxTTL", "3600"),
                ("accessTokenNumUsesLimit", "0"),
                ("clientSecretTrustedIps", networks),
                ("accessTokenTrustedIps", "0.0.0.0/0, ::/0"),
                ("lockoutEnabled", "on"),
                ("lockoutThreshold", "3"),
                ("lockoutDurationSeconds", "300"),
            ]
        };
        let auth = format!("{base}/universal-auth");
        let refused = browser.send(&auth, &settings("10.0.0.0/33")).await;
        assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.text.contains("Must be addresses or networks"));
        browser.submit(&auth, &settings("10.0.0.0/8, 203.0.113.7")).await;
        let page = browser.open(&base).await;
        assert!(page.text.contains("value=\"10.0.0.0/8, 203.0.113.7\"") && page.text.contains("value=\"600\""));
        browser.submit(&format!("{auth}/clear-lockouts"), &[]).await;
        let secret = id_after(&page.text, "/client-secrets/");
        browser.submit(&format!("{base}/client-secrets/{secret}/revoke"), &[]).await;
        app.nobody()
            .post("/api/v1/auth/universal-auth/login", login)
            .await
            .refused(401, "UnauthorizedError");
        machine.get("/api/v1/projects").await.refused(401, "UnauthorizedError");

        browser.submit(&format!("{auth}/remove"), &[]).await;
        assert!(browser.open(&base).await.text.contains("Add Universal Auth"));
        browser.submit(&format!("{auth}/add"), &[]).await;
        let edit = [("name", "chat-backend"), ("role", "member"), ("protected", "on")];
        browser.submit(&base, &edit).await;
        let kept = browser.send(&format!("{base}/delete"), &[("confirm", "chat-backend")]).await;
        assert_eq!(kept.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", kept.text);
        browser.submit(&base, &[("name", "chat-backend"), ("role", "member")]).await;
        let unsure = browser.send(&format!("{base}/delete"), &[("confirm", "chat")]).await;
        assert_eq!(unsure.status, StatusCode::UNPROCESSABLE_ENTITY);
        browser.submit(&format!("{base}/delete"), &[("confirm", "chat-backend")]).await;
        assert!(
            browser
                .open("/access-control/identities")
                .await
                .text
                .contains("No machine identity yet")
        );
    });
}

#[test]
fn people_are_invited_join_work_and_leave() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let mut browser = set_up(&app).await;
        let made = browser.submit("/projects/new", &[("name", "Chat"), ("environments", "on")]).await;
        let project = id_after(&made, "/projects/");
        let wrong = browser
            .send("/access-control/users", &[("emails", "grace@"), ("role", "member")])
            .await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(wrong.text.contains("value=\"grace@\""), "what was typed stays");
        let invite = [("emails", "grace@example.com, alan@example.com"), ("role", "member")];
        let shown = browser.send("/access-control/users", &invite).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
        let code = |slot: &str| {
            let link = copied(&shown.text, slot);
            let code = link.split_once("/invitations#").unwrap().1.to_owned();
            app.remember_secret(&code);
            code
        };
        let (grace, alan) = (code("1"), code("2"));
        let list = browser.open("/access-control/users").await;
        assert!(list.text.contains("grace@example.com") && !list.text.contains("_kmsin_"));
        let invitation = id_after(list.text.split("alan@example.com").nth(1).unwrap(), "/access-control/invitations/");
        browser
            .submit(&format!("/access-control/invitations/{invitation}/withdraw"), &[])
            .await;

        let mut newcomer = Browser::new(&app);
        assert!(
            newcomer
                .open("/invitations")
                .await
                .text
                .contains("What stands after # in the link.")
        );
        let withdrawn = newcomer.send("/invitations", &[("token", &alan)]).await;
        assert!(withdrawn.status == StatusCode::UNPROCESSABLE_ENTITY && withdrawn.text.contains("This invitation is not valid"));
        let page = newcomer.send("/invitations", &[("token", &grace)]).await;
        assert!(
            page.text.contains("Join Example Org") && page.text.contains("grace@example.com"),
            "{}",
            page.text
        );
        let join = |password: &'static str| {
            [
                ("token", grace.as_str()),
                ("step", "join"),
                ("name", "Grace Example"),
                ("password", password),
            ]
        };
        let short = newcomer.send("/invitations", &join("short")).await;
        assert!(short.status == StatusCode::UNPROCESSABLE_ENTITY && short.text.contains("at least 12 characters"));
        assert!(
            short.text.contains(&grace) && short.text.contains("Grace Example"),
            "nothing that was typed is lost"
        );
        let joined = newcomer.submit("/invitations", &join(PASSWORD)).await;
        let first = newcomer.open(&joined).await;
        assert!(first.text.contains("Welcome to the organization") && first.text.contains("No project yet"));
        let again = newcomer.send("/invitations", &[("token", &grace)]).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "a link is good once");

        let users = format!("/projects/{project}/access-control/users");
        let offered = browser.open(&users).await;
        assert!(offered.text.contains("Grace Example (grace@example.com)"), "{}", offered.text);
        browser.submit(&users, &[("email", "grace@example.com"), ("role", "viewer")]).await;
        let seen = newcomer.open(&format!("/projects/{project}/secrets")).await;
        assert!(
            seen.status == StatusCode::OK && !seen.text.contains("Add Secret"),
            "a viewer is offered no change"
        );
        let listed = browser.open(&users).await;
        let row = listed.text.split("Grace Example</a>").next().unwrap();
        let membership = row.rsplit('/').next().unwrap().split('"').next().unwrap().to_owned();
        browser.submit(&format!("{users}/{membership}"), &[("role", "member")]).await;
        // The only administrator of the project stays.
        let me = listed.text.split("Ada Example</a>").next().unwrap();
        let me = me.rsplit('/').next().unwrap().split('"').next().unwrap();
        let stays = browser.send(&format!("{users}/{me}/remove"), &[]).await;
        assert!(stays.status == StatusCode::UNPROCESSABLE_ENTITY && stays.text.contains("Nobody else administers"));
        browser.submit(&format!("{users}/{membership}/remove"), &[]).await;
        assert_eq!(
            newcomer.open(&format!("/projects/{project}/secrets")).await.status,
            StatusCode::NOT_FOUND
        );

        // A member of the organization sees who is there, and changes nobody.
        let list = newcomer.open("/access-control/users").await;
        assert!(list.text.contains("Ada Example") && !list.text.contains("Invite people"));
        let refused = newcomer
            .send("/access-control/users", &[("emails", "x@example.com"), ("role", "member")])
            .await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
        let all = browser.open("/access-control/users").await;
        let row = all.text.split("Grace Example</a>").next().unwrap();
        let membership = row.rsplit('/').next().unwrap().split('"').next().unwrap().to_owned();
        let person = format!("/access-control/users/{membership}");
        browser.submit(&person, &[("role", "admin")]).await;
        browser.submit(&format!("{person}/remove"), &[]).await;
        let out = newcomer.caller().get("/projects").await;
        assert_eq!(out.status, StatusCode::SEE_OTHER, "whoever was removed is out at once");
    });
}

#[test]
fn the_organization_its_environments_and_the_own_account_are_changed() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let mut browser = set_up(&app).await;
        let settings = "/organization-settings";
        let bad = browser.send(settings, &[("name", "Renamed"), ("slug", "Not A Slug")]).await;
        assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
        let saved = browser.submit(settings, &[("name", "Renamed"), ("slug", "renamed")]).await;
        let page = browser.open(&saved).await;
        assert!(page.text.contains("value=\"renamed\"") && page.text.contains("The organization is saved."));
        browser.submit("/organizations/new", &[("name", "Second")]).await;
        let second = browser.open("/projects").await;
        assert!(second.text.contains("Organization Second, switch") && second.text.contains(">Renamed<"));

        let made = browser.submit("/projects/new", &[("name", "There"), ("environments", "on")]).await;
        let project = id_after(&made, "/projects/");
        let page = browser.open(&format!("/projects/{project}/settings")).await;
        let environment = format!(
            "/projects/{project}/environments/{}",
            id_after(&page.text, &format!("/projects/{project}/environments/"))
        );
        let taken = browser
            .send(&environment, &[("name", "Dev"), ("slug", "prod"), ("position", "1")])
            .await;
        assert!(taken.status == StatusCode::UNPROCESSABLE_ENTITY && taken.text.contains("exists already"));
        browser
            .submit(&environment, &[("name", "Playground"), ("slug", "play"), ("position", "3")])
            .await;
        let page = browser.open(&format!("/projects/{project}/settings")).await;
        assert!(page.text.find("Playground").unwrap() > page.text.find("Production").unwrap());
        let unsure = browser.send(&format!("{environment}/delete"), &[("confirm", "dev")]).await;
        assert_eq!(unsure.status, StatusCode::UNPROCESSABLE_ENTITY);
        browser.submit(&format!("{environment}/delete"), &[("confirm", "play")]).await;
        let page = browser.open(&format!("/projects/{project}/settings")).await;
        assert!(!page.text.contains("Playground"));

        // Changing the password ends the other sessions; a wrong one changes nothing, and counts as a failed login.
        let mut other = Browser::new(&app);
        let login = [("email", "admin@example.com"), ("password", PASSWORD)];
        other.submit("/login", &login).await;
        let account = browser.open("/account").await;
        assert!(account.text.contains("this one") && account.text.matches("/account/sessions/").count() == 1);
        let new = "another-long-password";
        app.remember_secret(new);
        let wrong = browser
            .send("/account/password", &[("currentPassword", "not-this-one"), ("newPassword", new)])
            .await;
        assert!(wrong.status == StatusCode::UNPROCESSABLE_ENTITY && wrong.text.contains("not your password"));
        assert_eq!(other.open("/account").await.status, StatusCode::OK);
        let fields = [("currentPassword", PASSWORD), ("newPassword", new)];
        browser.submit("/account/password", &fields).await;
        assert_eq!(other.caller().get("/account").await.status, StatusCode::SEE_OTHER);
        assert_eq!(browser.open("/account").await.status, StatusCode::OK);
        assert_eq!(other.send("/login", &login).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        other.submit("/login", &[("email", "admin@example.com"), ("password", new)]).await;
        let account = browser.open("/account").await;
        let session = id_after(&account.text, "/account/sessions/");
        browser.submit(&format!("/account/sessions/{session}/end"), &[]).await;
        assert_eq!(other.caller().get("/account").await.status, StatusCode::SEE_OTHER);
    });
}

#[test]
fn whoever_belongs_to_no_organization_logs_in_to_join_one() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let mut browser = set_up(&app).await;
        app.add_person("known@example.com").await;
        let code = invite(&app, &mut browser, "known@example.com", "admin").await;
        let mut known = Browser::new(&app);
        let page = known.send("/invitations", &[("token", &code)]).await;
        assert!(
            page.text.contains("has a login already") && !page.text.contains("Choose a password"),
            "{}",
            page.text
        );
        let join = [("token", code.as_str()), ("step", "join")];
        assert_eq!(
            known.send("/invitations", &join).await.status,
            StatusCode::OK,
            "nothing happens yet"
        );
        let login = [("email", "known@example.com"), ("password", PASSWORD)];
        assert_eq!(known.send("/login", &login).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        let next = [login[0], login[1], ("next", "/invitations")];
        assert_eq!(known.submit("/login", &next).await, "/invitations");
        let joined = known.submit("/invitations", &join).await;
        assert!(known.open(&joined).await.text.contains("Welcome to the organization"));
        assert_eq!(known.open("/organization-settings").await.status, StatusCode::OK);
    });
}
