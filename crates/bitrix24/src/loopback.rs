//! Plain addresses of this machine, which the sandbox has.

use std::net::SocketAddr;

/// Scheme of plain addresses.
pub(super) const SCHEME: &str = "http://";

/// Reads address and port, if they are of this machine and written in the one canonical way.
pub(super) fn parse(authority: &str) -> Option<SocketAddr> {
    let address: SocketAddr = authority.parse().ok()?;
    // Written back it must be the same text: no scope, no leading zeros, nothing that two
    // parsers could read differently.
    let canonical = SocketAddr::new(address.ip(), address.port()).to_string() == authority;
    (canonical && address.ip().is_loopback() && address.port() != 0).then_some(address)
}
