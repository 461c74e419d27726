//! Whether a failed call was executed.

/// Whether Bitrix24 executed a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Definitely not executed: a retry cannot deliver twice.
    NotExecuted,
    /// Executed, although the response lacks what it should hold.
    Executed,
    /// The request was sent, and no response says whether it was executed.
    Unknown,
}

impl Outcome {
    /// The word for it in error metadata and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotExecuted => "not_executed",
            Self::Executed => "executed",
            Self::Unknown => "unknown",
        }
    }
}
