//! A network that a simulation plays, in place of the HTTP library. Not in any program that ships:
//! it is compiled only with the feature `simulation`.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::send_guard::SendGuard;

/// What brings requests to portals and authorization servers.
pub trait Network: Debug + Send + Sync {
    /// Brings a request and its response. Calls [`SendGuard::send`] when the receiver may have the
    /// request from then on, and gives up if that is refused. If the future is dropped, what has
    /// left goes on.
    fn exchange(&self, request: Posted) -> Exchange;
}

/// A request on its way.
pub type Exchange = Pin<Box<dyn Future<Output = Result<Received, Lost>> + Send>>;

/// A request as it is posted.
#[derive(Debug)]
pub struct Posted {
    /// Scheme and authority.
    pub base_url: String,
    /// The path; may hold a secret of the simulation.
    pub path: String,
    /// The body.
    pub body: Bytes,
    /// Decides whether it may leave.
    pub guard: SendGuard,
}

impl Posted {
    pub(crate) fn of(base_url: String, path: String, body: Bytes, guard: &SendGuard) -> Self {
        Self {
            base_url,
            path,
            body,
            guard: guard.clone(),
        }
    }
}

/// A whole response.
#[derive(Debug)]
pub struct Received {
    /// The HTTP status.
    pub http_status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// There was no connection.
    Unreachable,
    /// The guard refused.
    Cancelled,
    /// The server said that it did not process the request.
    Unprocessed,
    /// The connection broke after the request had left.
    Broken,
}
