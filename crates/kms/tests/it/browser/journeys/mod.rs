//! The journeys. Each begins where the one before it ended.

pub(super) mod connection;
pub(super) mod people;
pub(super) mod rotation;
pub(super) mod secrets;

use super::page::wait_for;
use super::walk::Walk;
use crate::binary::Api;

pub(super) const EMAIL: &str = "ada@example.com";
pub(super) const PASSWORD: &str = "correct horse battery staple";

/// The first start: the setup page, then an empty list of projects; and the choice of colours.
pub(super) async fn set_up(walk: &Walk) {
    walk.remember_secret(PASSWORD);
    walk.open("/").await;
    let page = walk.page();
    page.see_heading("Set up Hanzo KMS").await;
    walk.inspect("setup").await;
    page.fill("E-mail address", EMAIL).await;
    page.fill("Your name", "Ada Example").await;
    page.fill("Organization", "Example Org").await;
    page.fill("Password", "short").await;
    page.see("Too short").await;
    page.press("Set up").await;
    page.see_beside("Password", "at least 12 characters").await;
    walk.was_refused(422).await;
    walk.inspect("setup-refused").await;
    page.fill("Password", PASSWORD).await;
    page.see("Very strong").await;
    page.press("Set up").await;
    page.see("Hanzo KMS is set up, and you are logged in.").await;
    page.see_heading("No project yet").await;
    choose_colours(walk).await;
    page.see_heading("Projects").await;
    walk.inspect("projects-empty").await;
}

/// From here on the system prefers the other colours, and the choice in the top bar holds.
async fn choose_colours(walk: &Walk) {
    walk.system_prefers(walk.theme.other()).await;
    walk.page().choose("Colours", walk.theme.label()).await;
    wait_for("the chosen colours", async || {
        let colours = walk.colours().await?;
        if colours == walk.theme.word() {
            Ok(())
        } else {
            Err(format!("they are {colours}"))
        }
    })
    .await;
}

/// A project with the usual environments, still empty.
pub(super) async fn add_project(walk: &Walk) {
    let page = walk.page();
    page.within("Organization").follow("Projects").await;
    page.follow("Add Project").await;
    page.see_heading("Add Project").await;
    walk.inspect("project-new").await;
    page.fill("Name", "Chat").await;
    page.fill("Description", "The chat of the shop").await;
    assert!(page.is_ticked("Add the environments Development, Staging and Production").await);
    page.press("Create").await;
    page.see("The project is there.").await;
    page.see_heading("No secret here yet").await;
    walk.inspect("overview-empty").await;
    for (place, heading, name) in [
        ("Integrations", "Integrations", "integrations"),
        ("Secret Rotation", "No rotation yet", "rotations-empty"),
        ("Project Settings", "Project Settings", "project-settings"),
    ] {
        page.within("Project").follow(place).await;
        page.see_heading(heading).await;
        walk.inspect(name).await;
    }
    page.within("Project").follow("Secrets").await;
    page.see_heading("No secret here yet").await;
}

/// Finds a secret from anywhere: the command palette goes to it by what is typed and the first that is found.
pub(super) async fn find_by_name(walk: &Walk) {
    let page = walk.page();
    page.follow("Hanzo KMS, all projects").await;
    page.see_heading("Projects").await;
    page.press_keys("\u{e009}k").await;
    page.see("Pages").await;
    page.fill("Find by name", "database").await;
    page.see("Chat · Development").await;
    walk.look_at("palette").await;
    page.press_keys("\u{e015}").await;
    page.press_keys("\u{e007}").await;
    page.see_heading("DATABASE_URL").await;
    walk.open("/find?q=chat").await;
    page.see_heading("Find").await;
    walk.inspect("find").await;
    page.follow("Hanzo KMS, all projects").await;
    page.follow("Chat").await;
}

/// Every component on one page, which is there in development alone.
pub(super) async fn see_components(walk: &Walk) {
    Api::new(&walk.server.base).bootstrap().await;
    walk.remember_secret(PASSWORD);
    walk.open("/").await;
    log_in(walk, "admin@example.com").await;
    choose_colours(walk).await;
    walk.open("/_components").await;
    walk.page().see_heading("Components").await;
    walk.inspect("components").await;
}

/// What was done is in the audit logs of the project and of the organization.
pub(super) async fn read_audit_logs(walk: &Walk) {
    let page = walk.page();
    page.within("Project").follow("Audit Logs").await;
    page.see_heading("Audit Logs").await;
    page.see("create-secret").await;
    walk.inspect("project-audit-logs").await;
    page.follow("Hanzo KMS, all projects").await;
    page.see_heading("Projects").await;
    walk.inspect("projects").await;
    page.within("Organization").follow("Audit Logs").await;
    page.fill("Event", "create-app-connection").await;
    page.press("Filter").await;
    page.see_no("create-secret").await;
    page.press("create-app-connection").await;
    page.see("openrouter-prod").await;
    walk.inspect("audit-logs").await;
    page.fill("Event", "no-such-event").await;
    page.press("Filter").await;
    page.see_heading("No entry fits").await;
    walk.inspect("audit-logs-empty").await;
}

/// An address that leads nowhere, the own account, logging out and in again.
pub(super) async fn leave_and_come_back(walk: &Walk) {
    let page = walk.page();
    walk.open("/nowhere").await;
    page.see_heading("There is nothing here").await;
    walk.was_refused(404).await;
    walk.inspect("nowhere").await;
    page.follow("To the first page").await;
    page.see_heading("Projects").await;
    page.press("Your account").await;
    walk.inspect("account-menu").await;
    page.follow("Your account").await;
    page.see_heading("Sessions").await;
    walk.inspect("account").await;
    log_out(walk).await;
    walk.inspect("login").await;
    page.fill("E-mail address", EMAIL).await;
    page.fill("Password", "not the password at all").await;
    page.press("Log in").await;
    page.see("is wrong").await;
    walk.was_refused(422).await;
    assert_eq!(page.value("E-mail address").await, EMAIL);
    walk.inspect("login-refused").await;
    log_in(walk, EMAIL).await;
}

async fn log_out(walk: &Walk) {
    let page = walk.page();
    page.press("Your account").await;
    page.press("Log out").await;
    page.see_heading("Log in").await;
}

async fn log_in(walk: &Walk, email: &str) {
    let page = walk.page();
    page.fill("E-mail address", email).await;
    page.fill("Password", PASSWORD).await;
    page.press("Log in").await;
    page.see_heading("Projects").await;
}
