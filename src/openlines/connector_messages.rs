//! `SendConnectorMessages`: `imconnector.send.messages`.

mod parameters;
mod results;

use std::time::Duration;

use super::operation::Operation;
use super::settings::Rules;
use super::timing;
use crate::api::openlines::v1::{
    ConnectorMessage, ExternalChat, ExternalMessage, ExternalUser, Gender,
    SendConnectorMessagesRequest, SendConnectorMessagesResponse,
};
use crate::call::CallIdentity;
use crate::call::{Conversation, Conversations};
use crate::check::Check;
use crate::check::Path;
use crate::error::Error;
use crate::metrics::MessageResults;
use bitrix24::{Answer, Method, NotAnObject, Parameters};

pub(super) struct SendConnectorMessages;

/// The longest identifier or name, in characters. Ours: Bitrix24 documents none.
const ID_CHARACTERS: usize = 255;
/// The longest email address, in characters. Source: RFC 5321, section 4.5.3.1.3, without brackets.
const EMAIL_CHARACTERS: usize = 254;
/// The longest phone number, in characters. Ours: twice an international number with extension.
const PHONE_CHARACTERS: usize = 64;
/// The largest number of files of one message. Ours: Bitrix24 documents none.
const FILES: usize = 100;
/// In one second.
const NANOSECONDS: i32 = 1_000_000_000;
/// The last second of the year 9999, the end of `Timestamp`.
const LAST_SECOND: i64 = 253_402_300_799;

impl Operation for SendConnectorMessages {
    type Request = SendConnectorMessagesRequest;
    type Response = SendConnectorMessagesResponse;

    const NAME: &'static str = "SendConnectorMessages";
    const METHOD: Method = Method::SendConnectorMessages;

    fn conversations(request: &Self::Request, rules: &Rules) -> Conversations {
        if request.messages.len() > rules.maximum_messages {
            return Conversations::new();
        }
        // Bitrix24 keeps the connector in lower case. It makes one chat for each external user, or
        // for each external chat if the connector is registered so (`CHAT_GROUP`). The request does
        // not tell which, so the order of both is kept.
        let connector = request.connector_id.to_lowercase();
        let of = |kind: &'static str, id: &str| {
            Conversation::of(&(kind, connector.as_str(), request.line_id, id))
        };
        let mut conversations = Conversations::new();
        for message in &request.messages {
            let chat = message.chat.as_ref().map(|chat| of("chat", &chat.id));
            let user = message.user.as_ref().map(|user| of("user", &user.id));
            conversations.extend(chat.into_iter().chain(user));
        }
        conversations.sort_unstable();
        conversations.dedup();
        conversations
    }

    fn line(request: &Self::Request) -> Option<String> {
        Some(request.line_id.to_string())
    }

    fn messages(request: &Self::Request) -> usize {
        request.messages.len()
    }

    fn accepted(answer: &Answer, messages: usize) -> usize {
        results::accepted_of(answer, messages)
    }

    fn results(response: &Self::Response) -> Option<MessageResults> {
        Some(results::counted(&response.results))
    }

    fn prepare(
        request: &Self::Request,
        rules: &Rules,
        check: &mut Check,
    ) -> Result<Parameters, NotAnObject> {
        check_connector(Path::root("connector_id"), &request.connector_id, check);
        check.required_id(Path::root("line_id"), request.line_id);
        let messages = Path::root("messages");
        check.some(messages, &request.messages);
        check.at_most(messages, &request.messages, rules.maximum_messages);
        for (index, message) in request.messages.iter().enumerate() {
            check_message(messages.item(index), message, rules, check);
        }
        Parameters::of(&parameters::ConnectorMessages::of(request, rules.names))
    }

    fn reply(
        answer: Answer,
        request: &Self::Request,
        rules: &Rules,
        call: &CallIdentity,
        operating_limit: Option<Duration>,
    ) -> Result<Self::Response, Error> {
        let results = results::of(&answer, request, rules.names, call)?;
        Ok(SendConnectorMessagesResponse {
            results,
            timing: Some(timing::timing(&answer.time)),
            operating_budget: timing::operating_budget(&answer.time, operating_limit),
            ..Default::default()
        })
    }
}

fn check_connector(path: Path<'_>, connector: &str, check: &mut Check) {
    check.required_text(path, connector, ID_CHARACTERS);
    let forbidden = |character: char| character <= ' ' || character == '\u{7f}' || character == '.';
    if connector.contains(forbidden) {
        check.wrong(
            path,
            "CHARACTERS",
            "has a dot, a space or a control character; Bitrix24 registers none with them",
        );
    }
}

fn check_message(path: Path<'_>, message: &ConnectorMessage, rules: &Rules, check: &mut Check) {
    let user = path.field("user");
    if let Some(message) = check.required(user, message.user.as_ref()) {
        check_user(user, message, rules, check);
    }
    let content = path.field("message");
    if let Some(message) = check.required(content, message.message.as_ref()) {
        check_content(content, message, rules, check);
    }
    let chat = path.field("chat");
    if let Some(message) = check.required(chat, message.chat.as_ref()) {
        check_chat(chat, message, check);
    }
}

fn check_user(path: Path<'_>, user: &ExternalUser, rules: &Rules, check: &mut Check) {
    check.required_text(path.field("id"), &user.id, ID_CHARACTERS);
    for (field, name) in [
        ("first_name", &user.first_name),
        ("last_name", &user.last_name),
    ] {
        rules.names.check(path.field(field), name, check);
    }
    check.url(path.field("picture_url"), &user.picture_url);
    check.url(path.field("profile_url"), &user.profile_url);
    check.known::<Gender>(path.field("gender"), user.gender);
    check.text(path.field("email"), &user.email, EMAIL_CHARACTERS);
    check.text(path.field("phone"), &user.phone, PHONE_CHARACTERS);
}

fn check_content(path: Path<'_>, message: &ExternalMessage, rules: &Rules, check: &mut Check) {
    check.required_text(path.field("id"), &message.id, ID_CHARACTERS);
    if let Some(time) = &message.send_time
        && !((1..=LAST_SECOND).contains(&time.seconds) && (0..NANOSECONDS).contains(&time.nanos))
    {
        check.wrong(
            path.field("send_time"),
            "TIME",
            "is not after 1970 and before the year 10000",
        );
    }
    check.text(
        path.field("text"),
        &message.text,
        rules.maximum_text_characters,
    );
    check.at_most(path.field("files"), &message.files, FILES);
    for (index, file) in message.files.iter().enumerate() {
        let path = path.field("files").item(index);
        check.required_url(path.field("url"), &file.url);
        check.text(path.field("name"), &file.name, ID_CHARACTERS);
    }
    if message.text.is_empty() && message.files.is_empty() {
        check.wrong(
            path,
            "TEXT_OR_FILES",
            "has neither text nor files; give one of them",
        );
    }
    if let Some(user) = message.portal_user_id {
        check.not_negative(path.field("portal_user_id"), user);
    }
}

fn check_chat(path: Path<'_>, chat: &ExternalChat, check: &mut Check) {
    check.required_text(path.field("id"), &chat.id, ID_CHARACTERS);
    check.text(path.field("name"), &chat.name, ID_CHARACTERS);
    check.url(path.field("url"), &chat.url);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openlines::tests::RULES;

    fn conversations(connector: &str, messages: &[(&str, &str)]) -> Conversations {
        let messages = messages.iter().map(|(user, chat)| ConnectorMessage {
            user: Some(ExternalUser {
                id: (*user).to_owned(),
                ..Default::default()
            }),
            chat: Some(ExternalChat {
                id: (*chat).to_owned(),
                ..Default::default()
            }),
            message: None,
        });
        let request = SendConnectorMessagesRequest {
            connector_id: connector.to_owned(),
            line_id: 1,
            messages: messages.collect(),
            ..Default::default()
        };
        SendConnectorMessages::conversations(&request, &RULES)
    }

    fn have_one_in_common(one: &[Conversation], other: &[Conversation]) -> bool {
        one.iter().any(|conversation| other.contains(conversation))
    }

    #[test]
    fn a_conversation_is_that_of_a_user_or_of_a_chat() {
        let call = conversations("shop", &[("ann", "1")]);
        for same in [
            conversations("shop", &[("ann", "2")]),
            conversations("shop", &[("ben", "1")]),
            conversations("Shop", &[("ann", "1")]),
        ] {
            assert!(have_one_in_common(&call, &same));
        }
        for other in [
            conversations("shop", &[("ben", "2")]),
            // A user is no chat.
            conversations("shop", &[("1", "ann")]),
            conversations("desk", &[("ann", "1")]),
        ] {
            assert!(!have_one_in_common(&call, &other));
        }
    }

    #[test]
    fn a_call_names_each_conversation_once() {
        let messages = [("ann", "1"), ("ann", "1"), ("ben", "1"), ("ann", "2")];
        assert_eq!(conversations("shop", &messages).len(), 4);
    }

    #[test]
    fn a_request_with_more_messages_than_allowed_costs_no_other_call_anything() {
        let ids: Vec<String> = (0..50_000).map(|id| id.to_string()).collect();
        let messages: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "1")).collect();
        let (allowed, too_many) = (&messages[..100], &messages[..101]);
        assert_eq!(conversations("shop", allowed).len(), 101);
        assert_eq!(conversations("shop", too_many), Conversations::new());
        assert_eq!(conversations("shop", &messages), Conversations::new());
    }
}
