//! When a connection ends because a proxy in front of the portal would end it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::sync::Notify;

use crate::switches::Switches;

/// The limits of a connection, as they were when it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionLimits {
    /// How many requests it carries.
    pub(super) requests: Option<u32>,
    /// How long it may be without a request.
    pub(super) idle: Option<Duration>,
    pub(super) offers_http2: bool,
}

impl ConnectionLimits {
    pub(super) fn of(switches: &Switches) -> Self {
        Self {
            requests: switches.connection_requests,
            idle: switches.connection_idle_ms.map(Duration::from_millis),
            offers_http2: switches.http2,
        }
    }
}

/// The requests of a connection.
#[derive(Debug, Default)]
pub(super) struct Requests {
    begun: AtomicU32,
    in_progress: AtomicU32,
    changed: Notify,
}

impl Requests {
    /// A request begins. Returns which one it is, from 1.
    pub(super) fn begin(self: &Arc<Self>) -> (u32, InProgress) {
        self.in_progress.fetch_add(1, Ordering::AcqRel);
        let number = self.begun.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        self.changed.notify_one();
        (number, InProgress(Arc::clone(self)))
    }

    /// Waits until there was no request for so long.
    async fn idle_for(&self, limit: Duration) {
        loop {
            let is_idle = self.in_progress.load(Ordering::Acquire) == 0;
            let changed = self.changed.notified();
            if !is_idle {
                changed.await;
            } else if tokio::time::timeout(limit, changed).await.is_err() {
                return;
            }
        }
    }
}

/// A request in progress, until it is dropped.
pub(super) struct InProgress(Arc<Requests>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.in_progress.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}

/// Serves a connection, until it was without a request for too long.
pub(super) async fn serve<C: GracefulConnection>(
    connection: C,
    requests: &Requests,
    idle: Option<Duration>,
) -> C::Output {
    let mut connection = pin!(connection);
    let ending = async {
        match idle {
            Some(limit) => requests.idle_for(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = ending => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}
