//! The envelope of a response, with its quirks.

pub(crate) mod plain;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::advertised;
use crate::call_error::{CallError, Unanswered};
use crate::echo::Echoes;
use crate::front::{self, Instead};
use crate::refusal::Refusal;
use crate::time::Time;
use crate::transport::{HttpResponse, NoDocument};

/// Bitrix24's result of a call. The ledger stores it in this form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status, 200 to 299.
    pub http_status: u16,
    /// The method's result.
    pub result: Value,
    /// What Bitrix24 reports of the call's time.
    pub time: Time,
}

/// An envelope with a result, which may still hold an error.
#[derive(Debug, PartialEq)]
pub(crate) struct Envelope<R> {
    pub(crate) http_status: u16,
    pub(crate) result: R,
    pub(crate) time: Time,
}

/// What is read from the result of an envelope.
pub(crate) trait Contents: for<'de> Deserialize<'de> {
    /// Reads it from any result. Reading it straight from JSON may fail if the result is unusual.
    fn of(result: Value) -> Self;

    /// Whether one of these secrets is in it.
    fn repeats(&self, echoes: &Echoes) -> bool;
}

impl Contents for Value {
    fn of(result: Value) -> Self {
        result
    }

    fn repeats(&self, echoes: &Echoes) -> bool {
        echoes.are_in(self)
    }
}

impl<R: Contents> Envelope<R> {
    /// Reads a response.
    ///
    /// A body with an `error` key is a failure with any status and even with an empty code. A
    /// `result` is a success only with a 2xx status. The content type is ignored: portals get it
    /// wrong.
    pub(crate) fn read(response: &HttpResponse<'_>) -> Result<Self, CallError> {
        if let Some(new_address) = moved(response) {
            return Err(CallError::Moved { new_address });
        }
        plain::read(response).map_or_else(|| Self::read_with_quirks(response), Ok)
    }

    /// Reads any response that is no redirect.
    fn read_with_quirks(response: &HttpResponse<'_>) -> Result<Self, CallError> {
        let http_status = response.http_status;
        let mut body: Value = match response.document() {
            Ok(document) => document.into_clean(),
            Err(nothing) => return Err(front::judge(response, Instead::Nothing(nothing))),
        };

        let time = Time::read(body.get("time"));
        if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
            let refusal = Refusal::read(http_status, error, body.get("error_description"));
            let refusal = refusal.with_retry_after(response.retry_after());
            return Err(CallError::Refused(refusal));
        }
        // Older documentation of imconnector.send.messages shows the result without its envelope.
        let without_envelope = body.get("SUCCESS").is_some() && body.get("DATA").is_some();
        let result = match body.get_mut("result") {
            Some(result) => result.take(),
            None if without_envelope => body,
            None => {
                let instead = instead_of_answer(http_status, &body);
                return Err(front::judge(response, instead));
            }
        };
        if !(200..300).contains(&http_status) {
            return Err(Unanswered::NoResult { http_status }.into());
        }
        Ok(Self {
            http_status,
            result: R::of(result),
            time,
        })
    }
}

impl Answer {
    /// Reads the response to a single call.
    pub(crate) fn read(response: &HttpResponse<'_>) -> Result<Self, CallError> {
        let Envelope {
            http_status,
            result,
            time,
        } = Envelope::read(response)?;
        Self::of(http_status, result, time).map_err(CallError::Refused)
    }

    /// The result of a command of a batch.
    pub(crate) fn of_command(
        http_status: u16,
        result: Value,
        time: Time,
    ) -> Result<Self, CallError> {
        Self::of(http_status, result, time)
            .map_err(|refusal| CallError::Refused(refusal.of_command()))
    }

    /// The imconnector methods report some failures inside the result, with HTTP 200.
    fn of(http_status: u16, result: Value, time: Time) -> Result<Self, Refusal> {
        if let Some(error) = result.get("error").filter(|error| error.is_string()) {
            let description = result.get("error_description");
            return Err(Refusal::read(http_status, error, description));
        }
        Ok(Self {
            http_status,
            result,
            time,
        })
    }
}

/// What a document without result and error is. With a 4xx status a text or a number is a page that
/// happens to be JSON.
fn instead_of_answer(http_status: u16, document: &Value) -> Instead {
    let is_text = document.is_string() || document.is_number();
    if is_text && (400..500).contains(&http_status) {
        Instead::Nothing(NoDocument::NotJson)
    } else {
        Instead::Json
    }
}

/// The new address of a redirect: `None` for other responses, `Some(None)` if it cannot be read.
fn moved(response: &HttpResponse<'_>) -> Option<Option<String>> {
    let location = response.location()?;
    let address = advertised::address(location);
    Some(address.filter(|address| response.echoes().cut(address).is_none()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::echo::Sent;

    fn read(http_status: u16, body: &str) -> Result<Answer, CallError> {
        let body = body.as_bytes().to_vec();
        Answer::read(&HttpResponse::new(http_status, None, body, Sent::default()))
    }

    fn unanswered(http_status: u16, body: &str) -> Unanswered {
        match read(http_status, body) {
            Err(CallError::Unanswered(unanswered)) => unanswered,
            other => panic!("{http_status} {body}: {other:?}"),
        }
    }

    #[test]
    fn a_result_is_read_with_its_time() {
        let answer = read(200, r#"{"result":5,"time":{"start":1.5,"operating":2}}"#).unwrap();
        assert_eq!(answer.result, json!(5));
        assert_eq!(answer.time.operating, Some(2.0));
    }

    #[test]
    fn null_is_a_result_too() {
        assert_eq!(read(200, r#"{"result":null}"#).unwrap().result, json!(null));
    }

    #[test]
    fn the_older_answer_without_an_envelope_is_read_as_a_result() {
        let answer = read(200, r#"{"SUCCESS":true,"DATA":{"RESULT":[]}}"#).unwrap();
        assert_eq!(answer.result["SUCCESS"], json!(true));
    }

    #[test]
    fn an_error_key_is_a_failure_even_with_status_200_and_an_empty_code() {
        for body in [r#"{"error":"","result":1}"#, r#"{"error":"wrong_client"}"#] {
            assert!(
                matches!(read(200, body), Err(CallError::Refused(_))),
                "{body}"
            );
        }
        assert!(read(200, r#"{"error":null,"result":1}"#).is_ok());
    }

    #[test]
    fn an_error_inside_the_result_is_a_failure() {
        let body =
            r#"{"result":{"result":false,"error":"NAME_REQUIRED","error_description":"no"}}"#;
        match read(200, body) {
            Err(CallError::Refused(refusal)) => assert_eq!(refusal.code, "NAME_REQUIRED"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_unreadable_response_is_unanswered() {
        assert_eq!(
            unanswered(200, " \n"),
            Unanswered::Empty { http_status: 200 }
        );
        assert_eq!(
            unanswered(200, r#"{"result":{"#),
            Unanswered::CutOff { http_status: 200 }
        );
        assert_eq!(
            unanswered(502, "<html>"),
            Unanswered::NotJson { http_status: 502 }
        );
        for body in ["{}", "[]", "null", "7", r#"{"time":{}}"#] {
            assert_eq!(
                unanswered(200, body),
                Unanswered::NoResult { http_status: 200 },
                "{body}"
            );
        }
        assert_eq!(
            unanswered(500, r#"{"result":1}"#),
            Unanswered::NoResult { http_status: 500 }
        );
    }

    /// As PHP writes them in front of its output, editors in front of a file, and portals with an
    /// old encoding inside.
    #[test]
    fn junk_around_one_answer_is_skipped() {
        let notice = "<br />\n<b>Notice</b>: Undefined index {x} in /a.php on line <b>7</b>\n";
        for (before, after) in [
            (notice, ""),
            ("\u{feff}", ""),
            ("", "\n<!-- 0.1 s -->"),
            (notice, "\n"),
        ] {
            let body = format!(r#"{before}{{"error":"ERROR_ARGUMENT"}}{after}"#);
            match read(400, &body) {
                Err(CallError::Refused(refusal)) => assert_eq!(refusal.code, "ERROR_ARGUMENT"),
                other => panic!("{body}: {other:?}"),
            }
            let body = format!(r#"{before}{{"result":5}}{after}"#);
            assert_eq!(read(200, &body).unwrap().result, json!(5), "{body}");
        }
        let cyrillic = b"{\"error\":\"ERROR_CORE\",\"error_description\":\"\xcd\xe5\xf2\"}";
        let response = HttpResponse::new(400, None, cyrillic.to_vec(), Sent::default());
        match Answer::read(&response) {
            Err(CallError::Refused(refusal)) => assert_eq!(refusal.code, "ERROR_CORE"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_one_answer_is_judged_as_before() {
        for body in [
            r#"<!DOCTYPE html><script>x = {"error": "a"}</script>"#,
            r#"<html>{"error": "a"}"#,
            r#"notice {"x": 1}"#,
            r#"{"result": 1}{"result": 2}"#,
            "{{{{{{{{{{{{{{{{{{{{",
        ] {
            assert_eq!(
                read(404, body),
                Err(CallError::NoPortal { http_status: 404 }),
                "{body}"
            );
            assert_eq!(
                unanswered(200, body),
                Unanswered::NotJson { http_status: 200 },
                "{body}"
            );
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_behind_junk_is_one_that_is_cut_off() {
        for http_status in [200, 400, 404] {
            assert_eq!(
                unanswered(http_status, r#"notice {x} {"result": 1"#),
                Unanswered::CutOff { http_status }
            );
        }
    }

    #[test]
    fn a_redirect_names_the_new_address_and_drops_the_path() {
        let moved = |location: &str| {
            let location = Some(location.to_owned());
            let sent = Sent::default();
            Answer::read(&HttpResponse::new(302, location, Vec::new(), sent))
        };
        assert_eq!(
            moved("https://New.bitrix24.com/rest/1/s3cret/x"),
            Err(CallError::Moved {
                new_address: Some("new.bitrix24.com".to_owned())
            })
        );
        assert_eq!(
            moved("http://127.0.0.1:8025/rest/1/s3cret/x"),
            Err(CallError::Moved {
                new_address: Some("http://127.0.0.1:8025".to_owned())
            })
        );
        for hidden in [
            "http://new.bitrix24.com/",
            "https://u:p@new/",
            "/rest/",
            "https://",
        ] {
            assert_eq!(
                moved(hidden),
                Err(CallError::Moved { new_address: None }),
                "{hidden}"
            );
        }
    }
}
