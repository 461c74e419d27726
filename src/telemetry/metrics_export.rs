//! Metrics on their way to the collector.

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

/// The collector that gets the metrics.
#[derive(Debug)]
pub(crate) struct MetricsExport {
    collector: Collector,
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
        Ok(Collector::of(settings)?.map(|collector| Self {
            collector,
            resource: Attributes::of(settings, variables).of_proto(),
            interval: settings.otlp_metrics_interval,
        }))
    }

    /// Sends all metrics. A failure is told by the log; the next transmission has newer values.
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
        let refused = answer.ok().and_then(|answer| answer.partial_success);
        if let Some(refused) = refused.filter(|refused| refused.rejected_data_points > 0) {
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
