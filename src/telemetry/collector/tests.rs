use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry::trace::{Tracer, TracerProvider};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Response, Status};

use super::*;
use crate::telemetry::settings::collector;
use crate::telemetry::spans::{Batches, lost_spans};

/// A collector that refuses so many spans of each transmission.
struct Refusing(i64);

#[tonic::async_trait]
impl TraceService for Refusing {
    async fn export(
        &self,
        _request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let partial_success = ExportTracePartialSuccess {
            rejected_spans: self.0,
            error_message: String::new(),
        };
        Ok(Response::new(ExportTraceServiceResponse {
            partial_success: Some(partial_success),
        }))
    }
}

fn serve(listener: TcpListener, collector: impl TraceService) {
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(collector))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
}

fn at(address: SocketAddr) -> Collector {
    let endpoint = format!("http://{address}");
    let settings = collector(&[("TELEMETRY_OTLP_ENDPOINT", &endpoint)]);
    let variables = OtelVariables::default();
    Collector::of(&settings, &variables).unwrap().unwrap()
}

async fn send(collector: &Collector) -> bool {
    let request = ExportTraceServiceRequest::default();
    let sent: Result<ExportTraceServiceResponse, _> = collector.send(Signal::Traces, request).await;
    sent.is_ok()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_collector_that_goes_is_told_once_and_its_return_too() {
    let log = Log::default();
    // With a single subscriber in the process, a line that another thread comes to first would be
    // switched off by that thread, which has none.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _logging = tracing::subscriber::set_default({
        let log = log.clone();
        tracing_subscriber::fmt()
            .with_writer(move || log.clone())
            .with_ansi(false)
            .finish()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let collector = at(address);
    // Without waiting for retries.
    collector.hurry();
    assert!(!send(&collector).await);
    assert!(!send(&collector).await);
    serve(TcpListener::bind(address).await.unwrap(), Refusing(0));
    // The connection is made anew when it is needed.
    while !send(&collector).await {}
    assert!(send(&collector).await);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("signal=\"traces\""))
        .collect();
    let [away, again] = &*lines else {
        panic!("{text}");
    };
    assert!(
        away.contains("WARN") && away.contains("does not take"),
        "{away}"
    );
    assert!(again.contains("INFO") && again.contains("again"), "{again}");
}

/// A collector that takes nothing but transmissions without content.
struct Particular;

#[tonic::async_trait]
impl TraceService for Particular {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if request.into_inner().resource_spans.is_empty() {
            return Ok(Response::new(ExportTraceServiceResponse::default()));
        }
        Err(Status::invalid_argument("not these"))
    }
}

#[tokio::test]
async fn a_collector_that_is_back_is_noticed_without_anything_to_send() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let collector = at(address);
    collector.hurry();
    assert_eq!(collector.problem(), None);
    assert!(!send(&collector).await);
    let problem = collector.problem().unwrap();
    assert!(
        problem.starts_with("traces: it cannot be reached: "),
        "{problem}"
    );
    collector.look().await;
    assert!(collector.problem().is_some());
    serve(TcpListener::bind(address).await.unwrap(), Refusing(0));
    // The connection is made anew when it is needed.
    while collector.problem().is_some() {
        collector.look().await;
    }
}

#[tokio::test]
async fn what_a_collector_does_not_want_is_not_forgotten_because_it_takes_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let collector = at(listener.local_addr().unwrap());
    serve(listener, Particular);
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans::default()],
    };
    let sent: Result<ExportTraceServiceResponse, _> = collector.send(Signal::Traces, request).await;
    sent.unwrap_err();
    collector.look().await;
    let problem = collector.problem();
    assert_eq!(
        problem.as_deref(),
        Some("traces: it answers InvalidArgument: not these")
    );
    assert!(send(&collector).await);
    assert_eq!(collector.problem(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn spans_that_the_collector_does_not_get_are_counted() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = nobody.local_addr().unwrap();
    drop(nobody);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refusing = listener.local_addr().unwrap();
    serve(listener, Refusing(2));
    for (collector, lost) in [(away, 3), (refusing, 2)] {
        let before = lost_spans();
        let batches = Batches::to(Arc::new(at(collector)));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(batches)
            .build();
        for _ in 0..3 {
            provider.tracer("test").start("span");
        }
        let stopping = tokio::task::spawn_blocking(move || provider.shutdown());
        let _ = stopping.await.unwrap();
        assert!(lost_spans() >= before + lost, "{before} {}", lost_spans());
    }
}
