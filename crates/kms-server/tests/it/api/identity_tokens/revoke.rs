use serde_json::json;

use crate::support::{ANY_MACHINE, TestApp, on_each_database};

const PATH: &str = "/api/v1/auth/token/revoke";

#[test]
fn a_revoked_token_is_refused_at_once() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let caller = machine.log_in(&app.nobody()).await;
        let other = machine.log_in(&app.nobody()).await;
        let body = json!({ "accessToken": caller.token() });
        let answer = app.nobody().post(PATH, body.clone()).await.ok();
        assert_eq!(answer, json!({ "message": "Successfully revoked access token" }));
        caller.get(ANY_MACHINE).await.refused(401, "UnauthorizedError");
        other.get(ANY_MACHINE).await.ok();
        app.nobody().post(PATH, body).await.refused(401, "UnauthorizedError");
        // With the header that some clients send.
        let body = json!({ "accessToken": other.token() });
        other.post(PATH, body).await.ok();
        other.get(ANY_MACHINE).await.refused(401, "UnauthorizedError");
    });
}

#[test]
fn what_is_no_token_of_a_machine_is_refused() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let person = app.log_in(&admin.email, &admin.password).await;
        let body = json!({ "accessToken": person.token() });
        app.nobody().post(PATH, body).await.refused(403, "ForbiddenError");
        person.get("/api/v1/user").await.ok();
        let (signed, _signature) = admin.token().rsplit_once('.').unwrap();
        let forged = json!({ "accessToken": format!("{signed}.{}", "A".repeat(43)) });
        app.nobody().post(PATH, forged).await.refused(403, "TokenError");
        assert_eq!(
            app.nobody().post(PATH, json!({ "accessToken": null })).await.invalid(),
            ["accessToken"]
        );
        admin.get(ANY_MACHINE).await.ok();
    });
}
