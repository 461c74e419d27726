//! Single values of the metrics, for the status page.

use std::collections::BTreeMap;

use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::Metrics;

/// The metrics at one moment.
#[derive(Debug)]
pub(crate) struct Summary(Vec<MetricFamily>);

impl Metrics {
    pub(crate) fn summary(&self) -> Summary {
        Summary(self.0.registry.gather())
    }
}

impl Summary {
    /// The sum of all series of a counter or gauge with this label; all of them without one.
    pub(crate) fn sum(&self, name: &str, label: Option<(&str, &str)>) -> f64 {
        let series = self.series(name);
        series
            .filter(|(metric, _)| label.is_none_or(|(name, value)| has(metric, name) == value))
            .map(|(_, value)| value)
            .sum()
    }

    /// The sums by the values of a label.
    pub(crate) fn sums_by(&self, name: &str, label: &str) -> BTreeMap<&str, f64> {
        let mut sums = BTreeMap::new();
        for (metric, value) in self.series(name) {
            *sums.entry(has(metric, label)).or_default() += value;
        }
        sums
    }

    fn series<'a>(&'a self, name: &str) -> impl Iterator<Item = (&'a Metric, f64)> + use<'a> {
        let family = self.0.iter().find(|family| family.name() == name);
        let is_counter =
            family.is_some_and(|family| family.get_field_type() == MetricType::COUNTER);
        let series = family.map(MetricFamily::get_metric).unwrap_or_default();
        series.iter().map(move |metric| {
            let value = if is_counter {
                metric.get_counter().get_value()
            } else {
                metric.get_gauge().get_value()
            };
            (metric, value)
        })
    }
}

/// The value of a label, empty without one.
fn has<'a>(metric: &'a Metric, label: &str) -> &'a str {
    let labels = metric.get_label().iter();
    let mut values = labels.filter(|pair| pair.name() == label);
    values.next().map_or("", |pair| pair.value())
}
