//! The dashboard where the browser runs no scripts: reading, and plain forms.

use super::driver::Chromium;
use super::page::Page;
use crate::binary::{Api, Server, Setup};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_scripts_people_log_in_read_and_add_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &Setup::default());
    Api::new(&server.base).bootstrap().await;
    let chromium = Chromium::start(false).await;
    let page = Page::of(&chromium.driver);
    let value = "plain-value-4714";

    chromium.driver.goto(&server.base).await.unwrap();
    page.see_heading("Log in").await;
    page.fill("E-mail address", "admin@example.com").await;
    page.fill("Password", "wrong battery staple").await;
    page.press("Log in").await;
    page.see("is wrong").await;
    assert_eq!(page.value("E-mail address").await, "admin@example.com");
    page.fill("Password", "correct horse battery staple").await;
    page.press("Log in").await;
    page.see_heading("Projects").await;
    // What only scripts can do is not offered, and what they do otherwise has a button.
    page.press("Set").await;
    page.see_heading("Projects").await;

    page.follow("Add Project").await;
    page.fill("Name", "Chat").await;
    page.press("Create").await;
    page.see("The project is there.").await;
    page.follow("Hanzo KMS, all projects").await;
    page.follow("Chat").await;
    page.see_heading("Secrets Overview").await;
    page.follow("Open Production").await;
    page.see_heading("Production").await;
    page.follow("Add Secret").await;
    page.fill("Value", value).await;
    page.press("Add Secret").await;
    page.see_beside("Name", "must").await;
    page.fill("Name", "PLAIN").await;
    page.fill("Value", value).await;
    page.press("Add Secret").await;
    page.see("The secret is saved.").await;
    page.follow("PLAIN").await;
    page.see_heading("PLAIN").await;
    assert!(!chromium.driver.source().await.unwrap().contains(value));
    page.within("History").see("current").await;
    page.within("History").press("Reveal").await;
    page.see(value).await;
    page.follow("Hide").await;
    page.see_no(value).await;
    page.within("Project").follow("Secrets").await;
    page.within("PLAIN").see("present").await;
}
