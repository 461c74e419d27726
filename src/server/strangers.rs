//! Requests that are refused because of their headers: without a valid credential, or no calls of
//! gRPC. They hold nothing, are slowed by connection, and are told in the log together.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::conduct::Turn;
use super::peer::Peer;
use crate::auth::Rejected;
use crate::metrics::Metrics;

/// The credential may be right: the issuer's keys cannot be had now.
const KEY_SET_UNAVAILABLE: &str = Rejected::KeySetUnavailable.as_str();

/// All that were refused.
#[derive(Debug)]
pub(super) struct Strangers {
    refusals_per_second: u32,
    untold: Mutex<BTreeMap<&'static str, Untold>>,
    metrics: Metrics,
}

/// Refusals for one reason since the last line in the log.
#[derive(Debug, Default)]
struct Untold {
    requests: u64,
    connections_closed: u64,
    latest: String,
}

impl Strangers {
    pub(super) fn new(refusals_per_second: u32, metrics: Metrics) -> Self {
        Self {
            refusals_per_second,
            untold: Mutex::default(),
            metrics,
        }
    }

    /// Counts a refusal, and says when it is to be answered, if not at once. A peer that goes too
    /// far loses its connection, unless calls of known callers come over it, too: then it may be a
    /// proxy.
    /// `latest` is an example, for the log.
    pub(super) fn refuse(
        &self,
        reason: &'static str,
        latest: &str,
        peer: &Peer,
    ) -> Option<Instant> {
        self.metrics.stranger_refused(reason);
        let turn = if peer.is_authenticated() || reason == KEY_SET_UNAVAILABLE {
            Turn::Now
        } else {
            let conduct = peer.conduct();
            conduct.refuse(Instant::now(), self.refusals_per_second)
        };
        let mut untold = self.untold();
        let untold = untold.entry(reason).or_default();
        untold.requests += 1;
        latest.clone_into(&mut untold.latest);
        match turn {
            Turn::Now => None,
            Turn::At(later) => Some(later),
            Turn::Leave { first } => {
                untold.connections_closed += u64::from(first);
                peer.leave();
                None
            }
            Turn::Cut => {
                peer.cut();
                None
            }
        }
    }

    /// Writes a line for each reason, every `interval` in which there were refusals.
    pub(super) async fn report(&self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            self.tell();
        }
    }

    /// Writes what has not been told.
    pub(super) fn tell(&self) {
        let untold = std::mem::take(&mut *self.untold());
        for (reason, refused) in untold {
            tracing::warn!(
                reason,
                requests = refused.requests,
                connections_closed = refused.connections_closed,
                latest = refused.latest,
                "requests without a valid credential were refused"
            );
        }
    }
    fn untold(&self) -> MutexGuard<'_, BTreeMap<&'static str, Untold>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
