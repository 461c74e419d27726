//! Addresses that settings can name.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the kernel gives to whoever asks for any, so that no other socket can take
/// them.
const FIRST_PORT: u16 = 12_000;
const PORTS: u16 = 20_000;

/// A free address on loopback. A process never gets the same twice.
pub(crate) fn free_address() -> SocketAddr {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Another process may choose at the same time: it begins elsewhere.
    let begin = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap();
    loop {
        let number = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let address = SocketAddr::from(([127, 0, 0, 1], FIRST_PORT + number));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
