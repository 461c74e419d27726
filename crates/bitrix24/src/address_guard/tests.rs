use std::net::IpAddr;

use super::{AddressGuard, Forbidden, Reach, forbidden};
use crate::nat64::Nat64Prefix;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn check(address: IpAddr, reach: Reach) -> Result<(), Forbidden> {
    AddressGuard::default().check(address, reach)
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
    let guard = AddressGuard::default();
    let checked = guard.check_all(answers, Reach::Public);
    assert_eq!(checked, Err(Forbidden::LinkLocal));
    let checked = guard.check_all([ip("93.184.216.34")], Reach::Public);
    assert_eq!(checked, Ok(()));
}

/// What DNS64 answers in a network without IPv4.
#[test]
fn the_address_behind_the_well_known_prefix_of_nat64_is_judged() {
    for reach in [Reach::Public, Reach::Private] {
        assert_eq!(check(ip("64:ff9b::93.184.216.34"), reach), Ok(()));
        for (address, class) in [
            ("64:ff9b::10.0.0.1", Forbidden::Private),
            ("64:ff9b::100.64.0.1", Forbidden::SharedCarrier),
            ("64:ff9b::127.0.0.1", Forbidden::Loopback),
            ("64:ff9b::169.254.169.254", Forbidden::LinkLocal),
            ("64:ff9b::0.0.0.0", Forbidden::Unspecified),
        ] {
            assert_eq!(check(ip(address), reach), Err(class), "{address}");
        }
    }
    for address in ["64:ff9b:1::93.184.216.34", "64:ff9b:0:1::93.184.216.34"] {
        assert!(check(ip(address), Reach::Public).is_err(), "{address}");
    }
}

#[test]
fn the_address_behind_a_prefix_of_the_operator_is_judged() {
    let prefixes = ["2a00:64::/96", "64:ff9b:1::/48", "fd64:1:2:3::/64"];
    let prefixes = prefixes.map(|prefix| Nat64Prefix::parse(prefix).unwrap());
    let guard = AddressGuard::new(prefixes.into());
    let checked = |address: &str, reach| guard.check(ip(address), reach);
    for address in [
        "2a00:64::93.184.216.34",
        "64:ff9b:1:5db8:d8:2200::",
        "fd64:1:2:3:5d:b8d8:2200:0",
    ] {
        assert_eq!(checked(address, Reach::Public), Ok(()), "{address}");
    }
    for private in ["2a00:64::10.0.0.1", "64:ff9b:1:a00:0:100::"] {
        let refused = checked(private, Reach::Public);
        assert_eq!(refused, Err(Forbidden::Private), "{private}");
        assert_eq!(checked(private, Reach::Private), Ok(()), "{private}");
    }
    for metadata in ["2a00:64::169.254.169.254", "64:ff9b:1:a9fe:a9:fe00::"] {
        for reach in [Reach::Public, Reach::Private] {
            let refused = checked(metadata, reach);
            assert_eq!(refused, Err(Forbidden::LinkLocal), "{metadata}");
        }
    }
    let unsound = checked("64:ff9b:1:5db8:ffd8:2200::", Reach::Private);
    assert_eq!(unsound, Err(Forbidden::EmbedsIpv4));
    // Without the setting they are what they look like: public, reserved, private.
    assert_eq!(check(ip("2a00:64::10.0.0.1"), Reach::Public), Ok(()));
    assert!(check(ip("64:ff9b:1:5db8:d8:2200::"), Reach::Public).is_err());
    assert!(check(ip("fd64:1:2:3:5d:b8d8:2200:0"), Reach::Public).is_err());
}
