//! The envelope of an authorization server's response.

use serde_json::Value;

use super::error::{OAuthError, OAuthRefusal};
use crate::call_error::Unanswered;
use crate::error_code::ErrorCode;
use crate::front::{self, Instead};
use crate::loose;
use crate::transport::{Document, HttpResponse};

/// Longest code kept, in characters. Documented ones have fewer than 40.
const MAXIMUM_CODE_CHARACTERS: usize = 100;
/// Longest description kept, in characters.
const MAXIMUM_DESCRIPTION_CHARACTERS: usize = 500;

/// Reads the document of a response with a 2xx status and without an `error`.
///
/// Only JSON with an `error` is a refusal, with any status below 500: an unknown client gets 200.
/// What a server in front wrote says by its status what it means, as in front of a portal.
pub(super) fn read(response: &HttpResponse<'_>) -> Result<Document, OAuthError> {
    let http_status = response.http_status;
    if (300..400).contains(&http_status) {
        return Err(Unanswered::NoResult { http_status }.into());
    }
    let in_front = |instead| OAuthError::of_front(front::judge(response, instead), http_status);
    let document = response.document();
    let document = document.map_err(|nothing| in_front(Instead::Nothing(nothing)))?;
    if http_status >= 500 {
        return Err(Unanswered::ServerFailed { http_status }.into());
    }
    if let Some(error) = document.field("error") {
        let text = |value: Value| loose::text(&value).unwrap_or_else(|| value.to_string());
        let code = kept(&text(error), MAXIMUM_CODE_CHARACTERS);
        let description = document.field("error_description").map(text);
        return Err(OAuthError::Refused(OAuthRefusal {
            documented: ErrorCode::parse(&code),
            code,
            description: kept(
                &description.unwrap_or_default(),
                MAXIMUM_DESCRIPTION_CHARACTERS,
            ),
            http_status,
            retry_after: response.retry_after(),
        }));
    }
    if (200..300).contains(&http_status) {
        Ok(document)
    } else {
        Err(in_front(Instead::Json))
    }
}

/// The server's text, fit for logs and the store.
fn kept(text: &str, maximum_characters: usize) -> String {
    let text = text.replace(char::is_control, " ");
    text.chars().take(maximum_characters).collect()
}
