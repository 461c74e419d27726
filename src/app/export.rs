//! Starts what a collector gets of this service.

use crate::metrics::{self, Metrics};
use crate::tasks::Tasks;
use crate::telemetry::{
    CollectorError, CollectorSettings, CollectorState, MetricsExport, OtelVariables,
};

/// Sends the metrics, if the settings ask for it. Returns the state of the collector, if the
/// process sends anything to one.
///
/// # Errors
///
/// [`CollectorError`].
pub(super) fn start(
    settings: &CollectorSettings,
    variables: &OtelVariables,
    metrics: &Metrics,
    tasks: &Tasks,
) -> Result<Option<CollectorState>, CollectorError> {
    let export = MetricsExport::of(settings, variables)?;
    let state = CollectorState::of(export.as_ref().map(MetricsExport::collector));
    if let Some(export) = export {
        let stopped = tasks.stopped().cancelled_owned();
        let pushing = metrics::push(metrics.clone(), export, stopped);
        tasks.spawn_lasting("metrics for the collector", pushing);
    }
    Ok(state)
}
