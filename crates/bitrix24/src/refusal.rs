//! An error response of Bitrix24.

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
    subject: Subject,
}

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
            subject: Subject::Call,
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
        self.documented.map_or(Stage::Unknown, ErrorCode::stage)
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
