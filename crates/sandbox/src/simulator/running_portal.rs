//! A running portal.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;

use super::clock::Clock;
use crate::portal::Portal;
use crate::state::PortalState;
use crate::sync::lock;

/// A portal, the host name it is found by, and where it can be reached.
#[derive(Debug)]
pub(crate) struct RunningPortal {
    /// In lower case.
    pub(crate) host: String,
    address: Mutex<Address>,
    /// Added to the clock of the simulator.
    pub(crate) clock: Clock,
    state: Mutex<PortalState>,
}

/// Where a portal is reached.
#[derive(Clone, Copy, Debug)]
enum Address {
    /// At the first listener, by its host.
    Shared,
    /// Also at a listener of its own.
    Own(SocketAddr),
    /// Only at this listener: it was renamed.
    Moved(SocketAddr),
}

impl RunningPortal {
    pub(crate) fn new(definition: Portal, now: Timestamp) -> Self {
        Self {
            host: definition.host.to_ascii_lowercase(),
            address: Mutex::new(Address::Shared),
            clock: Clock::default(),
            state: Mutex::new(PortalState::new(definition, now)),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, PortalState> {
        lock(&self.state)
    }

    /// Names a listener of its own in responses, unless it already has one.
    pub(crate) fn listens_at(&self, at: SocketAddr) {
        let mut address = lock(&self.address);
        if matches!(*address, Address::Shared) {
            *address = Address::Own(at);
        }
    }

    /// Renames the portal: it serves this address only, and redirects to it from others.
    pub(crate) fn rename(&self, to: SocketAddr) {
        *lock(&self.address) = Address::Moved(to);
    }

    /// The redirect target of a request that arrived at this listener, if the portal has moved.
    pub(crate) fn moved_from(&self, listener: SocketAddr) -> Option<SocketAddr> {
        match *lock(&self.address) {
            Address::Moved(to) if to != listener => Some(to),
            Address::Moved(_) | Address::Own(_) | Address::Shared => None,
        }
    }

    /// The address of its own listener.
    pub(crate) fn own_address(&self) -> Option<SocketAddr> {
        match *lock(&self.address) {
            Address::Shared => None,
            Address::Own(address) | Address::Moved(address) => Some(address),
        }
    }
}
