//! Where an event came from: what its sender's share is counted by.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Each proxy adds the address that it was called from to the end of this header.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// A subscriber has this part of IPv6 addresses, or more, for himself.
const NETWORK_BITS: u32 = 64;

/// An IPv4 address, or an IPv6 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source(IpAddr);

impl Source {
    /// The last address that no trusted proxy has: `peer`, unless it is one. What stands in the
    /// header before that, its sender may have made up.
    pub(super) fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        let mut source = peer.to_canonical();
        let lines = headers.get_all(FORWARDED_FOR).iter();
        let mut hops: Vec<&str> = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .collect();
        while is_trusted(&source)
            && let Some(hop) = hops.pop()
            && let Some(before) = address(hop.trim())
        {
            source = before.to_canonical();
        }
        Self::network(source)
    }

    fn network(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => {
                let mask = u128::MAX << (128 - NETWORK_BITS);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        })
    }
}

/// Some proxies add the port.
fn address(hop: &str) -> Option<IpAddr> {
    let plain = hop.parse().ok();
    let with_port = || Some(hop.parse::<SocketAddr>().ok()?.ip());
    plain.or_else(with_port)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn comes_from(peer: &str, lines: &[&str], expected: &str) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let source = Source::of(peer.parse().unwrap(), &headers, &trusted);
        let expected = Source::network(expected.parse().unwrap());
        assert_eq!(source, expected, "{peer} {lines:?}");
    }

    #[test]
    fn a_header_is_believed_as_far_as_trusted_proxies_wrote_it() {
        comes_from("192.0.2.1", &[], "192.0.2.1");
        comes_from("192.0.2.1", &["198.51.100.1"], "192.0.2.1");
        comes_from("10.0.0.1", &[], "10.0.0.1");
        comes_from("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        comes_from("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1");
        comes_from("10.0.0.1", &["198.51.100.1, 10.0.0.2"], "198.51.100.1");
        comes_from("10.0.0.1", &["198.51.100.1", "10.0.0.2"], "198.51.100.1");
        comes_from("::ffff:10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1");
        comes_from("fd00::1", &["[2001:db8::1]:4711"], "2001:db8::1");
    }

    #[test]
    fn what_is_no_address_ends_what_is_believed() {
        comes_from("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1");
        comes_from("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2");
        comes_from("10.0.0.1", &[""], "10.0.0.1");
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        comes_from("2001:db8::1", &[], "2001:db8::ffff:ffff:ffff:ffff");
    }
}
