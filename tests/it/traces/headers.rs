//! A collector that asks for a key gets it, and nobody else sees it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use sandbox::{Portal, Sandbox};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};

use crate::support::admin::{free_address, until_sample};
use crate::support::process::{Files, Process, openlines, run};
use crate::support::requests::crm_message;
use crate::support::{WEBHOOK, tenants, until};

/// As it is sent.
const KEY: &str = "canary0collector,key%";
/// As settings have it.
const ENCODED: &str = "canary0collector%2Ckey%25";

/// A collector that takes only what has the key, and repeats what it was sent in its refusal.
#[derive(Clone, Default)]
struct Keyed {
    /// The values of `api-key` and `x-scope-orgid` of each transmission.
    shown: Arc<Mutex<Vec<[String; 2]>>>,
}

impl Keyed {
    async fn start(protocol: &str) -> (Self, SocketAddr) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        if protocol == "grpc" {
            let server = Server::builder()
                .add_service(TraceServiceServer::new(collector.clone()))
                .serve_with_incoming(TcpListenerStream::new(listener));
            tokio::spawn(server);
        } else {
            let router = Router::new().route("/v1/traces", post(over_http));
            let router = router.with_state(collector.clone());
            tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        }
        (collector, address)
    }

    /// Whether the key is right.
    fn note(&self, headers: &HeaderMap) -> bool {
        let value = |name: &str| {
            let value = headers.get(name).map(|value| value.to_str().unwrap());
            value.unwrap_or_default().to_owned()
        };
        let shown = [value("api-key"), value("x-scope-orgid")];
        let is_right = shown[0] == KEY;
        self.shown.lock().unwrap().push(shown);
        is_right
    }

    fn shown(&self) -> Vec<[String; 2]> {
        self.shown.lock().unwrap().clone()
    }
}

#[tonic::async_trait]
impl TraceService for Keyed {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let headers = request.metadata().clone().into_headers();
        if self.note(&headers) {
            Ok(Response::new(ExportTraceServiceResponse::default()))
        } else {
            Err(Status::unauthenticated(format!(
                "not you: {headers:?} {KEY}"
            )))
        }
    }
}

async fn over_http(State(collector): State<Keyed>, headers: HeaderMap) -> (StatusCode, String) {
    if collector.note(&headers) {
        (StatusCode::OK, String::new())
    } else {
        (StatusCode::UNAUTHORIZED, format!("not you: {KEY}"))
    }
}

/// The program with its finest log, all calls traced, after one call. Beside it the admin port.
async fn served(
    telemetry: &str,
    variables: &[(&str, &str)],
    sandbox: &Sandbox,
) -> (Process, SocketAddr) {
    let admin = free_address();
    let settings = format!(
        "server: {{listen: '127.0.0.1:0', drain_seconds: 1}}\n\
         admin: {{listen: '{admin}'}}\n\
         auth: {{mode: dangerous_none}}\n\
         log: {{filter: trace}}\n\
         telemetry: {{{telemetry}, sample_percent: 100}}\n"
    );
    let files = Files::write(&settings, &tenants(sandbox.address()));
    let settings = files.settings();
    let mut command = openlines(&["serve", "--config", settings.to_str().unwrap()]);
    command.envs(variables.iter().copied());
    let service = Process::start(command);
    let endpoint = format!("http://{}", service.address().await);
    let channel = Endpoint::from_shared(endpoint).unwrap();
    let channel = channel.connect().await.unwrap();
    let mut client = super::OpenLinesServiceClient::new(channel);
    let mut message = crm_message("Hello");
    message.tenant_id = WEBHOOK.to_owned();
    client.send_crm_message(message).await.unwrap();
    (service, admin)
}

async fn sandbox() -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Sandbox::start(listener, vec![Portal::demo()]).unwrap()
}

/// What the program wrote until its end.
async fn log_of(service: Process) -> String {
    service.terminate();
    let (status, log) = service.ended().await;
    assert!(status.success(), "{log}");
    log
}

#[tokio::test]
async fn the_collector_gets_its_headers_over_either_protocol_and_the_log_does_not() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headers");
    std::fs::write(&file, format!("api-key={ENCODED}\nX-Scope-OrgID = acme\n")).unwrap();
    let file = format!("otlp_headers_file: '{}'", file.display());
    let text = format!("api-key={ENCODED},x-scope-orgid=acme");
    let inline = format!("otlp_headers: '{text}'");
    for (protocol, settings, variables) in [
        ("grpc", &*file, vec![]),
        ("http", &*inline, vec![]),
        (
            "grpc",
            "service_name: x",
            vec![("OPENLINES_TELEMETRY_OTLP_HEADERS", &*text)],
        ),
        (
            "http",
            "service_name: x",
            vec![("OTEL_EXPORTER_OTLP_HEADERS", &*text)],
        ),
    ] {
        let (collector, address) = Keyed::start(protocol).await;
        let telemetry =
            format!("otlp_endpoint: 'http://{address}', otlp_protocol: {protocol}, {settings}");
        let (service, _) = served(&telemetry, &variables, &sandbox).await;
        until("the collector has the spans", || {
            !collector.shown().is_empty()
        })
        .await;
        let log = log_of(service).await;
        assert_eq!(collector.shown()[0], [KEY, "acme"], "{protocol} {settings}");
        assert!(!log.contains("canary0collector"), "{log}");
        assert!(!log.contains("are ignored"), "{log}");
    }
}

#[tokio::test]
async fn a_collector_that_refuses_the_headers_is_told_once_and_counted() {
    let sandbox = sandbox().await;
    for (protocol, answer) in [("grpc", "Unauthenticated"), ("http", "401")] {
        let (collector, address) = Keyed::start(protocol).await;
        let telemetry = format!(
            "otlp_endpoint: 'http://{address}', otlp_protocol: {protocol}, \
             otlp_headers: 'api-key=canary0collector-old'"
        );
        let (service, admin) = served(&telemetry, &[], &sandbox).await;
        // Of the call, and of its request to the portal.
        until_sample(admin, "openlines_traces_lost_total", 2).await;
        let log = log_of(service).await;
        let told: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("does not take what it is sent"))
            .collect();
        assert_eq!(told.len(), 1, "{log}");
        assert!(told[0].contains(answer), "{}", told[0]);
        assert!(told[0].contains("check telemetry.otlp_headers"), "{log}");
        assert!(!log.contains("canary0collector"), "{log}");
        // It is not asked again and again with the same key: the spans may come in two batches.
        assert!(collector.shown().len() <= 2, "{:?}", collector.shown());
    }
}

#[test]
fn headers_that_cannot_be_sent_end_the_start_and_are_not_quoted() {
    let settings = |telemetry: &str| {
        Files::write(
            &format!("auth: {{mode: dangerous_none}}\ntelemetry: {{{telemetry}}}\n"),
            "tenants: []\n",
        )
    };
    for (telemetry, place) in [
        (
            "otlp_endpoint: 'https://c', otlp_headers: 'canary0collector'",
            "telemetry.otlp_headers (OPENLINES_TELEMETRY_OTLP_HEADERS): ",
        ),
        (
            "otlp_headers: 'api-key=canary0collector'",
            "telemetry.otlp_headers (OPENLINES_TELEMETRY_OTLP_HEADERS): is given without",
        ),
        (
            "otlp_endpoint: 'http://c', otlp_headers: 'api-key=canary0collector'",
            "telemetry.otlp_headers (OPENLINES_TELEMETRY_OTLP_HEADERS): would be sent without TLS",
        ),
    ] {
        let files = settings(telemetry);
        let path = files.settings();
        let output = run(&["serve", "--config", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(64), "{telemetry}: {output:?}");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains(place), "{said}");
        assert!(!said.contains("canary0collector"), "{said}");
    }
}
