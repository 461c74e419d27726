//! The body of a response.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::Frame;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::body::Body;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const OK: HeaderValue = HeaderValue::from_static("0");
/// INTERNAL: the stream has ended without saying how, which is a bug.
const INTERNAL: HeaderValue = HeaderValue::from_static("13");

/// The body of a response, piece by piece.
#[derive(Debug)]
pub(super) enum Reply {
    /// One message, and then that the call has succeeded.
    Message(Bytes),
    /// That the call has succeeded.
    Success,
    Ended,
    /// The pieces of a stream, as they come.
    Pieces(mpsc::Receiver<Piece>),
    /// Whatever the gRPC library has made.
    Library(Body),
}

/// A piece of the response to a stream.
#[derive(Debug)]
pub(super) enum Piece {
    /// A message, as it is sent.
    Message(Bytes),
    /// How the stream has ended.
    End(Result<(), Status>),
}

/// The response to a stream.
pub(super) fn stream(pieces: mpsc::Receiver<Piece>) -> Response<Reply> {
    let mut response = Response::new(Reply::Pieces(pieces));
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    response
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
            Self::Pieces(pieces) => match std::task::ready!(pieces.poll_recv(context)) {
                Some(Piece::Message(message)) => {
                    return Poll::Ready(Some(Ok(Frame::data(message))));
                }
                Some(Piece::End(Ok(()))) => (Frame::trailers(only(OK)), Self::Ended),
                Some(Piece::End(Err(status))) => (Frame::trailers(trailers(&status)), Self::Ended),
                None => (Frame::trailers(only(INTERNAL)), Self::Ended),
            },
            Self::Message(message) => (Frame::data(std::mem::take(message)), Self::Success),
            Self::Success => (Frame::trailers(only(OK)), Self::Ended),
        };
        *self = next;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Message(_) | Self::Success | Self::Pieces(_) => false,
            Self::Ended => true,
            Self::Library(body) => body.is_end_stream(),
        }
    }
}

/// The trailers of a failed stream.
fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    match status.add_header(&mut trailers) {
        Ok(()) => trailers,
        // Its texts are not fit for a header, which is a bug.
        Err(_) => only(INTERNAL),
    }
}

fn only(status: HeaderValue) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, status);
    trailers
}
