//! The server is killed with SIGKILL at random moments while it rotates and applications call completions.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::binary::{Api, Server};
use crate::traffic::{Application, Rotated, assert_in_order, connection, settings, slow_simulator};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_nothing_is_lost_and_nothing_is_left() {
    let soak = std::env::var_os("KMS_TEST_SOAK").is_some();
    let kills = if soak { 500 } else { 50 };
    let seed = std::env::var("KMS_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);

    let folder = tempfile::tempdir().unwrap();
    let simulator = slow_simulator().await;
    let setup = settings(&simulator);
    let server = Server::start(folder.path(), &setup);
    let (api, _) = Api::new(&server.base).bootstrap().await;
    let project = api.project().await;
    let connection = connection(&api, &project, &simulator).await;
    let rotated = Rotated::new(&api, &project, &connection, "OPEN_ROUTER_API_KEY").await;
    let application = Application::start(vec![api.clone()], rotated.clone(), &simulator);

    let mut server = Some(server);
    let mut slowest = Duration::ZERO;
    for _ in 0..kills {
        let life = server.take().unwrap();
        let here = api.at(&life.base);
        application.turn_to(vec![here.clone()]);
        let (one, calls) = (rotated.clone(), async || application.calls(3).await);
        let working = async {
            loop {
                one.rotate(&here).await;
                // A key is revoked by the second rotation after its own; the application gets to see each.
                calls().await;
            }
        };
        drop(tokio::time::timeout(Duration::from_millis(random.random_range(20..350)), working).await);
        life.kill();
        let begun = Instant::now();
        server = Some(Server::start(folder.path(), &setup));
        slowest = slowest.max(begun.elapsed());
    }
    let server = server.unwrap();
    let api = api.at(&server.base);
    application.turn_to(vec![api.clone()]);
    application.calls(10).await;
    let versions = assert_in_order(&api, &simulator, std::slice::from_ref(&rotated), Duration::from_secs(120)).await;
    assert!(versions > 5, "it has rotated in between: {versions} versions");
    let seen = application.end().await;
    println!(
        "{kills} kills, {versions} versions, {} calls, 0 refused, 0 orphans; {} reads found no server; slowest start {slowest:?}",
        seen.calls, seen.unread
    );
    assert!(seen.calls > 50);
    assert!(server.stop().success());
    simulator.shutdown().await;
}
