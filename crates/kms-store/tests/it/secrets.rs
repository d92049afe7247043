use std::time::Duration;

use kms_core::ids::{FolderId, ProjectId, RotationId, SecretId};
use kms_core::seal::Sealed;
use kms_store::StoreError;
use kms_store::secrets::SecretRecord;

use crate::support::{author, next, on_each_engine};

fn keys(found: &[SecretRecord]) -> Vec<&str> {
    found.iter().map(|secret| secret.key.as_str()).collect()
}

#[test]
fn a_secret_is_read_as_it_was_written() {
    on_each_engine(async |world| {
        let secret = SecretRecord {
            sealed_comment: Some(Sealed::from_bytes(vec![0, 255, 1])),
            rotation: Some(RotationId::random(&world.entropy)),
            ..world.secret(&world.root, "KEY")
        };
        let tx = world.store.write().await.unwrap();
        tx.insert_secret(&secret, &author()).await.unwrap();
        tx.commit().await.unwrap();
        let session = world.store.read();
        assert_eq!(session.find_secret(world.root.id, "KEY").await.unwrap().as_ref(), Some(&secret));
        assert_eq!(session.find_secret_by_id(secret.id).await.unwrap().as_ref(), Some(&secret));
        assert_eq!(session.list_secrets_of_rotation(secret.rotation.unwrap()).await.unwrap(), [secret]);
        assert_eq!(
            session.find_secret(world.root.id, "key").await.unwrap(),
            None,
            "names tell capitals apart"
        );
        assert_eq!(session.find_secret(world.root.id, "K\0").await.unwrap(), None);
        assert_eq!(session.find_secret_by_id(SecretId::random(&world.entropy)).await.unwrap(), None);
    });
}

#[test]
fn lists_are_sorted_by_bytes_on_every_engine() {
    on_each_engine(async |world| {
        let below = world.add_folder(&world.root, "below").await;
        for key in ["b", "B", "a_b", "aB", "A", "é", "_"] {
            world.add_secret(&world.root, key).await;
        }
        let twin = world.add_secret(&below, "B").await;
        let session = world.store.read();
        let list = session.list_secrets(world.root.id).await.unwrap();
        assert_eq!(keys(&list), ["A", "B", "_", "aB", "a_b", "b", "é"]);
        let both = session.list_secrets_of_folders(&[below.id, world.root.id]).await.unwrap();
        assert_eq!(keys(&both), ["A", "B", "B", "_", "aB", "a_b", "b", "é"]);
        let mut twins = [both[1].id, both[2].id];
        assert!(twins.is_sorted(), "equal names are sorted by id");
        twins.sort();
        assert!(twins.contains(&twin.id));
        assert_eq!(session.list_secrets_of_folders(&[]).await.unwrap(), []);
        assert_eq!(session.list_secrets_of_project(world.project).await.unwrap().len(), 8);
        assert_eq!(
            session.list_secrets_of_project(ProjectId::random(&world.entropy)).await.unwrap(),
            []
        );
    });
}

#[test]
fn names_are_looked_up_in_several_folders_at_once() {
    on_each_engine(async |world| {
        let below = world.add_folder(&world.root, "below").await;
        for (folder, key) in [(&world.root, "A"), (&world.root, "B"), (&below, "B"), (&below, "C")] {
            world.add_secret(folder, key).await;
        }
        let wanted = ["B".to_owned(), "C".to_owned(), "D".to_owned()];
        let mut found = world
            .store
            .read()
            .list_secret_names(&[world.root.id, below.id], &wanted)
            .await
            .unwrap();
        found.sort();
        let mut expected = vec![
            (world.root.id, "B".to_owned()),
            (below.id, "B".to_owned()),
            (below.id, "C".to_owned()),
        ];
        expected.sort();
        assert_eq!(found, expected);
    });
}

#[test]
fn a_name_is_taken_once_in_a_folder() {
    on_each_engine(async |world| {
        let below = world.add_folder(&world.root, "below").await;
        let first = world.add_secret(&world.root, "A").await;
        let other = world.add_secret(&world.root, "B").await;
        world.add_secret(&below, "A").await;

        let tx = world.store.write().await.unwrap();
        let refused = tx.insert_secret(&world.secret(&world.root, "A"), &author()).await.unwrap_err();
        assert!(refused.is_constraint("uq_secrets_key"), "{refused}");
        drop(tx);
        let tx = world.store.write().await.unwrap();
        let renamed = SecretRecord {
            key: "A".to_owned(),
            ..next(&other)
        };
        let refused = tx.update_secret(&renamed, &author()).await.unwrap_err();
        assert!(refused.is_constraint("uq_secrets_key"), "{refused}");
        drop(tx);
        let tx = world.store.write().await.unwrap();
        let moved = SecretRecord { folder: below.id, ..first };
        let refused = tx.relocate_secret(&moved).await.unwrap_err();
        assert!(refused.is_constraint("uq_secrets_key"), "{refused}");
        drop(tx);
        let session = world.store.read();
        assert_eq!(session.find_secret(world.root.id, "B").await.unwrap(), Some(other));
    });
}

#[test]
fn each_change_appends_a_version_and_old_ones_are_pruned() {
    on_each_engine(async |world| {
        let mut secret = world.add_secret(&world.root, "A").await;
        for _change in 0..5 {
            secret = next(&secret);
            let tx = world.store.write().await.unwrap();
            tx.update_secret(&secret, &author()).await.unwrap();
            tx.prune_secret_versions(secret.id, secret.version, 3).await.unwrap();
            tx.commit().await.unwrap();
        }
        let session = world.store.read();
        let versions = session.list_secret_versions(secret.id, 0, 10).await.unwrap();
        let numbers: Vec<u32> = versions.iter().map(|version| version.version).collect();
        assert_eq!(numbers, [6, 5, 4]);
        assert_eq!(versions[0].sealed_value.as_bytes(), b"value 6");
        assert_eq!(versions[0].author, author());
        let page = session.list_secret_versions(secret.id, 1, 1).await.unwrap();
        assert_eq!(page, [versions[1].clone()]);
        let fourth = session.find_secret_version(secret.id, 4).await.unwrap();
        assert_eq!(fourth.as_ref(), Some(&versions[2]));
        assert_eq!(session.find_secret_version(secret.id, 3).await.unwrap(), None);

        // Whatever the limit, the present version stays.
        let tx = world.store.write().await.unwrap();
        tx.prune_secret_versions(secret.id, secret.version, 0).await.unwrap();
        tx.commit().await.unwrap();
        let left = session.list_secret_versions(secret.id, 0, 10).await.unwrap();
        assert_eq!(left, [versions[0].clone()]);
    });
}

#[test]
fn only_the_successor_of_what_is_stored_is_written() {
    on_each_engine(async |world| {
        let secret = world.add_secret(&world.root, "A").await;
        let stranger = SecretRecord {
            project: ProjectId::random(&world.entropy),
            ..next(&secret)
        };
        for wrong in [secret.clone(), next(&next(&secret)), stranger] {
            let tx = world.store.write().await.unwrap();
            let refused = tx.update_secret(&wrong, &author()).await.unwrap_err();
            assert!(matches!(refused, StoreError::Fenced), "{refused}");
        }
        assert_eq!(world.store.read().find_secret_by_id(secret.id).await.unwrap(), Some(secret));
    });
}

#[test]
fn a_secret_goes_with_its_versions_and_with_its_folder() {
    on_each_engine(async |world| {
        let below = world.add_folder(&world.root, "below").await;
        let (kept, gone, inside) = (
            world.add_secret(&world.root, "KEPT").await,
            world.add_secret(&world.root, "GONE").await,
            world.add_secret(&below, "INSIDE").await,
        );
        let tx = world.store.write().await.unwrap();
        tx.remove_secret(ProjectId::random(&world.entropy), kept.id).await.unwrap();
        tx.remove_secret(world.project, gone.id).await.unwrap();
        tx.remove_folder(world.project, below.id).await.unwrap();
        tx.commit().await.unwrap();
        let session = world.store.read();
        assert_eq!(session.find_secret_by_id(kept.id).await.unwrap(), Some(kept));
        for secret in [gone, inside] {
            assert_eq!(session.find_secret_by_id(secret.id).await.unwrap(), None);
            assert_eq!(session.list_secret_versions(secret.id, 0, 10).await.unwrap(), []);
        }
    });
}

#[test]
fn a_moved_secret_keeps_everything_else() {
    on_each_engine(async |world| {
        let below = world.add_folder(&world.root, "below").await;
        let secret = world.add_secret(&world.root, "A").await;
        let moved = SecretRecord {
            folder: below.id,
            ..secret.clone()
        };
        let tx = world.store.write().await.unwrap();
        tx.relocate_secret(&moved).await.unwrap();
        tx.commit().await.unwrap();
        let session = world.store.read();
        assert_eq!(session.find_secret(world.root.id, "A").await.unwrap(), None);
        assert_eq!(session.find_secret(below.id, "A").await.unwrap(), Some(moved));
        assert_eq!(session.list_secret_versions(secret.id, 0, 10).await.unwrap().len(), 1);
    });
}

#[test]
fn writers_of_one_folder_wait_for_each_other() {
    on_each_engine(async |world| {
        let secret = world.add_secret(&world.root, "A").await;
        let write = |times: u32| {
            let (store, folder) = (world.store.clone(), world.root.id);
            tokio::spawn(async move {
                for _time in 0..times {
                    let tx = store.write().await.unwrap();
                    assert!(tx.lock_folder(folder).await.unwrap());
                    let present = tx.find_secret(folder, "A").await.unwrap().unwrap();
                    tx.update_secret(&next(&present), &author()).await.unwrap();
                    tx.commit().await.unwrap();
                }
            })
        };
        for writer in [write(10), write(10), write(10)] {
            tokio::time::timeout(Duration::from_secs(60), writer).await.unwrap().unwrap();
        }
        let present = world.store.read().find_secret_by_id(secret.id).await.unwrap().unwrap();
        assert_eq!(present.version, 31, "no change was lost");
    });
}

#[test]
fn several_locks_are_taken_in_one_order() {
    on_each_engine(async |world| {
        let folders = [
            world.add_folder(&world.root, "a").await.id,
            world.add_folder(&world.root, "b").await.id,
            world.root.id,
        ];
        let take = |order: [usize; 3]| {
            let (store, wanted) = (world.store.clone(), order.map(|at| folders[at]));
            tokio::spawn(async move {
                for _time in 0..20 {
                    let tx = store.write().await.unwrap();
                    assert!(tx.lock_folders(&wanted).await.unwrap());
                    tx.commit().await.unwrap();
                }
            })
        };
        for taker in [take([0, 1, 2]), take([2, 1, 0]), take([1, 2, 0])] {
            tokio::time::timeout(Duration::from_secs(60), taker).await.unwrap().unwrap();
        }
        let tx = world.store.write().await.unwrap();
        assert!(!tx.lock_folders(&[folders[0], FolderId::random(&world.entropy)]).await.unwrap());
    });
}
