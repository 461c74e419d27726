//! An error answer of Bitrix24.

mod codes;

use serde_json::Value;

use super::loose;
use super::outcome::Outcome;

/// Bitrix24 answered with an error code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status. Some failures come with 200.
    pub http_status: u16,
    /// The code as received. It may be empty: Bitrix24 knows an empty code.
    pub code: String,
    /// The description as received, often in the portal's language.
    pub description: String,
    /// What was refused.
    refused: Refused,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// A single call.
    Call,
    /// A batch as a whole.
    Batch,
    /// A command of a batch.
    Command,
}

impl Refusal {
    /// Reads `error` and `error_description`. The code may be a text, a number, or, in the newer REST generation, an object.
    pub(super) fn read(http_status: u16, error: &Value, description: Option<&Value>) -> Self {
        let (code, description) = match error {
            Value::Object(error) => (error.get("code"), error.get("message").or(description)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => (Some(error), description),
        };
        Self {
            http_status,
            code: code.map(plain).unwrap_or_default(),
            description: description.map(plain).unwrap_or_default(),
            refused: Refused::Call,
        }
    }

    /// The refusal of a batch as a whole.
    pub(super) fn of_batch(self) -> Self {
        let refused = Refused::Batch;
        Self { refused, ..self }
    }

    /// The refusal of a command of a batch.
    pub(super) fn of_command(self) -> Self {
        let refused = Refused::Command;
        Self { refused, ..self }
    }

    /// Whether the code is `code`. Bitrix24 is not consistent about upper and lower case.
    pub fn is(&self, code: &str) -> bool {
        self.code.eq_ignore_ascii_case(code)
    }

    /// Whether the portal calls the access token expired, and therefore has not executed the call.
    ///
    /// Source: system errors, `expired_token`.
    pub fn is_expired_token(&self) -> bool {
        self.is("expired_token") && self.outcome() == Outcome::NotExecuted
    }

    /// Whether the portal does not know the access token, and therefore has not executed the call. A token that was
    /// replaced by a newer one may be called so.
    pub fn is_invalid_token(&self) -> bool {
        self.is("invalid_token") && self.outcome() == Outcome::NotExecuted
    }

    /// Whether the portal has had too many requests, and therefore has not executed the call.
    ///
    /// Source: page "limits".
    pub fn is_query_limit(&self) -> bool {
        self.is("QUERY_LIMIT_EXCEEDED") && self.outcome() == Outcome::NotExecuted
    }

    /// Whether the method has worked too long for this credential, and the call was therefore not executed.
    ///
    /// Source: page "limits".
    pub fn is_operating_limit(&self) -> bool {
        self.is("OPERATION_TIME_LIMIT") && self.outcome() == Outcome::NotExecuted
    }

    /// Whether the method cannot be called in a batch, and therefore was not.
    ///
    /// Source: page "batch".
    pub fn is_not_allowed_in_batch(&self) -> bool {
        self.is("ERROR_BATCH_METHOD_NOT_ALLOWED") && self.outcome() == Outcome::NotExecuted
    }

    /// Whether the command stood behind the last one that a batch may have, and therefore was not executed.
    ///
    /// Source: page "batch".
    pub fn is_batch_too_long(&self) -> bool {
        self.is("ERROR_BATCH_LENGTH_EXCEEDED") && self.outcome() == Outcome::NotExecuted
    }

    /// Whether a batch as a whole was refused, none of its commands was executed, and the reason is not one for which
    /// each of them would be refused by itself.
    pub(super) fn concerns_the_batch_alone(&self) -> bool {
        self.refused == Refused::Batch
            && self.outcome() == Outcome::NotExecuted
            && !self.is_one_of(codes::OF_PORTAL)
    }

    /// What the refusal says of the call's fate.
    ///
    /// A refusal comes before the method has done its work, with two exceptions: the codes of a failure inside the
    /// portal, and every other answer with a 5xx status, which may come from a method that failed half-way. In a batch
    /// no command has a status of its own, and another command may have been done before: there only codes that are
    /// known to come before the work say so.
    pub fn outcome(&self) -> Outcome {
        if self.is_one_of(codes::FAILED_INSIDE) {
            return Outcome::Unknown;
        }
        let refused_before_execution = match self.refused {
            Refused::Call => self.http_status < 500 || self.is_one_of(codes::IN_FRONT_OF_METHODS),
            Refused::Batch | Refused::Command => {
                self.is_one_of(codes::OF_PORTAL)
                    || self.is_one_of(codes::OF_METHOD)
                    || self.is_one_of(codes::OF_ARGUMENTS)
            }
        };
        if refused_before_execution {
            Outcome::NotExecuted
        } else {
            Outcome::Unknown
        }
    }

    fn is_one_of(&self, codes: &[&str]) -> bool {
        codes.iter().any(|code| self.is(code))
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
