//! The metrics in the form of OTLP, for a collector: what `/metrics` has, under the same names.
//!
//! They are read from the registry that serves `/metrics`, and not by a second reader of the
//! library: each reader of the library costs every measurement once more (docs/adr/0060).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};
use prometheus::proto::{self, LabelPair, MetricFamily, MetricType};

use super::Metrics;
use crate::telemetry::MetricsExport;

/// How long the last transmission may take, when the service has ended.
const LAST: Duration = Duration::from_secs(2);

/// Sends the metrics time after time until `stopped`, and then once more.
pub(crate) async fn push(
    metrics: Metrics,
    export: MetricsExport,
    stopped: impl Future<Output = ()>,
) {
    let begun = SystemTime::now();
    let sending = async {
        loop {
            tokio::time::sleep(export.interval).await;
            export.send(points(&metrics.families(), begun)).await;
        }
    };
    tokio::select! {
        () = stopped => {}
        () = sending => {}
    }
    export.hurry();
    let last = export.send(points(&metrics.families(), begun));
    if tokio::time::timeout(LAST, last).await.is_err() {
        tracing::warn!("the last metrics did not reach the collector");
    }
}

/// All families, with values since `begun`.
fn points(families: &[MetricFamily], begun: SystemTime) -> Vec<Metric> {
    let moments = Moments {
        begun: nanoseconds(begun),
        now: nanoseconds(SystemTime::now()),
    };
    let metrics = families.iter().map(|family| Metric {
        name: family.name().to_owned(),
        description: family.help().to_owned(),
        unit: unit(family.name()).to_owned(),
        data: data(family, moments),
        ..Metric::default()
    });
    metrics.collect()
}

#[derive(Clone, Copy)]
struct Moments {
    begun: u64,
    now: u64,
}

fn nanoseconds(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The unit that a name says, as UCUM has it.
fn unit(name: &str) -> &'static str {
    let name = name.trim_end_matches("_total");
    [("_seconds", "s"), ("_bytes", "By"), ("_ratio", "1")]
        .into_iter()
        .find(|(end, _)| name.ends_with(end))
        .map_or("", |(_, unit)| unit)
}

fn data(family: &MetricFamily, moments: Moments) -> Option<Data> {
    let metrics = family.get_metric().iter();
    let cumulative = AggregationTemporality::Cumulative.into();
    let number = |metric: &proto::Metric, value: f64| NumberDataPoint {
        attributes: attributes(metric.get_label()),
        start_time_unix_nano: moments.begun,
        time_unix_nano: moments.now,
        value: Some(Number::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    match family.get_field_type() {
        MetricType::COUNTER => Some(Data::Sum(Sum {
            data_points: metrics
                .map(|metric| number(metric, metric.get_counter().get_value()))
                .collect(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        })),
        MetricType::GAUGE => Some(Data::Gauge(Gauge {
            data_points: metrics
                .map(|metric| number(metric, metric.get_gauge().get_value()))
                .collect(),
        })),
        MetricType::HISTOGRAM => Some(Data::Histogram(Histogram {
            data_points: metrics.map(|metric| histogram(metric, moments)).collect(),
            aggregation_temporality: cumulative,
        })),
        // There are none.
        MetricType::SUMMARY | MetricType::UNTYPED => None,
    }
}

fn histogram(metric: &proto::Metric, moments: Moments) -> HistogramDataPoint {
    let histogram = metric.get_histogram();
    let count = histogram.get_sample_count();
    let buckets = histogram.get_bucket().iter();
    let buckets = buckets.filter(|bucket| bucket.upper_bound().is_finite());
    let (mut bounds, mut counts, mut before) = (Vec::new(), Vec::new(), 0);
    for bucket in buckets {
        bounds.push(bucket.upper_bound());
        counts.push(bucket.cumulative_count().saturating_sub(before));
        before = bucket.cumulative_count();
    }
    counts.push(count.saturating_sub(before));
    HistogramDataPoint {
        attributes: attributes(metric.get_label()),
        start_time_unix_nano: moments.begun,
        time_unix_nano: moments.now,
        count,
        sum: Some(histogram.get_sample_sum()),
        bucket_counts: counts,
        explicit_bounds: bounds,
        ..HistogramDataPoint::default()
    }
}

fn attributes(labels: &[LabelPair]) -> Vec<KeyValue> {
    let labels = labels.iter().map(|label| KeyValue {
        key: label.name().to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(label.value().to_owned())),
        }),
        ..KeyValue::default()
    });
    labels.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_follow_from_names() {
        assert_eq!(unit("process_cpu_seconds_total"), "s");
        assert_eq!(unit("openlines_waiting_bytes"), "By");
        assert_eq!(unit("openlines_bucket_fill_ratio"), "1");
        assert_eq!(unit("openlines_calls_total"), "");
    }

    #[test]
    fn each_bucket_has_its_own_count() {
        let metrics = Metrics::new().unwrap();
        for (commands, fill) in [(1, 0.05), (1, 0.2), (2, 0.2), (100, 1.0)] {
            metrics.request_sent(commands, Some(fill));
        }
        let points = points(&metrics.families(), SystemTime::now());
        let find = |name: &str| points.iter().find(|metric| metric.name == name).unwrap();
        let Some(Data::Histogram(batches)) = &find("openlines_batch_commands").data else {
            panic!("not a histogram");
        };
        let [batches] = &*batches.data_points else {
            panic!("{batches:?}");
        };
        assert_eq!(
            batches.explicit_bounds,
            [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0]
        );
        assert_eq!(batches.bucket_counts, [2, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!((batches.count, batches.sum), (4, Some(104.0)));
        let refusals = find("openlines_refusals_total");
        assert!(refusals.description.starts_with("Calls that were not sent"));
        let Some(Data::Sum(refusals)) = &refusals.data else {
            panic!("not a sum");
        };
        assert!(refusals.is_monotonic);
    }
}
