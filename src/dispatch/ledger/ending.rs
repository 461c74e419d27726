//! Outcomes on their way to the ledger.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::backlog::{Backlog, Counted};
use super::running::KeyGuard;
use store::ledger::{End, Outcome};

/// With this size of answers no further outcome joins a transaction: a statement is built in
/// memory, and must be done in time.
pub(super) const BYTES: usize = 1024 * 1024;

/// The outcome of a call.
#[derive(Debug)]
pub(super) struct Ending {
    /// Guards the key until this is written.
    _guard: Option<KeyGuard>,
    counted: Counted,
    pub(super) end: End,
}

impl Ending {
    pub(super) fn of(end: End, backlog: &Arc<Backlog>) -> Self {
        let counted = backlog.count(&end);
        Self {
            _guard: None,
            counted,
            end,
        }
    }

    pub(super) fn guarding(guard: KeyGuard, end: End, backlog: &Arc<Backlog>) -> Self {
        Self {
            _guard: Some(guard),
            ..Self::of(end, backlog)
        }
    }

    /// Of its answer.
    pub(super) fn bytes(&self) -> usize {
        self.counted.bytes()
    }

    pub(super) fn is_not_executed(&self) -> bool {
        self.end.outcome == Outcome::NotExecuted
    }
}

/// Outcomes of calls that ended together.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) endings: Vec<Ending>,
    /// Notified when they are written, or could not be.
    pub(super) done: Option<oneshot::Sender<()>>,
}

impl Ended {
    /// Of their answers.
    pub(super) fn bytes(&self) -> usize {
        self.endings.iter().map(Ending::bytes).sum()
    }
}
