//! What is known of the peer of a connection.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::auth::PeerCertificate;
use crate::listener::Keeper;

/// The peer of one connection, for all of its calls.
#[derive(Debug)]
pub(super) struct Peer {
    keeper: Keeper,
    certificate: Option<PeerCertificate>,
    is_authenticated: AtomicBool,
}

impl Peer {
    pub(super) fn new(keeper: Keeper, certificate: Option<PeerCertificate>) -> Self {
        Self {
            keeper,
            certificate,
            is_authenticated: AtomicBool::new(false),
        }
    }

    /// Its certificate, verified by TLS.
    pub(super) fn certificate(&self) -> Option<&PeerCertificate> {
        self.certificate.as_ref()
    }

    /// A credential was accepted on the connection: it keeps its place, and may stay idle.
    pub(super) fn note_authenticated(&self) {
        // All calls but the first one only read.
        if !self.is_authenticated() && !self.is_authenticated.swap(true, Ordering::Relaxed) {
            self.keeper.keep();
        }
    }

    pub(super) fn is_authenticated(&self) -> bool {
        self.is_authenticated.load(Ordering::Relaxed)
    }
}
