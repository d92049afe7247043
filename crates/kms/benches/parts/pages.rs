//! The dashboard at size: 5,000 secrets in an environment, 500 projects, 100,000 entries in the audit log. What each page costs the
//! server at the median, against the bare handler, and how large its HTML is.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::binary::{Api, Server, Setup};
use super::{Baseline, memory};

const SECRETS: usize = 5_000;
const PROJECTS: usize = 500;
const ENTRIES: usize = 100_000;
/// Requests for each page.
const TRIES: usize = 41;

pub(crate) async fn pages() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &Setup::default().with("KMS_LOG", "warn,kms::wiring=info"));
    let (machine, made) = Api::new(&server.base).bootstrap().await;
    let login = json!({ "email": "admin@example.com", "password": "correct horse battery staple" });
    let first = machine.post("/api/v3/auth/login", login).await;
    let person = machine.with_token(first["accessToken"].as_str().unwrap());
    let chosen = person
        .post(
            "/api/v3/auth/select-organization",
            json!({ "organizationId": made["organization"]["id"] }),
        )
        .await;
    let token = chosen["token"].as_str().unwrap().to_owned();
    let person = machine.with_token(&token);
    let begun = Instant::now();
    let project = fill(&person).await;
    println!(
        "{SECRETS} secrets, {PROJECTS} projects, {ENTRIES} audit entries made in {:.0?}",
        begun.elapsed()
    );

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let baseline = Baseline::start();
    let bare = median(&http, &format!("{}/secret", baseline.base), "").await.0;
    println!("bare handler: median {bare:.2?}");
    let secrets = person
        .get(&format!("/api/v4/secrets?projectId={project}&environment=prod&secretPath=/"))
        .await;
    let secret = secrets["secrets"][0]["id"].as_str().unwrap();
    for (what, path) in [
        ("Projects", "/projects".to_owned()),
        ("Projects, searched", "/projects?q=project-49".to_owned()),
        ("Secrets Overview", format!("/projects/{project}/secrets")),
        ("Secrets Overview, searched", format!("/projects/{project}/secrets?q=SECRET_49")),
        ("one environment", format!("/projects/{project}/secrets/prod")),
        ("one environment, last page", format!("/projects/{project}/secrets/prod?page=50")),
        ("one secret", format!("/projects/{project}/secret/{secret}")),
        ("Find", "/find?q=SECRET_4999".to_owned()),
        ("Find, nothing", "/find?q=no-such-thing".to_owned()),
        ("Audit Logs", "/audit-logs".to_owned()),
        ("Audit Logs, far back", "/audit-logs?page=1900".to_owned()),
        ("Audit Logs of the project", format!("/projects/{project}/audit-logs")),
        ("Access Control", "/access-control/users".to_owned()),
        ("Project Settings", format!("/projects/{project}/settings")),
    ] {
        let (took, size) = median(&http, &format!("{}{path}", server.base), &token).await;
        println!(
            "{what:<28} median {took:>9.2?} ({:>6.1} of the bare handler), HTML {:>4} kB{}",
            took.as_secs_f64() / bare.as_secs_f64(),
            size / 1024,
            if took > Duration::from_millis(50) || size > 300 * 1024 {
                "   over the aim of 50 ms and 300 kB"
            } else {
                ""
            }
        );
    }
    println!("memory: {} MB", memory(server.child.id(), "VmRSS"));
    assert!(server.stop().success());
}

/// Time to the whole answer at the median, and its size.
async fn median(http: &reqwest::Client, url: &str, token: &str) -> (Duration, usize) {
    let mut took = Vec::with_capacity(TRIES);
    let mut size = 0;
    for _ in 0..TRIES {
        let begun = Instant::now();
        let answer = http.get(url).header("cookie", format!("kms-access={token}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        size = answer.bytes().await.unwrap().len();
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    (took[TRIES / 2], size)
}

/// Answers the project with the many secrets.
async fn fill(person: &Api) -> String {
    let mut first = None;
    for number in 0..PROJECTS {
        let made = person
            .post("/api/v1/projects", json!({ "projectName": format!("project-{number}") }))
            .await;
        first.get_or_insert_with(|| made["project"]["id"].as_str().unwrap().to_owned());
    }
    let project = first.unwrap();
    let names: Vec<usize> = (0..SECRETS).collect();
    for part in names.chunks(100) {
        let secrets: Vec<Value> = part
            .iter()
            .map(|number| json!({ "secretKey": format!("SECRET_{number}"), "secretValue": "sk-or-v1-example-example-example" }))
            .collect();
        let body = json!({ "projectId": project, "environment": "prod", "secretPath": "/", "secrets": secrets });
        person.post("/api/v4/secrets/batch", body).await;
    }
    // Each reading is an entry.
    let path = format!("/api/v4/secrets/SECRET_7?projectId={project}&environment=prod&secretPath=/");
    let readers = (0..64).map(|_| async {
        for _ in 0..ENTRIES / 64 {
            person.get(&path).await;
        }
    });
    futures::future::join_all(readers).await;
    project
}
