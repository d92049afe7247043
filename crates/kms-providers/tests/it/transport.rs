//! The HTTP transport against sockets that behave badly: what is *not sent*, what is *lost*, and that nothing is sent twice.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use kms_providers::transport::http::{HttpSettings, HttpTransport, Lookup};
use kms_providers::transport::{OutboundRequest, OutboundResponse, RESPONSE_LIMIT, Transport, TransportError};
use tokio::net::TcpListener;

use crate::raw::{RawServer, Reply};
use crate::stage::AMPLE;

fn request(method: Method, url: url::Url) -> OutboundRequest {
    OutboundRequest {
        method,
        url,
        headers: HeaderMap::new(),
        body: Bytes::new(),
        deadline: AMPLE,
        trusted: true,
    }
}

fn transport() -> HttpTransport {
    HttpTransport::new(&HttpSettings::default()).unwrap()
}

async fn get(server: &RawServer) -> Result<OutboundResponse, TransportError> {
    transport().send(request(Method::GET, server.url("/"))).await
}

fn assert_lost(outcome: &Result<OutboundResponse, TransportError>) {
    assert!(matches!(outcome, Err(TransportError::Lost(_))), "{outcome:?}");
}

fn assert_not_sent(outcome: &Result<OutboundResponse, TransportError>) {
    assert!(matches!(outcome, Err(TransportError::NotSent(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_request_arrives_as_it_was_made() {
    let server = RawServer::scripted(vec![Reply::Answer(201, vec![("x-more", "yes".to_owned())], b"body".to_vec())]).await;
    let mut request = request(Method::POST, server.url("/a/b?c=d"));
    request
        .headers
        .insert("authorization", HeaderValue::from_static("Bearer sk-or-v1-EXAMPLE"));
    request.body = Bytes::from_static(b"{\"name\":\"x\"}");
    let response = transport().send(request).await.unwrap();
    assert_eq!(response.status, 201);
    assert_eq!(response.headers["x-more"], "yes");
    assert_eq!(response.body, "body");
    let [received] = server.requests().try_into().unwrap();
    assert_eq!((received.method.as_str(), received.target.as_str()), ("POST", "/a/b?c=d"));
    assert_eq!(received.body, b"{\"name\":\"x\"}");
    assert_eq!(received.header("authorization"), Some("Bearer sk-or-v1-EXAMPLE"));
    assert_eq!(
        received.header("user-agent"),
        Some(concat!("hanzo-kms/", env!("CARGO_PKG_VERSION")))
    );
}

#[tokio::test]
async fn neither_request_nor_answer_shows_secrets_in_debug() {
    let server = RawServer::scripted(vec![Reply::Answer(
        200,
        vec![("x-key", "sk-or-v1-EXAMPLE".to_owned())],
        b"sk-or-v1-EXAMPLE".to_vec(),
    )])
    .await;
    let mut request = request(Method::GET, server.url("/"));
    request
        .headers
        .insert("authorization", HeaderValue::from_static("Bearer sk-or-v1-EXAMPLE"));
    request.body = Bytes::from_static(b"sk-or-v1-EXAMPLE");
    let shown = format!("{request:?} {:?}", transport().send(request.clone()).await.unwrap());
    assert!(shown.contains("200") && !shown.contains("EXAMPLE"), "{shown}");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let target = RawServer::scripted(vec![Reply::Answer(200, vec![], vec![])]).await;
    let server = RawServer::scripted(vec![Reply::Answer(
        307,
        vec![("location", target.url("/elsewhere").to_string())],
        vec![],
    )])
    .await;
    assert_eq!(get(&server).await.unwrap().status, 307);
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn a_refused_connection_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: url::Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    for method in [Method::GET, Method::POST] {
        assert_not_sent(&transport().send(request(method, url.clone())).await);
    }
}

/// Answers for names ending in `.example.com`: nothing, a failure, or never.
struct Names;

#[async_trait]
impl Lookup for Names {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        match host {
            "fails.example.com" => Err(io::Error::other("no such name")),
            "empty.example.com" => Ok(vec![]),
            "hangs.example.com" => std::future::pending().await,
            _ => Ok(vec![[127, 0, 0, 1].into()]),
        }
    }
}

fn transport_with_names(connect_timeout: Duration) -> HttpTransport {
    let settings = HttpSettings {
        allow_internal: false,
        connect_timeout,
    };
    HttpTransport::with_lookup(&settings, Names).unwrap()
}

#[tokio::test]
async fn a_name_without_address_is_not_sent() {
    let transport = transport_with_names(AMPLE);
    for host in ["fails.example.com", "empty.example.com"] {
        for method in [Method::GET, Method::POST] {
            let url = format!("http://{host}/").parse().unwrap();
            assert_not_sent(&transport.send(request(method, url)).await);
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_not_made_in_time_is_not_sent() {
    // The address leads to a server that takes the connection and says nothing, so that a TLS session never comes about.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let transport = transport_with_names(Duration::from_millis(100));
    for url in [
        "http://hangs.example.com/".to_owned(),
        format!("https://silent.example.com:{port}/"),
    ] {
        for method in [Method::GET, Method::POST] {
            assert_not_sent(&transport.send(request(method, url.parse().unwrap())).await);
        }
    }
}

#[tokio::test]
async fn a_failed_tls_session_is_not_sent() {
    for reply in [Vec::new(), b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: url::Url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let server = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            while let Ok((mut stream, _peer)) = listener.accept().await {
                let mut hello = [0_u8; 256];
                let _ = stream.read(&mut hello).await;
                let _ = stream.write_all(&reply).await;
            }
        });
        for method in [Method::GET, Method::POST] {
            assert_not_sent(&transport().send(request(method, url.clone())).await);
        }
        server.abort();
    }
}

#[tokio::test]
async fn an_address_that_is_neither_http_nor_https_is_not_sent() {
    for url in ["ftp://example.com/", "file:///etc/passwd", "data:text/plain,x", "unix:/run/x"] {
        assert_not_sent(&transport().send(request(Method::GET, url.parse().unwrap())).await);
    }
}

#[tokio::test]
async fn silence_beyond_the_deadline_is_lost() {
    let server = RawServer::scripted(vec![Reply::Stall(vec![])]).await;
    for method in [Method::GET, Method::POST] {
        let mut request = request(method, server.url("/"));
        request.deadline = Duration::from_millis(150);
        assert_lost(&transport().send(request).await);
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_body_that_does_not_end_in_time_is_lost() {
    // The announced length never arrives, and the connection stays open.
    let server = RawServer::scripted(vec![Reply::Stall(
        b"HTTP/1.1 201 Created\r\ncontent-length: 10\r\n\r\n12345".to_vec(),
    )])
    .await;
    let mut request = request(Method::POST, server.url("/"));
    request.deadline = Duration::from_millis(150);
    assert_lost(&transport().send(request).await);
}

#[tokio::test]
async fn a_broken_or_cut_answer_is_lost() {
    for reply in [
        Reply::Close,
        Reply::Reset,
        Reply::Bytes(b"HTTP/1.1 201 Cre".to_vec()),
        Reply::Bytes(b"HTTP/1.1 201 Created\r\ncontent-length: 10\r\n\r\n12345".to_vec()),
        Reply::Bytes(b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n".to_vec()),
        Reply::Bytes(b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\nnonsense".to_vec()),
        Reply::Bytes(b"HTTP/1.1 201 Created\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\n12345".to_vec()),
        Reply::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()),
    ] {
        let server = RawServer::scripted(vec![reply.clone()]).await;
        let outcome = transport().send(request(Method::POST, server.url("/"))).await;
        assert!(matches!(outcome, Err(TransportError::Lost(_))), "{reply:?}: {outcome:?}");
        assert_eq!(server.count("POST"), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_lost() {
    let fits = RawServer::start(|_request| Reply::Answer(200, vec![], vec![b'x'; RESPONSE_LIMIT])).await;
    assert_eq!(get(&fits).await.unwrap().body.len(), RESPONSE_LIMIT);
    let longer = RawServer::start(|_request| Reply::Answer(200, vec![], vec![b'x'; RESPONSE_LIMIT + 1])).await;
    assert_lost(&get(&longer).await);
}

#[tokio::test]
async fn a_small_answer_that_unpacks_to_a_large_one_is_lost() {
    let server = RawServer::start(|_request| {
        Reply::Answer(
            200,
            vec![("content-encoding", "gzip".to_owned())],
            zeros_in_gzip(RESPONSE_LIMIT * 2),
        )
    })
    .await;
    assert_lost(&get(&server).await);
}

#[tokio::test]
async fn a_packed_answer_is_unpacked() {
    // The checksum of 259 zeros, so that the whole stream is read.
    let mut packed = zeros_in_gzip(259);
    packed.extend_from_slice(&crc32(&[0; 259]).to_le_bytes());
    packed.extend_from_slice(&259_u32.to_le_bytes());
    let server = RawServer::start(move |_request| Reply::Answer(200, vec![("content-encoding", "gzip".to_owned())], packed.clone())).await;
    assert_eq!(get(&server).await.unwrap().body, vec![0; 259]);
    assert_eq!(server.requests()[0].header("accept-encoding"), Some("gzip"));
}

/// A gzip stream of at least `length` zeros (259, 517, 775 …), without its trailer.
fn zeros_in_gzip(length: usize) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut bits: Vec<u8> = Vec::new();
    let mut push = |text: &str| bits.extend(text.bytes().map(|bit| bit - b'0'));
    // One last block with the fixed code: a zero, then copies of 258 bytes from one byte back.
    push("110");
    push("00110000");
    for _ in 0..(length - 1).div_ceil(258) {
        push("1100010100000");
    }
    push("0000000");
    for eight in bits.chunks(8) {
        bytes.push(eight.iter().enumerate().map(|(place, bit)| bit << place).sum());
    }
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}

#[tokio::test]
async fn a_post_is_written_once_and_on_a_connection_of_its_own() {
    // Each kind of end that a client library might take for "not begun yet", after a GET has put a connection into the pool.
    for end in [Reply::Close, Reply::Reset, Reply::Bytes(b"HTTP/1.1 ".to_vec())] {
        let ending = end.clone();
        let server = RawServer::start(move |request| match request.method.as_str() {
            "POST" => ending.clone(),
            _ => Reply::Answer(200, vec![], b"ok".to_vec()),
        })
        .await;
        let transport = transport();
        transport.send(request(Method::GET, server.url("/"))).await.unwrap();
        for _ in 0..20 {
            assert_lost(&transport.send(request(Method::POST, server.url("/"))).await);
        }
        transport.send(request(Method::GET, server.url("/"))).await.unwrap();
        let requests = server.requests();
        let gets: Vec<usize> = of(&requests, "GET");
        let mut posts: Vec<usize> = of(&requests, "POST");
        assert_eq!(posts.len(), 20, "{end:?}: each POST arrived once");
        assert!(posts.iter().all(|connection| !gets.contains(connection)), "{end:?}");
        posts.dedup();
        assert_eq!(posts.len(), 20, "{end:?}: no two POSTs share a connection");
        assert_eq!(gets, [0, 0], "the pool does work for what may be repeated");
    }
}

#[tokio::test]
async fn a_post_never_takes_a_connection_that_was_used_before() {
    let server = RawServer::scripted(vec![Reply::Answer(201, vec![], b"ok".to_vec())]).await;
    let transport = transport();
    for method in [Method::GET, Method::POST, Method::POST, Method::PATCH, Method::GET] {
        transport.send(request(method, server.url("/"))).await.unwrap();
    }
    let connections: Vec<usize> = server.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 1, 2, 3, 0]);
}

#[tokio::test]
async fn a_post_is_written_once_even_where_connections_die_all_the_time() {
    // Connections are closed right behind each answer without a word, so that idle ones are dead when they are used again.
    let server = RawServer::start(|_request| Reply::AnswerAndClose(200, b"ok".to_vec())).await;
    let transport = Arc::new(transport());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let transport = Arc::clone(&transport);
        let url = server.url(&format!("/{number}"));
        let method = if number % 2 == 0 { Method::POST } else { Method::GET };
        tasks.spawn(async move { (number, transport.send(request(method, url)).await) });
    }
    while let Some(done) = tasks.join_next().await {
        let (number, outcome) = done.unwrap();
        let arrived = server
            .requests()
            .iter()
            .filter(|request| request.target == format!("/{number}"))
            .count();
        if number % 2 == 0 {
            assert!(arrived <= 1, "POST {number} arrived {arrived} times: {outcome:?}");
            assert!(outcome.is_ok(), "{outcome:?}");
        }
    }
    assert_eq!(server.count("POST"), 100);
}

fn of(requests: &[crate::raw::Received], method: &str) -> Vec<usize> {
    requests
        .iter()
        .filter(|request| request.method == method)
        .map(|request| request.connection)
        .collect()
}

#[tokio::test]
async fn errors_name_neither_address_nor_credential() {
    let server = RawServer::scripted(vec![Reply::Close]).await;
    let refused: url::Url = "http://127.0.0.1:1/secret-path".parse().unwrap();
    for url in [server.url("/secret-path"), refused] {
        let mut request = request(Method::POST, url);
        request
            .headers
            .insert("authorization", HeaderValue::from_static("Bearer sk-or-v1-EXAMPLE"));
        let text = transport().send(request).await.unwrap_err().to_string();
        assert!(!text.contains("secret-path") && !text.contains("EXAMPLE"), "{text}");
    }
}
