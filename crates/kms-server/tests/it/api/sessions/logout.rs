use serde_json::json;

use crate::support::{TestApp, on_each_database};

#[test]
fn logging_out_ends_every_token_of_the_session() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let body = json!({ "email": admin.email, "password": admin.password });
        let answer = app.nobody().post("/api/v3/auth/login", body).await;
        let browser = app
            .nobody()
            .with_header("cookie", &format!("jid={}", answer.cookie("jid").unwrap()));
        let person = app.caller(answer.ok()["accessToken"].as_str().unwrap());
        let select = json!({ "organizationId": admin.org_id });
        let token = person.post("/api/v3/auth/select-organization", select.clone()).await.ok()["token"].clone();
        let member = app.caller(token.as_str().unwrap());
        let elsewhere = app.log_in(&admin.email, &admin.password).await;
        assert_eq!(
            member.post("/api/v1/auth/checkAuth", json!({})).await.ok(),
            json!({ "message": "Authenticated" })
        );

        let answer = member.post("/api/v1/auth/logout", json!({})).await;
        let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
        assert_eq!(cookie, "jid=; HttpOnly; Path=/; SameSite=Strict; Max-Age=0");
        assert_eq!(answer.ok(), json!({ "message": "Successfully logged out" }));

        for ended in [&member, &person] {
            ended.get("/api/v1/user").await.refused(401, "UnauthorizedError");
        }
        member
            .get(&format!("/api/v1/organization/{}", admin.org_id))
            .await
            .refused(401, "UnauthorizedError");
        person
            .post("/api/v3/auth/select-organization", select)
            .await
            .refused(401, "UnauthorizedError");
        browser
            .post("/api/v1/auth/token", json!({}))
            .await
            .refused(401, "UnauthorizedError");
        // Other sessions go on.
        elsewhere.get("/api/v1/user").await.ok();
    });
}
