//! The memory of a request: its bytes count from their arrival to the end of the call.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pacing::Exhausted;
use tonic::body::Body;

use super::shares::Place;

/// The requests in progress have reached a limit.
#[derive(Debug, thiserror::Error)]
#[error("the requests in progress take all the memory that they may")]
struct Cut;

/// The body of a request, counted as it arrives.
#[derive(Debug)]
pub(super) struct CountedBody<F> {
    body: Body,
    place: Arc<Place>,
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
    /// It is cut because there is no memory for it.
    Cut(Exhausted),
}

impl<F: Fn(BodyEvent) + Send + Unpin + 'static> CountedBody<F> {
    pub(super) fn of(body: Body, place: Arc<Place>, note: F) -> Body {
        Body::new(Self {
            body,
            place,
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
            && let Err(exhausted) = self.place.hold(data.len())
        {
            (self.note)(BodyEvent::Cut(exhausted));
            return Poll::Ready(Some(Err(Cut.into())));
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
