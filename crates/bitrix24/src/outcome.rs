//! What is known about the fate of a call that failed.

/// Whether Bitrix24 executed a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Certainly not executed: a repeat cannot deliver twice.
    NotExecuted,
    /// Executed, although the call could not be answered as it should.
    Executed,
    /// The request left, and nothing says what became of it.
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
