//! Why a call to a portal has no good answer, sorted by what is known of its fate.

use super::outcome::Outcome;
use super::refusal::Refusal;

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The request never left.
    #[error("the request was not sent: {0}")]
    NotSent(#[from] NotSent),
    /// The portal answers under another address (a redirect). It did not look at the request.
    ///
    /// Source: page "change of the portal's domain".
    #[error("the portal has moved")]
    Moved {
        /// The new address, if the answer named one that can be read: a host name, or `http://127.0.0.1:PORT` for the
        /// sandbox. Nobody has checked yet whether it may be called.
        new_address: Option<String>,
    },
    /// A web server refused the request with a page: no portal of Bitrix24 is at the address.
    #[error("the web server at the portal's address refused the request with HTTP {http_status}")]
    NoPortal {
        /// The HTTP status, 400 to 499.
        http_status: u16,
    },
    /// Bitrix24 answered with an error code.
    #[error("Bitrix24 refused with code {:?} and HTTP {}", .0.code, .0.http_status)]
    Refused(Refusal),
    /// The request left, and nothing says what happened.
    #[error("the request was sent, and its outcome is not known: {0}")]
    Unanswered(#[from] Unanswered),
}

/// Why a request to a portal or an authorization server never left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The deadline passed before a connection was there.
    #[error("the deadline passed before a connection was there")]
    DeadlinePassed,
    /// No connection came about: name, network or TLS.
    #[error("no connection came about")]
    Unreachable,
    /// The name leads to an address that must not be called.
    #[error("the name leads to an address that is not public")]
    AddressForbidden,
}

/// Why nothing says what happened to a request that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The deadline passed while waiting for the answer.
    #[error("the deadline passed while waiting for the answer")]
    DeadlinePassed,
    /// The service stopped while it waited for the answer.
    #[error("this service stopped before the answer came")]
    Abandoned,
    /// The connection broke before the answer was whole.
    #[error("the connection broke before the answer was whole")]
    ConnectionLost,
    /// The answer had no body.
    #[error("the answer was empty, HTTP {http_status}")]
    Empty {
        /// The HTTP status.
        http_status: u16,
    },
    /// The answer's JSON ended too early.
    #[error("the answer's JSON ended too early, HTTP {http_status}")]
    CutOff {
        /// The HTTP status.
        http_status: u16,
    },
    /// The answer was a page or another text instead of JSON.
    #[error("the answer was no JSON, HTTP {http_status}")]
    NotJson {
        /// The HTTP status.
        http_status: u16,
    },
    /// The answer was larger than allowed.
    #[error("the answer was larger than {limit_bytes} bytes, HTTP {http_status}")]
    Oversized {
        /// The HTTP status.
        http_status: u16,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// An authorization server answered that it failed itself.
    #[error("the server answered that it failed, HTTP {http_status}")]
    ServerFailed {
        /// The HTTP status, 500 or more.
        http_status: u16,
    },
    /// The answer was JSON with neither a result nor an error, or with a result under a failing status.
    #[error("the answer held neither a result nor an error code, HTTP {http_status}")]
    NoResult {
        /// The HTTP status.
        http_status: u16,
    },
}

impl Unanswered {
    /// The HTTP status, if one arrived.
    pub fn http_status(self) -> Option<u16> {
        match self {
            Self::DeadlinePassed | Self::Abandoned | Self::ConnectionLost => None,
            Self::Empty { http_status }
            | Self::CutOff { http_status }
            | Self::NotJson { http_status }
            | Self::Oversized { http_status, .. }
            | Self::ServerFailed { http_status }
            | Self::NoResult { http_status } => Some(http_status),
        }
    }
}

impl CallError {
    /// The HTTP status, if one arrived and is known.
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::NotSent(_) | Self::Moved { .. } => None,
            Self::NoPortal { http_status } => Some(*http_status),
            Self::Refused(refusal) => Some(refusal.http_status),
            Self::Unanswered(unanswered) => unanswered.http_status(),
        }
    }

    /// One word for it, for metrics and traces.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotSent(_) => "not_sent",
            Self::Moved { .. } => "moved",
            Self::NoPortal { .. } => "no_portal",
            Self::Refused(_) => "refused",
            Self::Unanswered(_) => "unanswered",
        }
    }

    /// The failure of a batch as a whole.
    pub(super) fn of_batch(self) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(refusal.of_batch()),
            other @ (Self::NotSent(_)
            | Self::Moved { .. }
            | Self::NoPortal { .. }
            | Self::Unanswered(_)) => other,
        }
    }

    /// Asked of the failure of a batch as a whole: whether it says nothing of its commands: none was executed, and one
    /// that is sent alone may well be. The other failures are true for every command.
    ///
    /// It comes before all other questions: a batch may be refused with a code that says another thing of a single
    /// call, for example when the operating time is charged to the method `batch`.
    pub fn concerns_the_batch_alone(&self) -> bool {
        match self {
            // The page of a web server: too large, or a firewall that one text among many has annoyed.
            Self::NoPortal { .. } => true,
            Self::Refused(refusal) => refusal.concerns_the_batch_alone(),
            Self::NotSent(_) | Self::Moved { .. } | Self::Unanswered(_) => false,
        }
    }

    /// What is known of the call's fate.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NotSent(_) | Self::Moved { .. } | Self::NoPortal { .. } => Outcome::NotExecuted,
            Self::Refused(refusal) => refusal.outcome(),
            Self::Unanswered(_) => Outcome::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(http_status: u16, code: &str) -> CallError {
        CallError::Refused(Refusal::read(http_status, &json!(code), None)).of_batch()
    }

    #[test]
    fn some_failures_say_nothing_of_the_commands() {
        for error in [
            refused(404, "ERROR_METHOD_NOT_FOUND"),
            refused(405, "ERROR_BATCH_METHOD_NOT_ALLOWED"),
            refused(400, "error_batch_length_exceeded"),
            refused(401, "METHOD_CONFIRM_WAITING"),
            refused(429, "OPERATION_TIME_LIMIT"),
            refused(401, "insufficient_scope"),
            CallError::NoPortal { http_status: 413 },
        ] {
            assert!(error.concerns_the_batch_alone(), "{error}");
            assert_eq!(error.outcome(), Outcome::NotExecuted);
        }
    }

    #[test]
    fn other_failures_are_true_for_every_command() {
        for error in [
            refused(503, "QUERY_LIMIT_EXCEEDED"),
            refused(503, "OVERLOAD_LIMIT"),
            refused(401, "expired_token"),
            refused(401, "INVALID_CREDENTIALS"),
            refused(403, "ACCESS_DENIED"),
            refused(401, "verification_needed"),
            CallError::Moved { new_address: None },
            NotSent::Unreachable.into(),
        ] {
            assert!(!error.concerns_the_batch_alone(), "{error}");
            assert_eq!(error.outcome(), Outcome::NotExecuted, "{error}");
        }
    }

    #[test]
    fn a_code_that_nobody_knows_may_come_when_some_commands_are_done() {
        for error in [
            refused(400, "ERROR_CORE"),
            refused(400, ""),
            refused(403, "SOMETHING_NEW"),
            refused(500, "INTERNAL_SERVER_ERROR"),
            Unanswered::Empty { http_status: 200 }.into(),
        ] {
            assert!(!error.concerns_the_batch_alone(), "{error}");
            assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
        }
    }
}
