//! Why a call to a portal failed, by what is known of its outcome.

use std::time::Duration;

use crate::front_refusal::FrontRefusal;
use crate::outcome::Outcome;
use crate::refusal::Refusal;

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The request was not sent.
    #[error("the request was not sent: {0}")]
    NotSent(#[from] NotSent),
    /// The portal redirects to another address. It did not process the request.
    ///
    /// Source: page "change of the portal's domain".
    #[error("the portal has moved")]
    Moved {
        /// The new [address](crate::advertised::address), unless it cannot be read.
        new_address: Option<String>,
    },
    /// A web server refused the request with a page: there is no Bitrix24 portal at the address.
    #[error("the web server at the portal's address refused the request with HTTP {http_status}")]
    NoPortal {
        /// The HTTP status, 400 to 499.
        http_status: u16,
    },
    /// A server in front of the portal limits requests, and refused this one.
    #[error("a server in front of the portal limits requests, HTTP {http_status}")]
    Limited {
        /// The HTTP status, 429.
        http_status: u16,
        /// How long the server asks to wait, at most five minutes.
        retry_after: Option<Duration>,
    },
    /// A server in front of the portal refused the request: a proxy, a firewall, or the web server
    /// itself.
    #[error(transparent)]
    RefusedInFront(#[from] FrontRefusal),
    /// Bitrix24 answered with an error code.
    #[error("Bitrix24 refused with code {:?} and HTTP {}", .0.code, .0.http_status)]
    Refused(Refusal),
    /// The request was sent, and no response says what happened.
    #[error("the request was sent, and its outcome is unknown: {0}")]
    Unanswered(#[from] Unanswered),
}

/// Why a portal or an authorization server cannot have executed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The deadline passed, or the caller cancelled, before a connection was ready.
    #[error("the deadline passed before a connection was ready")]
    DeadlinePassed,
    /// Could not connect: name, network, proxy or TLS.
    #[error("could not connect: {0}")]
    Unreachable(Obstacle),
    /// It was sent on an HTTP/2 connection, and the server said that it did not process it: it
    /// ended the connection before this request.
    ///
    /// Source: RFC 9113, section 6.8 (`GOAWAY`).
    #[error("the server ended the connection and did not process the request")]
    Unprocessed,
    /// The name resolves to an address that must not be called.
    #[error("the host name resolves to an address that is not public")]
    AddressForbidden,
}

/// Why no connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The name has no address, or the name server does not respond.
    #[error("the host name does not resolve")]
    Name,
    /// Nothing listens on the port.
    #[error("the connection is refused")]
    Refused,
    /// Name, TCP and TLS took longer than `portals.connect_timeout_seconds`.
    #[error("connecting takes too long")]
    Timeout,
    /// Another failure of the network.
    #[error("the network fails")]
    Network,
    /// The proxy cannot be reached, or does not connect.
    #[error("the proxy (portals.proxy) does not connect")]
    Proxy,
    /// The certificate was issued by nobody who is trusted.
    #[error(
        "the certificate's issuer is not trusted (UnknownIssuer); see portals.ca_file and \
         portals.pinned_certificates"
    )]
    UnknownIssuer,
    /// The server presents a certificate of an authority as its own.
    #[error(
        "the certificate is that of an authority (CaUsedAsEndEntity); pin it in \
         portals.pinned_certificates"
    )]
    CaUsedAsEndEntity,
    /// The certificate has expired.
    #[error("the certificate has expired (Expired)")]
    Expired,
    /// The certificate is not valid yet.
    #[error("the certificate is not valid yet (NotValidYet)")]
    NotValidYet,
    /// The certificate is for another name.
    #[error("the certificate is for another name (NotValidForName)")]
    OtherName,
    /// The certificate is not one of those that the operator pinned.
    #[error("the certificate is not one of portals.pinned_certificates (NotPinned)")]
    NotPinned,
    /// The certificate is not valid for another reason.
    #[error("the certificate is not valid")]
    Certificate,
    /// The handshake failed, for example for lack of a common version of TLS.
    #[error("the TLS handshake fails")]
    Tls,
}

/// Why the outcome of a sent request is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The deadline passed before the response came.
    #[error("the deadline passed before the response came")]
    DeadlinePassed,
    /// The service stopped before the response came.
    #[error("the service stopped before the response came")]
    Abandoned,
    /// The connection was lost before the response was complete.
    #[error("the connection was lost before the response was complete")]
    ConnectionLost,
    /// The response had no body.
    #[error("the response was empty, HTTP {http_status}")]
    Empty {
        /// The HTTP status.
        http_status: u16,
    },
    /// The response's JSON was truncated.
    #[error("the response's JSON was truncated, HTTP {http_status}")]
    CutOff {
        /// The HTTP status.
        http_status: u16,
    },
    /// The response was a page or another text instead of JSON.
    #[error("the response was not JSON, HTTP {http_status}")]
    NotJson {
        /// The HTTP status.
        http_status: u16,
    },
    /// A server in front of the portal answered without an answer of the portal, and asked to wait.
    #[error("the server answered that it is not available, HTTP {http_status}")]
    Busy {
        /// The HTTP status, 503.
        http_status: u16,
        /// How long the server asks to wait, at most five minutes.
        retry_after: Duration,
    },
    /// The response was larger than allowed.
    #[error("the response was larger than {limit_bytes} bytes, HTTP {http_status}")]
    Oversized {
        /// The HTTP status.
        http_status: u16,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// An authorization server reported its own failure.
    #[error("the server reported a failure of its own, HTTP {http_status}")]
    ServerFailed {
        /// The HTTP status, 500 or more.
        http_status: u16,
    },
    /// The response was JSON with neither a result nor an error, or a result with a failing status.
    #[error("the response had neither a result nor an error code, HTTP {http_status}")]
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
            | Self::Busy { http_status, .. }
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
            Self::NoPortal { http_status } | Self::Limited { http_status, .. } => {
                Some(*http_status)
            }
            Self::RefusedInFront(refusal) => Some(refusal.http_status()),
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
            Self::Limited { .. } => "limited",
            Self::RefusedInFront(_) => "refused_in_front",
            Self::Refused(_) => "refused",
            Self::Unanswered(_) => "unanswered",
        }
    }

    /// The failure of a batch as a whole.
    pub(crate) fn of_batch(self) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(refusal.of_batch()),
            other @ (Self::NotSent(_)
            | Self::Moved { .. }
            | Self::NoPortal { .. }
            | Self::Limited { .. }
            | Self::RefusedInFront(_)
            | Self::Unanswered(_)) => other,
        }
    }

    /// For a failed batch as a whole: whether no command was executed, and each may succeed when
    /// sent alone. Other failures hold for every command.
    ///
    /// Check this first: for a batch a code can mean something else than for a single call, for
    /// example if the operating time is charged to the method `batch`.
    pub fn concerns_the_batch_alone(&self) -> bool {
        match self {
            Self::NoPortal { .. } => true,
            Self::RefusedInFront(refusal) => refusal.concerns_the_batch_alone(),
            Self::Refused(refusal) => refusal.concerns_the_batch_alone(),
            Self::NotSent(_) | Self::Moved { .. } | Self::Limited { .. } | Self::Unanswered(_) => {
                false
            }
        }
    }

    /// What is known of the call's outcome.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NotSent(_)
            | Self::Moved { .. }
            | Self::NoPortal { .. }
            | Self::Limited { .. }
            | Self::RefusedInFront(_) => Outcome::NotExecuted,
            Self::Refused(refusal) => refusal.outcome(),
            Self::Unanswered(_) => Outcome::Unknown,
        }
    }

    /// Whether the portal, or a server in front of it, refused for the number of its requests. The
    /// call was not executed.
    pub fn is_rate_limit(&self) -> bool {
        match self {
            Self::Limited { .. } => true,
            Self::Refused(refusal) => refusal.is_rate_limit(),
            Self::NotSent(_)
            | Self::Moved { .. }
            | Self::NoPortal { .. }
            | Self::RefusedInFront(_)
            | Self::Unanswered(_) => false,
        }
    }

    /// How long the portal, or a server in front of it, asks all its clients to wait, whatever
    /// became of the call.
    pub fn pause(&self) -> Option<Duration> {
        match self {
            Self::Limited { retry_after, .. } => *retry_after,
            Self::Unanswered(Unanswered::Busy { retry_after, .. }) => Some(*retry_after),
            Self::Refused(refusal) => refusal.pause(),
            Self::NotSent(_)
            | Self::Moved { .. }
            | Self::NoPortal { .. }
            | Self::RefusedInFront(_)
            | Self::Unanswered(_) => None,
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
    fn some_failures_concern_the_batch_alone() {
        for error in [
            refused(404, "ERROR_METHOD_NOT_FOUND"),
            refused(405, "ERROR_BATCH_METHOD_NOT_ALLOWED"),
            refused(400, "error_batch_length_exceeded"),
            refused(401, "METHOD_CONFIRM_WAITING"),
            refused(429, "OPERATION_TIME_LIMIT"),
            refused(401, "insufficient_scope"),
            CallError::NoPortal { http_status: 404 },
            FrontRefusal::new(403).into(),
            FrontRefusal::new(413).into(),
        ] {
            assert!(error.concerns_the_batch_alone(), "{error}");
            assert_eq!(error.outcome(), Outcome::NotExecuted);
        }
    }

    #[test]
    fn other_failures_hold_for_every_command() {
        for error in [
            refused(503, "QUERY_LIMIT_EXCEEDED"),
            refused(503, "OVERLOAD_LIMIT"),
            refused(401, "expired_token"),
            refused(401, "INVALID_CREDENTIALS"),
            refused(403, "ACCESS_DENIED"),
            refused(401, "verification_needed"),
            refused(429, "too_many"),
            CallError::Moved { new_address: None },
            FrontRefusal::new(401).into(),
            CallError::Limited {
                http_status: 429,
                retry_after: None,
            },
            NotSent::Unreachable(Obstacle::Name).into(),
        ] {
            assert!(!error.concerns_the_batch_alone(), "{error}");
            assert_eq!(error.outcome(), Outcome::NotExecuted, "{error}");
        }
    }

    #[test]
    fn an_undocumented_code_may_come_after_some_commands() {
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
