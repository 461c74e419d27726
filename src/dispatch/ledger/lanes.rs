//! What is to be written to the ledger, and the ways to its writers.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::backlog::Backlog;
use super::ending::{Ended, Ending};
use super::error::Unavailable;
use super::held::Held;
use crate::metrics::Metrics;
use store::Store;
use store::ledger::Start;

#[derive(Debug)]
pub(super) enum Write {
    /// Calls that are about to be sent.
    Start {
        starts: Vec<Start>,
        reply: oneshot::Sender<Started>,
    },
    /// Outcomes of calls.
    End(Ended),
}

/// The ways to the writers. Cheap to clone.
///
/// In an SQLite file one transaction holds both, and outcomes wait a moment for one. PostgreSQL
/// executes them side by side: what was sent does not wait for what is about to be.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    starts: mpsc::UnboundedSender<Write>,
    ends: Ends,
    pub(super) backlog: Arc<Backlog>,
}

/// The way of outcomes.
#[derive(Clone, Debug)]
enum Ends {
    Held(Arc<Held>),
    Lane(mpsc::UnboundedSender<Write>),
}

/// What a writer receives.
pub(super) struct Received {
    pub(super) writes: mpsc::UnboundedReceiver<Write>,
    /// Outcomes that it takes along.
    pub(super) held: Option<Arc<Held>>,
}

impl Lanes {
    /// And what their writers receive.
    pub(super) fn of(store: &Store, metrics: Metrics) -> (Self, Vec<Received>) {
        let backlog = Arc::new(Backlog::new(metrics));
        let (starts, writes) = mpsc::unbounded_channel();
        let (ends, received) = if store.is_shared() {
            let (ends, written) = mpsc::unbounded_channel();
            let received = [writes, written].map(|writes| Received { writes, held: None });
            (Ends::Lane(ends), received.into())
        } else {
            let held = Arc::<Held>::default();
            let ends = Ends::Held(Arc::clone(&held));
            let held = Some(held);
            (ends, vec![Received { writes, held }])
        };
        let lanes = Self {
            starts,
            ends,
            backlog,
        };
        (lanes, received)
    }

    pub(super) fn start(&self, starts: Vec<Start>) -> Result<Reply, Unavailable> {
        let (reply, started) = oneshot::channel();
        let sent = self.starts.send(Write::Start { starts, reply });
        sent.map(|()| started).map_err(|_| Unavailable::Closed)
    }

    /// Of a call whose row is certainly written.
    pub(super) fn end(&self, ending: Ending) {
        drop(self.end_all(vec![ending]));
    }

    /// Of a call whose row may still be on its way.
    pub(super) fn end_behind_starts(&self, ending: Ending) {
        let endings = vec![ending];
        let done = None;
        let _ = self.starts.send(Write::End(Ended { endings, done }));
    }

    /// The receiver learns when the first write is done or has failed.
    pub(super) fn end_all(&self, endings: Vec<Ending>) -> oneshot::Receiver<()> {
        let (done, written) = oneshot::channel();
        if endings.is_empty() {
            return written;
        }
        let done = Some(done);
        let ended = Ended { endings, done };
        let is_taken = match &self.ends {
            Ends::Held(held) => held.add(ended).is_ok(),
            Ends::Lane(ends) => ends.send(Write::End(ended)).is_ok(),
        };
        if !is_taken {
            tracing::warn!("outcome of a call was not written, because the service stops");
        }
        written
    }
}

/// The attempts that may be sent.
pub(super) type Started = Result<Arc<HashSet<i64>>, Unavailable>;
pub(super) type Reply = oneshot::Receiver<Started>;
