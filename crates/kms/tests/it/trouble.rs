//! The disk is full; the database goes away. What was acknowledged is kept, what was refused was not done.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::binary::{Api, Server, Setup};
use crate::database::Postgres;

/// Creates the secret `name`; `Ok` if it was acknowledged, else the error object.
async fn create(api: &Api, project: &str, name: &str, value: &str) -> Result<(), (u16, Value)> {
    let body = json!({ "projectId": project, "environment": "prod", "secretPath": "/llm", "secretValue": value });
    let path = format!("/api/v4/secrets/{name}");
    match api.call(Method::POST, &path, Some(&body)).await {
        Some((200, _)) => Ok(()),
        Some((status, answer)) => {
            assert_eq!(answer["statusCode"], status, "the error object: {answer}");
            assert!(answer["message"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
            assert!(answer["reqId"].as_str().is_some_and(|id| id.starts_with("req-")), "{answer}");
            assert!(!answer.to_string().contains(value), "the value is not repeated");
            Err((status, answer))
        }
        None => panic!("every request is answered"),
    }
}

async fn all(api: &Api, project: &str) -> BTreeMap<String, String> {
    let path = format!("/api/v4/secrets?projectId={project}&environment=prod&secretPath=/llm");
    let found = api.get(&path).await;
    let secrets = found["secrets"].as_array().unwrap();
    let text = |secret: &Value, field: &str| secret[field].as_str().unwrap().to_owned();
    secrets
        .iter()
        .map(|secret| (text(secret, "secretKey"), text(secret, "secretValue")))
        .collect()
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // Four megabytes for each file.
    let full = Setup::default().with_largest_file(8192);
    let server = Server::start(folder.path(), &full);
    let (api, _) = Api::new(&server.base).bootstrap().await;
    let project = api.project().await;
    let mut kept = BTreeMap::new();
    let mut refused = 0;
    for number in 0..2000 {
        let (name, value) = (format!("S_{number}"), format!("{number}-").repeat(6000));
        match create(&api, &project, &name, &value).await {
            Ok(()) => drop(kept.insert(name, value)),
            Err((status, answer)) => {
                assert!(matches!(status, 500 | 503), "{answer}");
                refused += 1;
                if refused == 5 {
                    break;
                }
            }
        }
    }
    assert_eq!(refused, 5, "the disk was never full");
    assert!(kept.len() > 20);
    let seen = all(&api, &project).await;
    assert!(seen == kept, "what was written is still read: {} of {}", seen.len(), kept.len());
    assert!(server.log().contains("disk") || server.log().contains("full"), "the log says why");
    server.stop();
    let roomy = Server::start(folder.path(), &Setup::default());
    let api = api.at(&roomy.base);
    let seen = all(&api, &project).await;
    assert!(seen == kept, "and after a start, too: {} of {}", seen.len(), kept.len());
    create(&api, &project, "LATER", "works-again").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_is_an_error_and_then_over() {
    let Some(database) = Postgres::fresh("trouble").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::default()
        .with("KMS_DATABASE_URL", database.url.clone())
        .with("KMS_ROOT_KEY", "51a51a51".repeat(8));
    let server = Server::start(folder.path(), &setup);
    let (api, _) = Api::new(&server.base).bootstrap().await;
    let project = api.project().await;

    // Connections are cut while writers write.
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (api, project) = (api.clone(), project.clone());
            tokio::spawn(async move {
                let (mut kept, mut unclear) = (BTreeMap::new(), Vec::new());
                for number in 0..60 {
                    let (name, value) = (format!("S_{writer}_{number}"), format!("value-{writer}-{number}"));
                    match create(&api, &project, &name, &value).await {
                        Ok(()) => drop(kept.insert(name, value)),
                        Err((status, answer)) => {
                            assert!(matches!(status, 500 | 503), "{answer}");
                            unclear.push(name);
                        }
                    }
                }
                (kept, unclear)
            })
        })
        .collect();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        database.cut_connections().await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let (mut kept, mut unclear) = (BTreeMap::new(), Vec::new());
    for writer in writers {
        let (more, failed) = writer.await.unwrap();
        kept.extend(more);
        unclear.extend(failed);
    }

    // Nobody is let in for a while.
    database.allow_connections(false).await;
    database.cut_connections().await;
    let (status, answer) = create(&api, &project, "AWAY", "a-value-nobody-takes").await.unwrap_err();
    assert_eq!(status, 503, "{answer}");
    assert!(api.call(Method::GET, "/readyz", None).await.is_none_or(|(status, _)| status == 503));
    database.allow_connections(true).await;
    let begun = Instant::now();
    while create(&api, &project, "BACK", "a-value-again").await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not come back: {}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    kept.insert("BACK".to_owned(), "a-value-again".to_owned());

    let mut found = all(&api, &project).await;
    // Whoever got an error may have been too late to hear of a commit; a whole secret or none.
    for name in unclear {
        if let Some(value) = found.remove(&name) {
            assert_eq!(value, name.replace("S_", "value-").replace('_', "-"));
        }
    }
    assert_eq!(found, kept);
    assert!(server.stop().success());
    database.remove().await;
}
