//! The response to a batch, with its quirks.

mod maps;

use serde_json::Value;

pub(crate) use maps::Maps;

use crate::answer::{Answer, Envelope};
use crate::call_error::{CallError, Unanswered};
use crate::loose;
use crate::refusal::Refusal;
use crate::time::Time;

/// Bitrix24's response to a batch, with the outcome of each command.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchAnswer {
    /// The HTTP status, 200 to 299.
    pub http_status: u16,
    /// What Bitrix24 reports of the time of the whole batch.
    pub time: Time,
    /// One result for each command, in the commands' order.
    pub results: Vec<Result<Answer, CallError>>,
}

impl BatchAnswer {
    /// Matches entries with commands. Only the keys do, so a command with no entry, or with two, is
    /// [`Unanswered`].
    pub(crate) fn read(envelope: Envelope<Maps>, commands: usize) -> Self {
        let Envelope {
            http_status,
            result: mut maps,
            time,
        } = envelope;
        let results = (0..commands)
            .map(|index| {
                let error = maps.errors.take(index).filter(|error| !error.is_null());
                match (maps.results.take(index), error) {
                    (Some(result), None) => {
                        let time = maps.times.take(index).unwrap_or_default();
                        Answer::of_command(http_status, result, time)
                    }
                    (None, Some(error)) => Err(CallError::Refused(refusal(http_status, &error))),
                    (Some(_), Some(_)) | (None, None) => {
                        Err(Unanswered::NoResult { http_status }.into())
                    }
                }
            })
            .collect();
        Self {
            http_status,
            time,
            results,
        }
    }
}

/// An entry of `result_error`: a map with code and text, or the code alone (seen by one library).
fn refusal(http_status: u16, error: &Value) -> Refusal {
    let refusal = match loose::map(error) {
        Some(map) => {
            let code = map.get("error").unwrap_or(&Value::Null);
            Refusal::read(http_status, code, map.get("error_description"))
        }
        None => Refusal::read(http_status, error, None),
    };
    refusal.of_command()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::answer::Contents as _;
    use crate::outcome::Outcome;

    fn read(result: Value, commands: usize) -> Vec<Result<Answer, CallError>> {
        let envelope = Envelope {
            http_status: 200,
            result: Maps::of(result),
            time: Time::default(),
        };
        BatchAnswer::read(envelope, commands).results
    }

    #[track_caller]
    fn code(answer: &Result<Answer, CallError>) -> (&str, Outcome) {
        match answer {
            Err(CallError::Refused(refusal)) => (refusal.code.as_str(), refusal.outcome()),
            other => panic!("{other:?}"),
        }
    }

    const NO_RESULT: CallError = CallError::Unanswered(Unanswered::NoResult { http_status: 200 });

    #[test]
    fn each_command_gets_its_own_answer() {
        let answers = read(
            json!({
                "result": {"m2": 7, "m3": null},
                "result_error": {"m1": {"error": "CHAT_NOT_IN_CRM", "error_description": "no"}},
                "result_total": [],
                "result_next": [],
                "result_time": {"m2": {"operating": 0.5}},
            }),
            3,
        );
        assert_eq!(code(&answers[0]), ("CHAT_NOT_IN_CRM", Outcome::NotExecuted));
        let answer = answers[1].as_ref().unwrap();
        assert_eq!(
            (&answer.result, answer.time.operating),
            (&json!(7), Some(0.5))
        );
        let answer = answers[2].as_ref().unwrap();
        assert_eq!(
            (&answer.result, &answer.time),
            (&Value::Null, &Time::default())
        );
    }

    #[test]
    fn empty_maps_may_be_lists() {
        let answers = read(
            json!({"result": [], "result_error": {"m1": {"error": "NOT_FOUND"}}}),
            1,
        );
        assert_eq!(code(&answers[0]).0, "NOT_FOUND");
        let answers = read(json!({"result": {"m1": true}, "result_error": []}), 1);
        assert!(answers[0].is_ok());
    }

    #[test]
    fn what_is_missing_or_there_twice_is_unknown() {
        for result in [
            json!({"result": {"m2": 1}, "result_error": []}),
            json!({"result": {"m1": 1}, "result_error": {"m1": {"error": "NOT_FOUND"}}}),
            json!({"result": [1], "result_error": []}),
            json!({}),
            json!([]),
            json!(true),
            json!(null),
        ] {
            assert_eq!(read(result.clone(), 1), [Err(NO_RESULT)], "{result}");
        }
    }

    #[test]
    fn an_error_may_be_a_text_and_may_be_empty() {
        for (error, expected) in [
            (json!("NOT_FOUND"), ("NOT_FOUND", Outcome::NotExecuted)),
            (
                json!({"error": "insufficient_scope", "error_description": ""}),
                ("insufficient_scope", Outcome::NotExecuted),
            ),
            (
                json!({"error": "", "error_description": "", "extra": 1}),
                ("", Outcome::Unknown),
            ),
            (json!([]), ("null", Outcome::Unknown)),
            (
                json!({"error": "ERROR_CORE"}),
                ("ERROR_CORE", Outcome::Unknown),
            ),
            (
                json!({"error": "INTERNAL_SERVER_ERROR"}),
                ("INTERNAL_SERVER_ERROR", Outcome::Unknown),
            ),
            (
                json!({"error": "SOMETHING_NEW"}),
                ("SOMETHING_NEW", Outcome::Unknown),
            ),
        ] {
            let answers = read(json!({"result": [], "result_error": {"m1": error}}), 1);
            assert_eq!(code(&answers[0]), expected, "{error}");
        }
    }

    #[test]
    fn an_error_inside_a_result_is_a_failure() {
        let result = json!({"result": false, "error": "NAME_REQUIRED", "error_description": "no"});
        let answers = read(json!({"result": {"m1": result}, "result_error": []}), 1);
        assert_eq!(code(&answers[0]), ("NAME_REQUIRED", Outcome::Unknown));
    }
}
