//! Every external call of a complete life failed once, for every kind of failure.

use std::collections::BTreeMap;
use std::time::Duration;

use openrouter_sim::{Action, Distribution, FaultRule, Match, When};

use crate::world::World;

fn kinds() -> Vec<(&'static str, Action, Option<When>)> {
    let status = |status, body: &str| Action::Status {
        status,
        body: body.to_owned(),
        headers: BTreeMap::new(),
    };
    let mut kinds = Vec::new();
    for when in [When::BeforeEffect, When::AfterEffect] {
        kinds.push(("500", status(500, "json"), Some(when)));
        kinds.push(("html 502", status(502, "html"), Some(when)));
        kinds.push(("reset", Action::Reset, Some(when)));
        kinds.push(("close", Action::Close, Some(when)));
        kinds.push(("hang", Action::Hang { max_ms: None }, Some(when)));
    }
    kinds.push((
        "late effect",
        Action::Latency {
            ms: Distribution::fixed_ms(20_000),
            then: None,
        },
        Some(When::BeforeEffect),
    ));
    kinds.push((
        "429",
        Action::RateLimit {
            retry_after_s: 7,
            format: openrouter_sim::RetryAfterFormat::Seconds,
            limit: 5,
            remaining: 0,
        },
        None,
    ));
    kinds.push(("truncated", Action::Truncate { bytes: 20 }, None));
    kinds.push(("no JSON", Action::MalformedJson, None));
    kinds.push((
        "fields missing",
        Action::DropFields {
            fields: vec!["key".into(), "data.hash".into(), "data".into(), "deleted".into()],
        },
        None,
    ));
    kinds.push(("ignored", Action::IgnoreEffect, None));
    kinds.push(("twice", Action::DoubleEffect, None));
    kinds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_fails_nothing_is_lost_and_nothing_is_left() {
    let mut world = World::new(100).await;
    let mut number = 0_u64;
    let mut histories = 0;
    for (name, action, when) in kinds() {
        for skip in 0..12 {
            number += 1;
            // Each life leaves an account that goes on being inventoried.
            if number.is_multiple_of(6) {
                world = World::new(100 + number).await;
            }
            world.new_account(number).await;
            let (project, connection) = world.project(&format!("p{number}")).await;
            let rule = FaultRule {
                when,
                ..FaultRule::on("any", action.clone()).times(1)
            };
            let rule = FaultRule {
                matching: Match {
                    skip,
                    ..rule.matching.clone()
                },
                ..rule
            };
            world.core().control().add_fault(rule).unwrap();
            let place = format!("{name} ({when:?}) at call {}", skip + 1);
            let rotation = match world.rotation(project, connection, 1).await {
                Ok(rotation) => rotation,
                // A person gets the answer and asks again.
                Err(_) => {
                    assert!(world.served(project).await.is_none(), "{place}: a failed creation left a secret");
                    world.pass_until(world.now() + Duration::from_secs(120)).await;
                    world
                        .rotation(project, connection, 1)
                        .await
                        .unwrap_or_else(|error| panic!("{place}: {error:?}"))
                }
            };
            let id = rotation.record.id;
            for _ in 0..2 {
                let before = world.served(project).await.unwrap();
                let result = world.rotate(id).await;
                let after = world.served(project).await.unwrap();
                assert!(world.accepted(&after.0), "{place}: a dead key is served");
                assert_eq!(result.is_ok(), before != after, "{place}: {result:?}");
            }
            // Two scheduled runs, and everything that is due afterwards.
            world.pass_until(world.now() + Duration::from_secs(3 * 24 * 3600)).await;
            let (value, _) = world.served(project).await.unwrap();
            assert!(world.accepted(&value), "{place}: a dead key is served");
            assert_eq!(world.strays(&world.slots(id).await), (0, 0), "{place}");
            world.delete(id, true, true).await.unwrap();
            world.pass_until(world.now() + Duration::from_secs(600)).await;
            assert_eq!(world.live(), 0, "{place}: keys outlive their rotation");
            histories += 1;
        }
    }
    println!("{histories} lives, each with one failed call: 0 orphans, 0 dead keys served");
}
