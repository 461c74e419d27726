//! What people can see of the sharing.

use tokio::sync::watch;

use super::State;
use crate::metrics::Metrics;

/// Keeps the metrics at how many replicas live and whether they can ask each other, until nobody says so any more.
pub async fn measure(
    mut living: watch::Receiver<u32>,
    mut state: watch::Receiver<State>,
    metrics: Metrics,
) {
    loop {
        let counted = *living.borrow_and_update();
        metrics.replicas_counted(usize::try_from(counted).unwrap_or(usize::MAX));
        metrics.sharing_database_away(*state.borrow_and_update() == State::Alone);
        let changed = tokio::select! {
            changed = living.changed() => changed,
            changed = state.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}
