use kms_core::permission::OrgRole;
use kms_store::organizations::Principal;
use serde_json::json;

use crate::support::{PASSWORD, TestApp, claims, on_each_database};

const PATH: &str = "/api/v3/auth/select-organization";

#[test]
fn selecting_gives_a_token_for_the_organization() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let person = app.log_in(&admin.email, &admin.password).await;
        let body = json!({ "organizationId": admin.org_id, "userAgent": "cli" });
        let answer = person.post(PATH, body).await.ok();
        assert_eq!(answer, json!({ "token": answer["token"], "isMfaEnabled": false }));

        let token = answer["token"].as_str().unwrap();
        let claims = claims(token);
        assert_eq!(claims["authTokenType"], "accessToken");
        assert_eq!(claims["organizationId"], admin.org_id.as_str());
        assert_eq!(claims["userId"], admin.user_id.as_str());
        assert!(claims["tokenVersionId"].is_string() && claims["accessVersion"].is_u64());
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 24 * 3600);
        app.caller(token).get(&format!("/api/v1/organization/{}", admin.org_id)).await.ok();

        let line = app.only_event(&admin.org_id, "select-organization").await;
        assert_eq!(line.metadata, json!({ "organizationId": admin.org_id }));
    });
}

#[test]
fn only_members_can_select() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        app.add_person("eve@example.com").await;
        let eve = app.log_in("eve@example.com", PASSWORD).await;
        for org in [admin.org_id.as_str(), "00000000-0000-4000-8000-000000000000"] {
            eve.post(PATH, json!({ "organizationId": org }))
                .await
                .refused(403, "ForbiddenError");
        }
        assert_eq!(eve.post(PATH, json!({ "organizationId": "x" })).await.invalid(), ["organizationId"]);
        assert_eq!(eve.post(PATH, json!({})).await.invalid(), ["organizationId"]);
        let body = json!({ "organizationId": admin.org_id });
        app.nobody().post(PATH, body).await.refused(401, "UnauthorizedError");
    });
}

#[test]
fn a_token_stays_with_its_organization() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let other = app.add_org("Other").await;
        app.join(Principal::User(admin.user_id.parse().unwrap()), other, OrgRole::Member)
            .await;
        let first = app.log_in_to(&admin.email, &admin.password, &admin.org_id).await;
        let select = json!({ "organizationId": other });
        let second = first.post(PATH, select).await.ok();
        let second = app.caller(second["token"].as_str().unwrap());
        first.get(&format!("/api/v1/organization/{}", admin.org_id)).await.ok();
        first.get(&format!("/api/v1/organization/{other}")).await.refused(404, "NotFound");
        second.get(&format!("/api/v1/organization/{other}")).await.ok();
        second
            .get(&format!("/api/v1/organization/{}", admin.org_id))
            .await
            .refused(404, "NotFound");
    });
}
