//! Whether the collector takes what it is sent, for `/ready`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Collector;

/// The time between two looks at a collector that is away.
const INTERVAL: Duration = Duration::from_secs(10);

/// The way of the process's traces.
static OF_TRACES: OnceLock<Arc<Collector>> = OnceLock::new();

/// The ways to the collector: of the process's traces, and of a service's metrics. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct CollectorState(Arc<[Arc<Collector>]>);

impl CollectorState {
    /// With the way of the metrics, if they are sent. `None` if nothing is sent at all.
    pub(crate) fn of(metrics: Option<&Arc<Collector>>) -> Option<Self> {
        let ways: Arc<[_]> = OF_TRACES
            .get()
            .into_iter()
            .chain(metrics)
            .cloned()
            .collect();
        (!ways.is_empty()).then_some(Self(ways))
    }

    /// Why it does not take what it is sent.
    pub(crate) fn problem(&self) -> Option<String> {
        let problems: Vec<String> = self.0.iter().filter_map(|way| way.problem()).collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// Looks, without end, whether a collector that is away is back.
    pub(crate) async fn look(&self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            for way in &*self.0 {
                way.look().await;
            }
        }
    }
}

impl Collector {
    /// The first one is that of the process's traces.
    pub(in crate::telemetry) fn publish(self: &Arc<Self>) {
        let _ = OF_TRACES.set(Arc::clone(self));
    }
}
