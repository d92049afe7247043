//! A server below HTTP libraries: it records every request that arrives, on which connection, and answers with whatever bytes the
//! test wants, or with none.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Number of the connection, from 0.
    pub connection: usize,
    pub method: String,
    /// With query.
    pub target: String,
    /// Everything before the body, as text.
    pub head: String,
    pub body: Vec<u8>,
}

impl Received {
    /// Value of a header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status, extra headers, body; the connection stays open.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The same, then the connection is closed although nothing announced it.
    AnswerAndClose(u16, Vec<u8>),
    /// These bytes, then an orderly close.
    Bytes(Vec<u8>),
    /// An orderly close without a byte.
    Close,
    /// A TCP reset.
    Reset,
    /// These bytes, then nothing until the client goes away.
    Stall(Vec<u8>),
}

impl Reply {
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::Answer(
            status,
            vec![("content-type", "application/json".to_owned())],
            body.to_string().into_bytes(),
        )
    }

    /// OpenRouter's error shape.
    pub fn error(status: u16, message: &str) -> Self {
        Self::json(status, &serde_json::json!({"error": {"code": status, "message": message}}))
    }
}

type Handler = dyn Fn(&Received) -> Reply + Send + Sync;

/// A running server. Its tasks end with it.
pub struct RawServer {
    pub address: SocketAddr,
    log: Arc<Mutex<Log>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Log {
    connections: usize,
    requests: Vec<Received>,
}

impl RawServer {
    pub async fn start(handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let handler: Arc<Handler> = Arc::new(handler);
        let shared = Arc::clone(&log);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _peer)) = listener.accept().await {
                let number = {
                    let mut log = shared.lock().unwrap();
                    log.connections += 1;
                    log.connections - 1
                };
                connections.spawn(serve(stream, number, Arc::clone(&handler), Arc::clone(&shared)));
            }
        });
        Self { address, log, task }
    }

    /// A server that gives `replies` one after another, and then the last one again and again.
    pub async fn scripted(replies: Vec<Reply>) -> Self {
        let next = Mutex::new(0);
        Self::start(move |_request| {
            let mut next = next.lock().unwrap();
            let reply = replies[(*next).min(replies.len() - 1)].clone();
            *next += 1;
            reply
        })
        .await
    }

    pub fn url(&self, path: &str) -> url::Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    pub fn requests(&self) -> Vec<Received> {
        self.log.lock().unwrap().requests.clone()
    }

    pub fn count(&self, method: &str) -> usize {
        self.requests().iter().filter(|request| request.method == method).count()
    }

    pub fn connections(&self) -> usize {
        self.log.lock().unwrap().connections
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, connection: usize, handler: Arc<Handler>, log: Arc<Mutex<Log>>) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer, connection).await {
        log.lock().unwrap().requests.push(request.clone());
        let (bytes, stays_open) = match handler(&request) {
            Reply::Answer(status, headers, body) => (answer(status, &headers, &body), true),
            Reply::AnswerAndClose(status, body) => (answer(status, &[], &body), false),
            Reply::Bytes(bytes) => (bytes, false),
            Reply::Close => (Vec::new(), false),
            Reply::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Reply::Stall(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                return;
            }
        };
        if stream.write_all(&bytes).await.is_err() || !stays_open {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

fn answer(status: u16, headers: &[(&'static str, String)], body: &[u8]) -> Vec<u8> {
    let mut lines = vec![format!("HTTP/1.1 {status} Whatever"), format!("content-length: {}", body.len())];
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    [lines.join("\r\n").as_bytes(), b"\r\n\r\n", body].concat()
}

/// Reads up to the end of one request; `None` if the client went away or sent no HTTP.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>, connection: usize) -> Option<Received> {
    let end = loop {
        if let Some(position) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break position + 4;
        }
        if buffer.len() > 65_536 || stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut words = head.split_whitespace();
    let mut request = Received {
        connection,
        method: words.next()?.to_owned(),
        target: words.next()?.to_owned(),
        head: String::new(),
        body: Vec::new(),
    };
    request.head = head;
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    request.body = buffer[end..end + length].to_vec();
    buffer.drain(..end + length);
    Some(request)
}
