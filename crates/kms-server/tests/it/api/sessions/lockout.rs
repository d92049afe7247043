use serde_json::json;

use crate::support::{Caller, TestApp, TestResponse, on_each_database};

async fn try_in(nobody: &Caller, email: &str, password: &str) -> TestResponse {
    nobody
        .post("/api/v3/auth/login", json!({ "email": email, "password": password }))
        .await
}

#[test]
fn ten_wrong_passwords_lock_the_login_for_five_minutes() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let nobody = app.nobody();
        // An unknown address is locked alike: the lock tells nothing either.
        for email in [admin.email.as_str(), "unknown@example.com"] {
            for _ in 0..10 {
                try_in(&nobody, email, "wrong-password").await.refused(400, "BadRequest");
            }
            let locked = try_in(&nobody, email, "wrong-password").await;
            assert_eq!(locked.headers["retry-after"], "300");
            locked.refused(429, "RateLimitExceeded");
        }
        // Also for the right password, until the time is over.
        app.advance(299);
        try_in(&nobody, &admin.email, &admin.password)
            .await
            .refused(429, "RateLimitExceeded");
        app.advance(1);
        try_in(&nobody, &admin.email, &admin.password).await.ok();
        // A success forgets the failures.
        for _ in 0..9 {
            try_in(&nobody, &admin.email, "wrong-password").await.refused(400, "BadRequest");
        }
        try_in(&nobody, &admin.email, &admin.password).await.ok();
        for _ in 0..9 {
            try_in(&nobody, &admin.email, "wrong-password").await.refused(400, "BadRequest");
        }
        try_in(&nobody, &admin.email, &admin.password).await.ok();
    });
}

#[test]
fn parallel_tries_learn_no_more_than_the_lock_allows() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let nobody = app.nobody();
        let tries = (0..64).map(|_| try_in(&nobody, &admin.email, "wrong-password"));
        let answers = futures::future::join_all(tries).await;
        let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(400), count(429)), (10, 54));
    });
}

#[test]
fn the_lock_of_one_leaves_others_alone() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let nobody = app.nobody();
        for _ in 0..10 {
            try_in(&nobody, "other@example.com", "wrong-password")
                .await
                .refused(400, "BadRequest");
        }
        try_in(&nobody, &admin.email, &admin.password).await.ok();
    });
}
