//! Which IP addresses a portal's name may resolve to.
//!
//! A portal's name is tenant data, and the owner of a name decides what it resolves to. Without
//! this guard a tenant could make the service call the cloud's metadata service or a neighbour in
//! the cluster.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thiserror::Error;

use crate::nat64::{Nat64Prefix, WELL_KNOWN};

/// The addresses that a portal's name may resolve to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Public addresses only: portals in the Bitrix24 cloud.
    Public,
    /// Public addresses and private networks: portals listed in `portals.self_hosted`.
    Private,
    /// Any address: the operator's own proxy.
    Anywhere,
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
    // NAT64 for local use, unless the operator gave its prefix.
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

/// Checks the addresses of names.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddressGuard {
    /// The operator's own prefixes of NAT64.
    nat64: Vec<Nat64Prefix>,
}

impl AddressGuard {
    pub(crate) fn new(nat64: Vec<Nat64Prefix>) -> Self {
        Self { nat64 }
    }

    /// Checks all addresses that a name resolved to; one forbidden address rejects the name.
    ///
    /// Dropping only the forbidden addresses is not enough: mixed answers are how DNS rebinding
    /// starts.
    ///
    /// # Errors
    ///
    /// The class of the first forbidden address.
    pub(crate) fn check_all(
        &self,
        addresses: impl IntoIterator<Item = IpAddr>,
        reach: Reach,
    ) -> Result<(), Forbidden> {
        addresses
            .into_iter()
            .try_for_each(|address| self.check(address, reach))
    }

    fn check(&self, address: IpAddr, reach: Reach) -> Result<(), Forbidden> {
        if reach == Reach::Anywhere {
            return Ok(());
        }
        let (address, reach) = self.behind_nat64(address, reach)?;
        match forbidden(address) {
            Some(class) if !(reach == Reach::Private && is_private_network(class)) => Err(class),
            Some(_) | None => Ok(()),
        }
    }

    /// The address that a NAT64 translator dials in place of this one.
    fn behind_nat64(&self, address: IpAddr, reach: Reach) -> Result<(IpAddr, Reach), Forbidden> {
        let IpAddr::V6(outer) = address else {
            return Ok((address, reach));
        };
        // The well-known prefix must not stand for private addresses (RFC 6052, section 3.1).
        if let Some(embedded) = WELL_KNOWN.embedded(outer) {
            let embedded = embedded.ok_or(Forbidden::EmbedsIpv4)?;
            return Ok((embedded.into(), Reach::Public));
        }
        let mut prefixes = self.nat64.iter();
        match prefixes.find_map(|prefix| prefix.embedded(outer)) {
            Some(embedded) => Ok((embedded.ok_or(Forbidden::EmbedsIpv4)?.into(), reach)),
            None => Ok((address, reach)),
        }
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
mod tests;
