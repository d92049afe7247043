//! The guard on addresses: literal hosts in every notation, names that stand for private addresses, and who is exempt.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
use kms_providers::transport::http::{HttpSettings, HttpTransport, Lookup};
use kms_providers::transport::{OutboundRequest, Transport, TransportError};

use crate::raw::{RawServer, Reply};

/// Whether the request is the operator's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Operator,
    User,
}

fn request(url: &str, by: By) -> OutboundRequest {
    OutboundRequest {
        method: Method::GET,
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        deadline: Duration::from_secs(30),
        trusted: by == By::Operator,
    }
}

/// Gives one set of addresses for every name.
struct Everything(Vec<IpAddr>);

#[async_trait]
impl Lookup for Everything {
    async fn lookup(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

fn transport(addresses: &[&str]) -> HttpTransport {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    HttpTransport::with_lookup(&HttpSettings::default(), Everything(addresses)).unwrap()
}

async fn refusal(transport: &HttpTransport, url: &str) -> String {
    match transport.send(request(url, By::User)).await {
        Err(TransportError::NotSent(reason)) => reason,
        outcome => panic!("{url}: {outcome:?}"),
    }
}

const NOT_PUBLIC: &str = "the address is not a public one";

#[tokio::test]
async fn loopback_is_refused_in_every_notation() {
    let server = RawServer::scripted(vec![Reply::Close]).await;
    let port = server.address.port();
    let transport = HttpTransport::new(&HttpSettings::default()).unwrap();
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "0177.0x0.00.1",
        "017700000001",
        "%31%32%37.0.0.1",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ] {
        let url = format!("https://{host}:{port}/");
        assert_eq!(refusal(&transport, &url).await, NOT_PUBLIC, "{host}");
    }
    assert_eq!(server.connections(), 0);
    // The same server is reached by who may: the refusals above were not for want of a server.
    let outcome = transport.send(request(server.url("/").as_ref(), By::Operator)).await;
    assert!(matches!(outcome, Err(TransportError::Lost(_))), "{outcome:?}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn private_literals_are_refused() {
    let transport = HttpTransport::new(&HttpSettings::default()).unwrap();
    for host in [
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[fd00::1]",
        "[fe80::1]",
        "[ff02::1]",
        "[64:ff9b::a9fe:a9fe]",
        "[::ffff:10.0.0.1]",
    ] {
        assert_eq!(refusal(&transport, &format!("https://{host}/")).await, NOT_PUBLIC, "{host}");
    }
}

#[tokio::test]
async fn plain_http_is_refused() {
    let transport = transport(&["8.8.8.8"]);
    for url in ["http://example.com/", "http://8.8.8.8/", "http://127.0.0.1/"] {
        assert_eq!(refusal(&transport, url).await, "only https addresses are allowed", "{url}");
    }
}

#[tokio::test]
async fn a_name_that_stands_for_private_addresses_is_refused() {
    let server = RawServer::scripted(vec![Reply::Close]).await;
    for answers in [
        &["127.0.0.1"] as &[&str],
        &["10.0.0.1", "127.0.0.1"],
        &["::1", "127.0.0.1"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1"],
        &["0.0.0.0"],
        &["::"],
    ] {
        let url = format!("https://rebind.example.com:{}/", server.address.port());
        let reason = refusal(&transport(answers), &url).await;
        assert!(reason.ends_with(NOT_PUBLIC), "{answers:?}: {reason}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn localhost_of_the_operating_system_is_refused() {
    let server = RawServer::scripted(vec![Reply::Close]).await;
    let transport = HttpTransport::new(&HttpSettings::default()).unwrap();
    for host in ["localhost", "LOCALHOST", "localhost."] {
        let url = format!("https://{host}:{}/", server.address.port());
        // A resolver may not know the spelling; it must not lead to the server either way.
        refusal(&transport, &url).await;
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn the_operators_address_may_be_plain_and_private() {
    let server = RawServer::scripted(vec![Reply::Answer(200, vec![], vec![])]).await;
    let url = format!("http://openrouter.internal:{}/", server.address.port());
    let transport = transport(&["127.0.0.1"]);
    assert_eq!(transport.send(request(&url, By::Operator)).await.unwrap().status, 200);
    // Having been there for the operator opens nothing for users.
    refusal(&transport, &url).await;
    refusal(&transport, &url.replace("http:", "https:")).await;
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_operator_may_allow_private_addresses_for_all() {
    let server = RawServer::scripted(vec![Reply::Answer(200, vec![], vec![])]).await;
    let settings = HttpSettings {
        allow_internal: true,
        ..HttpSettings::default()
    };
    let transport = HttpTransport::with_lookup(&settings, Everything(vec![[127, 0, 0, 1].into()])).unwrap();
    for host in ["127.0.0.1", "internal.example.com"] {
        let url = format!("http://{host}:{}/", server.address.port());
        assert_eq!(transport.send(request(&url, By::User)).await.unwrap().status, 200, "{host}");
    }
}
