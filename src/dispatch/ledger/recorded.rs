//! The outcomes of calls, as the ledger records them.

use bitrix24::Answer;

/// The outcome of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// The portal responded.
    Answered(Answer),
    /// It was sent, and its result is unknown.
    Unknown,
    /// It was definitely not executed: a retry with the same key counts as new.
    NotExecuted,
}

/// The outcome of a call that must not be sent again.
#[derive(Clone, Debug)]
pub(super) enum Settled {
    /// The portal responded.
    Answered(Answer),
    /// It was sent, and its result is unknown.
    Unknown,
}
