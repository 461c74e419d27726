//! Spans on their way to the collector. Those that it does not get are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};
use tokio::runtime::Handle;

use super::collector::{Collector, Signal};

/// The spans that may wait. Beyond it they are lost, so that a collector that is away costs some
/// megabytes at most.
const WAITING: usize = 4096;

/// What the library would lose without a word. Never reached, because ours is reached before.
const LIBRARYS_WAITING: usize = 2 * WAITING;

/// The spans of one transmission.
const BATCH: usize = 512;

/// How long a span waits for others.
const LINGER: Duration = Duration::from_secs(5);

/// The spans of the process that were lost.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many spans the process has lost: the collector was away, refused them, or was too slow.
pub(crate) fn lost_spans() -> u64 {
    LOST.load(Ordering::Relaxed)
}

fn lose(spans: usize) {
    LOST.fetch_add(u64::try_from(spans).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// The spans that have ended and were not sent yet.
#[derive(Debug, Default)]
struct Waiting(AtomicUsize);

impl Waiting {
    /// Whether there is room for one more, which is taken then.
    fn enter(&self) -> bool {
        let more = |waiting| (waiting < WAITING).then_some(waiting + 1);
        let relaxed = Ordering::Relaxed;
        self.0.fetch_update(relaxed, relaxed, more).is_ok()
    }

    fn leave(&self, spans: usize) {
        self.0.fetch_sub(spans, Ordering::Relaxed);
    }

    /// Those that are left when nothing is sent any more.
    fn left(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// The library's batches, with a bound of ours in front of them.
#[derive(Debug)]
pub(super) struct Batches {
    library: BatchSpanProcessor,
    waiting: Arc<Waiting>,
    collector: Arc<Collector>,
}

impl Batches {
    /// On this runtime.
    pub(super) fn to(collector: Arc<Collector>) -> Self {
        let waiting = Arc::<Waiting>::default();
        let exporter = Exporter {
            collector: Arc::clone(&collector),
            waiting: Arc::clone(&waiting),
            runtime: Handle::current(),
            resource: ResourceAttributesWithSchema::default(),
        };
        // All of it, because the library would read the environment for the rest.
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(LIBRARYS_WAITING)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(LINGER)
            .build();
        Self {
            library: BatchSpanProcessor::new(exporter, config),
            waiting,
            collector,
        }
    }
}

impl SpanProcessor for Batches {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.library.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.waiting.enter() {
            self.library.on_end(span);
        } else {
            lose(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.library.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.collector.hurry();
        let ended = self.library.shutdown_with_timeout(timeout);
        let left = self.waiting.left();
        lose(left);
        if left > 0 {
            tracing::warn!(spans = left, "the last spans did not reach the collector");
        }
        ended
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.library.set_resource(resource);
    }
}

/// Sends batches, from the thread of the library.
#[derive(Debug)]
struct Exporter {
    collector: Arc<Collector>,
    waiting: Arc<Waiting>,
    /// Where the connection is.
    runtime: Handle,
    resource: ResourceAttributesWithSchema,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
        };
        let collector = Arc::clone(&self.collector);
        let sending = self.runtime.spawn(async move {
            let sent = collector.send::<_, ExportTraceServiceResponse>(Signal::Traces, request);
            sent.await
        });
        let sent = sending.await;
        self.waiting.leave(spans);
        match sent {
            Ok(Ok(response)) => {
                let refused = response.partial_success.unwrap_or_default().rejected_spans;
                lose(usize::try_from(refused).unwrap_or_default());
                Ok(())
            }
            Ok(Err(not_taken)) => {
                lose(spans);
                Err(OTelSdkError::InternalFailure(not_taken.to_string()))
            }
            // The runtime has ended.
            Err(_) => {
                lose(spans);
                Err(OTelSdkError::AlreadyShutdown)
            }
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}
