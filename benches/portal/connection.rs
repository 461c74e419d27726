//! A connection to the service that carries calls in the order in which they are sent, without the
//! cost of a gRPC library.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::service::Service;

/// The longest time that the service gives a call.
pub(crate) const LONGEST: Duration = Duration::from_secs(55);

/// An HTTP/2 connection. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    origin: String,
    authorization: HeaderValue,
}

/// How a call has ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
}

/// The outcome of a call, as its caller learned it.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The portal has taken the message.
    Delivered,
    /// It was not executed.
    Refused(Refusal),
    /// Nobody knows whether it was executed.
    Unknown,
}

/// Why a call was not executed.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// Without the prefix of the enum.
    pub(crate) reason: String,
    /// When it may be sent again, if `RetryInfo` says so.
    pub(crate) retry_after: Option<Duration>,
}

impl Connection {
    pub(crate) async fn open(service: &Service) -> Self {
        let stream = TcpStream::connect(service.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let builder = Builder::new(TokioExecutor::new());
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let connection = Self {
            sender,
            origin: format!("http://{}", service.address),
            authorization: format!("Bearer {}", service.key).parse().unwrap(),
        };
        // From the answer on it is known how many calls may be in flight.
        let health = connection.request("/grpc.health.v1.Health/Check", &(), LONGEST);
        let ended = connection.send(health).await;
        assert!(matches!(ended.outcome, Outcome::Delivered));
        connection
    }

    /// A request that can be sent at any time.
    pub(crate) fn request(
        &self,
        path: &str,
        message: &impl Message,
        deadline: Duration,
    ) -> Request<Full<Bytes>> {
        let length = message.encoded_len();
        let mut body = BytesMut::with_capacity(5 + length);
        // Not compressed.
        body.put_u8(0);
        body.put_u32(length.try_into().unwrap());
        message.encode(&mut body).unwrap();
        Request::post(format!("{}{path}", self.origin))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", format!("{}m", deadline.as_millis()))
            .header("authorization", &self.authorization)
            .body(Full::new(body.freeze()))
            .unwrap()
    }

    /// Sends a request, before all that are sent later, whether or not the answer is waited for.
    pub(crate) fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Ended> + Send + use<> {
        let begun = Instant::now();
        let response = self.sender.clone().send_request(request);
        async move {
            let (head, body) = response.await.unwrap().into_parts();
            let body = body.collect().await.unwrap();
            let took = begun.elapsed();
            let status = body.trailers().and_then(Status::from_header_map);
            let status = status.or_else(|| Status::from_header_map(&head.headers));
            let outcome = outcome(&status.unwrap());
            Ended { outcome, took }
        }
    }
}

fn outcome(status: &Status) -> Outcome {
    if status.code() == Code::Ok {
        return Outcome::Delivered;
    }
    let details = status.get_error_details();
    let Some(info) = details.error_info() else {
        panic!("{status:?}");
    };
    let retry_after = details.retry_info().and_then(|info| info.retry_delay);
    match info.metadata.get("outcome").map(String::as_str) {
        Some("unknown") => Outcome::Unknown,
        Some("not_executed") => Outcome::Refused(Refusal {
            reason: info.reason.trim_start_matches("ERROR_REASON_").to_owned(),
            retry_after,
        }),
        _ => panic!("{status:?}"),
    }
}
