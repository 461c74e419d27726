//! IPv4 addresses inside IPv6 addresses of NAT64 translators (RFC 6052), which networks without
//! IPv4 use: their name servers (DNS64) answer with such addresses.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;
use thiserror::Error;

/// The well-known prefix (RFC 6052, section 2.1). It stands for public addresses only.
pub(crate) const WELL_KNOWN: Nat64Prefix = Nat64Prefix(Ipv6Net::new_assert(
    Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0),
    96,
));

/// Lengths of prefixes, in bits (RFC 6052, section 2.2).
const LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];

/// Where networks have prefixes of their own: global unicast, unique local addresses, and the
/// prefix for local use (RFC 8215).
const SPACES: [Ipv6Net; 3] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
];

/// The octet that no translator uses (RFC 6052, section 2.2, bits 64 to 71).
const UNUSED_OCTET: usize = 8;

/// The prefix of a network's own NAT64 translator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat64Prefix(Ipv6Net);

/// Why a text is not a [`Nat64Prefix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidNat64Prefix {
    /// Not an IPv6 network.
    #[error("is not an IPv6 prefix; give it like 2001:db8:64::/96")]
    NotAPrefix,
    /// A length that no translator has.
    #[error("has a length other than 32, 40, 48, 56, 64 or 96")]
    Length,
    /// Bits that are set behind the prefix, or in its unused octet.
    #[error("has bits set where a NAT64 prefix has none; check it")]
    Bits,
    /// A prefix with another purpose.
    #[error("is not among the addresses of a network's own; 64:ff9b::/96 is always known")]
    Space,
}

impl Nat64Prefix {
    /// Reads a prefix like `2001:db8:64::/96`.
    ///
    /// # Errors
    ///
    /// Names the first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidNat64Prefix> {
        let prefix: Ipv6Net = text.parse().map_err(|_| InvalidNat64Prefix::NotAPrefix)?;
        if !LENGTHS.contains(&prefix.prefix_len()) {
            return Err(InvalidNat64Prefix::Length);
        }
        let octets = prefix.addr().octets();
        if prefix.addr() != prefix.network() || octets.get(UNUSED_OCTET) != Some(&0) {
            return Err(InvalidNat64Prefix::Bits);
        }
        if !SPACES.iter().any(|space| space.contains(&prefix)) {
            return Err(InvalidNat64Prefix::Space);
        }
        Ok(Self(prefix))
    }

    /// The IPv4 address inside an address with this prefix. `None`: it has another prefix.
    /// `Some(None)`: it stands for no address.
    pub(crate) fn embedded(&self, address: Ipv6Addr) -> Option<Option<Ipv4Addr>> {
        if !self.0.contains(&address) {
            return None;
        }
        let octets = address.octets();
        let start = usize::from(self.0.prefix_len() / 8);
        let is_sound = start > UNUSED_OCTET || octets.get(UNUSED_OCTET) == Some(&0);
        let mut used = octets.iter().enumerate().skip(start);
        let mut next = || {
            used.find(|(index, _)| *index != UNUSED_OCTET)
                .map(|(_, octet)| *octet)
        };
        let embedded = (|| Some(Ipv4Addr::new(next()?, next()?, next()?, next()?)))();
        Some(embedded.filter(|_| is_sound))
    }
}

impl fmt::Display for Nat64Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of RFC 6052, section 2.4, moved to prefixes that a network may have.
    #[test]
    fn the_address_is_found_behind_a_prefix_of_each_length() {
        for (prefix, address) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b:1::/48", "64:ff9b:1:c000:2:2100::"),
            ("64:ff9b:1:abcd::/96", "64:ff9b:1:abcd::192.0.2.33"),
        ] {
            let prefix = Nat64Prefix::parse(prefix).unwrap();
            let embedded = prefix.embedded(address.parse().unwrap());
            assert_eq!(
                embedded,
                Some(Some(Ipv4Addr::new(192, 0, 2, 33))),
                "{prefix}"
            );
            assert_eq!(prefix.embedded("2003::1".parse().unwrap()), None);
        }
        let known = WELL_KNOWN.embedded("64:ff9b::192.0.2.33".parse().unwrap());
        assert_eq!(known, Some(Some(Ipv4Addr::new(192, 0, 2, 33))));
        let prefix = Nat64Prefix::parse("2001:db8:122::/48").unwrap();
        let unsound = "2001:db8:122:c000:ff02:2100::".parse().unwrap();
        assert_eq!(prefix.embedded(unsound), Some(None));
    }

    #[test]
    fn each_broken_rule_is_named() {
        for (text, expected) in [
            ("", InvalidNat64Prefix::NotAPrefix),
            ("2001:db8::", InvalidNat64Prefix::NotAPrefix),
            ("192.0.2.0/24", InvalidNat64Prefix::NotAPrefix),
            ("2001:db8::/33", InvalidNat64Prefix::Length),
            ("2001:db8::1/96", InvalidNat64Prefix::Bits),
            ("2001:db8:0:0:ff00::/96", InvalidNat64Prefix::Bits),
            ("::ffff:0:0/96", InvalidNat64Prefix::Space),
            ("64:ff9b::/96", InvalidNat64Prefix::Space),
            ("::/96", InvalidNat64Prefix::Space),
            ("fe80::/64", InvalidNat64Prefix::Space),
        ] {
            assert_eq!(Nat64Prefix::parse(text), Err(expected), "{text}");
        }
    }
}
