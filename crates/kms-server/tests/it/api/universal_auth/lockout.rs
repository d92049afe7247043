use serde_json::json;

use crate::support::{TestApp, on_each_database};

const LOCKED: &str = "too many failed logins; this login is locked for a while";
const WRONG: &str = "the client id or the client secret is wrong";

#[test]
fn three_wrong_secrets_in_a_row_lock_for_five_minutes() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let nobody = app.nobody();
        for _ in 0..3 {
            let refused = machine.try_wrong(&nobody).await.refused(401, "UnauthorizedError");
            assert_eq!(refused["message"], WRONG);
        }
        // The right secret is refused, too, and does not prolong the lock.
        app.advance(299);
        let refused = machine.try_in(&nobody).await.refused(401, "UnauthorizedError");
        assert_eq!(refused["message"], LOCKED);
        app.advance(1);
        machine.try_in(&nobody).await.ok();
        let reasons: Vec<_> = app
            .events(&admin.org_id, "login-identity-universal-auth-failed")
            .await
            .into_iter()
            .map(|line| line.metadata["reason"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            reasons,
            ["locked", "wrong-client-secret", "wrong-client-secret", "wrong-client-secret"]
        );
    });
}

#[test]
fn a_pause_and_a_success_begin_the_count_anew() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let nobody = app.nobody();
        for _ in 0..4 {
            for _ in 0..2 {
                machine.try_wrong(&nobody).await.refused(401, "UnauthorizedError");
            }
            app.advance(30);
        }
        machine.try_in(&nobody).await.ok();
        for _ in 0..2 {
            machine.try_wrong(&nobody).await.refused(401, "UnauthorizedError");
        }
        machine.try_in(&nobody).await.ok();
        for _ in 0..2 {
            machine.try_wrong(&nobody).await.refused(401, "UnauthorizedError");
        }
        machine.try_in(&nobody).await.ok();
    });
}

#[test]
fn of_sixty_four_parallel_wrong_logins_no_more_than_the_threshold_learn_anything() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let nobody = app.nobody();
        let tries = (0..64).map(|_| machine.try_wrong(&nobody));
        let answers = futures::future::join_all(tries).await;
        let mut wrong = 0;
        let mut locked = 0;
        for answer in answers {
            let refused = answer.refused(401, "UnauthorizedError");
            match refused["message"].as_str().unwrap() {
                WRONG => wrong += 1,
                LOCKED => locked += 1,
                other => panic!("unexpected: {other}"),
            }
        }
        assert_eq!((wrong, locked), (3, 61));
        machine.try_in(&nobody).await.refused(401, "UnauthorizedError");
    });
}

#[test]
fn the_lock_of_one_identity_leaves_others_alone() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let other = app.usual_machine(&admin).await;
        let nobody = app.nobody();
        let signed_in = machine.log_in(&nobody).await;
        for _ in 0..3 {
            machine.try_wrong(&nobody).await.refused(401, "UnauthorizedError");
        }
        other.try_in(&nobody).await.ok();
        // Tokens that were given before stay good.
        signed_in.get(crate::support::ANY_MACHINE).await.ok();
    });
}

#[test]
fn an_administrator_clears_the_lock() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let machine = app.usual_machine(&admin).await;
        let nobody = app.nobody();
        let clear = format!("{}/clear-lockouts", machine.path());
        assert_eq!(admin.post(&clear, json!({})).await.ok(), json!({ "deleted": 0 }));
        for _ in 0..3 {
            machine.try_wrong(&nobody).await.refused(401, "UnauthorizedError");
        }
        assert_eq!(admin.post(&clear, json!({})).await.ok(), json!({ "deleted": 1 }));
        machine.try_in(&nobody).await.ok();
        let events = app.events(&admin.org_id, "clear-identity-universal-auth-lockouts").await;
        assert_eq!(events.len(), 2);
    });
}

#[test]
fn the_settings_decide() {
    on_each_database(async || {
        let (app, admin) = TestApp::bootstrapped().await;
        let off = app.machine(&admin, "member", json!({ "lockoutEnabled": false }), json!({})).await;
        let strict = json!({ "lockoutThreshold": 1, "lockoutDurationSeconds": 30 });
        let strict = app.machine(&admin, "member", strict, json!({})).await;
        let nobody = app.nobody();
        for _ in 0..12 {
            off.try_wrong(&nobody).await.refused(401, "UnauthorizedError");
        }
        off.try_in(&nobody).await.ok();
        strict.try_wrong(&nobody).await.refused(401, "UnauthorizedError");
        strict.try_in(&nobody).await.refused(401, "UnauthorizedError");
        // Switched off, even a lock that holds holds no longer.
        admin.patch(&strict.path(), json!({ "lockoutEnabled": false })).await.ok();
        strict.try_in(&nobody).await.ok();
    });
}
