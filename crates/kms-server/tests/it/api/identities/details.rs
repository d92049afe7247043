use serde_json::json;

use crate::support::{TestApp, on_each_database};

#[test]
fn a_machine_learns_its_organization_whatever_its_role() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.machine(&admin, "no-access", json!({}), json!({})).await;
        let caller = machine.log_in(&app.nobody()).await;
        let details = caller.get("/api/v1/identities/details").await.ok();
        assert_eq!(
            details,
            json!({ "identityDetails": { "organization": {
                "id": admin.org_id,
                "name": "Example Org",
                "slug": details["identityDetails"]["organization"]["slug"],
            } } })
        );
        assert!(details["identityDetails"]["organization"]["slug"].is_string());
    });
}

#[test]
fn people_and_strangers_are_refused() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let person = app.log_in_to(&admin.email, &admin.password, &admin.org_id).await;
        person.get("/api/v1/identities/details").await.refused(403, "ForbiddenError");
        app.nobody()
            .get("/api/v1/identities/details")
            .await
            .refused(401, "UnauthorizedError");
    });
}
