//! The credentials that come with a call.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, header};

/// The credentials of a call, before anyone has judged them.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The headers of the call.
    pub headers: &'a HeaderMap,
    /// The certificate of the connection's client, if it has one that was verified.
    pub peer: Option<&'a PeerCertificate>,
}

/// The leaf certificate of a connection's client, verified by TLS. Cheap to clone: every call of
/// the connection carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate(Arc<[u8]>);

impl PeerCertificate {
    /// A certificate that TLS has verified, in DER.
    pub fn verified(der: &[u8]) -> Self {
        Self(der.into())
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

impl Presented<'_> {
    /// The values of all `authorization` headers.
    pub(super) fn authorization(&self) -> impl Iterator<Item = &[u8]> {
        let values = self.headers.get_all(header::AUTHORIZATION);
        values.iter().map(http::HeaderValue::as_bytes)
    }
}

/// Headers hold credentials.
impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented")
            .field("peer", &self.peer.is_some())
            .finish_non_exhaustive()
    }
}
