//! Why an authorization server gave nothing, and what that means for a grant.

use crate::call_error::{NotSent, Unanswered};

/// A request to an authorization server that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// The request never left: a refresh token is as good as before.
    #[error("the authorization server was not asked: {0}")]
    NotSent(#[from] NotSent),
    /// The request left, and nothing says what became of it: a refresh token may be used up.
    #[error("the authorization server was asked, and gave no answer: {0}")]
    Unanswered(#[from] Unanswered),
    /// The server refused with a code.
    #[error("the authorization server refused with code {:?} and HTTP {}", .0.code, .0.http_status)]
    Refused(OAuthRefusal),
}

/// A refusal of an authorization server. No secret: what the server echoes of ours is taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthRefusal {
    /// The code as received, at most 100 characters.
    pub code: String,
    /// The description as received, at most 500 characters; often empty.
    pub description: String,
    /// The HTTP status. An unknown client is told with 200.
    pub http_status: u16,
}

/// What a refusal means for a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// The refresh token is used up, expired or revoked; another one may be known elsewhere.
    GrantInvalid,
    /// No other token helps: settings, permissions or the licence stand in the way.
    NeedsReauthorization,
    /// The server refuses for the moment. The refresh token is as good as before.
    RetryLater,
}

/// Source: page "error codes" of OAuth; `bad_verification_code` from a client library.
const GRANT_DEAD: [&str; 2] = ["invalid_grant", "bad_verification_code"];

/// Codes of limits and failures, which stand in front of every grant.
///
/// Source: system errors and limits; `temporarily_unavailable` and `server_error` are OAuth's own (RFC 6749).
const LATER: [&str; 7] = [
    "QUERY_LIMIT_EXCEEDED",
    "OPERATION_TIME_LIMIT",
    "OVERLOAD_LIMIT",
    "INTERNAL_SERVER_ERROR",
    "ERROR_UNEXPECTED_ANSWER",
    "temporarily_unavailable",
    "server_error",
];

impl OAuthError {
    /// One word for it, for metrics and traces.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotSent(_) => "not_sent",
            Self::Unanswered(_) => "unanswered",
            Self::Refused(_) => "refused",
        }
    }
}

impl OAuthRefusal {
    /// Whether the code is `code`. Bitrix24 is not consistent about upper and lower case.
    pub fn is(&self, code: &str) -> bool {
        self.code.eq_ignore_ascii_case(code)
    }

    /// What it means for the grant. A code that nobody knows needs a person, because repeating it could go on for ever.
    pub fn consequence(&self) -> Consequence {
        let among = |codes: &[&str]| codes.iter().any(|code| self.is(code));
        if among(&GRANT_DEAD) {
            Consequence::GrantInvalid
        } else if among(&LATER) || self.http_status == 429 {
            Consequence::RetryLater
        } else {
            Consequence::NeedsReauthorization
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Consequence, OAuthRefusal};

    fn verdict(code: &str, http_status: u16) -> Consequence {
        OAuthRefusal {
            code: code.to_owned(),
            description: String::new(),
            http_status,
        }
        .consequence()
    }

    #[test]
    fn a_refusal_says_what_becomes_of_the_grant() {
        for code in ["invalid_grant", "INVALID_GRANT", "bad_verification_code"] {
            assert_eq!(verdict(code, 400), Consequence::GrantInvalid, "{code}");
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
                verdict(code, http_status),
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
                verdict(code, http_status),
                Consequence::RetryLater,
                "{code}"
            );
        }
    }
}
