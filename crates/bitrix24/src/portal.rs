//! The address of a portal: tenant data that decides where secrets are sent.

use std::fmt;

use thiserror::Error;

use crate::host_name::{HostName, InvalidHostName};
use crate::loopback;
use crate::origin::Origin;
use crate::self_hosted::{InvalidSelfHosted, SelfHosted};
use crate::suffix::Suffix;

/// Which portals and authorization servers may be called. Only the operator sets it.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Subdomains of these are portals in the Bitrix24 cloud.
    pub allowed_suffixes: Vec<Suffix>,
    /// Exactly these hosts and ports are allowed too, and may resolve to private addresses.
    pub self_hosted: Vec<SelfHosted>,
    /// Exactly these hosts grant tokens. They receive the secrets of applications.
    pub authorization_servers: Vec<HostName>,
    /// Whether loopback addresses are allowed, also over plain HTTP, for the sandbox.
    pub dangerous_allow_insecure: bool,
}

/// Proof that requests may be sent to this portal: its spelling and the operator's [`Policy`] were
/// checked. The addresses that the name resolves to are checked when it is dialled.
///
/// It holds no secret and may be logged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PortalAddress(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Cloud(HostName),
    SelfHosted(SelfHosted),
    /// The sandbox, or a proxy before it. `base_url` includes the scheme.
    Loopback {
        host: Box<str>,
        base_url: Box<str>,
    },
}

/// Why a text is not the address of a portal that may be called.
///
/// Never quotes the text; see [`InvalidHostName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidPortal {
    /// Not a plain host name.
    #[error(transparent)]
    HostName(#[from] InvalidHostName),
    /// A valid name that the operator's settings do not allow.
    #[error(
        "is not below one of portals.allowed_suffixes; add its domain there if it is Bitrix24's \
         cloud. For a portal on your own server list its exact name in portals.self_hosted, which \
         also lets it resolve to private addresses and drops Bitrix24's cloud limits for it"
    )]
    NotAllowed,
    /// A port that the operator's settings do not list.
    #[error(
        "contains a port; remove it: portals are called on port 443, except those that \
         portals.self_hosted lists with their port"
    )]
    PortNotAllowed,
    /// What follows the host is not a port.
    #[error(transparent)]
    Port(InvalidSelfHosted),
    /// Plain HTTP while the settings forbid it.
    #[error(
        "asks for plain HTTP; give the host name only, without a scheme (http:// is for the \
         sandbox and needs portals.dangerous_allow_insecure)"
    )]
    InsecureNotAllowed,
    /// Plain HTTP to anything but a loopback address literal with a port.
    #[error(
        "asks for plain HTTP to another machine; only http://127.0.0.1:PORT and \
         http://[::1]:PORT are possible, without a path"
    )]
    InsecureNotLoopback,
}

impl PortalAddress {
    /// Reads the address of a portal: a host name, or if the policy allows it
    /// `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`.
    ///
    /// # Errors
    ///
    /// Names the first rule that the text breaks.
    pub fn parse(text: &str, policy: &Policy) -> Result<Self, InvalidPortal> {
        if let Some(authority) = loopback::authority(text) {
            return Self::parse_loopback(text, authority, policy);
        }
        let address = SelfHosted::parse(text).map_err(|invalid| match invalid {
            InvalidSelfHosted::HostName(invalid) => InvalidPortal::HostName(invalid),
            other @ (InvalidSelfHosted::DefaultPort | InvalidSelfHosted::Port) => {
                InvalidPortal::Port(other)
            }
        })?;
        if policy.self_hosted.contains(&address) {
            return Ok(Self(Kind::SelfHosted(address)));
        }
        if address.has_port() {
            return Err(InvalidPortal::PortNotAllowed);
        }
        let host = address.into_host();
        if policy
            .allowed_suffixes
            .iter()
            .any(|suffix| suffix.covers(&host))
        {
            Ok(Self(Kind::Cloud(host)))
        } else {
            Err(InvalidPortal::NotAllowed)
        }
    }

    fn parse_loopback(text: &str, authority: &str, policy: &Policy) -> Result<Self, InvalidPortal> {
        if !policy.dangerous_allow_insecure {
            return Err(InvalidPortal::InsecureNotAllowed);
        }
        let address = loopback::parse(authority).ok_or(InvalidPortal::InsecureNotLoopback)?;
        Ok(Self(Kind::Loopback {
            host: address.ip().to_string().into(),
            base_url: text.into(),
        }))
    }

    /// The host without port: a DNS name, or the loopback address of the sandbox without brackets.
    pub fn host(&self) -> &str {
        match &self.0 {
            Kind::Cloud(host) => host.as_str(),
            Kind::SelfHosted(address) => address.host().as_str(),
            Kind::Loopback { host, .. } => host,
        }
    }

    /// The host as in a URL, with the port if it is not 443.
    pub fn authority(&self) -> &str {
        match &self.0 {
            Kind::Cloud(host) => host.as_str(),
            Kind::SelfHosted(address) => address.authority(),
            Kind::Loopback { base_url, .. } => loopback::authority(base_url).unwrap_or(base_url),
        }
    }

    /// Scheme and authority, without a trailing slash.
    pub fn base_url(&self) -> String {
        self.origin().base_url()
    }

    /// Scheme and authority.
    pub(crate) fn origin(&self) -> Origin<'_> {
        match &self.0 {
            Kind::Cloud(host) => Origin::secure(host.as_str()),
            Kind::SelfHosted(address) => Origin::secure(address.authority()),
            Kind::Loopback { base_url, .. } => Origin::loopback(base_url),
        }
    }

    /// Whether it is on this machine: a sandbox.
    pub fn is_loopback(&self) -> bool {
        matches!(self.0, Kind::Loopback { .. })
    }

    /// Whether the operator listed this name, which may then resolve to a private address.
    pub fn is_self_hosted(&self) -> bool {
        matches!(self.0, Kind::SelfHosted(_))
    }
}

impl fmt::Display for PortalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidPortal, Policy, PortalAddress};
    use crate::{InvalidHostName, InvalidSelfHosted, SelfHosted, Suffix};

    fn policy(dangerous_allow_insecure: bool) -> Policy {
        Policy {
            allowed_suffixes: vec![
                Suffix::parse("bitrix24.com").unwrap(),
                Suffix::parse("bitrix24.com.br").unwrap(),
            ],
            self_hosted: ["crm.acme.example", "box.acme.example:8443"]
                .map(|portal| SelfHosted::parse(portal).unwrap())
                .into(),
            dangerous_allow_insecure,
            ..Policy::default()
        }
    }

    #[test]
    fn a_cloud_portal_is_called_over_https() {
        let portal = PortalAddress::parse("acme.bitrix24.com.br", &policy(false)).unwrap();
        assert_eq!(portal.host(), "acme.bitrix24.com.br");
        assert_eq!(portal.authority(), "acme.bitrix24.com.br");
        assert_eq!(portal.base_url(), "https://acme.bitrix24.com.br");
        assert!(!portal.is_loopback());
        assert!(!portal.is_self_hosted());
    }

    #[test]
    fn a_self_hosted_portal_is_allowed_by_its_exact_name_only() {
        let portal = PortalAddress::parse("crm.acme.example", &policy(false)).unwrap();
        assert!(portal.is_self_hosted());
        assert_eq!(portal.base_url(), "https://crm.acme.example");
        for other in ["x.crm.acme.example", "acme.example", "crm.acme.example.org"] {
            assert_eq!(
                PortalAddress::parse(other, &policy(false)),
                Err(InvalidPortal::NotAllowed),
                "{other}"
            );
        }
    }

    #[test]
    fn a_port_is_allowed_exactly_where_the_operator_lists_it() {
        let portal = PortalAddress::parse("box.acme.example:8443", &policy(false)).unwrap();
        assert!(portal.is_self_hosted());
        assert_eq!(portal.host(), "box.acme.example");
        assert_eq!(portal.authority(), "box.acme.example:8443");
        assert_eq!(portal.base_url(), "https://box.acme.example:8443");
        for (text, expected) in [
            ("box.acme.example", InvalidPortal::NotAllowed),
            ("box.acme.example:8444", InvalidPortal::PortNotAllowed),
            ("crm.acme.example:8443", InvalidPortal::PortNotAllowed),
            ("acme.bitrix24.com:8443", InvalidPortal::PortNotAllowed),
            (
                "acme.bitrix24.com:443",
                InvalidPortal::Port(InvalidSelfHosted::DefaultPort),
            ),
            (
                "box.acme.example:08443",
                InvalidPortal::Port(InvalidSelfHosted::Port),
            ),
            (
                "127.0.0.1:8443",
                InvalidPortal::HostName(InvalidHostName::IpLiteral),
            ),
        ] {
            let refused = PortalAddress::parse(text, &policy(true));
            assert_eq!(refused, Err(expected), "{text}");
        }
    }

    /// The first advice is the safe one.
    #[test]
    fn a_refusal_advises_allowed_suffixes_first_and_says_what_self_hosted_means() {
        let refusal = PortalAddress::parse("acme.example", &policy(false)).unwrap_err();
        let refusal = refusal.to_string();
        let places = [
            "portals.allowed_suffixes",
            "portals.self_hosted",
            "private addresses",
        ];
        let places = places.map(|word| refusal.find(word).unwrap());
        assert!(places.is_sorted(), "{refusal}");
        assert!(refusal.contains("limits"), "{refusal}");
    }

    #[test]
    fn names_that_only_look_like_bitrix24_are_refused() {
        for name in [
            "evilbitrix24.com",
            "bitrix24.com.evil.org",
            "bitrix24.com",
            "acme.bitrix24.com.evil.org",
            "acme-bitrix24.com",
            "metadata.google.internal",
        ] {
            assert_eq!(
                PortalAddress::parse(name, &policy(true)),
                Err(InvalidPortal::NotAllowed),
                "{name}"
            );
        }
    }

    #[test]
    fn plain_http_needs_the_setting() {
        assert_eq!(
            PortalAddress::parse("http://127.0.0.1:8080", &policy(false)),
            Err(InvalidPortal::InsecureNotAllowed)
        );
        let portal = PortalAddress::parse("http://127.0.0.1:8080", &policy(true)).unwrap();
        assert!(portal.is_loopback());
        assert_eq!(portal.host(), "127.0.0.1");
        assert_eq!(portal.base_url(), "http://127.0.0.1:8080");
        let portal = PortalAddress::parse("http://[::1]:8080", &policy(true)).unwrap();
        assert_eq!(portal.host(), "::1");
        assert_eq!(portal.authority(), "[::1]:8080");
        assert_eq!(portal.base_url(), "http://[::1]:8080");
        let portal = PortalAddress::parse("https://127.0.0.1:8443", &policy(true)).unwrap();
        assert!(portal.is_loopback());
        assert_eq!(portal.authority(), "127.0.0.1:8443");
        assert_eq!(portal.base_url(), "https://127.0.0.1:8443");
    }

    #[test]
    fn plain_http_never_leaves_the_machine() {
        for text in [
            "http://localhost:8080",
            "http://127.0.0.1",
            "http://127.0.0.1:0",
            "http://127.0.0.1:080",
            "http://127.1:8080",
            "http://127.0.0.1:8080/",
            "http://user@127.0.0.1:8080",
            "http://127.0.0.1:8080@evil.org",
            "http://10.0.0.1:8080",
            "http://0.0.0.0:8080",
            "http://[::ffff:127.0.0.1]:8080",
            "http://[::1%1]:8080",
            "http://[fe80::1]:8080",
            "http://acme.bitrix24.com",
        ] {
            assert_eq!(
                PortalAddress::parse(text, &policy(true)),
                Err(InvalidPortal::InsecureNotLoopback),
                "{text}"
            );
        }
        assert_eq!(
            PortalAddress::parse("HTTP://127.0.0.1:8080", &policy(true)),
            Err(InvalidPortal::HostName(InvalidHostName::Scheme))
        );
    }

    #[test]
    fn a_refusal_never_quotes_what_was_given() {
        for text in [
            "https://acme.bitrix24.com/rest/1/s3cr3tcanary/",
            "acme.bitrix24.com/rest/1/s3cr3tcanary",
            "http://127.0.0.1:1/rest/1/s3cr3tcanary",
            "s3cr3tcanary",
            "s3cr3tcanary.example.org",
        ] {
            let refusal = PortalAddress::parse(text, &policy(true)).unwrap_err();
            assert!(
                !format!("{refusal} {refusal:?}").contains("s3cr3tcanary"),
                "{refusal}"
            );
        }
    }
}
