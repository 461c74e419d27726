//! `imconnector.send.messages`: messages of an external system, each with its own result.

mod message;
mod results;

use self::message::Message;
use self::results::MessageResult;
use crate::error::Refusal;
use crate::php;
use crate::portal::Connector;
use crate::record::{AuthKind, Delivery};
use crate::rest::call::{Call, Executed};
use crate::state::{DialogueKey, PortalState};
use crate::switches::{ErrorDialect, InvalidName, RepeatedMessage};

/// Checks authorization, CONNECTOR, LINE, MESSAGES and each element, then line and connector. After
/// that only single messages can fail.
pub(super) fn run(call: &Call<'_>, state: &mut PortalState) -> Result<Executed, Refusal> {
    if call.caller.kind != AuthKind::Application {
        return Err(Refusal::APPLICATION_REQUIRED);
    }
    let connector_id = php::text(Some(call.required("CONNECTOR")?)).unwrap_or_default();
    let line = call.required("LINE")?;
    let messages = call.required("MESSAGES")?;
    let messages = php::elements(messages).ok_or(Refusal::MESSAGES_NOT_ARRAY)?;
    let messages: Vec<Message<'_>> = messages
        .into_iter()
        .map(Message::read)
        .collect::<Result<_, _>>()?;

    let limit = call.context.switches.messages_limit;
    if limit.is_some_and(|limit| messages.len() > limit) {
        return Err(Refusal::TOO_MANY_MESSAGES);
    }
    let line = php::integer(Some(line)).ok_or(Refusal::LINE_INACTIVE)?;
    let mut lines = state.definition.lines.iter();
    if !lines.any(|known| known.id == line && known.active) {
        return Err(Refusal::LINE_INACTIVE);
    }
    let connector = connector(state, &connector_id).ok_or(Refusal::NO_PROVIDER)?;
    if !connector.active_lines.contains(&line) {
        return Err(Refusal::LINE_INACTIVE);
    }

    let results: Vec<MessageResult<'_>> = messages
        .iter()
        .map(|message| deliver(call, state, &connector, line, message))
        .collect();
    let result = results::write(&results, &call.context.switches);
    let deliveries = results.into_iter().filter_map(|result| result.delivery);
    Ok(Executed {
        result,
        deliveries: deliveries.collect(),
    })
}

/// Portals register connectors in lower case. Whether they find one by capitals too is not
/// documented; this one does not.
fn connector(state: &PortalState, id: &str) -> Option<Connector> {
    let mut connectors = state.definition.connectors.iter();
    connectors
        .find(|known| known.id.to_lowercase() == id)
        .cloned()
}

/// Accepts one message or refuses it.
fn deliver<'a>(
    call: &Call<'_>,
    state: &mut PortalState,
    connector: &Connector,
    line: i64,
    message: &'a Message<'a>,
) -> MessageResult<'a> {
    let user = php::text(message.user("id")).filter(|id| !id.is_empty());
    let portal_user = user
        .as_deref()
        .map(|id| state.messenger_user(&connector.id, id));
    let result = MessageResult {
        message,
        portal_user,
        dialogue: None,
        error: None,
        delivery: None,
    };
    let refused = |error: String| MessageResult {
        error: Some(error),
        ..result
    };
    let Some(user_id) = user.filter(|_| message.is_complete()) else {
        let current = call.context.switches.error_dialect == ErrorDialect::Current;
        let article = if current { "the " } else { "" };
        return refused(format!("Not all {article}required data was provided"));
    };
    let (message_id, text) = (message.message_id(), message.text());
    let mut rules = call.context.rules.iter();
    if let Some(rule) = rules.find(|rule| rule.applies(message_id.as_deref(), &text)) {
        return refused(rule.error.clone());
    }
    let switches = &call.context.switches;
    if switches.invalid_name == InvalidName::Refuse && !message.has_valid_names() {
        return refused("The name of the user is invalid".to_owned());
    }
    let chat_id = php::text(message.chat("id")).unwrap_or_default();
    let partner = if connector.chat_group {
        chat_id.clone()
    } else {
        user_id.clone()
    };
    let dialogue = state.dialogue(DialogueKey {
        connector: connector.id.clone(),
        line,
        partner,
    });
    if switches.repeated_message == RepeatedMessage::Drop
        && let Some(id) = &message_id
        && !state.is_first(&connector.id, id)
    {
        return MessageResult {
            message,
            portal_user,
            dialogue: Some(dialogue),
            error: None,
            delivery: None,
        };
    }
    let delivery = Delivery::Connector {
        connector: connector.id.to_lowercase(),
        line,
        user_id,
        message_id,
        user_name: message.user_name(),
        chat_id,
        text: php::cut(text, switches.text_limit),
        files: message.files(),
        portal_chat_id: dialogue.chat_id,
    };
    MessageResult {
        message,
        portal_user,
        dialogue: Some(dialogue),
        error: None,
        delivery: Some(delivery),
    }
}
