//! A gRPC client without a gRPC library: it sends the bytes that it is given, keeps no deadline of
//! its own, and shows the answer as it travelled.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, Request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpStream;
use tonic::Status;

pub(crate) const SERVICE: &str = "/openlines.v1.OpenLinesService";

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// One HTTP/2 connection.
#[derive(Clone)]
pub(crate) struct RawClient {
    connection: http2::SendRequest<Body>,
}

/// An answer as it travelled.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
}

impl RawAnswer {
    /// The status, wherever it stands.
    pub(crate) fn status(&self) -> Status {
        Status::from_header_map(&self.headers)
            .or_else(|| Status::from_header_map(&self.trailers))
            .unwrap_or_else(|| panic!("no status in {self:?}"))
    }

    /// The length of all names and values of the headers and trailers.
    pub(crate) fn header_bytes(&self) -> usize {
        let both = self.headers.iter().chain(&self.trailers);
        both.map(|(name, value)| name.as_str().len() + value.len())
            .sum()
    }
}

impl RawClient {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (connection, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(driver);
        Self { connection }
    }

    /// Calls an operation with one message.
    pub(crate) async fn call(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        message: &impl Message,
    ) -> RawAnswer {
        self.call_bytes(
            path,
            headers,
            stream::iter([framed(&message.encode_to_vec())]),
        )
        .await
        .unwrap()
    }

    /// Whether the connection can be used.
    pub(crate) fn is_open(&self) -> bool {
        !self.connection.is_closed()
    }

    /// Sends a request without a body, and returns the head of the response.
    pub(crate) async fn send(&self, request: http::request::Builder) -> http::Response<()> {
        let body = StreamBody::new(stream::empty()).boxed_unsync();
        let request = request.body(body).unwrap();
        let response = self.connection.clone().send_request(request).await;
        response.unwrap().map(drop)
    }

    /// Calls an operation with whatever the stream brings.
    pub(crate) async fn call_bytes(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<RawAnswer, hyper::Error> {
        let body = StreamBody::new(body.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes))));
        let mut request = Request::post(format!("http://service{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.boxed_unsync()).unwrap();
        let response = self.connection.clone().send_request(request).await?;
        let (head, body) = response.into_parts();
        let collected = body.collect().await?;
        Ok(RawAnswer {
            headers: head.headers,
            trailers: collected.trailers().cloned().unwrap_or_default(),
        })
    }
}

/// A message with gRPC's prefix: not compressed, so many bytes.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap());
    framed.put_slice(message);
    framed.freeze()
}
