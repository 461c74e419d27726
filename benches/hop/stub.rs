//! The upstream: answers every request at once with a fixed result, and takes traces without a look
//! at them. A message with the text [`HELD`] is answered when somebody asks for [`RELEASE`]. With a
//! folder of a certificate it is there a second time, over TLS and HTTP/2.

use std::convert::Infallible;
use std::fmt::Write;
use std::path::Path;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;

use super::certificate;

/// The text of a message that is held.
pub(crate) const HELD: &str = "Is held until it is released.";

/// The text of a message that the portal refuses.
pub(crate) const REFUSED: &str = "Is refused by the portal.";

/// The path that releases it.
pub(crate) const RELEASE: &str = "/release";

/// The id of the only message of every answer to `imconnector.send.messages`.
pub(crate) const MESSAGE_ID: &str = "order-7";

/// The id of a message of `imopenlines.crm.message.add`. In a batch it is the number of commands.
pub(crate) const PORTAL_MESSAGE_ID: i64 = 19_880_117;

/// How a refusal begins.
const ERROR: &str = r#"{"error":"#;

static RELEASED: Notify = Notify::const_new();

/// What Bitrix24 says of a request's time, as its documentation prints it.
const TIME: &str = r#"{"start":1728626400.123,"finish":1728626400.234,"duration":0.111,"processing":0.045,"date_start":"2024-10-11T10:00:00+02:00","date_finish":"2024-10-11T10:00:00+02:00","operating_reset_at":1762349466,"operating":0}"#;

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

/// Runs it until the process is killed. The folder is one with a certificate.
pub(crate) fn run(folder: Option<&str>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        // Each address of loopback is a portal of its own.
        let portal = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut addresses = format!(
            "127.0.0.1:{} {}",
            portal.local_addr().unwrap().port(),
            collector.local_addr().unwrap()
        );
        if let Some(folder) = folder {
            let secure = TcpListener::bind("127.0.0.1:0").await.unwrap();
            write!(addresses, " {}", secure.local_addr().unwrap()).unwrap();
            tokio::spawn(serve_securely(
                secure,
                certificate::acceptor(Path::new(folder), "h2"),
            ));
        }
        println!("{addresses}");
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

async fn serve_securely(listener: TcpListener, tls: TlsAcceptor) {
    loop {
        let (connection, _) = listener.accept().await.unwrap();
        connection.set_nodelay(true).unwrap();
        let tls = tls.clone();
        tokio::spawn(async move {
            let Ok(connection) = tls.accept(connection).await else {
                return;
            };
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let served = server.serve_connection(TokioIo::new(connection), service_fn(answer));
            // It ends when the client closes it.
            let _ = served.await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    // A whole request is read, as a portal would.
    let body = request.into_body().collect().await;
    let body = body.map(http_body_util::Collected::to_bytes);
    let body = body.unwrap_or_default();
    let is = |text: &str| str::from_utf8(&body).is_ok_and(|body| body.contains(text));
    if path == RELEASE {
        RELEASED.notify_one();
    } else if is(HELD) {
        RELEASED.notified().await;
    }
    let answer = match path.rsplit_once('/') {
        Some((_, "imopenlines.crm.message.add")) if is(REFUSED) => refusal(),
        Some((_, "imconnector.send.messages")) => answer_of(&format!(
            r#"{{"SUCCESS":true,"DATA":{{"RESULT":[{{"user":"31","SUCCESS":true,"message":{{"id":"{MESSAGE_ID}","date":1728626400,"text":"Good afternoon","files":[]}},"chat":{{"id":"chat-31","name":"Order 7"}},"session":{{"ID":"1205","CHAT_ID":"1341"}}}}]}}}}"#
        )),
        Some((_, "imopenlines.network.message.add")) => answer_of("true"),
        Some((_, "batch")) => answer_of(&batch(&body)),
        _ => answer_of(&PORTAL_MESSAGE_ID.to_string()),
    };
    let has_failed = answer.starts_with(ERROR);
    let mut response = Response::new(Full::new(Bytes::from(answer)));
    if has_failed {
        *response.status_mut() = http::StatusCode::BAD_REQUEST;
    }
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}

fn refusal() -> String {
    format!(r#"{ERROR}"CHAT_NOT_IN_CRM","error_description":"The chat is not bound to CRM"}}"#)
}

fn answer_of(result: &str) -> String {
    format!(r#"{{"result":{result},"time":{TIME}}}"#)
}

/// The result of a batch of `imopenlines.crm.message.add`.
fn batch(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap();
    let commands = body["cmd"].as_object().unwrap();
    let (mut results, mut times) = (String::new(), String::new());
    for (index, key) in commands.keys().enumerate() {
        let separator = if index > 0 { "," } else { "" };
        write!(results, r#"{separator}"{key}":{}"#, commands.len()).unwrap();
        write!(times, r#"{separator}"{key}":{TIME}"#).unwrap();
    }
    format!(
        r#"{{"result":{{{results}}},"result_error":[],"result_total":[],"result_next":[],"result_time":{{{times}}}}}"#
    )
}
