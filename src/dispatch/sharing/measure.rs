//! The metrics of sharing.

use tokio::sync::watch;

use super::registry::SharingState;
use crate::metrics::Metrics;

/// Keeps the metrics of living replicas and of isolation up to date, until the senders are dropped.
pub(crate) async fn measure(
    mut living: watch::Receiver<u32>,
    mut state: watch::Receiver<SharingState>,
    metrics: Metrics,
) {
    loop {
        let counted = *living.borrow_and_update();
        metrics.replicas_counted(usize::try_from(counted).unwrap_or(usize::MAX));
        metrics.sharing_isolated(*state.borrow_and_update() == SharingState::Isolated);
        let changed = tokio::select! {
            changed = living.changed() => changed,
            changed = state.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}
