//! The calls of one connection, and their responses as its peer reads them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use super::link::Link;
use super::unread::Piece;
use crate::server::reply::Reply;

/// A call in progress. Dropped before its response has been handed over, it was cancelled.
#[derive(Debug)]
pub(super) struct InProgress {
    link: Arc<Link>,
    /// Calls about the server itself may go on for ever, and nothing is lost with them.
    holds_the_connection: bool,
    has_begun: bool,
    is_complete: bool,
}

impl InProgress {
    pub(super) fn new(link: Arc<Link>, holds_the_connection: bool) -> Self {
        if holds_the_connection {
            link.call_begun();
        }
        link.note_made();
        Self {
            link,
            holds_the_connection,
            has_begun: false,
            is_complete: false,
        }
    }

    fn begin(&mut self) {
        if !self.has_begun {
            self.has_begun = true;
            self.link.note_begun();
        }
    }

    fn complete(&mut self) {
        if !self.is_complete {
            self.is_complete = true;
            self.link.note_response();
        }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.begin();
        if self.holds_the_connection {
            self.link.call_ended();
        }
        if !self.is_complete {
            self.link.note_cancelled();
        }
    }
}

pin_project! {
    /// A call until it has its response.
    pub(super) struct Answering<F> {
        #[pin]
        call: F,
        in_progress: Option<InProgress>,
    }
}

impl<F> Answering<F> {
    pub(super) fn new(call: F, in_progress: InProgress) -> Self {
        Self {
            call,
            in_progress: Some(in_progress),
        }
    }
}

impl<F> Future for Answering<F>
where
    F: Future<Output = Response<Reply>>,
{
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(in_progress) = this.in_progress {
            in_progress.begin();
        }
        let response = ready!(this.call.poll(context));
        let mut in_progress = this.in_progress.take();
        if let Some(in_progress) = &mut in_progress
            && response.body().is_end_stream()
        {
            in_progress.complete();
        }
        Poll::Ready(Ok(response.map(|body| Answer { body, in_progress })))
    }
}

/// The body of a response.
#[derive(Debug)]
pub(super) struct Answer {
    body: Reply,
    in_progress: Option<InProgress>,
}

impl http_body::Body for Answer {
    type Data = Piece;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Status>>> {
        let this = &mut *self;
        let frame: Option<Result<Frame<Bytes>, Status>> =
            ready!(Pin::new(&mut this.body).poll_frame(context));
        let Some(in_progress) = &mut this.in_progress else {
            return Poll::Ready(None);
        };
        let is_last = match &frame {
            None => true,
            Some(Ok(frame)) => frame.is_trailers() || this.body.is_end_stream(),
            Some(Err(_)) => false,
        };
        if is_last {
            in_progress.complete();
        }
        let unread = &in_progress.link.unread;
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(|data| unread.piece(data)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
