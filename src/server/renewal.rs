//! The wait of a call whose token names a key that its issuer's set does not have yet.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::call::Arrival;

/// Waits for what may prove the caller: until the deadline at the latest, and not longer than the
/// service runs. Later calls of the connection go first.
pub(super) async fn wait(
    arrival: Option<&Arrival>,
    deadline: Instant,
    renewal: impl Future<Output = ()>,
    terminated: &CancellationToken,
) {
    if let Some(arrival) = arrival {
        arrival.note_starved(true);
    }
    tokio::select! {
        _ = tokio::time::timeout_at(deadline, renewal) => {}
        () = terminated.cancelled() => {}
    }
    if let Some(arrival) = arrival {
        arrival.note_starved(false);
    }
}
