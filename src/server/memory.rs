//! The memory of the requests in progress.
//!
//! A peer may open as many streams as calls may be in progress, each with a request of the largest
//! size. So the bytes of all requests are counted from their arrival to the end of their calls.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tonic::body::Body;

/// The bytes of all requests in progress.
#[derive(Debug)]
pub(super) struct RequestMemory {
    bytes: AtomicUsize,
    maximum: usize,
}

/// The bytes of one request, from its arrival to the end of its call.
#[derive(Debug)]
pub(super) struct RequestBytes {
    memory: Arc<RequestMemory>,
    bytes: AtomicUsize,
}

/// The requests in progress have reached the limit.
#[derive(Debug, thiserror::Error)]
#[error("the requests in progress take all the memory that they may")]
pub(super) struct Exhausted;

impl RequestMemory {
    pub(super) fn new(maximum: usize) -> Arc<Self> {
        let bytes = AtomicUsize::new(0);
        Arc::new(Self { bytes, maximum })
    }

    /// Counts a request with these headers.
    pub(super) fn reserve(
        self: &Arc<Self>,
        headers: &HeaderMap,
    ) -> Result<Arc<RequestBytes>, Exhausted> {
        let request = Arc::new(RequestBytes {
            memory: Arc::clone(self),
            bytes: AtomicUsize::new(0),
        });
        let fields = headers.iter();
        request.add(
            fields
                .map(|(name, value)| name.as_str().len() + value.len())
                .sum(),
        )?;
        Ok(request)
    }
}

impl RequestBytes {
    fn add(&self, bytes: usize) -> Result<(), Exhausted> {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let before = self.memory.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.memory.maximum {
            return Err(Exhausted);
        }
        Ok(())
    }
}

impl Drop for RequestBytes {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        self.memory.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The body of a request, counted as it arrives.
#[derive(Debug)]
pub(super) struct CountedBody<F> {
    body: Body,
    request: Arc<RequestBytes>,
    is_starved: bool,
    note: F,
}

/// What happens to a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum BodyEvent {
    /// The peer owes more of it.
    Starved,
    /// More of it has arrived after that.
    Fed,
    /// It is cut because the memory is used up.
    Cut,
}

impl<F: Fn(BodyEvent) + Send + Unpin + 'static> CountedBody<F> {
    pub(super) fn of(body: Body, request: Arc<RequestBytes>, note: F) -> Body {
        Body::new(Self {
            body,
            request,
            is_starved: false,
            note,
        })
    }
}

impl<F: Fn(BodyEvent) + Unpin> http_body::Body for CountedBody<F> {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_pending() != self.is_starved {
            self.is_starved = polled.is_pending();
            (self.note)(if self.is_starved {
                BodyEvent::Starved
            } else {
                BodyEvent::Fed
            });
        }
        let frame = ready!(polled);
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(exhausted) = self.request.add(data.len())
        {
            (self.note)(BodyEvent::Cut);
            return Poll::Ready(Some(Err(exhausted.into())));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_count_until_their_calls_have_ended() {
        let memory = RequestMemory::new(100);
        let mut headers = HeaderMap::new();
        headers.insert("name", "value".parse().unwrap());
        let first = memory.reserve(&headers).unwrap();
        first.add(80).unwrap();
        let second = memory.reserve(&headers).unwrap();
        assert!(second.add(80).is_err());
        drop(second);
        first.add(11).unwrap();
        assert!(memory.reserve(&headers).is_err());
        drop(first);
        assert_eq!(memory.bytes.load(Ordering::Relaxed), 0);
    }
}
