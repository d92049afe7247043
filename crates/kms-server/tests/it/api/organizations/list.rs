use kms_core::permission::OrgRole;
use kms_store::organizations::Principal;
use serde_json::json;

use crate::support::{PASSWORD, START_ON_THE_WIRE, TestApp, on_each_database};

#[test]
fn a_person_sees_the_organizations_they_belong_to() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let other = app.add_org("Aardvark").await;
        app.add_org("Foreign").await;
        app.join(Principal::User(admin.user_id.parse().unwrap()), other, OrgRole::Member)
            .await;
        let person = app.log_in(&admin.email, &admin.password).await;
        let list = person.get("/api/v1/organization").await.ok();
        let slug = list["organizations"][1]["slug"].clone();
        let organization = |id: &str, name: &str, slug: &str, role: &str| {
            json!({
                "id": id,
                "name": name,
                "slug": slug,
                "createdAt": START_ON_THE_WIRE,
                "updatedAt": START_ON_THE_WIRE,
                "authEnforced": false,
                "scimEnabled": false,
                "userRole": role,
                "userStatus": "accepted",
                "userJoinedAt": START_ON_THE_WIRE,
            })
        };
        assert_eq!(
            list,
            json!({ "organizations": [
                organization(&other.to_string(), "Aardvark", "aardvark", "member"),
                organization(&admin.org_id, "Example Org", slug.as_str().unwrap(), "admin"),
            ] })
        );
        assert_eq!(person.get("/api/v2/users/me/organizations").await.ok(), list);
        assert_eq!(
            person.get("/api/v1/organization/accessible-with-sub-orgs").await.ok(),
            json!({ "organizations": [
                { "id": other, "name": "Aardvark", "slug": "aardvark", "subOrganizations": [] },
                { "id": admin.org_id, "name": "Example Org", "slug": slug, "subOrganizations": [] },
            ] })
        );
    });
}

#[test]
fn a_person_of_no_organization_sees_none() {
    on_each_database(async || {
        let (app, _admin) = TestApp::bootstrapped().await;
        app.add_person("eve@example.com").await;
        let eve = app.log_in("eve@example.com", PASSWORD).await;
        assert_eq!(eve.get("/api/v1/organization").await.ok(), json!({ "organizations": [] }));
        app.nobody().get("/api/v1/organization").await.refused(401, "UnauthorizedError");
    });
}
