//! Two servers on one PostgreSQL rotate at the same time, and one or the other is killed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::binary::{Api, Server};
use crate::database::Postgres;
use crate::traffic::{Application, Rotated, assert_in_order, connection, settings, slow_simulator};

const ROTATIONS: usize = 4;
const KILLS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_share_the_work_and_one_may_be_killed() {
    let Some(database) = Postgres::fresh("nodes").await else { return };
    let mut random = StdRng::seed_from_u64(2);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let simulator = slow_simulator().await;
    let setup = settings(&simulator)
        .with("KMS_DATABASE_URL", database.url.clone())
        .with("KMS_ROOT_KEY", "51a51a51".repeat(8));
    let start = |node: usize| Server::start(folders[node].path(), &setup);

    let mut servers = [start(0), start(1)];
    let (api, _) = Api::new(&servers[0].base).bootstrap().await;
    let project = api.project().await;
    let connection = connection(&api, &project, &simulator).await;
    let mut all = Vec::new();
    for number in 0..ROTATIONS {
        all.push(Rotated::new(&api, &project, &connection, &format!("KEY_{number}")).await);
    }
    let apis = |servers: &[Server; 2]| vec![api.at(&servers[0].base), api.at(&servers[1].base)];
    let applications: Vec<Application> = all
        .iter()
        .map(|rotated| Application::start(apis(&servers), rotated.clone(), &simulator))
        .collect();

    for _ in 0..KILLS {
        let here = apis(&servers);
        for application in &applications {
            application.turn_to(here.clone());
        }
        let work = all.iter().zip(&applications).map(|(rotated, application)| {
            let here = &here;
            async move {
                let mut node = 0;
                loop {
                    // Both are asked, by turns and at the same time as for the other rotations.
                    rotated.rotate(&here[node % 2]).await;
                    application.calls(4).await;
                    node += 1;
                }
            }
        });
        let working = futures::future::join_all(work);
        drop(tokio::time::timeout(Duration::from_millis(random.random_range(300..1200)), working).await);
        let victim = random.random_range(0..2);
        let [first, second] = servers;
        servers = if victim == 0 {
            first.kill();
            [start(0), second]
        } else {
            second.kill();
            [first, start(1)]
        };
    }
    let here = apis(&servers);
    for application in &applications {
        application.turn_to(here.clone());
        application.calls(5).await;
    }
    let versions = assert_in_order(&here[0], &simulator, &all, Duration::from_secs(240)).await;
    assert!(versions > 2 * ROTATIONS, "both have rotated: {versions} versions");
    let mut calls = 0;
    for application in applications {
        calls += application.end().await.calls;
    }
    println!("{KILLS} kills, {versions} versions, {calls} calls, 0 refused, 0 orphans");
    for server in servers {
        assert!(server.stop().success());
    }
    simulator.shutdown().await;
    database.remove().await;
}
