//! Addresses of this machine, which the sandbox has.

use std::net::SocketAddr;

pub(crate) const SCHEME: &str = "http://";

/// The authority of a plain HTTP address, or of an HTTPS address on this machine.
pub(crate) fn authority(text: &str) -> Option<&str> {
    let on_this_machine = |authority: &&str| parse(authority).is_some();
    text.strip_prefix(SCHEME)
        .or_else(|| text.strip_prefix("https://").filter(on_this_machine))
}

/// Reads a loopback address with its port, if it has the one canonical spelling.
pub(crate) fn parse(authority: &str) -> Option<SocketAddr> {
    let address: SocketAddr = authority.parse().ok()?;
    // No scope, no leading zeros, nothing that two parsers could read differently.
    let canonical = SocketAddr::new(address.ip(), address.port()).to_string() == authority;
    (canonical && address.ip().is_loopback() && address.port() != 0).then_some(address)
}
