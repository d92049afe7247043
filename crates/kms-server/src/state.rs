//! What handlers share.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use ipnet::IpNet;
use kms_app::App;

use crate::rate_limit::{Limiters, RateLimits};

/// Settings of the HTTP side.
#[derive(Debug, Clone, Default)]
pub struct HttpSettings {
    /// Whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The address people use, without trailing slash; from the request if absent.
    pub public_url: Option<String>,
    /// Serve `/metrics` on this listener too (not where it has one of its own).
    pub metrics_here: bool,
    /// How much one client address may ask.
    pub rate_limits: RateLimits,
}

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub struct ServerState {
    /// The application.
    pub app: App,
    /// Settings.
    pub settings: std::sync::Arc<HttpSettings>,
    pub(crate) limiters: std::sync::Arc<Limiters>,
    /// Renders the metrics; absent where none are recorded (tests).
    pub metrics: Option<metrics_exporter_prometheus::PrometheusHandle>,
}

impl ServerState {
    /// State without metrics.
    pub fn new(app: App, settings: HttpSettings) -> Self {
        Self {
            app,
            limiters: std::sync::Arc::new(Limiters::new(settings.rate_limits)),
            settings: std::sync::Arc::new(settings),
            metrics: None,
        }
    }
}

/// The client's address: the peer's, or what the nearest untrusted hop was, if the peers before it are trusted proxies.
pub(crate) fn client_address(peer: IpAddr, forwarded_for: Option<&str>, trusted: &[IpNet]) -> IpAddr {
    let believed = |address: &IpAddr| trusted.iter().any(|net| net.contains(&address.to_canonical()));
    let mut address = peer;
    for hop in forwarded_for.unwrap_or_default().rsplit(',') {
        if !believed(&address) {
            break;
        }
        match hop.trim().parse() {
            Ok(next) => address = next,
            Err(_no_address) => break,
        }
    }
    address.to_canonical()
}

/// The scheme that a trusted proxy says the client used.
fn forwarded_proto<'a>(parts: &'a Parts, settings: &HttpSettings) -> Option<&'a str> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical();
    if !settings.trusted_proxies.iter().any(|net| net.contains(&peer)) {
        return None;
    }
    parts.headers.get("x-forwarded-proto")?.to_str().ok().map(str::trim)
}

/// Whether the client speaks https, as far as the operator or a trusted proxy says.
pub(crate) fn is_https(parts: &Parts, settings: &HttpSettings) -> bool {
    let public = settings.public_url.as_deref();
    public.is_some_and(|url| url.starts_with("https:")) || forwarded_proto(parts, settings) == Some("https")
}

/// The address that people use, without a slash at its end: for links.
#[derive(Debug, Clone)]
pub(crate) struct Site(String);

impl Site {
    /// The link to a path.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl FromRequestParts<ServerState> for Site {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ServerState) -> Result<Self, Self::Rejection> {
        if let Some(url) = &state.settings.public_url {
            return Ok(Self(url.clone()));
        }
        let scheme = if is_https(parts, &state.settings) { "https" } else { "http" };
        let host = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let host = host.or_else(|| parts.uri.authority().map(axum::http::uri::Authority::as_str));
        Ok(Self(format!("{scheme}://{}", host.unwrap_or("localhost"))))
    }
}

/// The value of a cookie, unless it is empty.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(given, value)| *given == name && !value.is_empty())
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_name_the_client() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let address = |peer: &str, header| client_address(peer.parse().unwrap(), header, &trusted).to_string();
        assert_eq!(address("203.0.113.9", Some("192.0.2.1")), "203.0.113.9");
        assert_eq!(address("10.0.0.1", Some("192.0.2.1")), "192.0.2.1");
        assert_eq!(address("10.0.0.1", Some("198.51.100.7, 192.0.2.1, 10.0.0.2")), "192.0.2.1");
        assert_eq!(address("10.0.0.1", Some("nonsense")), "10.0.0.1");
        assert_eq!(address("10.0.0.1", None), "10.0.0.1");
    }
}
