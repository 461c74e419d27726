//! `imconnector.send.messages`: messages of an external system into an open line, judged one by one.

use serde_json::{Map, Value, json};

use super::connector_answer::{self, Judged};
use crate::dispatch::{Call, Done};
use crate::php;
use crate::portal::Connector;
use crate::record::{AuthKind, Delivery};
use crate::refusal::Refusal;
use crate::state::{DialogueKey, PortalState};
use crate::switches::{ErrorDialect, InvalidName, RepeatedMessage};

/// Checks authorization, CONNECTOR, LINE, MESSAGES and each element, then line and connector; after
/// that the call succeeds and only single messages can fail.
pub(super) fn run(call: &Call<'_>, state: &mut PortalState) -> Result<Done, Refusal> {
    if call.caller.kind != AuthKind::Application {
        return Err(Refusal::ApplicationRequired);
    }
    let connector_id = php::text(Some(required(call, "CONNECTOR")?)).unwrap_or_default();
    let line = required(call, "LINE")?;
    let messages = required(call, "MESSAGES")?;
    let messages = php::elements(messages).ok_or(Refusal::MessagesNotArray)?;
    let messages: Vec<Message<'_>> = messages
        .into_iter()
        .map(Message::read)
        .collect::<Result<_, _>>()?;

    let limit = call.circumstances.switches.messages_limit;
    if limit.is_some_and(|limit| messages.len() > limit) {
        return Err(Refusal::TooManyMessages);
    }
    let line = php::integer(Some(line)).ok_or(Refusal::LineInactive)?;
    if !state
        .portal
        .lines
        .iter()
        .any(|known| known.id == line && known.active)
    {
        return Err(Refusal::LineInactive);
    }
    let connector = connector(state, &connector_id).ok_or(Refusal::NoProvider)?;
    if !connector.active_lines.contains(&line) {
        return Err(Refusal::LineInactive);
    }

    let judged: Vec<Judged<'_>> = messages
        .iter()
        .map(|message| judge(call, state, &connector, line, message))
        .collect();
    let result = connector_answer::result(&judged, &call.circumstances.switches);
    let deliveries = judged
        .into_iter()
        .filter_map(|judged| judged.delivery)
        .collect();
    Ok(Done { result, deliveries })
}

fn required<'a>(call: &'a Call<'_>, name: &'static str) -> Result<&'a Value, Refusal> {
    let value = call
        .parameter(name)
        .filter(|value| !php::is_empty(Some(value)));
    value.ok_or(Refusal::EmptyArgument(name))
}

fn connector(state: &PortalState, id: &str) -> Option<Connector> {
    state
        .portal
        .connectors
        .iter()
        .find(|known| known.id.eq_ignore_ascii_case(id))
        .cloned()
}

/// One element of MESSAGES whose three blocks are there, whatever they hold.
#[derive(Debug)]
pub(super) struct Message<'a> {
    user: &'a Value,
    message: &'a Value,
    chat: &'a Value,
}

impl<'a> Message<'a> {
    fn read(element: &'a Value) -> Result<Self, Refusal> {
        if php::elements(element).is_none() {
            return Err(Refusal::MessageNotArray);
        }
        let block = |name| {
            element
                .get(name)
                .filter(|block| !block.is_null())
                .ok_or(Refusal::MessageStructure)
        };
        Ok(Self {
            user: block("user")?,
            message: block("message")?,
            chat: block("chat")?,
        })
    }

    pub(super) fn user(&self, name: &str) -> Option<&'a Value> {
        self.user.get(name)
    }

    pub(super) fn message(&self, name: &str) -> Option<&'a Value> {
        self.message.get(name)
    }

    pub(super) fn chat(&self, name: &str) -> Option<&'a Value> {
        self.chat.get(name)
    }

    pub(super) fn message_id(&self) -> Option<String> {
        php::text(self.message("id"))
    }

    pub(super) fn text(&self) -> String {
        php::text(self.message("text")).unwrap_or_default()
    }

    /// Whether `name` and `last_name` have no digits and at most 25 characters, as documented.
    fn has_valid_names(&self) -> bool {
        ["name", "last_name"].iter().all(|field| {
            let name = php::text(self.user(field)).unwrap_or_default();
            name.chars().count() <= 25 && !name.chars().any(|letter| letter.is_ascii_digit())
        })
    }

    /// Whether what a message needs is there: the external user, the external chat, text or files.
    fn is_complete(&self) -> bool {
        let is_text = |value| php::text(value).is_some() && !php::is_empty(value);
        let files = self.message("files");
        is_text(self.user("id"))
            && is_text(self.chat("id"))
            && (is_text(self.message("text")) || !php::is_empty(files))
    }
}

/// Takes one message in, or says what is wrong with it.
fn judge<'a>(
    call: &Call<'_>,
    state: &mut PortalState,
    connector: &Connector,
    line: i64,
    message: &'a Message<'a>,
) -> Judged<'a> {
    let user = php::text(message.user("id")).filter(|id| !id.is_empty());
    let portal_user = user
        .as_deref()
        .map(|id| state.messenger_user(&connector.id, id));
    let refused = |error: String| Judged {
        message,
        portal_user,
        dialogue: None,
        error: Some(error),
        delivery: None,
    };
    let Some(user_id) = user.filter(|_| message.is_complete()) else {
        let current = call.circumstances.switches.error_dialect == ErrorDialect::Current;
        let article = if current { "the " } else { "" };
        return refused(format!("Not all {article}required data was provided"));
    };
    let (message_id, text) = (message.message_id(), message.text());
    let mut rules = call.circumstances.rules.iter();
    if let Some(rule) = rules.find(|rule| rule.applies(message_id.as_deref(), &text)) {
        return refused(rule.error.clone());
    }
    let switches = &call.circumstances.switches;
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
        return Judged {
            message,
            portal_user,
            dialogue: Some(dialogue),
            error: None,
            delivery: None,
        };
    }
    let delivery = Delivery::Connector {
        connector: connector.id.to_ascii_lowercase(),
        line,
        user_id,
        message_id,
        chat_id,
        text: php::cut(text, switches.text_limit),
        files: message
            .message("files")
            .and_then(php::elements)
            .map_or(0, |files| files.len()),
        portal_chat_id: dialogue.chat_id,
    };
    Judged {
        message,
        portal_user,
        dialogue: Some(dialogue),
        error: None,
        delivery: Some(delivery),
    }
}

/// A map with the given entries whose values are there.
pub(super) fn map<const N: usize>(entries: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let present = entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    present.collect()
}

/// An external value as the portal echoes it: as text.
pub(super) fn echo(value: Option<&Value>) -> Option<Value> {
    php::text(value).map(|text| json!(text))
}
