//! Secret Rotation: the steps of a new one, and living with it.

use reqwest::Method;
use serde_json::json;

use crate::binary::Api;
use crate::browser::walk::Walk;

/// Adds a rotation to Production; the steps keep what was typed, in both directions.
pub(in crate::browser) async fn add(walk: &Walk) {
    let page = walk.page();
    page.follow("Open Production").await;
    page.see_heading("Nothing here yet").await;
    walk.inspect("environment-empty").await;
    page.press("Actions").await;
    walk.inspect("environment-actions").await;
    page.follow("Add Secret Rotation").await;
    page.see_heading("Add Secret Rotation").await;
    walk.inspect("rotation-types").await;
    page.follow("OpenRouter API Key").await;

    page.see_heading("Configuration").await;
    assert_eq!(page.value("OpenRouter Connection").await, "openrouter-prod");
    assert!(page.is_ticked("Auto-Rotation Enabled").await);
    walk.inspect("rotation-1-configuration").await;
    page.fill("Rotation Interval", "0").await;
    page.press("Next").await;
    page.see_beside("Rotation Interval", "from 1 to 3650").await;
    walk.was_refused(422).await;
    walk.inspect("rotation-1-refused").await;
    page.fill("Rotation Interval", "14").await;
    page.fill("Rotate At", "0330AM").await;
    assert!(page.beside("Rotate At").await.unwrap().contains("In your time zone"));
    page.press("Next").await;

    page.see_heading("Parameters").await;
    page.fill("Key name", "gateway-prod").await;
    page.fill("Limit", "25.5").await;
    page.choose("Limit reset", "Monthly").await;
    page.tick("Include BYOK in limit", true).await;
    walk.inspect("rotation-2-parameters").await;
    page.press("Back").await;
    page.see_heading("Configuration").await;
    assert_eq!(page.value("Rotation Interval").await, "14");
    assert_eq!(page.value("Rotate At").await, "03:30");
    page.press("Next").await;
    page.see_heading("Parameters").await;
    assert_parameters(walk).await;
    page.press("Next").await;

    page.see_heading("Secrets Mapping").await;
    page.fill("API Key", "GATEWAY_KEY").await;
    walk.inspect("rotation-3-mapping").await;
    page.press("Next").await;

    page.see_heading("Details").await;
    page.fill("Name", "llm-key").await;
    page.fill("Description", "What the gateway uses").await;
    walk.inspect("rotation-4-details").await;
    page.press("Back").await;
    page.see_heading("Secrets Mapping").await;
    assert_eq!(page.value("API Key").await, "GATEWAY_KEY");
    page.press("Back").await;
    page.see_heading("Parameters").await;
    assert_parameters(walk).await;
    page.press("Next").await;
    page.see_heading("Secrets Mapping").await;
    page.press("Next").await;
    page.see_heading("Details").await;
    assert_eq!(page.value("Name").await, "llm-key");
    assert_eq!(page.value("Description").await, "What the gateway uses");
    page.press("Next").await;

    page.see_heading("Review").await;
    // Half past three where the browser is.
    page.see("every 14 days at 22:00 UTC").await;
    page.see("GATEWAY_KEY").await;
    walk.inspect("rotation-5-review").await;
    page.press("Create Secret Rotation").await;
    page.see("The rotation is there, and its first key is stored.").await;
    page.within("GATEWAY_KEY").see("rotated").await;
    walk.inspect("environment-rotated").await;
}

async fn assert_parameters(walk: &Walk) {
    let page = walk.page();
    assert_eq!(page.value("Key name").await, "gateway-prod");
    assert_eq!(page.value("Limit").await, "25.5");
    assert_eq!(page.value("Limit reset").await, "Monthly");
    assert!(page.is_ticked("Include BYOK in limit").await);
}

/// The key that applications read, as the page of the environment reveals it.
async fn reveal_key(walk: &Walk) -> String {
    let page = walk.page();
    page.press("Reveal GATEWAY_KEY").await;
    let row = page.within("GATEWAY_KEY");
    row.see("sk-or-").await;
    let text = row.text().await.unwrap();
    let key = text.split(' ').find(|word| word.starts_with("sk-or-")).unwrap().to_owned();
    walk.remember_secret(&key);
    key
}

/// Rotates and checks by hand, and changes the rotation.
pub(in crate::browser) async fn live_with(walk: &Walk) {
    let page = walk.page();
    let before = reveal_key(walk).await;
    walk.inspect_revealed("environment-revealed").await;
    page.press("Hide").await;
    page.see_no("sk-or-").await;

    page.within("GATEWAY_KEY").follow("rotated").await;
    page.see_heading("llm-key").await;
    page.within("Keys").see("What applications read.").await;
    walk.inspect("rotation-new").await;
    page.press("Rotate Now").await;
    page.see("Rotated: the new key is what applications read from now on.").await;
    page.within("Keys").see("Valid until the next rotation").await;
    page.within("History").see("by hand").await;
    page.within("Spending").see("Limit reset").await;
    walk.inspect("rotation").await;
    page.press("Check Credentials").await;
    page.see("The key that applications read is accepted.").await;

    page.follow("Edit").await;
    page.see_heading("Edit rotation").await;
    assert_eq!(page.value("Rotate At").await, "03:30");
    assert_eq!(page.value("Rotation Interval").await, "14");
    assert_parameters(walk).await;
    walk.inspect("rotation-edit").await;
    page.fill("Rotation Interval", "").await;
    page.press("Save").await;
    page.see_beside("Rotation Interval", "from 1 to 3650").await;
    walk.was_refused(422).await;
    page.fill("Rotation Interval", "7").await;
    page.press("Save").await;
    page.see("The rotation is saved.").await;
    page.see("every 7 days").await;

    page.follow("Production /").await;
    page.see_heading("Production").await;
    assert_ne!(reveal_key(walk).await, before, "applications read the new key");
}

/// OpenRouter refuses; the project says so from its front page on, until it works again.
pub(in crate::browser) async fn fail_and_recover(walk: &Walk) {
    let page = walk.page();
    let control = Api::new(&walk.openrouter.control_url);
    let rule = json!({ "match": { "endpoint": "keys.create" }, "action": { "type": "status", "status": 403 } });
    let (status, answer) = control.call(Method::POST, "/faults", Some(&rule)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    page.within("Project").follow("Secret Rotation").await;
    page.see_heading("Secret Rotation").await;
    walk.inspect("rotations").await;
    page.follow("llm-key").await;
    page.press("Rotate Now").await;
    page.see("The last run failed").await;
    walk.was_refused(422).await;
    page.within("History").see("failed").await;
    walk.inspect("rotation-failed").await;
    page.within("Project").follow("Secrets").await;
    page.see("1 rotation of this project failed.").await;
    walk.inspect("overview-failed").await;
    page.follow("Hanzo KMS, all projects").await;
    page.see("1 rotation failed").await;
    walk.inspect("projects-failed").await;

    let (status, answer) = control.call(Method::DELETE, "/faults", None).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    page.follow("Chat").await;
    page.follow("See what happened").await;
    page.within("llm-key").see("Failed").await;
    walk.inspect("rotations-failed").await;
    page.follow("llm-key").await;
    page.press("Rotate Now").await;
    page.see("Rotated: the new key is what applications read from now on.").await;
    page.within("History").see("rotated").await;
}

/// Deletes the rotation with its secret and its keys, by name.
pub(in crate::browser) async fn delete(walk: &Walk) {
    let page = walk.page();
    page.within("Project").follow("Secret Rotation").await;
    page.follow("llm-key").await;
    page.follow("Delete").await;
    page.see_heading("Delete llm-key?").await;
    assert!(!page.is_ticked("Delete the secrets").await && !page.is_ticked("Revoke the keys").await);
    walk.inspect("rotation-delete").await;
    page.tick("Delete the secrets", true).await;
    page.tick("Revoke the keys", true).await;
    page.fill("Type the rotation's name to delete it", "another").await;
    page.press("Delete Rotation").await;
    page.see_beside("Type the rotation's name to delete it", "nothing was changed")
        .await;
    walk.was_refused(422).await;
    assert!(page.is_ticked("Delete the secrets").await && page.is_ticked("Revoke the keys").await);
    page.fill("Type the rotation's name to delete it", "llm-key").await;
    page.press("Delete Rotation").await;
    page.see("The rotation is deleted.").await;
    page.see_heading("No rotation yet").await;
    page.within("Project").follow("Secrets").await;
    page.see_heading("Secrets Overview").await;
    page.see_no("GATEWAY_KEY").await;
}
