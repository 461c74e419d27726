//! What a caller brings along with its call.

use super::trail::Trail;
use crate::call::{CallContext, Progress};
use bitrix24::Answer;

/// How to return the response to a call.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// When the caller wants the response at the latest, and what the log is to say.
    pub(crate) context: CallContext,
    /// The audit of the call, if sends are audited.
    pub(crate) trail: Option<Trail>,
}

impl Delivery {
    /// The portal may be executing the call from now on, or it is not after all.
    pub(super) fn note_sent(&self, is_sent: bool) {
        if let Some(trail) = &self.trail {
            trail.note_sent(is_sent);
        }
        self.context.note_progress(if is_sent {
            Progress::Sent
        } else {
            Progress::NotStarted
        });
    }

    /// The call is not sent: the ledger knows an earlier one, and its answer if there is one.
    pub(super) fn replayed(&self, answer: Option<&Answer>) {
        if let Some(trail) = &self.trail {
            trail.replayed(answer);
        }
    }
}
