//! The metrics as they are read.

use prometheus::TextEncoder;
use prometheus::proto::MetricFamily;

use super::{Metrics, all_metrics};

impl Metrics {
    /// All of it in Prometheus' text format.
    ///
    /// # Errors
    ///
    /// The registry cannot be written, which is a fault of the program.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.families())
    }

    /// All of it, each with its meaning as docs/metrics.md has it.
    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let mut families = self.0.registry.gather();
        for family in &mut families {
            let name = family.name();
            let known = all_metrics().find(|metric| metric.name == name);
            if let Some(metric) = known {
                // Backticks are for the page.
                family.set_help(metric.meaning.replace('`', ""));
            }
        }
        families
    }
}
