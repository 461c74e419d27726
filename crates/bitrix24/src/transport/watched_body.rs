//! A request body that notices when it is read.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::send_guard::SendGuard;

/// A request body that notices when it is read.
///
/// The HTTP library reads the body once it has a connection and has queued the head. Before that
/// the portal cannot have the whole request and cannot have executed it.
pub(super) struct WatchedBody {
    bytes: Option<Bytes>,
    guard: SendGuard,
}

/// The call was cancelled before its body was read: the connection ends after the head.
#[derive(Debug, thiserror::Error)]
#[error("the request was cancelled")]
pub(super) struct Cancelled;

impl WatchedBody {
    pub(super) fn new(bytes: Bytes, guard: SendGuard) -> Self {
        let bytes = Some(bytes);
        Self { bytes, guard }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = Cancelled;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.guard.send() {
            return Poll::Ready(Some(Err(Cancelled)));
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.bytes.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}
