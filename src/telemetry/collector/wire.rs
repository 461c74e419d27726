//! One transmission to the collector, over either protocol.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use prost::Message;
use reqwest::redirect::Policy;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::Signal;
use crate::telemetry::given::Protocol;
use crate::telemetry::headers::Headers;

/// How long reaching the collector may take: name, TCP and TLS.
const CONNECT: Duration = Duration::from_secs(5);

/// The media type of protobuf over HTTP.
const PROTOBUF: &str = "application/x-protobuf";

/// The largest response that is read, in bytes. A usual one is empty.
const RESPONSE_BYTES: usize = 64 * 1024;

/// The longest text of the collector that is told, in characters.
const TEXT: usize = 200;

/// In the place of a text that may repeat a header.
const UNTOLD: &str = "its text is not told, because it may repeat telemetry.otlp_headers";

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
    /// It does not know who sends. What it says of that is not told: it may repeat a header.
    #[error("it does not accept the headers that it is sent ({0}); check telemetry.otlp_headers")]
    NotAllowed(String),
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
pub(super) struct Wire {
    way: Way,
    headers: Headers,
}

#[derive(Debug)]
enum Way {
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
        headers: Headers,
    ) -> Result<Self, CollectorError> {
        let way = match protocol {
            Protocol::Grpc => grpc(endpoint, authorities),
            Protocol::Http => http(endpoint, authorities),
        }?;
        Ok(Self { way, headers })
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
        match &self.way {
            Way::Grpc(channel) => {
                let mut client = Grpc::new(channel.clone());
                let ready = client.ready().await;
                ready.map_err(|error| NotTaken::Unreachable(error.into()))?;
                let codec = ProstCodec::<Sent, Answer>::default();
                let mut request = Request::new(sent);
                *request.metadata_mut() = MetadataMap::from_headers(self.headers.to_map());
                let answer = client.unary(request, signal.grpc_path(), codec);
                answer
                    .await
                    .map(tonic::Response::into_inner)
                    .map_err(|status| self.refused(status))
            }
            Way::Http { client, base } => {
                let address = format!("{base}{}", signal.http_path());
                let request = client.post(address).headers(self.headers.to_map());
                let request = request.header(CONTENT_TYPE, PROTOBUF);
                let answer = request.body(sent.encode_to_vec()).send().await;
                read(answer.map_err(unreachable)?).await
            }
        }
    }

    /// The library has a status for everything that fails, too.
    fn refused(&self, status: Status) -> NotTaken {
        if status.source().is_some() {
            return NotTaken::Unreachable(status.into());
        }
        let code = status.code();
        if matches!(code, Code::Unauthenticated | Code::PermissionDenied) {
            return NotTaken::NotAllowed(format!("{code:?}"));
        }
        let text = if self.headers.is_empty() {
            status.message().chars().take(TEXT).collect()
        } else {
            UNTOLD.to_owned()
        };
        NotTaken::Refused { code, text }
    }
}

fn grpc(endpoint: &str, authorities: Option<&str>) -> Result<Way, CollectorError> {
    let is_tls = endpoint.starts_with("https:");
    let mut endpoint = Endpoint::from_shared(endpoint.to_owned())?.connect_timeout(CONNECT);
    if is_tls {
        let tls = ClientTlsConfig::new();
        endpoint = endpoint.tls_config(match authorities {
            Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
            None => tls.with_native_roots(),
        })?;
    }
    Ok(Way::Grpc(endpoint.connect_lazy()))
}

fn http(endpoint: &str, authorities: Option<&str>) -> Result<Way, CollectorError> {
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
    Ok(Way::Http {
        client: client.build().map_err(CollectorError::Http)?,
        base: endpoint.trim_end_matches('/').to_owned(),
    })
}

async fn read<Answer: Message + Default>(
    mut answer: reqwest::Response,
) -> Result<Answer, NotTaken> {
    let status = answer.status();
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(NotTaken::NotAllowed(format!("HTTP status {status}")));
    }
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
            Self::NotAllowed(_) | Self::NotUnderstood | Self::TooLate => false,
        }
    }

    /// Whether it is about the collector or the way to it, and not about what was sent.
    pub(super) fn is_general(&self) -> bool {
        matches!(self, Self::NotAllowed(_) | Self::TooLate) || self.is_transient()
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
