//! People and machine identities, in the organization and in a project.

use reqwest::Method;
use serde_json::json;

use super::{EMAIL, log_in, log_out};
use crate::binary::Api;
use crate::browser::walk::Walk;

const GUEST: &str = "bob@example.com";
const GUEST_PASSWORD: &str = "several words of somebody else";

/// Invites somebody, who joins by the link that is shown once.
pub(in crate::browser) async fn invite(walk: &Walk) {
    walk.remember_secret(GUEST_PASSWORD);
    let page = walk.page();
    page.within("Organization").follow("Organization Settings").await;
    page.see_heading("Organization Settings").await;
    walk.inspect("organization-settings").await;
    page.within("Organization").follow("Access Control").await;
    page.within("Users").see(EMAIL).await;
    walk.inspect("users").await;
    page.fill("E-mail addresses", GUEST).await;
    page.choose("Role", "Member").await;
    page.press("Invite").await;
    page.see_heading("Send each person their link").await;
    walk.inspect("invited").await;
    let text = page.within(GUEST).text().await.unwrap();
    let link = text.split(' ').find(|word| word.contains("/invitations#")).unwrap().to_owned();
    walk.remember_secret(link.split_once("/invitations#").unwrap().1);
    page.follow("Done").await;
    page.within("Invitations").see(GUEST).await;
    walk.inspect("users-invited").await;

    log_out(walk).await;
    walk.chromium.driver.goto(&link).await.unwrap();
    page.see_heading("Join Example Org").await;
    walk.look_at("invitation").await;
    page.fill("Your name", "Bob Example").await;
    page.fill("Choose a password", GUEST_PASSWORD).await;
    page.press("Join").await;
    page.see("Welcome to the organization.").await;
    walk.inspect("projects-of-a-guest").await;
    log_out(walk).await;
    log_in(walk, EMAIL).await;
    page.within("Organization").follow("Access Control").await;
    page.follow("Bob Example").await;
    page.see_heading("Bob Example").await;
    walk.inspect("person").await;
}

/// Creates a machine identity with a client secret, which is shown once and works; and lets it into the project.
pub(in crate::browser) async fn add_machine(walk: &Walk) {
    let page = walk.page();
    page.within("Organization").follow("Access Control").await;
    page.follow("Machine Identities").await;
    page.see_heading("No machine identity yet").await;
    walk.inspect("identities-empty").await;
    page.follow("Create identity").await;
    page.see_heading("Create identity").await;
    walk.inspect("identity-new").await;
    page.fill("Name", "deployer").await;
    page.press("Create identity").await;
    page.see("The machine identity is there, with Universal Auth.").await;
    walk.inspect("identity").await;
    let auth = page.within("Universal Auth");
    auth.fill("Description", "Of the deployment").await;
    auth.press("Create Client Secret").await;
    page.see_heading("Client Secret").await;
    walk.inspect("client-secret").await;
    let text = page.text().await.unwrap();
    let after = |label: &str| text.rsplit_once(label).unwrap().1.split(' ').next().unwrap().to_owned();
    let (id, secret) = (after("Client ID "), after("Client Secret "));
    walk.remember_secret(&secret);
    let login = json!({ "clientId": id, "clientSecret": secret });
    let api = Api::new(&walk.server.base);
    let (status, _token) = api
        .call(Method::POST, "/api/v1/auth/universal-auth/login", Some(&login))
        .await
        .unwrap();
    assert_eq!(status, 200, "what was shown logs in");
    page.follow("Done").await;
    page.within("Client secrets").see("Of the deployment").await;
    page.press("Settings of Universal Auth").await;
    walk.inspect("identity-with-secret").await;
    page.follow("Access Control").await;
    page.follow("Machine Identities").await;
    page.within("deployer").see("Universal Auth").await;
    walk.inspect("identities").await;

    page.follow("Hanzo KMS, all projects").await;
    page.follow("Chat").await;
    page.within("Project").follow("Access Control").await;
    page.within("Users").see(EMAIL).await;
    page.choose("Person", &format!("Bob Example ({GUEST})")).await;
    page.press("Add to project").await;
    page.see("The person has access to the project.").await;
    walk.inspect("project-users").await;
    page.follow("Bob Example").await;
    page.see_heading("Bob Example").await;
    walk.inspect("project-person").await;
    page.follow("Access Control").await;
    page.follow("Machine Identities").await;
    page.choose("Machine identity", "deployer").await;
    page.press("Add to project").await;
    page.see("The machine identity has access to the project.").await;
    walk.inspect("project-identities").await;
    page.follow("deployer").await;
    page.see_heading("deployer").await;
    walk.inspect("project-identity").await;
}
