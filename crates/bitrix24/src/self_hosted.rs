//! A portal on the operator's own server.

use std::fmt;

use thiserror::Error;

use crate::host_name::{HostName, InvalidHostName};

/// The port of HTTPS.
pub(crate) const HTTPS: u16 = 443;

/// Host and port of a portal on the operator's own server: `crm.acme.example`, or
/// `crm.acme.example:8443` for another port than 443.
///
/// It has exactly one spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SelfHosted {
    host: HostName,
    /// The host, and the port if it is not 443.
    authority: Box<str>,
}

/// Why a text is not a [`SelfHosted`] portal. Never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidSelfHosted {
    /// The part before the port is not a host name.
    #[error("{0}")]
    HostName(#[from] InvalidHostName),
    /// Port 443, which is not written.
    #[error("contains the port 443, which is the default; remove it")]
    DefaultPort,
    /// Something else than a port after the colon.
    #[error("contains a port that is not a number from 1 to 65535 without leading zeros")]
    Port,
}

impl SelfHosted {
    /// Reads host and port.
    ///
    /// # Errors
    ///
    /// Names the first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidSelfHosted> {
        let host = match text.split_once(':') {
            // A scheme or an address of IPv6: the rules of host names say which.
            Some((_, rest)) if rest.contains([':', '/', '\\', '@', '[', ']', '?', '#']) => text,
            Some((host, port)) => {
                let number = port.parse::<u16>().ok().filter(|number| *number != 0);
                let number = number.filter(|number| number.to_string() == port);
                match number {
                    Some(HTTPS) => return Err(InvalidSelfHosted::DefaultPort),
                    Some(_) => host,
                    None => return Err(InvalidSelfHosted::Port),
                }
            }
            None => text,
        };
        Ok(Self {
            host: HostName::parse(host)?,
            authority: text.into(),
        })
    }

    /// The host without the port.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    pub(crate) fn into_host(self) -> HostName {
        self.host
    }

    pub(crate) fn has_port(&self) -> bool {
        self.authority.len() > self.host.as_str().len()
    }

    /// The host, and the port if it is not 443.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl fmt::Display for SelfHosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidSelfHosted as Invalid, SelfHosted};
    use crate::InvalidHostName;

    #[test]
    fn a_port_other_than_443_is_part_of_the_name() {
        for (text, host) in [
            ("crm.acme.example", "crm.acme.example"),
            ("crm.acme.example:8443", "crm.acme.example"),
            ("crm.acme.example:1", "crm.acme.example"),
            ("crm.acme.example:65535", "crm.acme.example"),
        ] {
            let portal = SelfHosted::parse(text).unwrap();
            assert_eq!(portal.host().as_str(), host);
            assert_eq!(portal.authority(), text);
        }
    }

    #[test]
    fn each_broken_rule_is_named() {
        for (text, expected) in [
            ("crm.acme.example:443", Invalid::DefaultPort),
            ("crm.acme.example:", Invalid::Port),
            ("crm.acme.example:0", Invalid::Port),
            ("crm.acme.example:08443", Invalid::Port),
            ("crm.acme.example:+8443", Invalid::Port),
            ("crm.acme.example:65536", Invalid::Port),
            ("crm.acme.example:x", Invalid::Port),
            ("127.0.0.1:8443", InvalidHostName::IpLiteral.into()),
            ("crm:8443", InvalidHostName::SingleLabel.into()),
            ("[::1]:8443", InvalidHostName::IpLiteral.into()),
            ("::1", InvalidHostName::IpLiteral.into()),
            (
                "https://crm.acme.example:8443",
                InvalidHostName::Scheme.into(),
            ),
            ("u:p@crm.acme.example", InvalidHostName::UserInfo.into()),
            ("crm.acme.example:8443/rest", InvalidHostName::Path.into()),
            ("", InvalidHostName::Empty.into()),
        ] {
            assert_eq!(SelfHosted::parse(text), Err(expected), "{text}");
        }
    }
}
