//! The body of a response.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const OK: HeaderValue = HeaderValue::from_static("0");

/// The body of a response, piece by piece.
#[derive(Debug)]
pub(super) enum Reply {
    /// One message, and then that the call has succeeded.
    Message(Bytes),
    /// That the call has succeeded.
    Success,
    Ended,
    /// Whatever the gRPC library has made.
    Library(Body),
}

/// The response to a call that has succeeded.
pub(super) fn success(frame: Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply::Message(frame));
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    response
}

/// The response to a call that has failed.
pub(super) fn failure(status: Status) -> Response<Reply> {
    status.into_http::<Body>().map(Reply::Library)
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let (frame, next) = match &mut *self {
            Self::Library(body) => return Pin::new(body).poll_frame(context),
            Self::Ended => return Poll::Ready(None),
            Self::Message(message) => (Frame::data(std::mem::take(message)), Self::Success),
            Self::Success => {
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert(STATUS, OK);
                (Frame::trailers(trailers), Self::Ended)
            }
        };
        *self = next;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Message(_) | Self::Success => false,
            Self::Ended => true,
            Self::Library(body) => body.is_end_stream(),
        }
    }
}
