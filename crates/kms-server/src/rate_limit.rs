//! Limits of requests: for each client address and class of request, so many a minute (`core-api.md` §2.5). Held in memory, by each
//! server for itself. What guards passwords against guessing is in the database and holds for all servers: lockouts.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// Requests a minute that one client address may make. None: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimits {
    /// Reading.
    pub read: Option<NonZeroU32>,
    /// Changing something.
    pub write: Option<NonZeroU32>,
    /// Logging in, renewing tokens, choosing a password, accepting an invitation.
    pub auth: Option<NonZeroU32>,
    /// Inviting people.
    pub invite: Option<NonZeroU32>,
}

impl RateLimits {
    /// Any number of everything.
    pub const OFF: Self = Self {
        read: None,
        write: None,
        auth: None,
        invite: None,
    };

    /// What an operator gets who says nothing: out of the way of machines behind one address, in the way of floods.
    pub fn usual() -> Self {
        Self {
            read: NonZeroU32::new(60_000),
            write: NonZeroU32::new(12_000),
            auth: NonZeroU32::new(1_200),
            invite: NonZeroU32::new(120),
        }
    }
}

/// The text is no list of limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be off, or a list such as read=60000,write=12000,auth=1200,invite=120: requests a minute for each client address; 0 is any number"
)]
pub struct NoLimits;

impl FromStr for RateLimits {
    type Err = NoLimits;

    fn from_str(text: &str) -> Result<Self, NoLimits> {
        if text.trim().eq_ignore_ascii_case("off") {
            return Ok(Self::OFF);
        }
        let mut limits = Self::usual();
        for part in text.split(',') {
            let (class, number) = part.split_once('=').ok_or(NoLimits)?;
            let number = NonZeroU32::new(number.trim().parse().map_err(|_no_number| NoLimits)?);
            match class.trim() {
                "read" => limits.read = number,
                "write" => limits.write = number,
                "auth" => limits.auth = number,
                "invite" => limits.invite = number,
                _ => return Err(NoLimits),
            }
        }
        Ok(limits)
    }
}

/// A class of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Read,
    Write,
    Auth,
    Invite,
}

/// Probes and unchanging files are not limited.
fn class(method: &Method, path: &str) -> Option<Class> {
    let path = path.trim_end_matches('/');
    if matches!(path, "/healthz" | "/readyz" | "/metrics") || path.starts_with("/assets/") {
        return None;
    }
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Some(Class::Read);
    }
    let is_login = path.starts_with("/api/") && path.contains("/auth/") && !path.contains("/identities/");
    Some(match path {
        "/login" | "/setup" | "/invitations" | "/account/password" | "/api/v1/invite-org/accept" => Class::Auth,
        _ if is_login || path.starts_with("/api/v1/admin/") => Class::Auth,
        "/api/v1/invite-org/signup" | "/access-control/users" => Class::Invite,
        _ => Class::Write,
    })
}

type Limiter = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, DefaultClock, StateInformationMiddleware>;

/// Addresses that have been quiet are forgotten after so many checks.
const SWEEP_EVERY: u64 = 8192;

/// The limits, and what each address has used of them.
#[derive(Debug, Default)]
pub(crate) struct Limiters {
    read: Option<Limiter>,
    write: Option<Limiter>,
    auth: Option<Limiter>,
    invite: Option<Limiter>,
    checks: AtomicU64,
}

/// What is left for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    limit: u32,
    remaining: u32,
    /// Until all of it may be used again.
    reset: Duration,
}

impl Standing {
    /// Tells the client.
    pub(crate) fn tell(self, headers: &mut HeaderMap) {
        let whole = self.reset.as_secs() + u64::from(self.reset.subsec_nanos() > 0);
        for (name, value) in [
            ("x-ratelimit-limit", u64::from(self.limit)),
            ("x-ratelimit-remaining", u64::from(self.remaining)),
            ("x-ratelimit-reset", whole),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
}

/// Too many requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub(crate) standing: Standing,
    /// When one more may come.
    pub(crate) retry_after: Duration,
}

/// Whoever has an IPv6 network has all addresses of it.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

impl Limiters {
    pub(crate) fn new(limits: RateLimits) -> Self {
        let limiter = |limit: Option<NonZeroU32>| {
            limit.map(|limit| RateLimiter::keyed(Quota::per_minute(limit)).with_middleware::<StateInformationMiddleware>())
        };
        Self {
            read: limiter(limits.read),
            write: limiter(limits.write),
            auth: limiter(limits.auth),
            invite: limiter(limits.invite),
            checks: AtomicU64::new(0),
        }
    }

    /// Counts a request. None where there is no limit, or the client's address is not known.
    pub(crate) fn check(&self, method: &Method, path: &str, address: Option<IpAddr>) -> Result<Option<Standing>, TooMany> {
        let limiter = match class(method, path) {
            None => return Ok(None),
            Some(Class::Read) => &self.read,
            Some(Class::Write) => &self.write,
            Some(Class::Auth) => &self.auth,
            Some(Class::Invite) => &self.invite,
        };
        let (Some(limiter), Some(address)) = (limiter, address) else {
            return Ok(None);
        };
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            for limiter in [&self.read, &self.write, &self.auth, &self.invite].into_iter().flatten() {
                limiter.retain_recent();
            }
        }
        let standing = |quota: Quota, remaining: u32| {
            let limit = quota.burst_size().get();
            Standing {
                limit,
                remaining,
                reset: quota.replenish_interval() * limit.saturating_sub(remaining),
            }
        };
        match limiter.check_key(&client(address)) {
            Ok(snapshot) => Ok(Some(standing(snapshot.quota(), snapshot.remaining_burst_capacity()))),
            Err(not_until) => Err(TooMany {
                standing: standing(not_until.quota(), 0),
                retry_after: not_until.wait_time_from(DefaultClock::default().now()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("GET", "/api/v4/secrets", Some(Class::Read))]
    #[case("HEAD", "/projects", Some(Class::Read))]
    #[case("PATCH", "/api/v4/secrets/A", Some(Class::Write))]
    #[case("POST", "/api/v1/auth/universal-auth/login/", Some(Class::Auth))]
    #[case("POST", "/api/v3/auth/login", Some(Class::Auth))]
    #[case("POST", "/api/v1/auth/token/renew", Some(Class::Auth))]
    #[case("POST", "/api/v1/auth/universal-auth/identities/x/client-secrets", Some(Class::Write))]
    #[case("POST", "/api/v1/admin/bootstrap", Some(Class::Auth))]
    #[case("POST", "/login", Some(Class::Auth))]
    #[case("POST", "/invitations", Some(Class::Auth))]
    #[case("POST", "/access-control/users", Some(Class::Invite))]
    #[case("GET", "/healthz", None)]
    #[case("GET", "/assets/app.css", None)]
    fn each_request_has_its_class(#[case] method: &str, #[case] path: &str, #[case] expected: Option<Class>) {
        assert_eq!(class(&method.parse().unwrap(), path), expected);
    }

    #[test]
    fn limits_are_read_from_text() {
        assert_eq!("off".parse(), Ok(RateLimits::OFF));
        let some: RateLimits = "auth=30, read=0".parse().unwrap();
        assert_eq!((some.auth, some.read), (NonZeroU32::new(30), None));
        assert_eq!(some.write, RateLimits::usual().write);
        for wrong in ["", "auth", "auth=-1", "auth=many", "other=3", "auth=4294967296"] {
            assert_eq!(wrong.parse::<RateLimits>(), Err(NoLimits), "{wrong}");
        }
    }

    #[test]
    fn a_client_uses_up_its_own_limit_and_nobody_elses() {
        let limiters = Limiters::new("auth=3,read=0".parse().unwrap());
        let check = |path: &str, address: &str| {
            let method = if path == "/login" { Method::POST } else { Method::GET };
            limiters.check(&method, path, Some(address.parse().unwrap()))
        };
        for left in [2, 1, 0] {
            let standing = check("/login", "2001:db8::1").unwrap().unwrap();
            assert_eq!((standing.limit, standing.remaining), (3, left));
        }
        let refused = check("/login", "2001:db8::ffff").unwrap_err();
        assert!(
            refused.retry_after > Duration::ZERO && refused.retry_after <= Duration::from_secs(20),
            "{refused:?}"
        );
        assert!(check("/login", "2001:db8:0:1::1").is_ok(), "another network");
        assert!(check("/login", "203.0.113.7").is_ok());
        assert_eq!(check("/projects", "2001:db8::1"), Ok(None), "no limit");
        assert_eq!(limiters.check(&Method::POST, "/login", None), Ok(None), "no address");
    }
}
