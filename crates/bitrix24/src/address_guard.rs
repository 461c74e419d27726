//! Which IP addresses a portal's name may resolve to.
//!
//! A portal's name is tenant data, and the owner of a name decides what it resolves to. Without
//! this guard a tenant could make the service call the cloud's metadata service or a neighbour in
//! the cluster.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thiserror::Error;

/// The addresses that a portal's name may resolve to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Public addresses only: portals in the Bitrix24 cloud.
    Public,
    /// Public addresses and private networks: portals listed in `portals.self_hosted`.
    Private,
}

/// Why an address must not be dialled: a class of IANA's special-purpose registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Forbidden {
    /// Most systems take it for this machine.
    #[error("an unspecified address")]
    Unspecified,
    #[error("a loopback address")]
    Loopback,
    #[error("an address of a private network")]
    Private,
    /// The space of carriers, which several clouds use inside.
    #[error("a shared carrier address")]
    SharedCarrier,
    /// With the metadata services of clouds.
    #[error("a link-local address")]
    LinkLocal,
    #[error("a unique local address")]
    UniqueLocal,
    #[error("a multicast address")]
    Multicast,
    #[error("a documentation address")]
    Documentation,
    #[error("a benchmarking address")]
    Benchmarking,
    /// It carries an IPv4 address, which would bypass the IPv4 networks of the table.
    #[error("an IPv6 address that stands for an IPv4 address")]
    EmbedsIpv4,
    /// Protocol assignments, `240.0.0.0/4`, and all of IPv6 that is not global unicast.
    #[error("a reserved address")]
    Reserved,
}

/// Closed networks. The first match decides, so narrower networks precede wider ones.
const CLOSED: &[(IpNet, Forbidden)] = &[
    (v4(0, 0, 0, 8), Forbidden::Unspecified),
    (v4(10, 0, 0, 8), Forbidden::Private),
    (v4(100, 64, 0, 10), Forbidden::SharedCarrier),
    (v4(127, 0, 0, 8), Forbidden::Loopback),
    (v4(169, 254, 0, 16), Forbidden::LinkLocal),
    (v4(172, 16, 0, 12), Forbidden::Private),
    (v4(192, 0, 0, 24), Forbidden::Reserved),
    (v4(192, 0, 2, 24), Forbidden::Documentation),
    (v4(192, 88, 99, 24), Forbidden::Reserved),
    (v4(192, 168, 0, 16), Forbidden::Private),
    (v4(198, 18, 0, 15), Forbidden::Benchmarking),
    (v4(198, 51, 100, 24), Forbidden::Documentation),
    (v4(203, 0, 113, 24), Forbidden::Documentation),
    (v4(224, 0, 0, 4), Forbidden::Multicast),
    (v4(240, 0, 0, 4), Forbidden::Reserved),
    (v6(Ipv6Addr::UNSPECIFIED, 128), Forbidden::Unspecified),
    (v6(Ipv6Addr::LOCALHOST, 128), Forbidden::Loopback),
    // IPv4-mapped, IPv4-translated and the old IPv4-compatible form.
    (
        v6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
        Forbidden::EmbedsIpv4,
    ),
    (
        v6(Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96),
        Forbidden::EmbedsIpv4,
    ),
    (v6(Ipv6Addr::UNSPECIFIED, 96), Forbidden::EmbedsIpv4),
    // NAT64, well-known and local-use.
    (v6_start(0x64, 0xff9b, 0, 96), Forbidden::EmbedsIpv4),
    (v6_start(0x64, 0xff9b, 1, 48), Forbidden::EmbedsIpv4),
    // Teredo, then the other protocol assignments.
    (v6_start(0x2001, 0, 0, 32), Forbidden::EmbedsIpv4),
    (v6_start(0x2001, 2, 0, 48), Forbidden::Benchmarking),
    (v6_start(0x2001, 0, 0, 23), Forbidden::Reserved),
    (v6_start(0x2001, 0xdb8, 0, 32), Forbidden::Documentation),
    // 6to4.
    (v6_start(0x2002, 0, 0, 16), Forbidden::EmbedsIpv4),
    (v6_start(0x3fff, 0, 0, 20), Forbidden::Documentation),
    (v6_start(0xfc00, 0, 0, 7), Forbidden::UniqueLocal),
    (v6_start(0xfe80, 0, 0, 10), Forbidden::LinkLocal),
    (v6_start(0xff00, 0, 0, 8), Forbidden::Multicast),
];

/// Global unicast, the only part of IPv6 that the Internet routes.
const IPV6_GLOBAL: IpNet = v6_start(0x2000, 0, 0, 3);

const fn v4(first: u8, second: u8, third: u8, prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(
        Ipv4Addr::new(first, second, third, 0),
        prefix,
    ))
}

const fn v6(address: Ipv6Addr, prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(address, prefix))
}

const fn v6_start(first: u16, second: u16, third: u16, prefix: u8) -> IpNet {
    v6(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0), prefix)
}

/// Checks all addresses that a name resolved to; one forbidden address rejects the name.
///
/// Dropping only the forbidden addresses is not enough: mixed answers are how DNS rebinding starts.
///
/// # Errors
///
/// The class of the first forbidden address.
pub(crate) fn check_all(
    addresses: impl IntoIterator<Item = IpAddr>,
    reach: Reach,
) -> Result<(), Forbidden> {
    addresses
        .into_iter()
        .try_for_each(|address| check(address, reach))
}

fn check(address: IpAddr, reach: Reach) -> Result<(), Forbidden> {
    match forbidden(address) {
        Some(class) if !(reach == Reach::Private && is_private_network(class)) => Err(class),
        Some(_) | None => Ok(()),
    }
}

/// The class that closes an address to public names.
fn forbidden(address: IpAddr) -> Option<Forbidden> {
    let closed = CLOSED
        .iter()
        .find(|(network, _)| network.contains(&address));
    let is_unrouted = address.is_ipv6() && !IPV6_GLOBAL.contains(&address);
    closed
        .map(|(_, class)| *class)
        .or_else(|| is_unrouted.then_some(Forbidden::Reserved))
}

fn is_private_network(class: Forbidden) -> bool {
    matches!(
        class,
        Forbidden::Private | Forbidden::SharedCarrier | Forbidden::UniqueLocal
    )
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Forbidden, Reach, check, check_all, forbidden};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn every_special_network_is_recognised_at_both_of_its_ends() {
        for (first, last, class) in [
            ("0.0.0.0", "0.255.255.255", Forbidden::Unspecified),
            ("10.0.0.0", "10.255.255.255", Forbidden::Private),
            ("100.64.0.0", "100.127.255.255", Forbidden::SharedCarrier),
            ("127.0.0.0", "127.255.255.255", Forbidden::Loopback),
            ("169.254.0.0", "169.254.255.255", Forbidden::LinkLocal),
            ("172.16.0.0", "172.31.255.255", Forbidden::Private),
            ("192.0.0.0", "192.0.0.255", Forbidden::Reserved),
            ("192.0.2.0", "192.0.2.255", Forbidden::Documentation),
            ("192.88.99.0", "192.88.99.255", Forbidden::Reserved),
            ("192.168.0.0", "192.168.255.255", Forbidden::Private),
            ("198.18.0.0", "198.19.255.255", Forbidden::Benchmarking),
            ("198.51.100.0", "198.51.100.255", Forbidden::Documentation),
            ("203.0.113.0", "203.0.113.255", Forbidden::Documentation),
            ("224.0.0.0", "239.255.255.255", Forbidden::Multicast),
            ("240.0.0.0", "255.255.255.255", Forbidden::Reserved),
            ("::", "::", Forbidden::Unspecified),
            ("::1", "::1", Forbidden::Loopback),
            ("::2", "::ffff:ffff", Forbidden::EmbedsIpv4),
            (
                "::ffff:0.0.0.0",
                "::ffff:255.255.255.255",
                Forbidden::EmbedsIpv4,
            ),
            ("::ffff:0:0:0", "::ffff:0:ffff:ffff", Forbidden::EmbedsIpv4),
            ("64:ff9b::", "64:ff9b::ffff:ffff", Forbidden::EmbedsIpv4),
            (
                "64:ff9b:1::",
                "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
                Forbidden::EmbedsIpv4,
            ),
            ("100::", "100::ffff", Forbidden::Reserved),
            (
                "2001::",
                "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
                Forbidden::EmbedsIpv4,
            ),
            (
                "2001:2::",
                "2001:2:0:ffff:ffff:ffff:ffff:ffff",
                Forbidden::Benchmarking,
            ),
            (
                "2001:10::",
                "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
                Forbidden::Reserved,
            ),
            (
                "2001:db8::",
                "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                Forbidden::Documentation,
            ),
            (
                "2002::",
                "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                Forbidden::EmbedsIpv4,
            ),
            (
                "3fff::",
                "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
                Forbidden::Documentation,
            ),
            (
                "4000::",
                "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                Forbidden::Reserved,
            ),
            (
                "fc00::",
                "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                Forbidden::UniqueLocal,
            ),
            (
                "fe80::",
                "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                Forbidden::LinkLocal,
            ),
            (
                "fec0::",
                "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                Forbidden::Reserved,
            ),
            (
                "ff00::",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                Forbidden::Multicast,
            ),
        ] {
            assert_eq!(forbidden(ip(first)), Some(class), "{first}");
            assert_eq!(forbidden(ip(last)), Some(class), "{last}");
        }
    }

    #[test]
    fn the_addresses_next_to_special_networks_are_public() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::",
            "2001:200::",
            "2001:db7::1",
            "2001:db9::1",
            "2003::",
            "2a00:1450:4001::1",
            "3ffe::1",
            "3fff:1000::",
        ] {
            assert_eq!(forbidden(ip(address)), None, "{address}");
        }
    }

    #[test]
    fn self_hosted_names_reach_private_networks_and_nothing_else() {
        for address in [
            "10.1.2.3",
            "192.168.1.1",
            "172.20.0.1",
            "100.64.0.1",
            "fd00::1",
        ] {
            assert_eq!(check(ip(address), Reach::Private), Ok(()), "{address}");
            assert!(check(ip(address), Reach::Public).is_err(), "{address}");
        }
        for address in [
            "127.0.0.1",
            "169.254.169.254",
            "::1",
            "::ffff:10.0.0.1",
            "0.0.0.0",
        ] {
            assert!(check(ip(address), Reach::Private).is_err(), "{address}");
        }
    }

    #[test]
    fn one_forbidden_address_rejects_the_name() {
        let answers = [ip("93.184.216.34"), ip("169.254.169.254")];
        assert_eq!(check_all(answers, Reach::Public), Err(Forbidden::LinkLocal));
        assert_eq!(check_all([ip("93.184.216.34")], Reach::Public), Ok(()));
    }
}
