//! The server that grants tokens and receives the secrets of applications.

use std::fmt;

use thiserror::Error;

use crate::host_name::{HostName, InvalidHostName};
use crate::loopback;
use crate::origin::Origin;
use crate::portal::Policy;

/// Proof that an application's secret may be sent to this server: the operator's [`Policy`] lists
/// it.
///
/// It holds no secret and may be logged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuthorizationServer(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Listed(HostName),
    /// The sandbox. `base_url` includes the scheme.
    Insecure {
        host: Box<str>,
        base_url: Box<str>,
    },
}

/// Why a text is not an authorization server that may be called. Never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidAuthorizationServer {
    /// Not a plain host name.
    #[error(transparent)]
    HostName(#[from] InvalidHostName),
    /// A valid name that the operator's settings do not list.
    #[error(
        "is not listed in authorization.servers, the hosts that may receive applications' secrets"
    )]
    NotListed,
    /// Plain HTTP while the settings forbid it.
    #[error(
        "asks for plain HTTP, which is for the sandbox and needs portals.dangerous_allow_insecure"
    )]
    InsecureNotAllowed,
    /// Plain HTTP to anything but a loopback address literal with a port.
    #[error(
        "asks for plain HTTP to another machine; only http://127.0.0.1:PORT and \
         http://[::1]:PORT are possible"
    )]
    InsecureNotLoopback,
}

impl AuthorizationServer {
    /// Reads an authorization server: its host, or its `server_endpoint` as Bitrix24 writes it,
    /// `https://oauth.bitrix.info/rest/`.
    ///
    /// # Errors
    ///
    /// Names the first rule that the text breaks.
    pub fn parse(text: &str, policy: &Policy) -> Result<Self, InvalidAuthorizationServer> {
        let endpoint = text.strip_suffix('/').unwrap_or(text);
        let endpoint = endpoint.strip_suffix("/rest").unwrap_or(endpoint);
        if let Some(authority) = endpoint.strip_prefix(loopback::SCHEME) {
            if !policy.dangerous_allow_insecure {
                return Err(InvalidAuthorizationServer::InsecureNotAllowed);
            }
            let address = loopback::parse(authority)
                .ok_or(InvalidAuthorizationServer::InsecureNotLoopback)?;
            return Ok(Self(Kind::Insecure {
                host: address.ip().to_string().into(),
                base_url: endpoint.into(),
            }));
        }
        let host = HostName::parse(endpoint.strip_prefix("https://").unwrap_or(endpoint))?;
        if policy.authorization_servers.contains(&host) {
            Ok(Self(Kind::Listed(host)))
        } else {
            Err(InvalidAuthorizationServer::NotListed)
        }
    }

    /// The host, or `http://127.0.0.1:PORT` for the sandbox. [`Self::parse`] reads it back.
    pub fn authority(&self) -> &str {
        match &self.0 {
            Kind::Listed(host) => host.as_str(),
            Kind::Insecure { base_url, .. } => base_url,
        }
    }

    /// The host without port: a DNS name, or the loopback address of the sandbox.
    pub fn host(&self) -> &str {
        match &self.0 {
            Kind::Listed(host) => host.as_str(),
            Kind::Insecure { host, .. } => host,
        }
    }

    /// Scheme and authority, without a trailing slash.
    pub fn base_url(&self) -> String {
        self.origin().base_url()
    }

    /// Scheme and authority.
    pub(crate) fn origin(&self) -> Origin<'_> {
        match &self.0 {
            Kind::Listed(host) => Origin::secure(host.as_str()),
            Kind::Insecure { base_url, .. } => Origin::loopback(base_url),
        }
    }
}

impl fmt::Display for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::{AuthorizationServer, InvalidAuthorizationServer};
    use crate::{HostName, InvalidHostName, Policy};

    fn policy(dangerous_allow_insecure: bool) -> Policy {
        Policy {
            authorization_servers: ["oauth.bitrix.info", "oauth.bitrix24.tech"]
                .map(|name| HostName::parse(name).unwrap())
                .into(),
            dangerous_allow_insecure,
            ..Policy::default()
        }
    }

    #[test]
    fn a_listed_server_is_read_from_its_host_and_from_its_endpoint() {
        for text in [
            "oauth.bitrix.info",
            "https://oauth.bitrix.info",
            "https://oauth.bitrix.info/",
            "https://oauth.bitrix.info/rest",
            "https://oauth.bitrix.info/rest/",
        ] {
            let server = AuthorizationServer::parse(text, &policy(false)).unwrap();
            assert_eq!(server.authority(), "oauth.bitrix.info", "{text}");
            assert_eq!(server.host(), "oauth.bitrix.info");
            assert_eq!(server.base_url(), "https://oauth.bitrix.info");
        }
    }

    #[test]
    fn the_sandbox_is_read_where_the_operator_allows_it() {
        for text in ["http://127.0.0.1:8024", "http://127.0.0.1:8024/rest/"] {
            let server = AuthorizationServer::parse(text, &policy(true)).unwrap();
            assert_eq!(server.authority(), "http://127.0.0.1:8024");
            assert_eq!(server.base_url(), "http://127.0.0.1:8024");
            assert_eq!(server.host(), "127.0.0.1");
            assert_eq!(
                AuthorizationServer::parse(text, &policy(false)),
                Err(InvalidAuthorizationServer::InsecureNotAllowed)
            );
        }
    }

    #[test]
    fn what_is_kept_of_a_server_reads_as_the_same_server() {
        for text in [
            "https://oauth.bitrix24.tech/rest/",
            "http://[::1]:8024/rest/",
        ] {
            let server = AuthorizationServer::parse(text, &policy(true)).unwrap();
            let again = AuthorizationServer::parse(server.authority(), &policy(true)).unwrap();
            assert_eq!(server, again);
        }
    }

    #[test]
    fn any_other_server_is_refused() {
        use InvalidAuthorizationServer::{HostName, InsecureNotLoopback, NotListed};
        for (text, expected) in [
            ("https://oauth.evil.example/rest/", NotListed),
            ("xoauth.bitrix.info", NotListed),
            ("oauth.bitrix.info.evil.example", NotListed),
            ("bitrix.info", NotListed),
            (
                "https://oauth.bitrix.info:8443/rest/",
                HostName(InvalidHostName::Port),
            ),
            (
                "https://u@oauth.bitrix.info/",
                HostName(InvalidHostName::UserInfo),
            ),
            (
                "https://oauth.bitrix.info/other/",
                HostName(InvalidHostName::Path),
            ),
            (
                "https://oauth.bitrix.info/rest/rest/",
                HostName(InvalidHostName::Path),
            ),
            (
                "https://127.0.0.1/rest/",
                HostName(InvalidHostName::IpLiteral),
            ),
            ("http://oauth.bitrix.info/rest/", InsecureNotLoopback),
            ("http://10.0.0.1:80/rest/", InsecureNotLoopback),
            ("", HostName(InvalidHostName::Empty)),
        ] {
            let refused = AuthorizationServer::parse(text, &policy(true));
            assert_eq!(refused, Err(expected), "{text}");
        }
    }
}
