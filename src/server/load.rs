//! How much memory the requests in hand take.
//!
//! A peer may open as many streams as calls may be in hand, and each may carry a request of the largest size. So the bytes of all requests
//! are counted as they arrive, until their calls have ended.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tonic::body::Body;

/// What all requests in hand weigh together.
#[derive(Debug)]
pub(super) struct Scales {
    bytes: AtomicUsize,
    maximum: usize,
}

/// What one request weighs, from its arrival to the end of its call.
#[derive(Debug)]
pub(super) struct Load {
    scales: Arc<Scales>,
    bytes: AtomicUsize,
}

/// The requests in hand weigh as much as they may.
#[derive(Debug, thiserror::Error)]
#[error("the requests in hand take as much memory as they may")]
pub(super) struct TooHeavy;

impl Scales {
    pub(super) fn new(maximum: usize) -> Arc<Self> {
        let bytes = AtomicUsize::new(0);
        Arc::new(Self { bytes, maximum })
    }

    /// Puts a request with these headers on the scales.
    pub(super) fn weigh(self: &Arc<Self>, headers: &HeaderMap) -> Result<Arc<Load>, TooHeavy> {
        let load = Arc::new(Load {
            scales: Arc::clone(self),
            bytes: AtomicUsize::new(0),
        });
        let fields = headers.iter();
        load.add(
            fields
                .map(|(name, value)| name.as_str().len() + value.len())
                .sum(),
        )?;
        Ok(load)
    }
}

impl Load {
    fn add(&self, bytes: usize) -> Result<(), TooHeavy> {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let before = self.scales.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.scales.maximum {
            return Err(TooHeavy);
        }
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        self.scales.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The body of a request on the scales.
#[derive(Debug)]
pub(super) struct WeighedBody<F> {
    body: Body,
    load: Arc<Load>,
    /// Told once, when the body is cut because it is too heavy.
    on_cut: F,
}

impl<F: Fn() + Send + Unpin + 'static> WeighedBody<F> {
    pub(super) fn of(body: Body, load: Arc<Load>, on_cut: F) -> Body {
        Body::new(Self { body, load, on_cut })
    }
}

impl<F: Fn() + Unpin> http_body::Body for WeighedBody<F> {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(too_heavy) = self.load.add(data.len())
        {
            (self.on_cut)();
            return Poll::Ready(Some(Err(too_heavy.into())));
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
    fn requests_weigh_until_their_calls_have_ended() {
        let scales = Scales::new(100);
        let mut headers = HeaderMap::new();
        headers.insert("name", "value".parse().unwrap());
        let first = scales.weigh(&headers).unwrap();
        first.add(80).unwrap();
        let second = scales.weigh(&headers).unwrap();
        assert!(second.add(80).is_err());
        drop(second);
        first.add(11).unwrap();
        assert!(scales.weigh(&headers).is_err());
        drop(first);
        assert_eq!(scales.bytes.load(Ordering::Relaxed), 0);
    }
}
