//! The request that the service stops.

use tokio_util::sync::{CancellationToken, DropGuard};

/// The request that the service stops, as SIGTERM makes it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    requested: CancellationToken,
    at_once: CancellationToken,
}

impl Stop {
    /// Requests a graceful shutdown. The second time it requests that it ends at once: calls in
    /// progress are answered with what is known of them.
    pub fn request(&self) {
        if self.requested.is_cancelled() {
            self.at_once.cancel();
        } else {
            self.requested.cancel();
        }
    }

    /// Completes when a shutdown was requested.
    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Completes when the end was requested a second time.
    pub async fn at_once(&self) {
        self.at_once.cancelled().await;
    }

    /// Whether the end was requested a second time.
    pub fn is_at_once(&self) -> bool {
        self.at_once.is_cancelled()
    }

    /// Requests a graceful shutdown when it is dropped.
    pub fn on_drop(&self) -> DropGuard {
        self.requested.clone().drop_guard()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::Stop;

    #[test]
    fn the_second_request_and_no_other_is_to_end_at_once() {
        let stop = Stop::default();
        assert!(stop.requested().now_or_never().is_none());
        stop.request();
        assert!(stop.requested().now_or_never().is_some());
        assert!(stop.at_once().now_or_never().is_none() && !stop.is_at_once());
        stop.request();
        assert!(stop.at_once().now_or_never().is_some() && stop.is_at_once());
    }
}
