//! Which IP addresses a portal's name may resolve to.
//!
//! A portal's name is tenant data, and whoever owns a name decides what it resolves to. Without
//! this guard a tenant could make us call the cloud's metadata service or a neighbour in the
//! cluster.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// How far a portal's name may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Public addresses only: portals in the Bitrix24 cloud.
    Public,
    /// Public addresses and private networks: portals that the operator listed in
    /// `portals.self_hosted`.
    Private,
}

/// Why an address must not be dialled; each variant is a class of the special-purpose registries of
/// IANA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Forbidden {
    /// `0.0.0.0/8` and `::`, which most systems take for this machine.
    #[error("an unspecified address")]
    Unspecified,
    /// `127.0.0.0/8` and `::1`.
    #[error("a loopback address")]
    Loopback,
    /// `10.0.0.0/8`, `172.16.0.0/12` and `192.168.0.0/16`.
    #[error("an address of a private network")]
    Private,
    /// `100.64.0.0/10`, the space of carriers that several clouds use inside.
    #[error("a shared carrier address")]
    SharedCarrier,
    /// `169.254.0.0/16` with the metadata services, and `fe80::/10`.
    #[error("a link-local address")]
    LinkLocal,
    /// `fc00::/7`.
    #[error("a unique local address")]
    UniqueLocal,
    /// `224.0.0.0/4` and `ff00::/8`.
    #[error("a multicast address")]
    Multicast,
    /// `192.0.2.0/24`, `198.51.100.0/24`, `203.0.113.0/24`, `2001:db8::/32` and `3fff::/20`.
    #[error("a documentation address")]
    Documentation,
    /// `198.18.0.0/15` and `2001:2::/48`.
    #[error("a benchmarking address")]
    Benchmarking,
    /// IPv6 addresses that carry an IPv4 address, which would pass every check of the IPv4 table.
    #[error("an IPv6 address that stands for an IPv4 address")]
    EmbedsIpv4,
    /// `240.0.0.0/4`, protocol assignments, and all of IPv6 that is no global unicast.
    #[error("a reserved address")]
    Reserved,
}

/// One line of a table: network, length of its prefix in bits, class.
type Line<Address> = (Address, u32, Forbidden);

const IPV4: &[Line<Ipv4Addr>] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, Forbidden::Unspecified),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Forbidden::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Forbidden::SharedCarrier),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Forbidden::Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Forbidden::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Forbidden::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Forbidden::Reserved),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Forbidden::Documentation),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Forbidden::Reserved),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Forbidden::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Forbidden::Benchmarking),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Forbidden::Documentation),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Forbidden::Documentation),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Forbidden::Multicast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Forbidden::Reserved),
];

/// The first line that fits decides, so narrower networks stand before wider ones.
const IPV6: &[Line<Ipv6Addr>] = &[
    (Ipv6Addr::UNSPECIFIED, 128, Forbidden::Unspecified),
    (Ipv6Addr::LOCALHOST, 128, Forbidden::Loopback),
    // IPv4-mapped, IPv4-translated and the old IPv4-compatible form.
    (
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0),
        96,
        Forbidden::EmbedsIpv4,
    ),
    (
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0),
        96,
        Forbidden::EmbedsIpv4,
    ),
    (Ipv6Addr::UNSPECIFIED, 96, Forbidden::EmbedsIpv4),
    // NAT64, well-known and local-use.
    (
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0),
        96,
        Forbidden::EmbedsIpv4,
    ),
    (
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0),
        48,
        Forbidden::EmbedsIpv4,
    ),
    // Teredo, then the rest of the protocol assignments.
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        32,
        Forbidden::EmbedsIpv4,
    ),
    (
        Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0),
        48,
        Forbidden::Benchmarking,
    ),
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        23,
        Forbidden::Reserved,
    ),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        Forbidden::Documentation,
    ),
    // 6to4.
    (
        Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0),
        16,
        Forbidden::EmbedsIpv4,
    ),
    (
        Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),
        20,
        Forbidden::Documentation,
    ),
    (
        Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0),
        7,
        Forbidden::UniqueLocal,
    ),
    (
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0),
        10,
        Forbidden::LinkLocal,
    ),
    (
        Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0),
        8,
        Forbidden::Multicast,
    ),
];

/// Global unicast, `2000::/3`: the only part of IPv6 that the Internet routes.
const IPV6_GLOBAL: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Judges one address.
///
/// # Errors
///
/// The class of the address, if a name with this reach must not resolve to it.
pub(super) fn check(address: IpAddr, reach: Reach) -> Result<(), Forbidden> {
    match forbidden(address) {
        Some(class) if !(reach == Reach::Private && is_private_network(class)) => Err(class),
        Some(_) | None => Ok(()),
    }
}

/// Judges all addresses that a name resolved to; one forbidden address condemns the name.
///
/// An answer that mixes public and private addresses is how DNS rebinding starts, so dropping only
/// the forbidden ones would not do.
///
/// # Errors
///
/// The class of the first forbidden address.
pub(super) fn check_all(
    addresses: impl IntoIterator<Item = IpAddr>,
    reach: Reach,
) -> Result<(), Forbidden> {
    addresses
        .into_iter()
        .try_for_each(|address| check(address, reach))
}

/// The class for which an address is closed to public names, if there is one.
pub(super) fn forbidden(address: IpAddr) -> Option<Forbidden> {
    match address {
        IpAddr::V4(address) => {
            let bits = u32::from(address);
            IPV4.iter()
                .find(|(network, length, _)| {
                    prefix(bits, *length) == prefix(u32::from(*network), *length)
                })
                .map(|(_, _, class)| *class)
        }
        IpAddr::V6(address) => IPV6
            .iter()
            .find(|(network, length, _)| lies_in(address, *network, *length))
            .map(|(_, _, class)| *class)
            .or_else(|| {
                let (network, length) = IPV6_GLOBAL;
                (!lies_in(address, network, length)).then_some(Forbidden::Reserved)
            }),
    }
}

fn is_private_network(class: Forbidden) -> bool {
    matches!(
        class,
        Forbidden::Private | Forbidden::SharedCarrier | Forbidden::UniqueLocal
    )
}

fn prefix(bits: u32, length: u32) -> u32 {
    bits.checked_shr(u32::BITS.saturating_sub(length))
        .unwrap_or(0)
}

fn lies_in(address: Ipv6Addr, network: Ipv6Addr, length: u32) -> bool {
    let distance = u128::BITS.saturating_sub(length);
    u128::from(address).checked_shr(distance) == u128::from(network).checked_shr(distance)
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
    fn one_forbidden_answer_condemns_the_name() {
        let answers = [ip("93.184.216.34"), ip("169.254.169.254")];
        assert_eq!(check_all(answers, Reach::Public), Err(Forbidden::LinkLocal));
        assert_eq!(check_all([ip("93.184.216.34")], Reach::Public), Ok(()));
    }
}
