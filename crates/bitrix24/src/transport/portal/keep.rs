//! What keeps a connection of HTTP/2 running: one task, for all requests that share it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::Portal;
use crate::transport::connector::Http2Connection;
use crate::transport::http2::Http2;

/// Reads and writes until the connection ends. Whoever waits for a place looks again when the
/// server changes how many requests it takes at once.
pub(super) fn driven(
    mut connection: Box<Http2Connection>,
    http2: Weak<Http2>,
) -> impl Future<Output = ()> {
    let mut maximum = connection.max_concurrent_send_streams();
    poll_fn(move |context| {
        let ended = Pin::new(&mut *connection).poll(context).map(drop);
        let now = connection.max_concurrent_send_streams();
        if now != std::mem::replace(&mut maximum, now)
            && let Some(http2) = http2.upgrade()
        {
            http2.look_again();
        }
        ended
    })
}

/// Drives a connection until it ends or is idle for too long.
pub(super) async fn keep(
    connection: impl Future<Output = ()>,
    http2: Weak<Http2>,
    portal: Weak<Portal>,
    idle: Duration,
) {
    let mut connection = pin!(connection);
    while let (Some(known), Some(from)) = (http2.upgrade(), portal.upgrade()) {
        // Nobody else finds it then, and there is nothing to forget.
        if !from.has(&known) {
            break;
        }
        let is_in_use = Arc::strong_count(&known) > 2;
        let since = if is_in_use {
            Instant::now()
        } else {
            known.used()
        };
        drop((known, from));
        let ended = tokio::time::timeout_at(since + idle, &mut connection).await;
        let known = http2.upgrade().zip(portal.upgrade());
        if ended.is_ok() {
            if let Some((known, from)) = known {
                from.forget(&known);
            }
            return;
        }
        if let Some((known, from)) = known {
            from.forget_if_idle(&known, idle);
        }
    }
    // The requests that still have it go on, and the last of them ends it.
    connection.await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use super::*;
    use crate::transport::http2::InUse;
    use crate::transport::testing;

    const IDLE: Duration = Duration::from_millis(1);

    /// A connection on which nothing happens, and how often it was asked.
    fn counted() -> (impl Future<Output = ()> + Send + 'static, Arc<AtomicUsize>) {
        let polls = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&polls);
        let connection = poll_fn(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Poll::Pending
        });
        (connection, polls)
    }

    /// Lets the other tasks of this runtime run, in turn, far more often than they need.
    async fn others_run() {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_connection_that_takes_no_more_requests_is_left_alone_until_those_it_has_end() {
        let portal = testing::portal(IDLE);
        let http2 = testing::http2().await;
        portal.remember(&http2);
        let request = InUse(Arc::clone(&http2));
        let (connection, polls) = counted();
        let (weak, from) = (Arc::downgrade(&http2), Arc::downgrade(&portal));
        drop(http2);
        let keeping = tokio::spawn(keep(connection, weak, from, IDLE));
        // As a `GOAWAY` does, long after the last request before this one.
        tokio::time::sleep(3 * IDLE).await;
        portal.forget(&request.0);
        let before = polls.load(Ordering::Relaxed);
        others_run().await;
        tokio::time::sleep(3 * IDLE).await;
        others_run().await;
        // When it wakes next, and when it waits for the end.
        let after = polls.load(Ordering::Relaxed);
        assert!(after <= before + 2, "{before}, then {after}");
        assert!(!keeping.is_finished());
    }
}
