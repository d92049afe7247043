use kms_core::permission::OrgRole;
use serde_json::json;

use crate::support::{START_ON_THE_WIRE, TestApp, on_each_database};

#[test]
fn the_people_of_an_organization_are_listed_in_the_order_of_joining() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        app.advance(60);
        let member = app.person_in(&admin.org_id, "member@example.com", OrgRole::Member).await;
        let path = format!("/api/v2/organizations/{}/memberships", admin.org_id);
        let list = admin.get(&path).await.ok();
        let users = list["users"].as_array().unwrap();
        assert_eq!(users.len(), 2);
        assert_eq!(
            users[0],
            json!({
                "id": users[0]["id"],
                "role": "admin",
                "roleId": null,
                "status": "accepted",
                "isActive": true,
                "inviteEmail": "admin@example.com",
                "orgId": admin.org_id,
                "createdAt": START_ON_THE_WIRE,
                "user": {
                    "id": admin.user_id,
                    "username": "admin@example.com",
                    "email": "admin@example.com",
                    "firstName": "Admin",
                    "lastName": "User",
                    "superAdmin": true,
                },
            })
        );
        assert_eq!(users[1]["user"]["email"], "member@example.com");
        assert_eq!(users[1]["role"], "member");
        assert_eq!(member.get(&path).await.ok(), list);
    });
}

#[test]
fn strangers_and_the_powerless_do_not_see_them() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let path = format!("/api/v2/organizations/{}/memberships", admin.org_id);
        app.nobody().get(&path).await.refused(401, "UnauthorizedError");
        let powerless = app.person_in(&admin.org_id, "none@example.com", OrgRole::NoAccess).await;
        powerless.get(&path).await.refused(403, "PermissionDenied");
        let other = app.add_org("Other").await;
        let foreign = app.person_in(&other.to_string(), "eve@example.com", OrgRole::Admin).await;
        foreign.get(&path).await.refused(404, "NotFound");
    });
}
