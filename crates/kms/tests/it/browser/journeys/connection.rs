//! The connection to OpenRouter.

use crate::browser::walk::Walk;

const REFUSED_KEY: &str = "sk-or-v1-nobody-knows-this-key-0001";

/// Adds an App Connection of the organization, with a wrong key first.
pub(in crate::browser) async fn add(walk: &Walk) {
    let page = walk.page();
    walk.remember_secret(REFUSED_KEY);
    page.within("Organization").follow("App Connections").await;
    page.see_heading("No connection yet").await;
    walk.inspect("connections-empty").await;
    page.follow("Add Connection").await;
    page.see_heading("Add Connection").await;
    page.fill("Search apps", "nothing like it").await;
    page.see("There is no app with this name.").await;
    page.fill("Search apps", "router").await;
    page.see("OpenRouter").await;
    walk.inspect("apps").await;
    page.follow("OpenRouter").await;
    page.see_heading("OpenRouter Connection").await;
    assert!(
        page.beside("Provisioning API Key")
            .await
            .unwrap()
            .contains("Create one in OpenRouter")
    );
    walk.inspect("connection-new").await;

    page.fill("Name", "openrouter-prod").await;
    page.fill("Description", "Keys of the shop").await;
    page.fill("Provisioning API Key", REFUSED_KEY).await;
    page.press("Create").await;
    page.see_beside("Provisioning API Key", "refused").await;
    walk.was_refused(422).await;
    assert_eq!(page.value("Name").await, "openrouter-prod");
    assert_eq!(page.value("Description").await, "Keys of the shop");
    assert_eq!(page.value("Provisioning API Key").await, REFUSED_KEY);
    walk.inspect("connection-refused").await;

    page.fill("Provisioning API Key", &walk.openrouter.management_key).await;
    page.press("Show").await;
    page.press("Hide").await;
    page.press("Create").await;
    page.see("The connection is there.").await;
    page.within("openrouter-prod").see("Connected").await;
    walk.inspect("connections").await;
    page.follow("openrouter-prod").await;
    page.see_heading("Used by").await;
    walk.inspect("connection").await;
}
