//! An error response of Bitrix24.

use std::time::Duration;

use serde_json::Value;

use crate::error_code::{ErrorCode, Stage};
use crate::loose;
use crate::outcome::Outcome;

/// Bitrix24 answered with an error code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status. Some failures come with 200.
    pub http_status: u16,
    /// The code as received. Bitrix24 also sends an empty code.
    pub code: String,
    /// The same code, if it is a documented one.
    pub documented: Option<ErrorCode>,
    /// The description as received, often in the portal's language.
    pub description: String,
    /// How long the response asks to wait, at most five minutes. Bitrix24 itself never does; a
    /// server in front of it may.
    pub retry_after: Option<Duration>,
    subject: Subject,
}

/// The status of a limit. Source: RFC 6585, section 4.
const TOO_MANY_REQUESTS: u16 = 429;

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Call,
    WholeBatch,
    Command,
}

impl Refusal {
    /// Reads `error` and `error_description`. The code may be a text, a number, or, in the newer
    /// REST generation, an object.
    pub(crate) fn read(http_status: u16, error: &Value, description: Option<&Value>) -> Self {
        let (code, description) = match error.as_object() {
            Some(error) => (error.get("code"), error.get("message").or(description)),
            None => (Some(error), description),
        };
        let code = code.map(plain).unwrap_or_default();
        Self {
            http_status,
            documented: ErrorCode::parse(&code),
            code,
            description: description.map(plain).unwrap_or_default(),
            retry_after: None,
            subject: Subject::Call,
        }
    }

    /// The refusal of a single call, as a portal would answer it.
    pub fn of_call(http_status: u16, code: &str) -> Self {
        Self {
            http_status,
            code: code.to_owned(),
            documented: ErrorCode::parse(code),
            description: String::new(),
            retry_after: None,
            subject: Subject::Call,
        }
    }

    /// The same refusal with the wait that its response asks for.
    pub(crate) fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self {
            retry_after,
            ..self
        }
    }

    /// The refusal of a batch as a whole.
    pub(crate) fn of_batch(self) -> Self {
        let subject = Subject::WholeBatch;
        Self { subject, ..self }
    }

    /// The refusal of a command of a batch.
    pub(crate) fn of_command(self) -> Self {
        let subject = Subject::Command;
        Self { subject, ..self }
    }

    /// Whether Bitrix24 refused with `code` and therefore did not execute the call.
    pub fn is(&self, code: ErrorCode) -> bool {
        self.documented == Some(code) && self.outcome() == Outcome::NotExecuted
    }

    /// Whether the call was refused for the number of requests: by Bitrix24's code, or by the
    /// status of another server that has codes of its own. The call was not executed.
    pub fn is_rate_limit(&self) -> bool {
        self.is(ErrorCode::QueryLimitExceeded) || self.is_limit_of_another_server()
    }

    /// How long all clients are asked to wait. The limits of one method, and blocks of one tenant,
    /// are not the portal's.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let is_of_all = self.is_rate_limit() || self.documented.is_none();
        self.retry_after.filter(|_| is_of_all)
    }

    fn is_limit_of_another_server(&self) -> bool {
        self.documented.is_none() && self.http_status == TOO_MANY_REQUESTS
    }

    /// Whether Bitrix24 refused a batch as a whole without executing a command, for a reason that
    /// need not hold for each command sent alone.
    pub(crate) fn concerns_the_batch_alone(&self) -> bool {
        self.subject == Subject::WholeBatch
            && matches!(self.stage(), Stage::Method | Stage::Arguments)
    }

    /// What the refusal says of the call's outcome.
    ///
    /// A refusal of a single call comes before the method's work, with two exceptions: codes of a
    /// failure inside the portal, and other responses with a 5xx status, which may come from a
    /// method that failed half-way. In a batch a command has no status of its own, and earlier
    /// commands may have been executed, so only codes documented to come before the work count.
    pub fn outcome(&self) -> Outcome {
        let stage = self.stage();
        let refused_before_execution = match self.subject {
            Subject::Call => {
                stage != Stage::Failure && (self.http_status < 500 || stage == Stage::PortalWith5xx)
            }
            Subject::WholeBatch | Subject::Command => {
                !matches!(stage, Stage::Failure | Stage::Unknown)
            }
        };
        if refused_before_execution {
            Outcome::NotExecuted
        } else {
            Outcome::Unknown
        }
    }

    fn stage(&self) -> Stage {
        match self.documented {
            Some(code) => code.stage(),
            None if self.is_limit_of_another_server() => Stage::Portal,
            None => Stage::Unknown,
        }
    }
}

fn plain(value: &Value) -> String {
    loose::text(value).unwrap_or_else(|| value.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(http_status: u16, code: &str) -> Refusal {
        Refusal::read(http_status, &json!(code), None)
    }

    #[test]
    fn a_code_may_be_a_text_a_number_or_an_object() {
        assert_eq!(refusal(400, "").code, "");
        assert_eq!(Refusal::read(400, &json!(100), None).code, "100");
        let newer = json!({"code": "X", "message": "why"});
        let read = Refusal::read(400, &newer, None);
        assert_eq!(
            (read.code.as_str(), read.description.as_str()),
            ("X", "why")
        );
    }

    #[test]
    fn refusals_below_500_and_the_limits_are_not_executed() {
        assert_eq!(
            refusal(400, "ERROR_ARGUMENT").outcome(),
            Outcome::NotExecuted
        );
        assert_eq!(refusal(200, "wrong_client").outcome(), Outcome::NotExecuted);
        assert_eq!(
            refusal(503, "QUERY_LIMIT_EXCEEDED").outcome(),
            Outcome::NotExecuted
        );
        assert_eq!(
            refusal(503, "overload_limit").outcome(),
            Outcome::NotExecuted
        );
    }

    #[test]
    fn in_a_batch_only_known_codes_are_not_executed() {
        for (code, outcome) in [
            ("QUERY_LIMIT_EXCEEDED", Outcome::NotExecuted),
            ("ERROR_BATCH_METHOD_NOT_ALLOWED", Outcome::NotExecuted),
            ("error_argument", Outcome::NotExecuted),
            ("CHAT_NOT_IN_CRM", Outcome::NotExecuted),
            ("100", Outcome::NotExecuted),
            ("", Outcome::Unknown),
            ("ERROR_CORE", Outcome::Unknown),
            ("INTERNAL_SERVER_ERROR", Outcome::Unknown),
            ("SOMETHING_NEW", Outcome::Unknown),
        ] {
            assert_eq!(refusal(200, code).of_command().outcome(), outcome, "{code}");
        }
    }

    #[test]
    fn the_status_of_a_limit_says_so_whatever_the_code() {
        for subject in [
            refusal(429, "slow_down"),
            refusal(429, "slow_down").of_batch(),
        ] {
            assert!(subject.is_rate_limit());
            assert_eq!(subject.outcome(), Outcome::NotExecuted);
        }
        for other in [
            refusal(429, "OPERATION_TIME_LIMIT"),
            refusal(400, "slow_down"),
        ] {
            assert!(!other.is_rate_limit(), "{}", other.code);
        }
    }

    #[test]
    fn only_a_limit_of_the_whole_portal_pauses_it() {
        let wait = Some(Duration::from_secs(30));
        let pause = |status, code| refusal(status, code).with_retry_after(wait).pause();
        assert_eq!(pause(503, "QUERY_LIMIT_EXCEEDED"), wait);
        assert_eq!(pause(429, "slow_down"), wait);
        assert_eq!(pause(503, "unavailable"), wait);
        assert_eq!(pause(429, "OPERATION_TIME_LIMIT"), None);
        assert_eq!(pause(503, "OVERLOAD_LIMIT"), None);
    }

    #[test]
    fn failures_inside_the_portal_leave_the_outcome_unknown() {
        assert_eq!(refusal(500, "ERROR_CORE").outcome(), Outcome::Unknown);
        assert_eq!(
            refusal(500, "INTERNAL_SERVER_ERROR").outcome(),
            Outcome::Unknown
        );
        assert_eq!(
            refusal(400, "internal_server_error").outcome(),
            Outcome::Unknown
        );
    }
}
