//! The envelope of an authorization server's response.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::error::{OAuthError, OAuthRefusal};
use crate::call_error::Unanswered;
use crate::error_code::ErrorCode;
use crate::loose;
use crate::transport::HttpResponse;

/// Longest code kept, in characters. Documented ones have fewer than 40.
const MAXIMUM_CODE_CHARACTERS: usize = 100;
/// Longest description kept, in characters.
const MAXIMUM_DESCRIPTION_CHARACTERS: usize = 500;
/// Replaces secrets that a server echoes.
const REDACTED: &str = "[redacted]";

/// Reads the document of a response with a 2xx status and without an `error`.
///
/// Only JSON with an `error` is a refusal, with any status below 500: an unknown client gets 200. A
/// page is not a refusal, even with 404: a web server in front may have written it.
pub(super) fn read(
    response: &HttpResponse,
    secrets: &[&SecretString],
) -> Result<Value, OAuthError> {
    let http_status = response.http_status;
    if (300..400).contains(&http_status) {
        return Err(Unanswered::NoResult { http_status }.into());
    }
    if response.body.iter().all(u8::is_ascii_whitespace) {
        return Err(Unanswered::Empty { http_status }.into());
    }
    let document: Value = match serde_json::from_slice(&response.body) {
        Ok(document) => document,
        Err(error) if error.is_eof() => return Err(Unanswered::CutOff { http_status }.into()),
        Err(_) => return Err(Unanswered::NotJson { http_status }.into()),
    };
    if http_status >= 500 {
        return Err(Unanswered::ServerFailed { http_status }.into());
    }
    if let Some(error) = document.get("error").filter(|error| !error.is_null()) {
        let text = |value: &Value| loose::text(value).unwrap_or_else(|| value.to_string());
        let description = document.get("error_description").map(text);
        let code = kept(&text(error), secrets, MAXIMUM_CODE_CHARACTERS);
        return Err(OAuthError::Refused(OAuthRefusal {
            documented: ErrorCode::parse(&code),
            code,
            description: kept(
                &description.unwrap_or_default(),
                secrets,
                MAXIMUM_DESCRIPTION_CHARACTERS,
            ),
            http_status,
        }));
    }
    if (200..300).contains(&http_status) {
        Ok(document)
    } else {
        Err(Unanswered::NoResult { http_status }.into())
    }
}

/// The server's text, fit for logs and the store: without the secrets sent to it, and cut.
fn kept(text: &str, secrets: &[&SecretString], maximum_characters: usize) -> String {
    let mut text = text.replace(char::is_control, " ");
    for secret in secrets {
        let secret = secret.expose_secret();
        if !secret.is_empty() {
            text = text.replace(secret, REDACTED);
        }
    }
    text.chars().take(maximum_characters).collect()
}
