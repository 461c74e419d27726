//! Metrics on their way to the collector. Transmissions that it does not take are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::collector::{Collector, CollectorError, Signal};
use super::resource::Attributes;
use super::{CollectorSettings, OtelVariables};
use crate::version::VERSION;

/// The transmissions of the process that were lost.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many transmissions of metrics the process has lost: the collector was away, refused them,
/// all or in part, or was too slow.
pub(crate) fn lost_transmissions() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// The collector that gets the metrics.
#[derive(Debug)]
pub(crate) struct MetricsExport {
    collector: Arc<Collector>,
    resource: Resource,
    /// The time between two transmissions.
    pub(crate) interval: Duration,
}

impl MetricsExport {
    /// If the settings ask for it.
    ///
    /// # Errors
    ///
    /// [`CollectorError`].
    pub(crate) fn of(
        settings: &CollectorSettings,
        variables: &OtelVariables,
    ) -> Result<Option<Self>, CollectorError> {
        if !settings.otlp_metrics {
            return Ok(None);
        }
        Ok(Collector::of(settings, variables)?.map(|collector| Self {
            collector: Arc::new(collector),
            resource: Attributes::of(settings, variables).of_proto(),
            interval: settings.otlp_metrics_interval,
        }))
    }

    /// The way that they take.
    pub(crate) fn collector(&self) -> &Arc<Collector> {
        &self.collector
    }

    /// Sends all metrics. A failure is told by the log and counted; the next transmission has
    /// newer values.
    pub(crate) async fn send(&self, metrics: Vec<Metric>) {
        let scope = InstrumentationScope {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: VERSION.to_owned(),
            ..InstrumentationScope::default()
        };
        let metrics = ScopeMetrics {
            scope: Some(scope),
            metrics,
            ..ScopeMetrics::default()
        };
        let metrics = ResourceMetrics {
            resource: Some(self.resource.clone()),
            scope_metrics: vec![metrics],
            ..ResourceMetrics::default()
        };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![metrics],
        };
        let sent = self.collector.send(Signal::Metrics, request).await;
        let answer: Result<ExportMetricsServiceResponse, _> = sent;
        let Ok(answer) = answer else {
            LOST.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let refused = answer.partial_success.unwrap_or_default();
        if refused.rejected_data_points > 0 {
            LOST.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                points = refused.rejected_data_points,
                "the collector refused some of the metrics"
            );
        }
    }

    /// From now on a transmission that fails is not repeated.
    pub(crate) fn hurry(&self) {
        self.collector.hurry();
    }
}
