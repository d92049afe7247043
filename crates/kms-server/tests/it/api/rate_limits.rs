use serde_json::json;

use crate::support::{Options, TestApp, on_each_database};

async fn limited(limits: &str) -> TestApp {
    let mut options = Options::default();
    options.http.rate_limits = limits.parse().unwrap();
    TestApp::with(options).await
}

#[test]
fn an_address_that_asks_too_much_is_told_when_to_come_back_and_others_are_not_touched() {
    on_each_database(async || {
        let app = limited("read=5,auth=2").await;
        let flood = app.nobody().from("198.51.100.1");
        for left in (0..5).rev() {
            let answer = flood.get("/api/status").await;
            assert_eq!(answer.headers["x-ratelimit-limit"], "5");
            assert_eq!(answer.headers["x-ratelimit-remaining"], left.to_string().as_str());
            assert_eq!(answer.headers["x-ratelimit-reset"], ((5 - left) * 12).to_string().as_str());
        }
        let refused = flood.get("/api/v1/projects").await;
        let after: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=12).contains(&after), "{after}");
        assert_eq!(refused.headers["x-ratelimit-remaining"], "0");
        refused.refused(429, "RateLimitExceeded");
        let page = flood.with_header("accept", "text/html").get("/projects").await;
        assert!(
            page.status == 429 && page.text.contains("Too many requests came from your address"),
            "{}",
            page.text
        );
        assert!(page.headers.contains_key("retry-after"));
        assert_eq!(flood.get("/healthz").await.status, 200, "probes are not limited");

        // Classes have limits of their own, and so have addresses; a proxy that is trusted names the client.
        let login = json!({ "email": "x@example.com", "password": "wrong" });
        flood.post("/api/v3/auth/login", login.clone()).await.refused(400, "BadRequest");
        app.nobody().from("198.51.100.2").get("/api/status").await.ok();
        let proxied = app.nobody().from("10.0.0.1");
        proxied
            .with_header("x-forwarded-for", "198.51.100.1")
            .get("/api/status")
            .await
            .refused(429, "RateLimitExceeded");
        proxied.with_header("x-forwarded-for", "198.51.100.3").get("/api/status").await.ok();
        let liar = app.nobody().from("198.51.100.1").with_header("x-forwarded-for", "198.51.100.4");
        liar.get("/api/status").await.refused(429, "RateLimitExceeded");
    });
}

#[test]
fn without_limits_nothing_is_said_of_them() {
    on_each_database(async || {
        let app = limited("off").await;
        for _ in 0..20 {
            let answer = app.nobody().get("/api/status").await;
            assert!(!answer.headers.contains_key("x-ratelimit-limit"));
            answer.ok();
        }
    });
}
