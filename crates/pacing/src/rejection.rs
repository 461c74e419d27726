//! Why a call is rejected.

use std::time::Duration;

/// Why a call may not be sent now. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The deadline has passed.
    #[error("the deadline passed before the request could be sent")]
    DeadlinePassed,
    /// The queue is full.
    #[error("the queue is full")]
    QueueFull {
        /// When there may be capacity again.
        retry_after: Duration,
    },
    /// The caller would have more of the queues than its share.
    #[error("the caller has its share of the queues")]
    ShareExceeded {
        /// When it may have less.
        retry_after: Duration,
    },
    /// The expected wait is longer than the call's deadline allows.
    #[error("the call would wait {} s, past its deadline", .expected.as_secs_f32())]
    WaitTooLong {
        /// How long the call would wait.
        expected: Duration,
        /// When the wait may be short enough.
        retry_after: Duration,
    },
    /// The method has used up its operating time for this tenant.
    #[error("the method has used up its operating time on the portal")]
    OperatingLimit {
        /// When some of it expires.
        retry_after: Duration,
    },
    /// The portal's circuit breaker is open.
    #[error("the portal's circuit breaker is open")]
    BreakerOpen {
        /// When the next probe is allowed.
        retry_after: Duration,
    },
    /// A request to the conversation has gone without an answer, and is waited for longer than the
    /// call's deadline allows.
    #[error("an earlier request to the conversation is without a response")]
    ConversationHeld {
        /// When that request is given up.
        retry_after: Duration,
    },
}

impl Rejection {
    /// When a retry may succeed, if that is known.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Self::QueueFull { retry_after }
            | Self::ShareExceeded { retry_after }
            | Self::WaitTooLong { retry_after, .. }
            | Self::OperatingLimit { retry_after }
            | Self::BreakerOpen { retry_after }
            | Self::ConversationHeld { retry_after } => Some(retry_after),
            Self::DeadlinePassed => None,
        }
    }
}
