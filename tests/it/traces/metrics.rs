//! Metrics as a collector receives them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::support::admin::{free_address, metrics, sample};
use crate::support::requests::crm_message;
use crate::support::{World, until};

const LOST: &str = "openlines_metrics_lost_total";

/// A collector that keeps what it got last.
#[derive(Clone, Default)]
pub(super) struct Collector {
    latest: Arc<Mutex<Option<ResourceMetrics>>>,
    refused: Arc<Mutex<Refused>>,
}

/// What a collector does not take of a transmission.
#[derive(Clone, Copy, Default)]
pub(super) enum Refused {
    #[default]
    Nothing,
    Some,
    All,
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let rejected_data_points = match *self.refused.lock().unwrap() {
            Refused::All => return Err(Status::invalid_argument("not today")),
            Refused::Some => 3,
            Refused::Nothing => 0,
        };
        let mut resources = request.into_inner().resource_metrics;
        *self.latest.lock().unwrap() = resources.pop();
        Ok(Response::new(ExportMetricsServiceResponse {
            partial_success: Some(ExportMetricsPartialSuccess {
                rejected_data_points,
                error_message: String::new(),
            }),
        }))
    }
}

impl Collector {
    pub(super) async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder()
            .add_service(MetricsServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        (collector, address)
    }

    pub(super) fn refuse(&self, refused: Refused) {
        *self.refused.lock().unwrap() = refused;
    }

    /// What came last is as if it had not come.
    fn forget(&self) {
        *self.latest.lock().unwrap() = None;
    }

    fn metrics(&self) -> Vec<Metric> {
        let latest = self.latest.lock().unwrap();
        let scopes = latest.iter().flat_map(|latest| &latest.scope_metrics);
        scopes.flat_map(|scope| scope.metrics.clone()).collect()
    }

    fn resource(&self) -> BTreeMap<String, String> {
        let latest = self.latest.lock().unwrap();
        let resource = latest.as_ref().unwrap().resource.clone().unwrap();
        let attributes = resource.attributes.into_iter();
        attributes
            .map(|attribute| match attribute.value.unwrap().value {
                Some(Value::StringValue(text)) => (attribute.key, text),
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

/// The sum of a counter's points.
fn sum(metrics: &[Metric], name: &str) -> f64 {
    let metric = metrics.iter().find(|metric| metric.name == name);
    match metric.and_then(|metric| metric.data.as_ref()) {
        Some(Data::Sum(sum)) => sum
            .data_points
            .iter()
            .map(|point| match point.value {
                Some(Number::AsDouble(value)) => value,
                other => panic!("{other:?}"),
            })
            .sum(),
        _ => 0.0,
    }
}

#[tokio::test]
async fn the_collector_gets_the_metrics_of_the_page() {
    let (collector, address) = Collector::start().await;
    let admin = free_address();
    let mut world = World::with_settings(&[
        ("ADMIN_LISTEN", &*admin.to_string()),
        ("TELEMETRY_OTLP_ENDPOINT", &address),
        ("TELEMETRY_OTLP_METRICS", "true"),
        ("TELEMETRY_OTLP_METRICS_INTERVAL_SECONDS", "1"),
        ("TELEMETRY_RESOURCE_ATTRIBUTES", "k8s.pod.name=openlines-1"),
    ])
    .await;
    let mut client = world.client().await;
    let sent = client.send_crm_message(world.request(crm_message("Hello")));
    sent.await.unwrap();
    until("the collector has the call", || {
        sum(&collector.metrics(), "openlines_calls_total") > 0.0
    })
    .await;

    let page = metrics(admin).await;
    let served = page.lines().filter_map(|line| line.strip_prefix("# HELP "));
    let served: BTreeMap<&str, &str> = served.filter_map(|line| line.split_once(' ')).collect();
    let collected = collector.metrics();
    let collected: BTreeMap<&str, &str> = collected
        .iter()
        .map(|metric| (&*metric.name, &*metric.description))
        .collect();
    assert_eq!(collected, served);
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "bitrix24-openlines");
    assert_eq!(resource["k8s.pod.name"], "openlines-1");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));

    // What was counted after the last transmission comes at the end.
    let sent = client.send_crm_message(world.request(crm_message("Hello again")));
    sent.await.unwrap();
    drop(client);
    world.service.stop();
    world.service.stopped().await.unwrap();
    assert_eq!(
        sum(&collector.metrics(), "openlines_calls_total").to_bits(),
        2f64.to_bits()
    );
}

/// Waits until this replica has lost more transmissions than before, and returns how many.
async fn more_lost_than(before: u64, admin: SocketAddr) -> u64 {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let lost = sample(admin, LOST).await;
        if lost > before {
            return lost;
        }
        assert!(Instant::now() < limit, "still {lost} are lost");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A service that sends its metrics each second, and its admin port.
pub(super) async fn sending_metrics_to(collector: &str) -> (World, SocketAddr) {
    let admin = free_address();
    let world = World::with_settings(&[
        ("ADMIN_LISTEN", &*admin.to_string()),
        ("TELEMETRY_OTLP_ENDPOINT", collector),
        ("TELEMETRY_OTLP_METRICS", "true"),
        ("TELEMETRY_OTLP_METRICS_INTERVAL_SECONDS", "1"),
    ])
    .await;
    (world, admin)
}

#[tokio::test]
async fn transmissions_of_metrics_that_the_collector_refuses_are_counted() {
    let (collector, address) = Collector::start().await;
    collector.refuse(Refused::All);
    let (world, admin) = sending_metrics_to(&address).await;
    // It has started when it answers.
    let request = world.request(crm_message("Hello"));
    world
        .client()
        .await
        .send_crm_message(request)
        .await
        .unwrap();
    assert!(metrics(admin).await.contains(LOST), "not there at 0");
    let lost = more_lost_than(0, admin).await;
    assert!(collector.metrics().is_empty());

    collector.refuse(Refused::Some);
    until("a part is taken", || !collector.metrics().is_empty()).await;
    let lost = more_lost_than(lost, admin).await;

    // A collector that takes all has the number, and it stays. Each transmission waits for the one
    // before, so the second is certainly behind all that were refused.
    collector.refuse(Refused::Nothing);
    for _ in 0..2 {
        collector.forget();
        until("it gets more", || !collector.metrics().is_empty()).await;
    }
    let before = sum(&collector.metrics(), LOST);
    assert!(before >= f64::from(u32::try_from(lost).unwrap()));
    collector.forget();
    until("it gets more", || !collector.metrics().is_empty()).await;
    assert_eq!(sum(&collector.metrics(), LOST).to_bits(), before.to_bits());
}
