//! Speed. Measured in processor time and in the best of several runs, so that a busy machine does not matter.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{Bench, MANAGEMENT, chat};
use crate::running::Running;

/// Processor time of this process so far, user and system. The kernel counts in hundredths of a second.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_cores_serve_2500_completions_a_second() {
    const CONNECTIONS: usize = 16;
    const EACH: usize = 500;
    let running = Running::start().await;
    let made = running.create("a").await;
    let body = chat().to_string();
    let request = format!(
        "POST /api/v1/chat/completions HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
        made.key,
        body.len()
    );
    let before = processor_time();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (address, request) = (running.simulator.address(), request.clone().into_bytes());
            tokio::spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut answer = vec![0; 16 * 1024];
                for _ in 0..EACH {
                    stream.write_all(&request).await.unwrap();
                    let mut read = 0;
                    // The answer ends with the object that holds the usage.
                    while !answer[..read].ends_with(b"}}}") {
                        let more = stream.read(&mut answer[read..]).await.unwrap();
                        assert!(more > 0, "closed");
                        read += more;
                    }
                    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let used = processor_time().saturating_sub(before);
    let completions = CONNECTIONS * EACH;
    assert_eq!(running.simulator.control().stats().completions.ok, completions as u64);
    // Two cores give two seconds of processor time in a second; the clients' share is in here, too.
    let per_second = 2.0 * completions as f64 / used.as_secs_f64();
    eprintln!("{per_second:.0} completions a second on two cores, clients included");
    assert!(per_second >= 2500.0, "{per_second:.0} a second");
}

#[test]
fn a_page_of_100000_keys_takes_less_than_5_ms() {
    let bench = Bench::new();
    for number in 0..100_000 {
        drop(bench.handle(Method::POST, "/keys", MANAGEMENT, Some(&json!({ "name": format!("key {number}") }))));
    }
    assert_eq!(bench.control().stats().keys.total.live, 100_000);
    for query in ["", "?offset=50000", "?offset=99900", "?offset=100000"] {
        let path = format!("/keys{query}");
        let best = (0..20)
            .map(|_| {
                let started = Instant::now();
                drop(bench.handle(Method::GET, &path, MANAGEMENT, None).play());
                started.elapsed()
            })
            .min()
            .unwrap();
        eprintln!("GET {path}: {best:?}");
        assert!(best < Duration::from_millis(5), "{path}: {best:?}");
    }
}
