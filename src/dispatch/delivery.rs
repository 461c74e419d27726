//! What a caller brings along with its call.

use std::sync::Arc;

use tokio::time::Instant;

use super::sent_flag::NoteSent;
use super::trail::Trail;
use bitrix24::Answer;
use pacing::Queued;

/// How to return the response to a call.
pub(crate) struct Delivery {
    /// When the caller wants the response at the latest.
    pub(crate) deadline: Instant,
    /// What its caller has in the queues.
    pub(crate) caller: Arc<Queued>,
    /// Called when the portal may be executing the call, and when it is not after all.
    pub(crate) note_sent: NoteSent,
    /// The audit of the call, if sends are audited.
    pub(crate) trail: Option<Trail>,
}

impl Delivery {
    /// The call is not sent: the ledger knows an earlier one, and its answer if there is one.
    pub(super) fn replayed(&self, answer: Option<&Answer>) {
        if let Some(trail) = &self.trail {
            trail.replayed(answer);
        }
    }
}
