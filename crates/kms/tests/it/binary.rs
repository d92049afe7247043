//! A server process and a client of its API.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

/// How long a server may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server is started with, beside its folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    variables: Vec<(String, String)>,
    largest_file: Option<u32>,
}

impl Setup {
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// No file may grow beyond so many blocks of 512 bytes: what a full disk looks like from inside.
    pub(crate) fn with_largest_file(mut self, blocks: u32) -> Self {
        self.largest_file = Some(blocks);
        self
    }
}

/// The program with nothing of the caller's settings.
pub(crate) fn program(arguments: &[&str], setup: &Setup) -> Command {
    let binary = env!("CARGO_BIN_EXE_kms");
    let mut command = match setup.largest_file {
        None => Command::new(binary),
        Some(blocks) => {
            // Without the trap the signal for files that are too large would end the program; a full disk sends none.
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""), binary]);
            shell
        }
    };
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KMS_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    // Tests and benchmarks ask as fast as the answers come, all from one address.
    command.env("KMS_RATE_LIMITS", "off");
    command.envs(setup.variables.iter().map(|(name, value)| (name, value)));
    command
}

/// A running server. It is killed when this goes away.
pub(crate) struct Server {
    pub(crate) child: Child,
    log: PathBuf,
    pub(crate) base: String,
}

impl Server {
    /// Starts a server with its data and its log in `folder`, and waits until it serves.
    pub(crate) fn start(folder: &Path, setup: &Setup) -> Self {
        let log = folder.join("server.log");
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let skip = std::fs::metadata(&log).unwrap().len();
        let data = folder.join("data").display().to_string();
        let child = program(
            &["server", "--listen", "127.0.0.1:0", "--data-dir", &data, "--log-format", "json"],
            setup,
        )
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .unwrap();
        let mut server = Self {
            child,
            log,
            base: String::new(),
        };
        server.base = format!("http://{}", server.wait_for_address(usize::try_from(skip).unwrap()));
        server
    }

    fn wait_for_address(&mut self, skip: usize) -> String {
        let begun = Instant::now();
        loop {
            let text = self.log();
            let started = text[skip..]
                .lines()
                .find(|line| line.contains("\"server.started\""))
                .map(str::to_owned);
            if let Some(line) = started {
                let line: Value = serde_json::from_str(&line).unwrap();
                return line["address"].as_str().unwrap().to_owned();
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server has ended ({status}): {text}");
            }
            assert!(begun.elapsed() < PATIENCE, "the server does not begin: {text}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Everything it has logged, in all its lives.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// SIGKILL: no step is finished, no file is closed.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM: ends by itself.
    pub(crate) fn stop(mut self) -> ExitStatus {
        let told = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success());
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "the server does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A client of the API that remembers its token.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    http: reqwest::Client,
    pub(crate) base: String,
    token: Option<String>,
}

impl Api {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(90))
                .build()
                .unwrap(),
            base: base.to_owned(),
            token: None,
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The same caller with connections of its own, to a server that has come back elsewhere.
    pub(crate) fn at(&self, base: &str) -> Self {
        Self {
            token: self.token.clone(),
            ..Self::new(base)
        }
    }

    /// Status and body; `None` if there was no whole answer.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.json().await.ok()?))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ok(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.ok(Method::POST, path, Some(&body)).await
    }

    async fn ok(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.call(method.clone(), path, body).await.expect("an answer");
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    /// Sets up an empty instance: the first administrator, and an identity with a token.
    pub(crate) async fn bootstrap(&self) -> (Self, Value) {
        let admin = json!({ "email": "admin@example.com", "password": "correct horse battery staple", "organization": "Example" });
        let made = self.post("/api/v1/admin/bootstrap", admin).await;
        (self.with_token(made["identity"]["credentials"]["token"].as_str().unwrap()), made)
    }

    /// A project with the folder /llm in prod.
    pub(crate) async fn project(&self) -> String {
        let made = self.post("/api/v1/projects", json!({ "projectName": "Chat" })).await;
        let project = made["project"]["id"].as_str().unwrap().to_owned();
        let folder = json!({ "projectId": project, "environment": "prod", "path": "/", "name": "llm" });
        self.post("/api/v2/folders", folder).await;
        project
    }
}
