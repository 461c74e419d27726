//! The result of each message, from the answer of `imconnector.send.messages`.
//!
//! Both generations of the answer are read, and PHP's loose values. A message whose result is
//! missing, or belongs to another message, has an unknown outcome: results are never guessed.

use serde_json::Value;

use crate::api::openlines::v1::connector_message_result::Outcome;
use crate::api::openlines::v1::{
    AcceptedConnectorMessage, ConnectorMessage, ConnectorMessageResult, OpenLineSession,
    ProcessedChat, ProcessedMessage, SendConnectorMessagesRequest,
};
use crate::call::CallIdentity;
use crate::error::{Error, is_unknown};
use crate::metrics::MessageResults;
use crate::openlines::names::NameRule;
use crate::openlines::{json_struct, timing};
use bitrix24::{Answer, loose};

/// The result of each message, in the order of the request.
///
/// # Errors
///
/// [`Error::ResultMissing`] if the answer has no list of results.
pub(super) fn of(
    answer: &Answer,
    request: &SendConnectorMessagesRequest,
    names: NameRule,
    call: &CallIdentity,
) -> Result<Vec<ConnectorMessageResult>, Error> {
    let Some(judgements) = judgements(answer) else {
        return Err(Error::ResultMissing);
    };
    let results = request.messages.iter().enumerate().map(|(index, message)| {
        let judgement = loose::item(judgements, index).filter(|found| belongs_to(found, message));
        let outcome = match result_of(judgement, answer.http_status) {
            Ok(accepted) => Outcome::Accepted(accepted),
            Err(error) => Outcome::Error(error.into_failure(call).to_rpc_status(call)),
        };
        ConnectorMessageResult {
            outcome: Some(outcome),
            changed_names: changed_names(message, names),
        }
    });
    Ok(results.collect())
}

/// The fields of the message whose names were sent otherwise than they were given.
fn changed_names(message: &ConnectorMessage, names: NameRule) -> Vec<String> {
    let users = message.user.iter();
    let given = users.flat_map(|user| {
        [
            ("user.first_name", &user.first_name),
            ("user.last_name", &user.last_name),
        ]
    });
    let changed = given.filter(|(_, name)| names.changes(name));
    changed.map(|(field, _)| field.to_owned()).collect()
}

/// How many messages have which result. Only a result that is missing has an unknown outcome.
pub(super) fn counted(results: &[ConnectorMessageResult]) -> MessageResults {
    let mut counted = MessageResults::default();
    for result in results {
        match &result.outcome {
            Some(Outcome::Accepted(_)) => counted.delivered += 1,
            Some(Outcome::Error(status)) if !is_unknown(status) => counted.refused += 1,
            Some(Outcome::Error(_)) | None => counted.unknown += 1,
        }
    }
    counted
}

/// How many of the first so many results are acceptances.
pub(super) fn accepted_of(answer: &Answer, messages: usize) -> usize {
    let judgements = judgements(answer);
    let is_accepted = |index: &usize| {
        let judgement = judgements.and_then(|judgements| loose::item(judgements, *index));
        let success = judgement.and_then(|judgement| judgement.get("SUCCESS"));
        success.and_then(loose::switch) == Some(true)
    };
    (0..messages).filter(is_accepted).count()
}

fn judgements(answer: &Answer) -> Option<&Value> {
    answer.result.get("DATA")?.get("RESULT")
}

/// Whether a judgement names no other message than `message`.
fn belongs_to(judgement: &Value, message: &ConnectorMessage) -> bool {
    let named = judgement
        .get("message")
        .and_then(|message| message.get("id"));
    let sent = message.message.as_ref().map(|message| message.id.as_str());
    named
        .and_then(loose::text)
        .is_none_or(|named| Some(named.as_str()) == sent)
}

fn result_of(
    judgement: Option<&Value>,
    http_status: u16,
) -> Result<AcceptedConnectorMessage, Error> {
    let judgement = judgement.ok_or(Error::ResultMissing)?;
    match judgement.get("SUCCESS").and_then(loose::switch) {
        Some(true) => Ok(accepted(judgement)),
        Some(false) => Err(Error::MessageRejected {
            http_status,
            texts: texts(judgement),
        }),
        None => Err(Error::ResultMissing),
    }
}

/// `ERRORS` is a list of texts; defensively, one text or a map of texts is read too.
fn texts(judgement: &Value) -> Vec<String> {
    match judgement.get("ERRORS") {
        Some(Value::Array(texts)) => texts.iter().filter_map(loose::text).collect(),
        Some(Value::Object(texts)) => texts.values().filter_map(loose::text).collect(),
        Some(text) => loose::text(text).into_iter().collect(),
        None => Vec::new(),
    }
}

fn accepted(judgement: &Value) -> AcceptedConnectorMessage {
    let extra = judgement.get("extra");
    let message = judgement.get("message");
    AcceptedConnectorMessage {
        portal_user_id: judgement.get("user").and_then(loose::integer),
        message: message.and_then(loose::map).map(|_| ProcessedMessage {
            id: text_at(message, "id"),
            send_time: at(message, "date")
                .and_then(loose::number)
                .and_then(timing::timestamp),
            text: text_at(message, "text"),
            files: at(message, "files")
                .and_then(Value::as_array)
                .map(|files| files.iter().map(json_struct::from_json).collect())
                .unwrap_or_default(),
        }),
        chat: judgement.get("chat").and_then(loose::map).map(|_| {
            let chat = judgement.get("chat");
            ProcessedChat {
                id: text_at(chat, "id"),
                name: text_at(chat, "name"),
                description: text_at(chat, "description"),
            }
        }),
        phone_validation_skipped: is_on(at(extra, "skip_phone_validate")),
        // Older portals report the tracker beside the message.
        crm_tracker_disabled: is_on(at(extra, "disable_tracker"))
            || is_on(at(message, "disable_crm")),
        session: judgement
            .get("session")
            .and_then(loose::map)
            .filter(|map| !map.is_empty())
            .map(|session| OpenLineSession {
                id: session.get("ID").and_then(loose::integer),
                portal_chat_id: session.get("CHAT_ID").and_then(loose::integer),
            }),
    }
}

fn at<'a>(map: Option<&'a Value>, key: &str) -> Option<&'a Value> {
    map.and_then(|map| map.get(key))
}

fn text_at(map: Option<&Value>, key: &str) -> String {
    at(map, key).and_then(loose::text).unwrap_or_default()
}

fn is_on(value: Option<&Value>) -> bool {
    value.and_then(loose::switch).unwrap_or_default()
}
