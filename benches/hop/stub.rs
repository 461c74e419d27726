//! The upstream: answers every request at once with a fixed result, and takes traces without a look
//! at them.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;

/// What Bitrix24 answers, as its documentation prints it.
const ANSWER: &str = r#"{"result":19880117,"time":{"start":1728626400.123,"finish":1728626400.234,"duration":0.111,"processing":0.045,"date_start":"2024-10-11T10:00:00+02:00","date_finish":"2024-10-11T10:00:00+02:00","operating_reset_at":1762349466,"operating":0}}"#;

#[derive(Clone)]
struct Collector;

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        _request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

pub(crate) fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let portal = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!(
            "{} {}",
            portal.local_addr().unwrap(),
            collector.local_addr().unwrap()
        );
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(TraceServiceServer::new(Collector))
                .serve_with_incoming(TcpListenerStream::new(collector)),
        );
        loop {
            let (connection, _) = portal.accept().await.unwrap();
            connection.set_nodelay(true).unwrap();
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(connection), service_fn(answer)),
            );
        }
    });
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // A whole request is read, as a portal would.
    let _ = request.into_body().collect().await;
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER.as_bytes())));
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}
