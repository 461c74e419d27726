//! What a caller is told became of its call, to be held against the portal's books.

use tonic::Status;

use super::Told;

/// What a caller is told of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Ok,
    /// Nothing was executed.
    NotExecuted,
    /// Nobody can know.
    Unknown,
    /// It was executed, although the call failed.
    Executed,
}

impl Fate {
    pub(crate) fn of<T>(answer: &Result<T, Status>) -> Self {
        match answer {
            Ok(_) => Self::Ok,
            Err(status) => match status.outcome().as_str() {
                "not_executed" => Self::NotExecuted,
                "unknown" => Self::Unknown,
                "executed" => Self::Executed,
                other => panic!("outcome {other:?} of {status:?}"),
            },
        }
    }

    /// Holds what was told against the number of deliveries.
    pub(crate) fn is_true_with(self, delivered: usize) -> bool {
        match self {
            Self::Ok | Self::Executed => delivered == 1,
            Self::NotExecuted => delivered == 0,
            Self::Unknown => delivered <= 1,
        }
    }
}
