//! The real [`Transport`]: HTTP over TLS, with deadlines, a guard on addresses and a cap on answers.
//!
//! Two properties of the client library decide the layout:
//!
//! - A connection taken from the pool may have been closed by the other side meanwhile. The library then begins again on a new
//!   one. That is right for what can be repeated; a `POST` gets a client without a pool instead, where every connection is new,
//!   nothing begins again, and HTTP/1.1 leaves no room for a protocol's own "please repeat".
//! - Connections are pooled by host name. A connection that a request of the operator opened to a private address must not be
//!   lent to a request that may not go there, so guarded and free requests use different clients.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::addresses::is_public;
use super::{OutboundRequest, OutboundResponse, RESPONSE_LIMIT, Transport, TransportError};

/// What we call ourselves towards outside systems.
const USER_AGENT: &str = concat!("hanzo-kms/", env!("CARGO_PKG_VERSION"));

/// How long an unused connection is kept. Shorter than the usual idle limit of servers.
const IDLE: Duration = Duration::from_secs(20);

/// How the transport behaves.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Whether all requests may use plain http and reach private addresses, not only those the operator set the address of.
    pub allow_internal: bool,
    /// Time limit for name look-up, connection and TLS session together. Below the deadline of a request, a failure to connect
    /// is known to be one ([`TransportError::NotSent`]).
    pub connect_timeout: Duration,
}

impl Default for HttpSettings {
    /// Private addresses forbidden, five seconds to connect.
    fn default() -> Self {
        Self {
            allow_internal: false,
            connect_timeout: Duration::from_secs(5),
        }
    }
}

/// Finds the addresses of a name.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of `host`, in the order in which they are tried.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// The transport cannot work on this machine: no root certificates, or no TLS.
#[derive(Debug, thiserror::Error)]
#[error("outgoing connections cannot be set up (are root certificates installed?)")]
pub struct SetupError(#[source] reqwest::Error);

/// Sends requests over the network.
pub struct HttpTransport {
    guarded: Clients,
    free: Clients,
    allow_internal: bool,
}

/// One client for what may begin again on a new connection, one for what may not.
struct Clients {
    pooled: reqwest::Client,
    single: reqwest::Client,
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport")
            .field("allow_internal", &self.allow_internal)
            .finish_non_exhaustive()
    }
}

impl HttpTransport {
    /// A transport that asks the operating system for addresses.
    pub fn new(settings: &HttpSettings) -> Result<Self, SetupError> {
        Self::with_lookup(settings, SystemLookup)
    }

    /// A transport that asks `lookup` for addresses.
    pub fn with_lookup(settings: &HttpSettings, lookup: impl Lookup) -> Result<Self, SetupError> {
        let lookup: Arc<dyn Lookup> = Arc::new(lookup);
        let clients = |reach: Reach| -> Result<Clients, SetupError> {
            let builder = || {
                reqwest::Client::builder()
                    .user_agent(USER_AGENT)
                    .connect_timeout(settings.connect_timeout)
                    .redirect(reqwest::redirect::Policy::none())
                    .no_proxy()
                    .referer(false)
                    .https_only(reach == Reach::Public)
                    .dns_resolver(Arc::new(Resolver {
                        lookup: Arc::clone(&lookup),
                        reach,
                    }))
            };
            Ok(Clients {
                pooled: builder().pool_idle_timeout(IDLE).build().map_err(SetupError)?,
                single: builder()
                    .pool_max_idle_per_host(0)
                    .http1_only()
                    .retry(reqwest::retry::never())
                    .build()
                    .map_err(SetupError)?,
            })
        };
        Ok(Self {
            guarded: clients(Reach::Public)?,
            free: clients(Reach::Everywhere)?,
            allow_internal: settings.allow_internal,
        })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, TransportError> {
        let reach = if request.trusted || self.allow_internal {
            Reach::Everywhere
        } else {
            Reach::Public
        };
        check_address(&request.url, reach)?;
        let clients = match reach {
            Reach::Public => &self.guarded,
            Reach::Everywhere => &self.free,
        };
        let client = if request.method.is_idempotent() {
            &clients.pooled
        } else {
            &clients.single
        };
        let deadline = request.deadline;
        let mut response = client
            .execute(prepared(request))
            .await
            .map_err(|error| unanswered(&error, deadline))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = read_body(response, deadline).await?;
        Ok(OutboundResponse { status, headers, body })
    }
}

/// The request in the library's form.
fn prepared(request: OutboundRequest) -> reqwest::Request {
    let mut prepared = reqwest::Request::new(request.method, request.url);
    *prepared.timeout_mut() = Some(request.deadline);
    *prepared.headers_mut() = request.headers;
    for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE] {
        if let Some(value) = prepared.headers_mut().get_mut(&name) {
            value.set_sensitive(true);
        }
    }
    // A POST without a body still says how long it is.
    if !request.body.is_empty() || prepared.method() == Method::POST {
        *prepared.body_mut() = Some(request.body.into());
    }
    prepared
}

/// Reads the body up to [`RESPONSE_LIMIT`].
async fn read_body(mut response: reqwest::Response, deadline: Duration) -> Result<Bytes, TransportError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cut(&error, deadline))? {
        if body.len() + chunk.len() > RESPONSE_LIMIT {
            return Err(TransportError::Lost(format!("the answer is longer than {RESPONSE_LIMIT} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Which addresses a client reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Public,
    Everywhere,
}

/// Refuses addresses that need no look-up. Names are judged by what they stand for, in [`Resolver`].
fn check_address(url: &Url, reach: Reach) -> Result<(), TransportError> {
    let refused = |reason: &str| Err(TransportError::NotSent(reason.to_owned()));
    match url.scheme() {
        "https" => {}
        "http" if reach == Reach::Everywhere => {}
        "http" => return refused("only https addresses are allowed"),
        _ => return refused("the address is neither http nor https"),
    }
    let literal = match url.host() {
        None => return refused("the address names no host"),
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
    };
    match literal {
        Some(address) if reach == Reach::Public && !is_public(address) => refused(NOT_PUBLIC),
        _ => Ok(()),
    }
}

const NOT_PUBLIC: &str = "the address is not a public one";

/// Looks names up and keeps what may be reached. The connection is made to exactly these addresses, so that a name that
/// changes its mind in between gains nothing.
struct Resolver {
    lookup: Arc<dyn Lookup>,
    reach: Reach,
}

#[derive(Debug, thiserror::Error)]
enum ResolveError {
    #[error("the host's name has no address")]
    NoAddress,
    #[error("{NOT_PUBLIC}")]
    NotPublic,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.lookup);
        let reach = self.reach;
        Box::pin(async move {
            let found = lookup.lookup(name.as_str()).await?;
            if found.is_empty() {
                return Err(ResolveError::NoAddress.into());
            }
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| reach == Reach::Everywhere || is_public(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if allowed.is_empty() {
                return Err(ResolveError::NotPublic.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// What a failure before the answer means. `is_connect` covers name look-up, TCP and TLS: no byte of the request was written
/// then. Everything else may have come after the request was read.
fn unanswered(error: &reqwest::Error, deadline: Duration) -> TransportError {
    if error.is_connect() || error.is_builder() {
        let cause = if error.is_timeout() {
            "the connection was not made in time".to_owned()
        } else {
            format!("no connection: {}", deepest(error))
        };
        TransportError::NotSent(cause)
    } else if error.is_timeout() {
        TransportError::Lost(too_slow(deadline))
    } else {
        TransportError::Lost(format!("the connection broke: {}", deepest(error)))
    }
}

/// What a failure amid the answer means.
fn cut(error: &reqwest::Error, deadline: Duration) -> TransportError {
    if error.is_timeout() {
        TransportError::Lost(too_slow(deadline))
    } else {
        TransportError::Lost(format!("the answer broke off: {}", deepest(error)))
    }
}

fn too_slow(deadline: Duration) -> String {
    format!("no complete answer within {:.1} s", deadline.as_secs_f64())
}

/// The innermost cause. The outer layers repeat "error sending request" and may name the address.
fn deepest(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    let mut depth = 0;
    while let Some(source) = cause.source() {
        cause = source;
        depth += 1;
    }
    if depth == 0 {
        "the request could not be made".to_owned()
    } else {
        cause.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<IpAddr>);

    #[async_trait]
    impl Lookup for Fixed {
        async fn lookup(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.0.clone())
        }
    }

    async fn resolved(reach: Reach, answers: &[&str]) -> Result<Vec<String>, String> {
        let lookup = Arc::new(Fixed(answers.iter().map(|text| text.parse().unwrap()).collect()));
        let resolver = Resolver { lookup, reach };
        resolver
            .resolve("mixed.example.com".parse().unwrap())
            .await
            .map(|addresses| addresses.map(|address| address.ip().to_string()).collect())
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn only_the_public_ones_of_a_names_addresses_are_tried() {
        let answers = ["10.0.0.1", "8.8.8.8", "::1", "2606:4700::1111", "169.254.169.254"];
        assert_eq!(
            resolved(Reach::Public, &answers).await,
            Ok(vec!["8.8.8.8".to_owned(), "2606:4700::1111".to_owned()])
        );
        assert_eq!(resolved(Reach::Everywhere, &answers).await.map(|found| found.len()), Ok(5));
        assert_eq!(resolved(Reach::Public, &["10.0.0.1"]).await, Err(NOT_PUBLIC.to_owned()));
        assert_eq!(
            resolved(Reach::Everywhere, &[]).await,
            Err("the host's name has no address".to_owned())
        );
    }
}
