//! Addresses and permissions that Bitrix24 advertises in redirects, responses and events.
//!
//! An advertised address may be called only after [`PortalAddress::parse`](crate::PortalAddress)
//! or [`AuthorizationServer::parse`](crate::AuthorizationServer) has checked it.

use crate::loopback;
use crate::self_hosted::HTTPS;

/// Longest permission, in characters. Real ones have fewer than 40.
const MAXIMUM_SCOPE_CHARACTERS: usize = 100;
/// Most permissions read. Bitrix24 has fewer than 100.
const MAXIMUM_SCOPES: usize = 300;

/// The address in a URL: the host of an `https` URL, with its port if that is not 443, or
/// `http://127.0.0.1:PORT` of the sandbox.
///
/// The path is dropped: it may hold a webhook's secret.
pub fn address(url: &str) -> Option<String> {
    if let Some(rest) = url.strip_prefix("http://") {
        let authority = rest.split(['/', '?', '#']).next()?;
        return loopback::parse(authority).map(|_| format!("http://{authority}"));
    }
    host(url.strip_prefix("https://")?)
}

/// The address of a portal in a field without scheme: a host name, or the sandbox's IP and port.
pub fn domain(text: &str) -> Option<String> {
    match loopback::parse(text) {
        Some(_) => Some(format!("http://{text}")),
        None => host(text),
    }
}

/// The host before a path, with its port if that is not 443.
fn host(text: &str) -> Option<String> {
    let authority = text.split(['/', '?', '#']).next()?;
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port.parse::<u16>().ok()?)),
        None => (authority, None),
    };
    let plausible = !host.is_empty()
        && host.len() <= 253
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let host = plausible.then(|| host.to_ascii_lowercase())?;
    Some(match port.filter(|port| *port != HTTPS) {
        Some(port) => format!("{host}:{port}"),
        None => host,
    })
}

/// The permissions in a list. Pages of the documentation separate them by commas, spaces or both.
///
/// Source: pages "oauth" and "auth params in events", field `scope`.
pub fn scopes(text: &str) -> Vec<String> {
    let is_separator = |character: char| character == ',' || character.is_whitespace();
    let mut scopes = Vec::new();
    for scope in text.split(is_separator) {
        let is_sound = !scope.is_empty()
            && scope.len() <= MAXIMUM_SCOPE_CHARACTERS
            && scope.bytes().all(|byte| byte.is_ascii_graphic());
        if is_sound && scopes.len() < MAXIMUM_SCOPES && !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    scopes
}

#[cfg(test)]
mod tests {
    use super::{address, domain, scopes};

    #[test]
    fn an_address_is_a_host_or_a_port_of_this_machine() {
        for (url, expected) in [
            ("https://Acme.bitrix24.com/rest/", Some("acme.bitrix24.com")),
            ("https://acme.bitrix24.com", Some("acme.bitrix24.com")),
            ("http://127.0.0.1:80/rest/", Some("http://127.0.0.1:80")),
            ("http://[::1]:80", Some("http://[::1]:80")),
            ("http://acme.bitrix24.com/rest/", None),
            ("http://10.0.0.1:80/", None),
            ("https://user@acme.bitrix24.com/", None),
            (
                "https://acme.bitrix24.com:443/rest/",
                Some("acme.bitrix24.com"),
            ),
            (
                "https://crm.acme.example:8443/rest/",
                Some("crm.acme.example:8443"),
            ),
            ("https://crm.acme.example:x/rest/", None),
            ("https://crm.acme.example:/rest/", None),
            ("acme.bitrix24.com", None),
            ("", None),
        ] {
            assert_eq!(address(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_domain_has_no_scheme() {
        assert_eq!(
            domain("acme.bitrix24.com").as_deref(),
            Some("acme.bitrix24.com")
        );
        assert_eq!(
            domain("127.0.0.1:80").as_deref(),
            Some("http://127.0.0.1:80")
        );
        assert_eq!(domain("https://acme.bitrix24.com"), None);
    }

    #[test]
    fn permissions_are_separated_by_commas_spaces_or_both() {
        for text in ["crm,im", "crm im", " crm, im,,crm ", "crm\n im"] {
            assert_eq!(scopes(text), ["crm", "im"], "{text:?}");
        }
        assert!(scopes("").is_empty());
    }
}
