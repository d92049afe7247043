use kms_core::ids::{EnvironmentId, FolderId, ProjectId};
use kms_store::folders::FolderRecord;

use crate::support::{on_each_engine, path};

fn paths(found: &[FolderRecord]) -> Vec<&str> {
    found.iter().map(|folder| folder.path.as_str()).collect()
}

#[test]
fn a_folder_is_found_by_its_place_and_by_its_id() {
    on_each_engine(async |world| {
        let folder = world.add_folder(&world.root, "llm").await;
        let session = world.store.read();
        assert_eq!(
            session.find_folder(world.environment, &path("/llm")).await.unwrap().as_ref(),
            Some(&folder)
        );
        assert_eq!(session.find_folder(world.environment, &path("/LLM")).await.unwrap(), None);
        assert_eq!(
            session.find_folder_by_id(world.project, folder.id).await.unwrap().as_ref(),
            Some(&folder)
        );
        assert_eq!(
            session
                .find_folder_by_id(ProjectId::random(&world.entropy), folder.id)
                .await
                .unwrap(),
            None
        );
        assert_eq!(session.find_folder_anywhere(folder.id).await.unwrap().as_ref(), Some(&folder));
    });
}

#[test]
fn folders_of_several_places_are_found_at_once() {
    on_each_engine(async |world| {
        let (other, other_root) = world.add_environment("prod", 2).await;
        world.add_folder(&world.root, "a").await;
        world.add_folder(&other_root, "b").await;
        let mut places = vec![
            (world.environment, path("/a")),
            (other, path("/a")),
            (other, path("/b")),
            (EnvironmentId::random(&world.entropy), path("/")),
        ];
        // More than one statement holds.
        places.extend((0..1000).map(|number| (world.environment, path(&format!("/none-{number}")))));
        let found = world.store.read().find_folders(&places).await.unwrap();
        let mut found: Vec<_> = found.into_iter().map(|folder| (folder.environment == other, folder.path)).collect();
        found.sort();
        assert_eq!(found, [(false, path("/a")), (true, path("/b"))]);
        assert_eq!(world.store.read().find_folders(&[]).await.unwrap(), []);
    });
}

#[test]
fn what_is_below_is_told_from_what_only_looks_alike() {
    on_each_engine(async |world| {
        let a = world.add_folder(&world.root, "a_b").await;
        world.add_folder(&world.root, "aXb").await;
        world.add_folder(&world.root, "A_B").await;
        world.add_folder(&world.root, "a_b-more").await;
        let inner = world.add_folder(&a, "Z").await;
        world.add_folder(&a, "c").await;
        world.add_folder(&inner, "deep").await;
        let session = world.store.read();
        let below = session.list_folders_below(world.environment, &a.path).await.unwrap();
        assert_eq!(paths(&below), ["/a_b/Z", "/a_b/Z/deep", "/a_b/c"]);
        let children = session.list_folders_in(a.id).await.unwrap();
        assert_eq!(paths(&children), ["/a_b/Z", "/a_b/c"]);
        let all = session.list_folders_below(world.environment, &path("/")).await.unwrap();
        assert_eq!(all.len(), 7);
        assert!(!all.iter().any(|folder| folder.path.is_root()));
        assert_eq!(session.list_folders_of_environment(world.environment).await.unwrap().len(), 8);
        assert_eq!(session.list_folders_of_project(world.project).await.unwrap().len(), 8);
    });
}

#[test]
fn a_path_is_taken_once_in_an_environment() {
    on_each_engine(async |world| {
        let first = world.add_folder(&world.root, "a").await;
        let other = world.add_folder(&world.root, "b").await;
        let tx = world.store.write().await.unwrap();
        let refused = tx.insert_folder(&world.folder(&world.root, "a")).await.unwrap_err();
        assert!(refused.is_constraint("uq_folders_path"), "{refused}");
        drop(tx);
        let tx = world.store.write().await.unwrap();
        let renamed = FolderRecord {
            name: first.name.clone(),
            path: first.path.clone(),
            ..other
        };
        let refused = tx.update_folder(&renamed).await.unwrap_err();
        assert!(refused.is_constraint("uq_folders_path"), "{refused}");
    });
}

#[test]
fn a_folder_goes_with_all_below_it() {
    on_each_engine(async |world| {
        let a = world.add_folder(&world.root, "a").await;
        let b = world.add_folder(&a, "b").await;
        let beside = world.add_folder(&world.root, "beside").await;
        let tx = world.store.write().await.unwrap();
        assert!(tx.lock_environment(world.environment).await.unwrap());
        assert!(!tx.lock_environment(EnvironmentId::random(&world.entropy)).await.unwrap());
        tx.remove_folder(ProjectId::random(&world.entropy), beside.id).await.unwrap();
        tx.remove_folder(world.project, a.id).await.unwrap();
        tx.commit().await.unwrap();
        let session = world.store.read();
        assert_eq!(session.find_folder_anywhere(b.id).await.unwrap(), None);
        assert_eq!(session.find_folder_anywhere(beside.id).await.unwrap(), Some(beside));
        let tx = world.store.write().await.unwrap();
        assert!(!tx.lock_folder(FolderId(b.id.0)).await.unwrap());
    });
}
