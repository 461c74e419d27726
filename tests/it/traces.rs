//! Traces and metrics as a collector receives them, from the real program.

mod away;
mod headers;
mod metrics;
mod ready;
mod streams;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use sandbox::{Portal, Sandbox, demo};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::support::admin::free_address;
use crate::support::certificate::Pair;
use crate::support::process::{Files, Process, openlines, run};
use crate::support::requests::crm_message;
use crate::support::until;

const CALLERS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLERS_SPAN: &str = "b7ad6b7169203331";

/// A collector that keeps every span.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let spans = resources
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans);
        self.spans.lock().unwrap().extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, SocketAddr) {
        Self::serve(Server::builder()).await
    }

    /// With a certificate for `localhost`.
    async fn start_with(certificate: &Pair) -> (Self, SocketAddr) {
        let key = std::fs::read(certificate.private_key()).unwrap();
        let identity = Identity::from_pem(&certificate.pem, key);
        let tls = ServerTlsConfig::new().identity(identity);
        Self::serve(Server::builder().tls_config(tls).unwrap()).await
    }

    async fn serve(server: Server) -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve_at(server, listener)
    }

    fn serve_at(mut server: Server, listener: TcpListener) -> (Self, SocketAddr) {
        let collector = Self::default();
        let address = listener.local_addr().unwrap();
        let server = server
            .add_service(TraceServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        (collector, address)
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_call_is_one_span_below_the_callers_with_one_span_for_its_portal_request() {
    let (collector, spans) = traced(true, "Hello").await;
    assert_eq!(spans.len(), 2, "{:?}", collector.spans());
    let (call, portal) = (&spans[0], &spans[1]);

    assert_eq!(call.name, "openlines.v1.OpenLinesService/SendCrmMessage");
    assert_eq!(call.kind(), SpanKind::Server);
    assert_eq!(hex(&call.trace_id), CALLERS_TRACE);
    assert_eq!(hex(&call.parent_span_id), CALLERS_SPAN);
    assert_eq!(text(call, "rpc.system.name"), "grpc");
    assert_eq!(text(call, "rpc.method"), call.name);
    assert_eq!(text(call, "rpc.response.status_code"), "OK");
    assert_eq!(text(call, "call_id"), "traced-1");

    assert_eq!(portal.name, "POST imopenlines.crm.message.add");
    assert_eq!(portal.kind(), SpanKind::Client);
    assert_eq!(portal.trace_id, call.trace_id);
    assert_eq!(portal.parent_span_id, call.span_id);
    assert_eq!(text(portal, "http.request.method"), "POST");
    assert_eq!(text(portal, "server.address"), "127.0.0.1");
    assert_eq!(text(portal, "http.response.status_code"), "200");
    assert!(!format!("{spans:?}").contains(demo::WEBHOOK_SECRET));
}

#[tokio::test]
async fn a_collector_with_tls_gets_the_same() {
    let certificate = Pair::make();
    let (collector, address) = Collector::start_with(&certificate).await;
    let settings = format!(
        "otlp_endpoint: 'https://localhost:{}', otlp_ca_file: '{}'",
        address.port(),
        certificate.certificate().display()
    );
    let (_, spans) = traced_to(collector, &settings, true, "Hello").await;
    let kinds: Vec<SpanKind> = spans.iter().map(Span::kind).collect();
    assert_eq!(kinds, [SpanKind::Server, SpanKind::Client]);
    assert_eq!(hex(&spans[0].trace_id), CALLERS_TRACE);
}

#[tokio::test]
async fn a_refusal_of_the_portal_marks_the_spans() {
    let (_, spans) = traced(true, "refused").await;
    let (call, portal) = (&spans[0], &spans[1]);
    assert_eq!(
        text(call, "rpc.response.status_code"),
        "FAILED_PRECONDITION"
    );
    // The caller's or the portal's fault is no failure of this server.
    assert_eq!(
        call.status.clone().unwrap_or_default().code(),
        StatusCode::Unset
    );
    assert_eq!(text(portal, "error.type"), "refused");
    assert_eq!(text(portal, "http.response.status_code"), "400");
    assert_eq!(
        portal.status.clone().unwrap_or_default().code(),
        StatusCode::Error
    );
}

#[tokio::test]
async fn a_caller_that_does_not_sample_is_not_traced() {
    let (_, spans) = traced(false, "Hello").await;
    assert!(spans.is_empty(), "{spans:?}");
}

/// As [`traced_to`] a collector without TLS.
async fn traced(sampled: bool, text: &str) -> (Collector, Vec<Span>) {
    let (collector, address) = Collector::start().await;
    traced_to(
        collector,
        &format!("otlp_endpoint: 'http://{address}'"),
        sampled,
        text,
    )
    .await
}

/// A service whose traces go to a collector, with the tenant `hook`.
struct Traced {
    service: Process,
    client: OpenLinesServiceClient<Channel>,
    admin: SocketAddr,
    _sandbox: Sandbox,
    _files: Files,
}

impl Traced {
    /// With these settings of the collector, and a share of calls that are traced.
    async fn start(settings: &str, percent: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let admin = free_address();
        let files = Files::write(
            &format!(
                "admin: {{listen: '{admin}'}}\n\
                 server: {{listen: '127.0.0.1:0', drain_seconds: 1}}\n\
                 auth: {{mode: dangerous_none}}\n\
                 telemetry: {{{settings}, sample_percent: {percent}}}\n"
            ),
            &format!(
                "tenants:\n- {{id: hook, portal: 'http://{}', webhook: {{user_id: {}, secret: {{inline: '{}'}}}}}}\n",
                sandbox.address(),
                demo::OWNER,
                demo::WEBHOOK_SECRET
            ),
        );
        let settings = files.settings();
        let settings = settings.to_str().unwrap();
        let check = run(&["serve", "--check", "--config", settings]);
        assert!(check.status.success(), "{check:?}");
        let service = Process::start(openlines(&["serve", "--config", settings]));
        let endpoint = format!("http://{}", service.address().await);
        let channel = Endpoint::from_shared(endpoint).unwrap().connect().await;
        Self {
            service,
            client: OpenLinesServiceClient::new(channel.unwrap()),
            admin,
            _sandbox: sandbox,
            _files: files,
        }
    }

    /// Stops the service when its log has this text. All spans have been sent then. Gives the log.
    async fn stop_after(self, text: &str) -> String {
        until("the log has the call", || {
            self.service.output().contains(text)
        })
        .await;
        self.service.terminate();
        let (status, log) = self.service.ended().await;
        assert!(status.success(), "{log}");
        log
    }
}

/// A request with the caller's trace.
fn with_trace<M>(message: M, sampled: bool) -> Request<M> {
    let flags = if sampled { "01" } else { "00" };
    let mut request = Request::new(message);
    let traceparent = format!("00-{CALLERS_TRACE}-{CALLERS_SPAN}-{flags}");
    let metadata = request.metadata_mut();
    metadata.insert("traceparent", traceparent.parse().unwrap());
    metadata.insert("x-request-id", "traced-1".parse().unwrap());
    request
}

/// Makes one call with a caller's trace, and returns what the collector has when the program has
/// ended: the call's span and those below it.
async fn traced_to(
    collector: Collector,
    settings: &str,
    sampled: bool,
    text: &str,
) -> (Collector, Vec<Span>) {
    let mut traced = Traced::start(settings, 100).await;
    let mut message = crm_message("Hello");
    message.tenant_id = "hook".to_owned();
    if text == "refused" {
        message.portal_chat_id += 1;
    }
    let request = with_trace(message, sampled);
    let answer = traced.client.send_crm_message(request).await;
    assert_eq!(answer.is_err(), text == "refused", "{answer:?}");
    let log = traced.stop_after("traced-1").await;
    assert!(
        log.contains(CALLERS_TRACE),
        "the log names the trace: {log}"
    );

    let mut spans = collector.spans();
    spans.sort_by_key(|span| span.kind() != SpanKind::Server);
    (collector, spans)
}

fn text(span: &Span, key: &str) -> String {
    let attribute = span
        .attributes
        .iter()
        .find(|attribute| attribute.key == key);
    match attribute.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{key} is {other:?} in {span:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
