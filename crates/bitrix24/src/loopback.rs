//! Plain HTTP addresses of this machine, which the sandbox has.

use std::net::SocketAddr;

pub(crate) const SCHEME: &str = "http://";

/// Reads a loopback address with its port, if it has the one canonical spelling.
pub(crate) fn parse(authority: &str) -> Option<SocketAddr> {
    let address: SocketAddr = authority.parse().ok()?;
    // No scope, no leading zeros, nothing that two parsers could read differently.
    let canonical = SocketAddr::new(address.ip(), address.port()).to_string() == authority;
    (canonical && address.ip().is_loopback() && address.port() != 0).then_some(address)
}
