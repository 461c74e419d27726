//! What is known of the peer of a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::conduct::Conduct;
use crate::auth::{PeerCertificate, Remembered};
use crate::listener::{Cause, Keeper, Recall};

/// The peer of one connection, for all of its calls.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// None in tests of the calls alone.
    connection: Option<(Keeper, Arc<Recall>)>,
    certificate: Option<PeerCertificate>,
    credential: Remembered,
    is_authenticated: AtomicBool,
    conduct: Arc<Conduct>,
    items: AtomicUsize,
    has_had_items: AtomicBool,
}

/// An item of a stream that is in progress.
#[derive(Debug)]
pub(super) struct OpenItem(Arc<Peer>);

impl Peer {
    pub(super) fn new(
        keeper: Keeper,
        recall: Arc<Recall>,
        certificate: Option<PeerCertificate>,
    ) -> Self {
        Self {
            connection: Some((keeper, recall)),
            certificate,
            ..Self::default()
        }
    }

    /// Its certificate, verified by TLS.
    pub(super) fn certificate(&self) -> Option<&PeerCertificate> {
        self.certificate.as_ref()
    }

    /// The credential that it has shown last.
    pub(super) fn credential(&self) -> &Remembered {
        &self.credential
    }

    /// How it has behaved.
    pub(super) fn conduct(&self) -> &Arc<Conduct> {
        &self.conduct
    }

    /// A credential was accepted on the connection: it keeps its place, and may stay idle.
    pub(super) fn note_authenticated(&self) {
        // All calls but the first one only read.
        if !self.is_authenticated()
            && !self.is_authenticated.swap(true, Ordering::Relaxed)
            && let Some((keeper, _)) = &self.connection
        {
            keeper.keep();
        }
    }

    pub(super) fn is_authenticated(&self) -> bool {
        self.is_authenticated.load(Ordering::Relaxed)
    }

    /// It has sent an item of a stream.
    pub(super) fn item(self: &Arc<Self>) -> OpenItem {
        self.items.fetch_add(1, Ordering::Relaxed);
        self.has_had_items.store(true, Ordering::Relaxed);
        OpenItem(Arc::clone(self))
    }

    /// Whether streams have items in progress, or have had some since this was asked last.
    pub(super) fn has_items(&self) -> bool {
        self.has_had_items.swap(false, Ordering::Relaxed) || self.items.load(Ordering::Relaxed) > 0
    }

    /// It has made too many calls without a valid credential: it is told that its connection ends.
    pub(super) fn leave(&self) {
        if let Some((_, recall)) = &self.connection {
            recall.leave_for(Cause::Unauthenticated);
        }
    }

    /// It goes on with them although its connection is to end.
    pub(super) fn cut(&self) {
        if let Some((_, recall)) = &self.connection {
            recall.cut_for(Cause::Unauthenticated);
        }
    }
}

impl Drop for OpenItem {
    fn drop(&mut self) {
        self.0.items.fetch_sub(1, Ordering::Relaxed);
    }
}
