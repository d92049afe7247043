//! Secrets: adding, reading, changing, restoring, pasting, deleting.

use crate::browser::walk::Walk;

const FIRST: &str = "postgres://shop:first-value-4711@db/shop";
const SECOND: &str = "postgres://shop:second-value-4712@db/shop";
const PASTED: &str = "pasted-value-4713";

pub(in crate::browser) async fn keep(walk: &Walk) {
    for value in [FIRST, SECOND, PASTED] {
        walk.remember_secret(value);
    }
    let page = walk.page();
    page.within("Project").follow("Secrets").await;
    page.see_heading("Secrets Overview").await;
    page.within("Secrets by environment").follow("Development").await;
    page.see_heading("Nothing here yet").await;
    add(walk).await;
    change(walk).await;
    paste(walk).await;
    folder(walk).await;
    overview(walk).await;
    delete(walk).await;
}

async fn add(walk: &Walk) {
    let page = walk.page();
    page.follow("Add Secret").await;
    page.see_heading("Add Secret").await;
    walk.inspect("secret-new").await;
    page.fill("Name", "not a name").await;
    page.fill("Value", FIRST).await;
    page.fill("Comment", "Where orders are kept").await;
    page.press("Add Secret").await;
    page.see_beside("Name", "A secret name has no spaces").await;
    walk.was_refused(422).await;
    assert_eq!(page.value("Value").await, FIRST);
    walk.inspect("secret-refused").await;
    page.fill("Name", "DATABASE_URL").await;
    page.press("Add Secret").await;
    page.see("The secret is saved.").await;
    walk.inspect("environment").await;
    page.press("Reveal DATABASE_URL").await;
    page.within("DATABASE_URL").see(FIRST).await;
    page.press("Copy").await;
    page.see("Copied.").await;
    page.press("Hide").await;
    page.see_no(FIRST).await;
}

async fn change(walk: &Walk) {
    let page = walk.page();
    page.follow("DATABASE_URL").await;
    page.see_heading("DATABASE_URL").await;
    walk.inspect("secret").await;
    page.within("Edit").fill("New value", SECOND).await;
    page.within("Edit").press("Save").await;
    page.see("The secret is saved as a new version.").await;
    let history = page.within("History");
    history.press("Reveal version 1").await;
    history.see(FIRST).await;
    history.press("Reveal version 2").await;
    history.see(SECOND).await;
    walk.inspect_revealed("secret-revealed").await;
    page.press("Restore version 1").await;
    page.see("The earlier version is current again, as a new version.").await;
    page.press("Reveal").await;
    page.see(FIRST).await;
    walk.open_again().await;
    page.see_heading("DATABASE_URL").await;
    page.see_no(FIRST).await;
    walk.inspect("secret-restored").await;
    page.follow("Development").await;
    page.see_heading("Development").await;
}

async fn paste(walk: &Walk) {
    let page = walk.page();
    page.press("Actions").await;
    page.follow("Paste or drop a .env").await;
    page.see_heading("Paste a .env").await;
    walk.inspect("import").await;
    page.fill("Text of the .env file", "nonsense").await;
    page.press("Add Secrets").await;
    page.see_beside("Text of the .env file", "Line 1").await;
    walk.was_refused(422).await;
    page.fill(
        "Text of the .env file",
        &format!("API_TOKEN={PASTED}\nEMPTY=\nFEATURES='{{\"dark\": true}}'\n"),
    )
    .await;
    page.press("Add Secrets").await;
    page.see("The secrets are saved.").await;
    page.within("EMPTY").see("empty").await;
    page.fill("Search secrets", "token").await;
    page.see_no("FEATURES").await;
    page.within("API_TOKEN").see("Reveal").await;
    page.fill("Search secrets", "no such name").await;
    page.see("No secret has this in its name.").await;
    page.fill("Search secrets", "e").await;
    page.see("FEATURES").await;
}

async fn folder(walk: &Walk) {
    let page = walk.page();
    page.press("Actions").await;
    page.follow("Add Folder").await;
    page.see_heading("Add Folder").await;
    walk.inspect("folder-new").await;
    page.fill("Name", "jobs").await;
    page.press("Add Folder").await;
    page.see("The folder is there.").await;
    walk.inspect("environment-full").await;
    page.follow("Edit the folder jobs").await;
    page.see_heading("Folder jobs").await;
    walk.inspect("folder").await;
    page.within("Delete").fill("Type the folder's name to delete it", "jobs").await;
    page.press("Delete Folder").await;
    page.see("The folder is deleted.").await;
}

async fn overview(walk: &Walk) {
    let page = walk.page();
    page.follow("Overview").await;
    page.see_heading("Secrets Overview").await;
    for (name, marks) in [
        ("DATABASE_URL", "present"),
        ("EMPTY", "present, but empty"),
        ("GATEWAY_KEY", "rotated"),
        ("FEATURES", "missing"),
    ] {
        page.within(name).see(marks).await;
    }
    walk.inspect("overview").await;
    page.within("Secrets by environment").follow("Development").await;
}

async fn delete(walk: &Walk) {
    let page = walk.page();
    page.tick("Select EMPTY", true).await;
    page.tick("Select FEATURES", true).await;
    page.press("Delete selected").await;
    page.see_heading("Delete 2 secrets?").await;
    walk.inspect("secrets-delete").await;
    page.press("Delete").await;
    page.see("The secrets are deleted.").await;
    page.follow("API_TOKEN").await;
    page.see_heading("API_TOKEN").await;
    page.fill("Type the secret's name to delete it", "API_TOKEN").await;
    page.press("Delete Secret").await;
    page.see("The secret is deleted.").await;
    page.see_no("API_TOKEN").await;
    page.see("DATABASE_URL").await;
}
