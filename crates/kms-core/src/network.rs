//! Trusted addresses: the networks that a machine identity may come from (`core-api.md` §5.2).

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// An address or network as clients give and get it: a plain host has no prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedAddress {
    address: IpAddr,
    prefix: Option<u8>,
}

/// The text is no address or network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an IP address or network in CIDR form")]
pub struct InvalidAddress;

impl TrustedAddress {
    /// Reads `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self { address, prefix: None });
        }
        let net: IpNet = text.parse().map_err(|_malformed| InvalidAddress)?;
        Ok(Self {
            address: net.addr(),
            prefix: Some(net.prefix_len()),
        })
    }

    /// All addresses: the default where nothing else was asked for.
    pub fn anywhere() -> Vec<Self> {
        vec![
            Self {
                address: IpAddr::from([0, 0, 0, 0]),
                prefix: Some(0),
            },
            Self {
                address: IpAddr::from([0_u16; 8]),
                prefix: Some(0),
            },
        ]
    }

    /// Whether `address` (with an IPv4-mapped IPv6 address read as IPv4) is meant.
    pub fn covers(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self.prefix {
            None => self.address.to_canonical() == address,
            Some(prefix) => IpNet::new(self.address, prefix).is_ok_and(|net| net.contains(&address)),
        }
    }

    /// `ipv4` or `ipv6`.
    pub fn family(&self) -> &'static str {
        if self.address.is_ipv4() { "ipv4" } else { "ipv6" }
    }

    /// The address without the prefix.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The prefix length; none for a plain host.
    pub fn prefix(&self) -> Option<u8> {
        self.prefix
    }
}

impl std::fmt::Display for TrustedAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.prefix {
            Some(prefix) => write!(f, "{}/{prefix}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

impl Serialize for TrustedAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TrustedAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("192.0.2.7", "192.0.2.7", true)]
    #[case("192.0.2.7", "192.0.2.8", false)]
    #[case("192.0.2.0/24", "192.0.2.200", true)]
    #[case("192.0.2.0/24", "::ffff:192.0.2.200", true)]
    #[case("192.0.2.0/24", "2001:db8::1", false)]
    #[case("2001:db8::/32", "2001:db8::1", true)]
    #[case("0.0.0.0/0", "203.0.113.9", true)]
    #[case("0.0.0.0/0", "2001:db8::1", false)]
    fn cover(#[case] trusted: &str, #[case] address: &str, #[case] covered: bool) {
        assert_eq!(TrustedAddress::parse(trusted).unwrap().covers(address.parse().unwrap()), covered);
    }

    #[rstest]
    #[case("")]
    #[case("192.0.2.0/33")]
    #[case("example.com")]
    fn nonsense_is_refused(#[case] text: &str) {
        assert_eq!(TrustedAddress::parse(text), Err(InvalidAddress));
    }
}
