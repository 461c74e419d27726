//! Where requests go.

use crate::loopback;

/// Scheme and authority of a portal or an authorization server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin<'a> {
    /// `https`, as all but the sandbox.
    pub(crate) is_tls: bool,
    /// The host as in a URL, with the port if it is not that of the scheme.
    pub(crate) authority: &'a str,
}

impl<'a> Origin<'a> {
    /// Over TLS.
    pub(crate) fn secure(authority: &'a str) -> Self {
        Self {
            is_tls: true,
            authority,
        }
    }

    /// That of `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`.
    pub(crate) fn loopback(base_url: &'a str) -> Self {
        Self {
            is_tls: !base_url.starts_with(loopback::SCHEME),
            authority: loopback::authority(base_url).unwrap_or(base_url),
        }
    }

    /// The host without port and brackets.
    pub(crate) fn host(self) -> &'a str {
        let bracketed = self.authority.strip_prefix('[');
        match bracketed.and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => self
                .authority
                .split_once(':')
                .map_or(self.authority, |(host, _)| host),
        }
    }

    /// Scheme and authority.
    pub(crate) fn base_url(self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn a_host_has_neither_port_nor_brackets() {
        for (authority, host) in [
            ("acme.bitrix24.com", "acme.bitrix24.com"),
            ("box.acme.example:8443", "box.acme.example"),
            ("127.0.0.1:8080", "127.0.0.1"),
            ("[::1]:8080", "::1"),
        ] {
            assert_eq!(Origin::secure(authority).host(), host);
        }
    }

    #[test]
    fn the_scheme_of_the_sandbox_is_part_of_its_address() {
        for base_url in ["http://127.0.0.1:8080", "https://[::1]:8443"] {
            assert_eq!(Origin::loopback(base_url).base_url(), base_url);
        }
    }
}
