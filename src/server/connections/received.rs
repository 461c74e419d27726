//! The body of a request as it arrives.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::link::Link;

/// Notes when the peer breaks off its request. The operation sees an incomplete request then, and
/// answers it; from that response alone a cancelled call would look like any other.
#[derive(Debug)]
pub(super) struct Received {
    body: Incoming,
    link: Arc<Link>,
}

impl Received {
    pub(super) fn new(body: Incoming, link: &Arc<Link>) -> Self {
        let link = Arc::clone(link);
        Self { body, link }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let is_broken_off = match &frame {
            Some(Ok(_)) => false,
            Some(Err(_)) => true,
            None => !self.body.is_end_stream(),
        };
        if is_broken_off {
            self.link.note_broken_off();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
