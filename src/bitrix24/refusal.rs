//! An error answer of Bitrix24.

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
        }
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

    /// Whether the portal does not know the access token, and therefore has not executed the call. A token that was replaced by a
    /// newer one may be called so.
    pub fn is_invalid_token(&self) -> bool {
        self.is("invalid_token") && self.outcome() == Outcome::NotExecuted
    }

    /// What the refusal says of the call's fate.
    ///
    /// A refusal comes before the method has done its work, with two exceptions: the codes of a failure inside the
    /// portal, and every other answer with a 5xx status, which may come from a method that failed half-way.
    pub fn outcome(&self) -> Outcome {
        if FAILED_INSIDE.iter().any(|code| self.is(code)) {
            return Outcome::Unknown;
        }
        let refused_before_execution =
            self.http_status < 500 || REFUSED_BEFORE_EXECUTION.iter().any(|code| self.is(code));
        if refused_before_execution {
            Outcome::NotExecuted
        } else {
            Outcome::Unknown
        }
    }
}

/// Source: system errors, status 500.
const FAILED_INSIDE: [&str; 2] = ["INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER"];

/// Codes that stand in front of every method although their status is 5xx.
///
/// Source: system errors and limits.
const REFUSED_BEFORE_EXECUTION: [&str; 3] =
    ["QUERY_LIMIT_EXCEEDED", "OVERLOAD_LIMIT", "PORTAL_DELETED"];

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
