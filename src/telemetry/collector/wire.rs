//! One transmission to the collector, over either protocol.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use prost::Message;
use reqwest::redirect::Policy;
use tonic::client::Grpc;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::Signal;
use crate::telemetry::given::Protocol;

/// How long reaching the collector may take: name, TCP and TLS.
const CONNECT: Duration = Duration::from_secs(5);

/// The media type of protobuf over HTTP.
const PROTOBUF: &str = "application/x-protobuf";

/// The largest response that is read, in bytes. A usual one is empty.
const RESPONSE_BYTES: usize = 64 * 1024;

/// The longest text of the collector that is told, in characters.
const TEXT: usize = 200;

/// The way to the collector cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// The address is not usable, or there are no certificates of authorities.
    #[error("telemetry.otlp_endpoint cannot be used")]
    Grpc(#[from] tonic::transport::Error),
    #[error("telemetry.otlp_endpoint cannot be used")]
    Http(#[source] reqwest::Error),
}

/// The collector did not take what it was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    /// It was not reached, or the connection broke.
    #[error("it cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// It answered with another status than OK.
    #[error("it answers {code:?}: {text}")]
    Refused { code: Code, text: String },
    #[error("it answers with the HTTP status {0}")]
    Status(StatusCode),
    #[error("its answer is not that of a collector")]
    NotUnderstood,
    #[error("it did not answer in time")]
    TooLate,
}

/// The way to a collector.
#[derive(Debug)]
pub(super) enum Wire {
    Grpc(Channel),
    Http {
        client: reqwest::Client,
        /// Without a slash at the end.
        base: String,
    },
}

impl Wire {
    /// `authorities` in PEM take the place of the system's.
    pub(super) fn new(
        protocol: Protocol,
        endpoint: &str,
        authorities: Option<&str>,
    ) -> Result<Self, CollectorError> {
        match protocol {
            Protocol::Grpc => grpc(endpoint, authorities),
            Protocol::Http => http(endpoint, authorities),
        }
    }

    /// Sends once.
    pub(super) async fn send<Sent, Answer>(
        &self,
        signal: Signal,
        sent: Sent,
    ) -> Result<Answer, NotTaken>
    where
        Sent: Message + Default + 'static,
        Answer: Message + Default + 'static,
    {
        match self {
            Self::Grpc(channel) => {
                let mut client = Grpc::new(channel.clone());
                let ready = client.ready().await;
                ready.map_err(|error| NotTaken::Unreachable(error.into()))?;
                let codec = ProstCodec::<Sent, Answer>::default();
                let answer = client.unary(Request::new(sent), signal.grpc_path(), codec);
                answer
                    .await
                    .map(tonic::Response::into_inner)
                    .map_err(refused)
            }
            Self::Http { client, base } => {
                let address = format!("{base}{}", signal.http_path());
                let request = client.post(address).header(CONTENT_TYPE, PROTOBUF);
                let answer = request.body(sent.encode_to_vec()).send().await;
                read(answer.map_err(unreachable)?).await
            }
        }
    }
}

fn grpc(endpoint: &str, authorities: Option<&str>) -> Result<Wire, CollectorError> {
    let is_tls = endpoint.starts_with("https:");
    let mut endpoint = Endpoint::from_shared(endpoint.to_owned())?.connect_timeout(CONNECT);
    if is_tls {
        let tls = ClientTlsConfig::new();
        endpoint = endpoint.tls_config(match authorities {
            Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
            None => tls.with_native_roots(),
        })?;
    }
    Ok(Wire::Grpc(endpoint.connect_lazy()))
}

fn http(endpoint: &str, authorities: Option<&str>) -> Result<Wire, CollectorError> {
    let mut client = reqwest::Client::builder()
        .user_agent(concat!("bitrix24-openlines/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy();
    if let Some(pem) = authorities {
        let authorities = reqwest::Certificate::from_pem_bundle(pem.as_bytes());
        client = client.tls_certs_only(authorities.map_err(CollectorError::Http)?);
    }
    Ok(Wire::Http {
        client: client.build().map_err(CollectorError::Http)?,
        base: endpoint.trim_end_matches('/').to_owned(),
    })
}

async fn read<Answer: Message + Default>(
    mut answer: reqwest::Response,
) -> Result<Answer, NotTaken> {
    let status = answer.status();
    if status != StatusCode::OK {
        return Err(NotTaken::Status(status));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        body.extend_from_slice(&chunk);
        if body.len() > RESPONSE_BYTES {
            return Err(NotTaken::NotUnderstood);
        }
    }
    Answer::decode(&*body).map_err(|_| NotTaken::NotUnderstood)
}

fn unreachable(error: reqwest::Error) -> NotTaken {
    NotTaken::Unreachable(error.without_url().into())
}

/// The library has a status for everything that fails, too.
fn refused(status: Status) -> NotTaken {
    if status.source().is_some() {
        return NotTaken::Unreachable(status.into());
    }
    NotTaken::Refused {
        code: status.code(),
        text: status.message().chars().take(TEXT).collect(),
    }
}

impl NotTaken {
    /// Whether it may be taken the next time (OTLP specification, "Failures").
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { code, .. } => matches!(
                code,
                Code::Cancelled
                    | Code::DeadlineExceeded
                    | Code::Aborted
                    | Code::OutOfRange
                    | Code::Unavailable
                    | Code::DataLoss
            ),
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::NotUnderstood | Self::TooLate => false,
        }
    }
}

impl Signal {
    fn grpc_path(self) -> PathAndQuery {
        PathAndQuery::from_static(match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        })
    }

    fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
        }
    }
}
