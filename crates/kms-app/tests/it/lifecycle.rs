//! The life of a rotation, check by check of `secret-rotations.md` §25.

use std::time::Duration;

use kms_app::Error;
use kms_app::environments::EnvironmentSelector;
use kms_app::rotations::RotationChanges;
use kms_app::secrets::SecretChanges;
use kms_core::names::SecretName;
use kms_core::secret::SecretString;
use openrouter_sim::{Action, FaultRule, When};
use rstest::rstest;
use serde_json::json;

use crate::world::{Crash, KIND, On, SECRET, World};

fn status(status: u16) -> Action {
    Action::Status {
        status,
        body: "json".to_owned(),
        headers: std::collections::BTreeMap::new(),
    }
}

#[rstest]
#[tokio::test]
async fn a_new_rotation_serves_one_live_key(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 1).await else { return };
    let (project, connection) = world.project("a").await;
    let rotation = world.rotation(project, connection, 0).await.unwrap();
    assert_eq!(world.live(), 1);
    assert_eq!(rotation.record.active_slot, 0);
    assert_eq!(rotation.record.next_at, None);
    let (value, version) = world.served(project).await.unwrap();
    assert!(world.accepted(&value));
    assert_eq!(version, 1);
    assert_eq!(world.strays(&world.slots(rotation.record.id).await), (0, 0));
}

#[rstest]
#[tokio::test]
async fn after_two_rotations_the_second_and_third_key_live(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 2).await else { return };
    let (project, connection) = world.project("a").await;
    let id = world.rotation(project, connection, 30).await.unwrap().record.id;
    let (first, _) = world.served(project).await.unwrap();
    let rotated = world.rotate(id).await.unwrap();
    assert_eq!(rotated.record.active_slot, 1);
    let (second, _) = world.served(project).await.unwrap();
    assert!(world.accepted(&first) && world.accepted(&second));
    let rotated = world.rotate(id).await.unwrap();
    assert_eq!(rotated.record.active_slot, 0);
    world.app.run_until_idle().await;
    let (third, version) = world.served(project).await.unwrap();
    assert_eq!(version, 3);
    assert!(!world.accepted(&first) && world.accepted(&second) && world.accepted(&third));
    let found = world.app.generated_credentials(&world.actor, KIND, id).await.unwrap();
    let keys: Vec<String> = found
        .credentials
        .iter()
        .map(|text| {
            serde_json::from_str::<serde_json::Value>(text.expose()).unwrap()["apiKey"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(keys, [third, second]);
    assert_eq!(world.live(), 2);
}

#[rstest]
#[tokio::test]
async fn a_refused_first_issue_leaves_nothing(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 3).await else { return };
    let (project, connection) = world.project("a").await;
    world.core().control().add_fault(FaultRule::on("keys.create", status(400))).unwrap();
    let error = world.rotation(project, connection, 30).await.unwrap_err();
    assert!(
        matches!(&error, Error::BadRequest { message, .. } if message.contains("could not be issued")),
        "{error:?}"
    );
    assert_eq!(world.live(), 0);
    assert!(world.served(project).await.is_none());
    assert!(world.app.list_rotations(&world.actor, project, None).await.unwrap().is_empty());
}

#[rstest]
#[tokio::test]
async fn a_refused_later_issue_changes_nothing_but_the_status(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 4).await else { return };
    let (project, connection) = world.project("a").await;
    let id = world.rotation(project, connection, 30).await.unwrap().record.id;
    let before = world.served(project).await.unwrap();
    world.core().control().add_fault(FaultRule::on("keys.create", status(403))).unwrap();
    let error = world.rotate(id).await.unwrap_err();
    let Error::Failed { message } = &error else { panic!("{error:?}") };
    assert_eq!(world.served(project).await.unwrap(), before);
    let rotation = world.app.get_rotation(&world.actor, KIND, id).await.unwrap();
    assert_eq!(rotation.record.status.as_str(), "failed");
    assert_eq!(rotation.last_message.as_deref(), Some(message.as_str()));
    assert_eq!(rotation.record.active_slot, 0);
    assert_eq!(rotation.record.next_at.unwrap().to_string(), "2026-01-13T03:30:00.000Z");
    world.core().control().clear_faults();
    let rotation = world.rotate(id).await.unwrap();
    assert_eq!((rotation.record.status.as_str(), rotation.last_message), ("success", None));
}

#[rstest]
#[tokio::test]
async fn a_failed_revocation_is_a_debt_and_no_failure(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 5).await else { return };
    let (project, connection) = world.project("a").await;
    let id = world.rotation(project, connection, 0).await.unwrap().record.id;
    let (first, _) = world.served(project).await.unwrap();
    world.rotate(id).await.unwrap();
    world.core().control().add_fault(FaultRule::on("keys.delete", status(500))).unwrap();
    let rotation = world.rotate(id).await.unwrap();
    assert_eq!(rotation.record.status.as_str(), "success");
    world.app.run_until_idle().await;
    assert!(world.accepted(&first), "the provider refuses to delete it so far");
    world.core().control().clear_faults();
    world.pass_until(world.now() + Duration::from_secs(600)).await;
    assert!(!world.accepted(&first));
    assert_eq!(world.live(), 2);
}

#[rstest]
#[tokio::test]
async fn a_deletion_that_is_reported_but_not_done_is_noticed(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 6).await else { return };
    let (project, connection) = world.project("a").await;
    let id = world.rotation(project, connection, 0).await.unwrap().record.id;
    world.rotate(id).await.unwrap();
    world
        .core()
        .control()
        .add_fault(FaultRule::on("keys.delete", Action::IgnoreEffect).times(2))
        .unwrap();
    world.rotate(id).await.unwrap();
    world.pass_until(world.now() + Duration::from_secs(600)).await;
    assert_eq!(world.live(), 2);
}

#[rstest]
#[tokio::test]
async fn what_is_taken_is_refused_without_a_call(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 7).await else { return };
    let (project, connection) = world.project("a").await;
    world.rotation(project, connection, 0).await.unwrap();
    let calls = world.transport.calls();
    let refused = |error: Error| assert!(matches!(error, Error::BadRequest { .. }), "{error:?}");
    refused(world.rotation(project, connection, 0).await.unwrap_err());
    let mut other = world.new_rotation(project, connection, 0);
    other.name = kms_core::names::ResourceName::parse("other").unwrap();
    refused(world.app.create_rotation(&world.actor, other.clone()).await.unwrap_err());
    other.path = kms_core::names::SecretPath::parse("/nowhere").unwrap();
    refused(world.app.create_rotation(&world.actor, other).await.unwrap_err());
    assert_eq!(world.transport.calls(), calls);
}

#[rstest]
#[tokio::test]
async fn mapped_secrets_are_protected(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 8).await else { return };
    let (project, connection) = world.project("a").await;
    let id = world.rotation(project, connection, 0).await.unwrap().record.id;
    let (place, name) = (world.place(project, "/llm"), SecretName::wanted(SECRET));
    let change = |changes| world.app.update_secret(&world.actor, &place, &name, changes);
    let value = SecretChanges {
        value: Some(SecretString::new("other")),
        ..SecretChanges::default()
    };
    let rename = SecretChanges {
        name: Some(SecretName::parse("OTHER").unwrap()),
        ..SecretChanges::default()
    };
    for changes in [value, rename] {
        let error = change(changes).await.unwrap_err();
        assert!(error.to_string().contains("Cannot update rotated secret"), "{error}");
    }
    let error = world
        .app
        .delete_secrets(&world.actor, &place, std::slice::from_ref(&name))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("Cannot delete rotated secrets"), "{error}");
    change(SecretChanges {
        comment: Some("read by the gateway".to_owned()),
        ..SecretChanges::default()
    })
    .await
    .unwrap();
    // The next publication keeps the comment.
    world.rotate(id).await.unwrap();
    let options = kms_app::secrets::ReadOptions {
        values: true,
        expand: false,
    };
    let secret = world.app.get_secret(&world.actor, &place, &name, None, options).await.unwrap();
    assert_eq!((secret.comment.as_str(), secret.record.version), ("read by the gateway", 3));
    assert!(world.accepted(secret.value.unwrap().expose()));
}

#[rstest]
#[tokio::test]
async fn deletion_does_what_its_flags_say(#[values(On::Sqlite, On::Postgres)] on: On) {
    for (delete_secrets, revoke_keys) in [(false, false), (true, false), (false, true), (true, true)] {
        let Some(world) = World::at(on, 9).await else { return };
        let (project, connection) = world.project("a").await;
        let id = world.rotation(project, connection, 0).await.unwrap().record.id;
        world.rotate(id).await.unwrap();
        world.delete(id, delete_secrets, revoke_keys).await.unwrap();
        world.pass_until(world.now() + Duration::from_secs(48 * 3600)).await;
        assert_eq!(world.live(), if revoke_keys { 0 } else { 2 }, "{delete_secrets} {revoke_keys}");
        assert_eq!(world.served(project).await.is_some(), !delete_secrets);
        if !delete_secrets {
            // They are ordinary secrets now.
            let change = SecretChanges {
                value: Some(SecretString::new("mine")),
                ..SecretChanges::default()
            };
            world
                .app
                .update_secret(&world.actor, &world.place(project, "/llm"), &SecretName::wanted(SECRET), change)
                .await
                .unwrap();
        }
        assert!(matches!(
            world.app.get_rotation(&world.actor, KIND, id).await,
            Err(Error::NotFound { .. })
        ));
    }
}

#[rstest]
#[tokio::test]
async fn a_deletion_that_the_provider_refuses_leaves_the_rotation(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 10).await else { return };
    let (project, connection) = world.project("a").await;
    let id = world.rotation(project, connection, 0).await.unwrap().record.id;
    world.core().control().add_fault(FaultRule::on("keys.delete", status(403))).unwrap();
    assert!(matches!(world.delete(id, true, true).await, Err(Error::BadRequest { .. })));
    assert!(world.served(project).await.is_some());
    assert_eq!(world.live(), 1);
    // A lost answer means that it may have been done: the deletion is finished, the rest is a debt.
    world.core().control().clear_faults();
    world
        .core()
        .control()
        .add_fault(FaultRule::on("keys.delete", status(500)).when(When::AfterEffect).times(1))
        .unwrap();
    world.delete(id, true, true).await.unwrap();
    world.pass_until(world.now() + Duration::from_secs(600)).await;
    assert_eq!(world.live(), 0);
}

#[rstest]
#[tokio::test]
async fn deleting_what_is_around_a_rotation_pays_its_debts(#[values(On::Sqlite, On::Postgres)] on: On) {
    for what in ["folder", "environment", "project"] {
        let Some(world) = World::at(on, 11).await else { return };
        let (project, connection) = world.project("a").await;
        let id = world.rotation(project, connection, 0).await.unwrap().record.id;
        world.rotate(id).await.unwrap();
        match what {
            "folder" => {
                world
                    .app
                    .delete_folder(&world.actor, &world.place(project, "/"), "llm")
                    .await
                    .unwrap();
            }
            "environment" => {
                let environment = world
                    .app
                    .get_environment(&world.actor, project, &EnvironmentSelector::Slug("prod".to_owned()))
                    .await
                    .unwrap();
                world.app.delete_environment(&world.actor, project, environment.id).await.unwrap();
            }
            _ => {
                let selector = kms_app::projects::ProjectSelector::Id(project.to_string());
                world.app.delete_project(&world.actor, &selector).await.unwrap();
            }
        }
        world.pass_until(world.now() + Duration::from_secs(600)).await;
        assert_eq!(world.live(), 0, "{what}");
    }
}

#[rstest]
#[tokio::test]
async fn checking_tells_and_changes_nothing(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 12).await else { return };
    let (project, connection) = world.project("a").await;
    let id = world.rotation(project, connection, 0).await.unwrap().record.id;
    world.app.check_rotation(&world.actor, KIND, id).await.unwrap();
    let (value, version) = world.served(project).await.unwrap();
    world.core().control().delete_key(openrouter_sim::KeyHash::of(&value)).unwrap();
    assert!(matches!(
        world.app.check_rotation(&world.actor, KIND, id).await,
        Err(Error::BadRequest { .. })
    ));
    assert_eq!(world.served(project).await.unwrap(), (value, version));
    assert_eq!(
        world.app.get_rotation(&world.actor, KIND, id).await.unwrap().record.status.as_str(),
        "success"
    );
}

#[rstest]
#[tokio::test]
async fn of_two_rotations_at_once_one_is_refused(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 13).await else { return };
    let (project, connection) = world.project("a").await;
    let id = world.rotation(project, connection, 0).await.unwrap().record.id;
    let (one, other) = tokio::join!(world.rotate(id), world.rotate(id));
    let results = [one.is_ok(), other.is_ok()];
    assert_eq!(results.iter().filter(|ok| **ok).count(), 1, "{results:?}");
    let (_, version) = world.served(project).await.unwrap();
    assert_eq!(version, 2);
    assert_eq!(world.live(), 2);
}

#[rstest]
#[tokio::test]
async fn a_process_that_dies_between_issue_and_store_leaves_no_stray(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(mut world) = World::at(on, 14).await else { return };
    let (project, connection) = world.project("a").await;
    let id = world.rotation(project, connection, 0).await.unwrap().record.id;
    world.transport.crash_at(1, Crash::AfterCall);
    let app = world.app.clone();
    let actor = world.actor.clone();
    let dead = tokio::spawn(async move { app.rotate_now(&actor, KIND, id).await });
    while !world.transport.has_crashed() {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.live(), 2, "the key was made, and nobody knows it");
    world.restart().await;
    world.pass_until(world.now() + Duration::from_secs(300)).await;
    assert_eq!(world.strays(&world.slots(id).await), (0, 0));
    // The process that was given up for dead goes on: nothing it does counts.
    world.transport.revive.notify_waiters();
    dead.await.unwrap().unwrap_err();
    world.pass_until(world.now() + Duration::from_secs(300)).await;
    assert_eq!(world.strays(&world.slots(id).await), (0, 0));
    assert_eq!(world.served(project).await.unwrap().1, 1);
}

#[rstest]
#[tokio::test]
async fn a_scheduled_rotation_runs_when_it_is_due_and_not_when_it_was_switched_off(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 15).await else { return };
    let (project, connection) = world.project("a").await;
    let rotation = world.rotation(project, connection, 2).await.unwrap();
    assert_eq!(rotation.record.next_at.unwrap().to_string(), "2026-01-15T03:30:00.000Z");
    world.pass_until("2026-01-15T03:29:59Z".parse().unwrap()).await;
    assert_eq!(world.served(project).await.unwrap().1, 1);
    world.pass_until("2026-01-15T03:31:00Z".parse().unwrap()).await;
    assert_eq!(world.served(project).await.unwrap().1, 2);
    let rotation = world.app.get_rotation(&world.actor, KIND, rotation.record.id).await.unwrap();
    assert_eq!(rotation.record.next_at.unwrap().to_string(), "2026-01-17T03:30:00.000Z");
    assert!(!rotation.record.last_manual && rotation.record.last_job.is_some());
    let off = RotationChanges {
        auto_rotation: Some(false),
        ..RotationChanges::default()
    };
    world
        .app
        .update_rotation(&world.actor, KIND, rotation.record.id, off)
        .await
        .unwrap();
    world.pass_until("2026-03-01T00:00:00Z".parse().unwrap()).await;
    assert_eq!(world.served(project).await.unwrap().1, 2);
}

#[rstest]
#[tokio::test]
async fn a_changed_mapping_renames_in_place(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 16).await else { return };
    let (project, connection) = world.project("a").await;
    let id = world.rotation(project, connection, 0).await.unwrap().record.id;
    let (value, _) = world.served(project).await.unwrap();
    let changes = RotationChanges {
        mapping: Some(json!({ "apiKey": "LLM_KEY" })),
        ..RotationChanges::default()
    };
    world.app.update_rotation(&world.actor, KIND, id, changes).await.unwrap();
    assert!(world.served(project).await.is_none());
    let options = kms_app::secrets::ReadOptions {
        values: true,
        expand: false,
    };
    let renamed = world
        .app
        .get_secret(
            &world.actor,
            &world.place(project, "/llm"),
            &SecretName::wanted("LLM_KEY"),
            None,
            options,
        )
        .await
        .unwrap();
    assert_eq!(renamed.value.unwrap().expose(), value);
    world.rotate(id).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_connection_in_use_cannot_be_deleted(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 17).await else { return };
    let (project, connection) = world.project("a").await;
    let id = world.rotation(project, connection, 0).await.unwrap().record.id;
    let delete = || world.app.delete_connection(&world.actor, "open-router", connection);
    assert!(matches!(delete().await, Err(Error::BadRequest { .. })));
    world.delete(id, true, true).await.unwrap();
    delete().await.unwrap();
    // The debts outlive the connection.
    world.pass_until(world.now() + Duration::from_secs(600)).await;
    assert_eq!(world.live(), 0);
}

#[rstest]
#[tokio::test]
async fn a_request_carried_out_twice_leaves_one_key(#[values(On::Sqlite, On::Postgres)] on: On) {
    let Some(world) = World::at(on, 18).await else { return };
    let (project, connection) = world.project("a").await;
    let id = world.rotation(project, connection, 0).await.unwrap().record.id;
    world
        .core()
        .control()
        .add_fault(FaultRule::on("keys.create", Action::DoubleEffect).times(1))
        .unwrap();
    world.rotate(id).await.unwrap();
    assert_eq!(world.live(), 3);
    world.pass_until(world.now() + Duration::from_secs(600)).await;
    assert_eq!(world.strays(&world.slots(id).await), (0, 0));
}

#[tokio::test]
async fn no_key_stands_in_clear_in_the_database() {
    let world = World::new(19).await;
    let (project, connection) = world.project("a").await;
    let id = world.rotation(project, connection, 0).await.unwrap().record.id;
    let mut secrets = vec![
        world.core().management_key().expose().to_owned(),
        world.served(project).await.unwrap().0,
    ];
    for _ in 0..2 {
        world.rotate(id).await.unwrap();
        secrets.push(world.served(project).await.unwrap().0);
    }
    // A failed run keeps the provider's words, which may hold anything.
    world.core().control().add_fault(FaultRule::on("keys.create", status(400))).unwrap();
    world.rotate(id).await.unwrap_err();
    let mut bytes = 0;
    for entry in std::fs::read_dir(world.folder()).unwrap() {
        let content = std::fs::read(entry.unwrap().path()).unwrap();
        bytes += content.len();
        for secret in &secrets {
            assert!(
                !content.windows(secret.len()).any(|window| window == secret.as_bytes()),
                "a key stands in clear"
            );
        }
    }
    assert!(bytes > 100_000, "the database was not looked at");
}
