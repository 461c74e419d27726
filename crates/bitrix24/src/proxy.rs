//! A forward proxy through which all portals are called.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::host_name::HostName;
use crate::loopback;
use crate::origin::Origin;

const SCHEME: &str = "http://";

/// An HTTP proxy that opens tunnels (CONNECT). It resolves the names of portals in our place, so it
/// must refuse addresses that are not public.
///
/// Requests to the sandbox on this machine do not use it.
#[derive(Clone, Debug)]
pub struct ForwardProxy {
    /// `http://HOST:PORT`.
    address: Box<str>,
    /// A DNS name, or an IP address.
    host: Box<str>,
    /// `USER:PASSWORD`.
    credentials: Option<SecretString>,
    /// Hosts that are called without it.
    exceptions: Vec<HostName>,
}

/// Why a text is not the address of a [`ForwardProxy`]. Never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidProxy {
    /// Another scheme, or none.
    #[error("does not start with http://; only HTTP proxies with CONNECT are supported")]
    Scheme,
    /// User name and password in the address, which is logged.
    #[error("has a user name; give it and the password in portals.proxy_credentials_file")]
    UserInfo,
    /// A path, a query or a fragment.
    #[error("has something behind the port; remove it")]
    Path,
    /// No port, or not a number from 1 to 65535.
    #[error("has no port")]
    Port,
    /// Neither a host name nor an IP address.
    #[error("has neither a host name in lower case nor an IP address (IPv6 in brackets)")]
    Host,
}

/// The text is not `USER:PASSWORD`. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not one line USER:PASSWORD")]
pub struct InvalidProxyCredentials;

impl ForwardProxy {
    /// Reads `http://HOST:PORT`.
    ///
    /// # Errors
    ///
    /// Names the first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidProxy> {
        let authority = text.strip_prefix(SCHEME).ok_or(InvalidProxy::Scheme)?;
        if authority.contains('@') {
            return Err(InvalidProxy::UserInfo);
        }
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(InvalidProxy::Path);
        }
        let (host, port) = authority.rsplit_once(':').ok_or(InvalidProxy::Port)?;
        let port = port.parse::<u16>().ok().filter(|number| *number != 0);
        if port.is_none() {
            return Err(InvalidProxy::Port);
        }
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let is_address = match bracketed {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => host.parse::<Ipv4Addr>().is_ok(),
        };
        // In a cluster a proxy may have a name of one label.
        let is_name =
            HostName::parse(host).is_ok() || HostName::parse(&format!("{host}.a")).is_ok();
        if !is_address && !is_name {
            return Err(InvalidProxy::Host);
        }
        Ok(Self {
            address: format!("{SCHEME}{authority}").into(),
            host: host.into(),
            credentials: None,
            exceptions: Vec::new(),
        })
    }

    /// The same proxy, which asks for `USER:PASSWORD`.
    ///
    /// # Errors
    ///
    /// [`InvalidProxyCredentials`].
    pub fn with_credentials(self, text: SecretString) -> Result<Self, InvalidProxyCredentials> {
        let credentials = text.expose_secret();
        let has_control = credentials.chars().any(char::is_control);
        if has_control || !credentials.contains(':') || credentials.starts_with(':') {
            return Err(InvalidProxyCredentials);
        }
        let credentials = Some(text);
        Ok(Self {
            credentials,
            ..self
        })
    }

    /// The same proxy, without which these hosts are called.
    pub fn with_exceptions(self, exceptions: Vec<HostName>) -> Self {
        Self { exceptions, ..self }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Whether requests to this address use it.
    pub(crate) fn serves(&self, origin: Origin<'_>) -> bool {
        let is_excepted = || {
            let mut exceptions = self.exceptions.iter();
            exceptions.any(|exception| exception.as_str() == origin.host())
        };
        origin.is_tls && loopback::parse(origin.authority).is_none() && !is_excepted()
    }

    /// Its own address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The value of `Proxy-Authorization`.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let credentials = self.credentials.as_ref()?.expose_secret();
        let mut value = String::from("Basic ");
        BASE64_STANDARD.encode_string(credentials, &mut value);
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Display for ForwardProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_a_host_and_a_port() {
        for (text, host) in [
            ("http://proxy.acme.example:3128", "proxy.acme.example"),
            ("http://squid:3128/", "squid"),
            ("http://10.0.0.7:3128", "10.0.0.7"),
            ("http://[fd00::7]:3128", "[fd00::7]"),
        ] {
            let proxy = ForwardProxy::parse(text).unwrap();
            assert_eq!(proxy.host(), host, "{text}");
        }
    }

    #[test]
    fn each_broken_rule_is_named() {
        for (text, expected) in [
            ("", InvalidProxy::Scheme),
            ("https://proxy.acme.example:3128", InvalidProxy::Scheme),
            ("socks5://proxy.acme.example:1080", InvalidProxy::Scheme),
            (
                "http://u:s3cret@proxy.acme.example:1",
                InvalidProxy::UserInfo,
            ),
            ("http://proxy.acme.example:3128/x", InvalidProxy::Path),
            ("http://proxy.acme.example", InvalidProxy::Port),
            ("http://proxy.acme.example:0", InvalidProxy::Port),
            ("http://Proxy:3128", InvalidProxy::Host),
            ("http://pro xy:3128", InvalidProxy::Host),
            ("http://fd00::7:3128", InvalidProxy::Host),
            ("http://[10.0.0.7]:3128", InvalidProxy::Host),
        ] {
            let read = ForwardProxy::parse(text).map(|proxy| proxy.to_string());
            assert_eq!(read, Err(expected), "{text}");
        }
    }

    #[test]
    fn plain_http_and_exceptions_do_not_use_it() {
        let proxy = ForwardProxy::parse("http://squid:3128").unwrap();
        let exceptions = vec![HostName::parse("crm.acme.example").unwrap()];
        let proxy = proxy.with_exceptions(exceptions);
        let serves = |authority| proxy.serves(Origin::secure(authority));
        assert!(serves("acme.bitrix24.com"));
        assert!(serves("x.crm.acme.example"));
        assert!(!serves("crm.acme.example"));
        assert!(!serves("crm.acme.example:8443"));
        assert!(!serves("127.0.0.1:8443"));
        assert!(!proxy.serves(Origin::loopback("http://127.0.0.1:8080")));
    }

    #[test]
    fn credentials_have_a_user_and_a_password() {
        let proxy = || ForwardProxy::parse("http://squid:3128").unwrap();
        for wrong in ["", "user", ":password", "user:pass\nword"] {
            assert!(proxy().with_credentials(wrong.into()).is_err(), "{wrong}");
        }
        let proxy = proxy().with_credentials("user:pass:word".into()).unwrap();
        assert!(!format!("{proxy:?} {proxy}").contains("pass:word"));
    }
}
