//! Addresses: of portals, of authorization servers, and those that peers advertise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bitrix24::{
    AuthorizationServer, HostName, Policy, PortalAddress, SelfHosted, Suffix, advertised, fuzzing,
};
use reqwest::Url;

const CLOUD: &str = "bitrix24.com";
const SELF_HOSTED: &str = "crm.acme.example";
const WITH_PORT: &str = "crm.acme.example:8443";
const SERVER: &str = "oauth.bitrix.info";

/// An address that is accepted means the same host to a URL parser, and one that the operator
/// allows; an IP address that may be dialled is none of this machine or its networks.
pub fn address(data: &[u8]) {
    ip_address(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for dangerous_allow_insecure in [false, true] {
        let policy = policy(dangerous_allow_insecure);
        if let Ok(portal) = PortalAddress::parse(text, &policy) {
            check_portal(&portal, dangerous_allow_insecure);
            assert!(
                PortalAddress::parse(text, &policy).is_ok_and(|again| again == portal),
                "{text:?}"
            );
        }
        if let Ok(server) = AuthorizationServer::parse(text, &policy) {
            let url = url(&server.base_url());
            let is_listed = url.scheme() == "https" && url.host_str() == Some(SERVER);
            assert!(
                is_listed || is_sandbox(&url, dangerous_allow_insecure),
                "{url}"
            );
            let again = AuthorizationServer::parse(server.authority(), &policy);
            assert_eq!(again.as_ref(), Ok(&server));
        }
        if let Some(found) = advertised::address(text)
            && let Ok(portal) = PortalAddress::parse(&found, &policy)
        {
            check_portal(&portal, dangerous_allow_insecure);
            // A URL parser would go to the same place.
            let told = Url::parse(text).unwrap();
            let called = url(&portal.base_url());
            assert_eq!(told.host_str(), called.host_str(), "{text:?}");
        }
        if let Some(found) = advertised::domain(text)
            && let Ok(portal) = PortalAddress::parse(&found, &policy)
        {
            check_portal(&portal, dangerous_allow_insecure);
        }
    }
    if let Ok(name) = HostName::parse(text) {
        let url = url(&format!("https://{name}"));
        assert_eq!(url.host_str(), Some(name.as_str()));
        assert!(url.domain().is_some(), "an IP address: {url}");
    }
    for scope in advertised::scopes(text) {
        assert!(!scope.contains([',', ' ', '\n']) && !scope.is_empty());
    }
}

fn policy(dangerous_allow_insecure: bool) -> Policy {
    Policy {
        allowed_suffixes: vec![Suffix::parse(CLOUD).unwrap()],
        self_hosted: vec![
            SelfHosted::parse(SELF_HOSTED).unwrap(),
            SelfHosted::parse(WITH_PORT).unwrap(),
        ],
        authorization_servers: vec![HostName::parse(SERVER).unwrap()],
        dangerous_allow_insecure,
    }
}

fn url(base_url: &str) -> Url {
    let url = Url::parse(&format!("{base_url}/rest/1/secret/method.json")).unwrap();
    assert_eq!(url.path(), "/rest/1/secret/method.json");
    assert!(url.username().is_empty() && url.password().is_none());
    assert!(url.query().is_none() && url.fragment().is_none());
    url
}

fn check_portal(portal: &PortalAddress, dangerous_allow_insecure: bool) {
    let url = url(&portal.base_url());
    if portal.is_loopback() {
        assert!(is_sandbox(&url, dangerous_allow_insecure), "{url}");
        return;
    }
    assert_eq!(url.scheme(), "https");
    assert_eq!(url.host_str(), Some(portal.host()));
    if portal.is_self_hosted() {
        assert_eq!(portal.host(), SELF_HOSTED);
        assert!(matches!(url.port(), None | Some(8443)), "{url}");
    } else {
        let label = portal.host().strip_suffix(CLOUD).unwrap();
        assert!(label.len() > 1 && label.ends_with('.'), "{url}");
        assert_eq!(url.port(), None);
    }
}

fn is_sandbox(url: &Url, dangerous_allow_insecure: bool) -> bool {
    let host = url.host_str().unwrap().trim_matches(['[', ']']);
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    dangerous_allow_insecure && is_loopback
}

fn ip_address(data: &[u8]) {
    if let Ok(octets) = <[u8; 4]>::try_from(data) {
        check_ipv4(Ipv4Addr::from(octets));
    }
    if let Ok(octets) = <[u8; 16]>::try_from(data) {
        check_ipv6(Ipv6Addr::from(octets));
    }
    if let Ok(ip) = std::str::from_utf8(data).unwrap_or_default().parse() {
        match ip {
            IpAddr::V4(ip) => check_ipv4(ip),
            IpAddr::V6(ip) => check_ipv6(ip),
        }
    }
}

fn check_ipv4(ip: Ipv4Addr) {
    let address = IpAddr::V4(ip);
    let is_never = ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || ip.is_unspecified()
        || ip.is_documentation();
    if is_never {
        assert!(!fuzzing::may_be_dialled(address, true), "{ip}");
    }
    if is_never || ip.is_private() {
        assert!(!fuzzing::may_be_dialled(address, false), "{ip}");
    }
    // Spelled as IPv6 it is not allowed either, unless both ends know what it stands for.
    if !fuzzing::may_be_dialled(address, false) {
        let mapped = IpAddr::V6(ip.to_ipv6_mapped());
        assert!(!fuzzing::may_be_dialled(mapped, false), "{mapped}");
    }
}

fn check_ipv6(ip: Ipv6Addr) {
    let address = IpAddr::V6(ip);
    let is_never =
        ip.is_loopback() || ip.is_multicast() || ip.is_unspecified() || ip.is_unicast_link_local();
    if is_never {
        assert!(!fuzzing::may_be_dialled(address, true), "{ip}");
    }
    if is_never || ip.is_unique_local() {
        assert!(!fuzzing::may_be_dialled(address, false), "{ip}");
    }
    if let Some(inner) = ip.to_ipv4_mapped()
        && !fuzzing::may_be_dialled(IpAddr::V4(inner), true)
    {
        assert!(!fuzzing::may_be_dialled(address, true), "{ip}");
    }
}
