use serde_json::json;

use crate::support::{START_ON_THE_WIRE, TestApp, on_each_database};

#[test]
fn a_person_sees_who_they_are() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let person = app.log_in(&admin.email, &admin.password).await;
        assert_eq!(
            person.get("/api/v1/user").await.ok(),
            json!({ "user": {
                "id": admin.user_id,
                "username": "admin@example.com",
                "email": "admin@example.com",
                "firstName": "Admin",
                "lastName": "User",
                "superAdmin": true,
                "authMethods": ["email"],
                "isMfaEnabled": false,
                "createdAt": START_ON_THE_WIRE,
                "updatedAt": START_ON_THE_WIRE,
            } })
        );
    });
}
