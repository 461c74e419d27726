//! A portal's or an authorization server's response to a single request.

use bitrix24::fuzzing::{self, Response};
use bitrix24::{CallError, OAuthError};
use bitrix24_openlines::api::openlines::v1::SendConnectorMessagesResponse;
use bitrix24_openlines::testing::openlines::respond;
use prost::Message;
use secrecy::SecretString;

use super::{check_size, status_and_body};

/// What the request sent.
const SECRET: &str = "s3cr3tcanary";
/// The messages of the call.
const MESSAGES: usize = 3;

/// Whatever a portal answers, each operation has a response or a status that fits into headers; an
/// address in a redirect is a host, and nothing repeats the secret that was sent.
pub fn portal_answer(data: &[u8]) {
    let Some((http_status, body)) = status_and_body(data) else {
        return;
    };
    let location = std::str::from_utf8(body).ok();
    let response = Response {
        http_status,
        location,
        body,
    };
    let secret = SecretString::from(SECRET);
    let result = fuzzing::answer(response, &secret);
    let shown = format!("{result:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    match &result {
        Ok(answer) => assert!((200..300).contains(&answer.http_status)),
        Err(CallError::Moved { new_address }) => {
            let address = new_address.as_deref().unwrap_or_default();
            assert!(!address.contains(['@', '?', '#', '\\']), "{address}");
        }
        Err(_) => {}
    }
    for reply in respond(&result, MESSAGES) {
        if let Err(status) = reply {
            check_size(&status);
        }
    }
    let [of_messages, _, _] = respond(&result, MESSAGES);
    if let Ok(encoded) = of_messages {
        let response = SendConnectorMessagesResponse::decode(encoded.as_slice()).unwrap();
        assert_eq!(response.results.len(), MESSAGES);
    }
    of_authorization_server(response, &secret);
}

fn of_authorization_server(response: Response<'_>, secret: &SecretString) {
    let errors = [
        fuzzing::tokens(response, secret).err(),
        fuzzing::application_info(response, secret).err(),
    ];
    for error in errors.into_iter().flatten() {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(SECRET), "{shown}");
        if let OAuthError::Refused(refusal) = error {
            assert!(refusal.code.chars().count() <= 100);
            assert!(refusal.description.chars().count() <= 500);
        }
    }
}
