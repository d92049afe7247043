//! Nobody gives, or gets at, more rights than their own.

use kms_core::permission::OrgRole;
use serde_json::json;

use crate::support::{TestApp, on_each_database};

#[test]
fn a_member_gives_no_role_above_its_own() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let member = app.person_in(&admin.org_id, "member@example.com", OrgRole::Member).await;
        let refused = member
            .post("/api/v1/identities", json!({ "name": "a", "role": "admin" }))
            .await
            .refused(403, "PermissionBoundaryError");
        assert!(refused["details"]["missingPermissions"].is_array());
        let made = member
            .post("/api/v1/identities", json!({ "name": "a", "role": "member" }))
            .await
            .ok();
        let path = format!("/api/v1/identities/{}", made["identity"]["id"].as_str().unwrap());
        member
            .patch(&path, json!({ "role": "admin" }))
            .await
            .refused(403, "PermissionBoundaryError");
        // Nothing of a refused change is left.
        assert_eq!(member.get(&path).await.ok()["identity"]["role"], "member");
        member.patch(&path, json!({ "role": "no-access" })).await.ok();
        admin.patch(&path, json!({ "role": "admin" })).await.ok();
    });
}

#[test]
fn a_member_does_not_get_at_an_identity_above_it() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let member = app.person_in(&admin.org_id, "member@example.com", OrgRole::Member).await;
        let strong = app.identity(&admin, "admin").await;
        let path = format!("/api/v1/identities/{strong}");
        // It may look, but neither change nor log in as it.
        member.get(&path).await.ok();
        member
            .patch(&path, json!({ "name": "mine" }))
            .await
            .refused(403, "PermissionBoundaryError");
        member.delete(&path).await.refused(403, "PermissionBoundaryError");
        for method in ["universal-auth", "token-auth"] {
            let path = format!("/api/v1/auth/{method}/identities/{strong}");
            member.post(&path, json!({})).await.refused(403, "PermissionBoundaryError");
            admin.post(&path, json!({})).await.ok();
            member
                .patch(&path, json!({ "accessTokenTTL": 0 }))
                .await
                .refused(403, "PermissionBoundaryError");
        }
        // Tokens and client secrets are beyond members altogether.
        let path = format!("/api/v1/auth/token-auth/identities/{strong}/tokens");
        member.post(&path, json!({})).await.refused(403, "PermissionDenied");
    });
}

#[test]
fn only_administrators_of_the_instance_get_at_its_identity() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        // An administrator of the organization, not of the instance.
        let other = app.person_in(&admin.org_id, "other@example.com", OrgRole::Admin).await;
        let path = format!("/api/v1/identities/{}", admin.identity_id);
        other
            .patch(&path, json!({ "name": "mine" }))
            .await
            .refused(403, "PermissionBoundaryError");
        other.delete(&path).await.refused(403, "PermissionBoundaryError");
        let tokens = format!("/api/v1/auth/token-auth/identities/{}/tokens", admin.identity_id);
        other.post(&tokens, json!({})).await.refused(403, "PermissionBoundaryError");
        let person = app.log_in_to(&admin.email, &admin.password, &admin.org_id).await;
        person.post(&tokens, json!({})).await.ok();
        person.patch(&path, json!({ "name": "Root" })).await.ok();
    });
}
