//! Why a request to an authorization server failed, and what that means for a grant.

use std::time::Duration;

use crate::call_error::{CallError, NotSent, Unanswered};
use crate::error_code::ErrorCode;
use crate::front_refusal::FrontRefusal;

/// A request to an authorization server that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// The request was not sent: the refresh token is still valid.
    #[error("the request to the authorization server was not sent: {0}")]
    NotSent(#[from] NotSent),
    /// The request was sent without a usable response: the refresh token may be used up.
    #[error("the authorization server gave no usable response: {0}")]
    Unanswered(#[from] Unanswered),
    /// The server refused with a code.
    #[error("the authorization server refused with code {:?} and HTTP {}", .0.code, .0.http_status)]
    Refused(OAuthRefusal),
    /// It, or a server in front of it, refused without a code for the number of requests: the
    /// refresh token is still valid.
    #[error("the authorization server gets too many requests, HTTP {http_status}")]
    Limited {
        /// The HTTP status, 429.
        http_status: u16,
        /// How long the server asks to wait, at most five minutes.
        retry_after: Option<Duration>,
    },
    /// A server in front of it refused: the refresh token is still valid.
    #[error(
        "a server in front of the authorization server refused the request, HTTP {}",
        .0.http_status()
    )]
    RefusedInFront(FrontRefusal),
}

/// A refusal of an authorization server, with the secrets that the server echoes taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthRefusal {
    /// The code as received, at most 100 characters.
    pub code: String,
    /// The same code, if it is a documented one.
    pub documented: Option<ErrorCode>,
    /// The description as received, at most 500 characters; often empty.
    pub description: String,
    /// The HTTP status. An unknown client gets 200.
    pub http_status: u16,
    /// How long the server asks to wait, at most five minutes.
    pub retry_after: Option<Duration>,
}

/// What a refusal means for a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// The refresh token is used up, expired or revoked. Another replica may have a newer one.
    GrantInvalid,
    /// No other token helps: settings, permissions or the licence prevent it.
    NeedsReauthorization,
    /// The server refuses for now. The refresh token is still valid.
    RetryLater,
}

/// OAuth's own codes of passing failures (RFC 6749, section 4.1.2.1).
const PASSING: [&str; 2] = ["temporarily_unavailable", "server_error"];

impl OAuthError {
    /// One word for it, for metrics and traces.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotSent(_) => "not_sent",
            Self::Unanswered(_) => "unanswered",
            Self::Refused(_) => "refused",
            Self::Limited { .. } => "limited",
            Self::RefusedInFront(_) => "refused_in_front",
        }
    }

    /// How long the server, or one in front of it, asks all its clients to wait.
    pub fn pause(&self) -> Option<Duration> {
        match self {
            Self::Limited { retry_after, .. } => *retry_after,
            Self::Unanswered(Unanswered::Busy { retry_after, .. }) => Some(*retry_after),
            Self::Refused(refusal) => refusal.retry_after,
            Self::NotSent(_) | Self::Unanswered(_) | Self::RefusedInFront(_) => None,
        }
    }

    /// What a server in front of it says of a response that is not the authorization server's.
    pub(super) fn of_front(judged: CallError, http_status: u16) -> Self {
        match judged {
            CallError::Limited {
                http_status,
                retry_after,
            } => Self::Limited {
                http_status,
                retry_after,
            },
            CallError::NoPortal { http_status } => {
                Self::RefusedInFront(FrontRefusal::new(http_status))
            }
            CallError::RefusedInFront(refusal) => Self::RefusedInFront(refusal),
            CallError::Unanswered(unanswered) => unanswered.into(),
            CallError::NotSent(not_sent) => not_sent.into(),
            CallError::Moved { .. } | CallError::Refused(_) => {
                Unanswered::NoResult { http_status }.into()
            }
        }
    }
}

impl OAuthRefusal {
    /// What the refusal means for the grant. An undocumented code needs reauthorization, because
    /// retries could go on for ever.
    ///
    /// Source: page "error codes" of OAuth, system errors and limits.
    pub fn consequence(&self) -> Consequence {
        use ErrorCode as Code;
        let is_passing = matches!(
            self.documented,
            Some(
                Code::QueryLimitExceeded
                    | Code::OperationTimeLimit
                    | Code::OverloadLimit
                    | Code::InternalServerError
                    | Code::ErrorUnexpectedAnswer
            )
        ) || PASSING
            .iter()
            .any(|code| self.code.eq_ignore_ascii_case(code))
            || self.http_status == 429;
        match self.documented {
            Some(Code::InvalidGrant | Code::BadVerificationCode) => Consequence::GrantInvalid,
            _ if is_passing => Consequence::RetryLater,
            _ => Consequence::NeedsReauthorization,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Consequence, ErrorCode, OAuthRefusal};

    fn consequence(code: &str, http_status: u16) -> Consequence {
        OAuthRefusal {
            code: code.to_owned(),
            documented: ErrorCode::parse(code),
            description: String::new(),
            http_status,
            retry_after: None,
        }
        .consequence()
    }

    #[test]
    fn a_refusal_has_a_consequence_for_the_grant() {
        for code in ["invalid_grant", "INVALID_GRANT", "bad_verification_code"] {
            assert_eq!(consequence(code, 400), Consequence::GrantInvalid, "{code}");
        }
        for (code, http_status) in [
            ("wrong_client", 200),
            ("invalid_client", 400),
            ("NOT_INSTALLED", 401),
            ("invalid_scope", 403),
            ("INVALID_SCOPE", 403),
            ("insufficient_scope", 403),
            ("PAYMENT_REQUIRED", 401),
            ("invalid_request", 400),
            ("never_heard_of", 400),
            ("", 400),
        ] {
            assert_eq!(
                consequence(code, http_status),
                Consequence::NeedsReauthorization,
                "{code}"
            );
        }
        for (code, http_status) in [
            ("OPERATION_TIME_LIMIT", 429),
            ("query_limit_exceeded", 400),
            ("temporarily_unavailable", 400),
            ("slow_down", 429),
        ] {
            assert_eq!(
                consequence(code, http_status),
                Consequence::RetryLater,
                "{code}"
            );
        }
    }
}
