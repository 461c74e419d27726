//! Messages as they stand in the portal's chats.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::size::{Room, number};
use crate::record::{DeliveredFile, Delivery, Entry, Seen};
use crate::simulator::{RunningPortal, Simulator};

/// How many of the newest requests the messages come from.
const REQUESTS: usize = 500;

/// How large the messages may be together as JSON, in bytes.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// How many characters of a text are shown. The longest message of a portal has 20,000.
const TEXT: usize = 20_000;

/// How many characters of a name or an id are shown.
const NAME: usize = 200;

/// How many files of one message are shown.
const FILES: usize = 20;

/// The chats of a portal with the messages of its newest requests; the chat with the newest message
/// comes last.
pub(crate) fn chats(simulator: &Simulator, portal: &RunningPortal) -> Value {
    let news = simulator
        .recorder
        .news(&portal.host, Seen::default(), REQUESTS);
    let shown = show(&news.entries);
    let mut chats: IndexMap<String, (Value, Vec<Value>)> = IndexMap::new();
    for mut message in shown.messages {
        let chat = message
            .as_object_mut()
            .and_then(|fields| fields.remove("chat"));
        let chat = chat.unwrap_or_default();
        let id = chat.get("id").and_then(Value::as_str);
        let id = id.unwrap_or_default().to_owned();
        let (_, mut messages) = chats.shift_remove(&id).unwrap_or_default();
        messages.push(message);
        chats.insert(id, (chat, messages));
    }
    let chats = chats.into_values().map(|(chat, messages)| {
        let messages = json!({"messages": messages});
        merged(chat, messages)
    });
    json!({"chats": chats.collect::<Vec<_>>(), "left_out": shown.left_out})
}

/// Messages as JSON, oldest first, and how many of the oldest had no room.
pub(super) struct Shown {
    pub(super) messages: Vec<Value>,
    pub(super) left_out: u64,
}

pub(super) fn show(entries: &[Entry]) -> Shown {
    let mut room = Room(MOST_BYTES);
    let of_entry = |entry: &Entry| number(entry.deliveries.len());
    let mut left_out: u64 = entries.iter().map(of_entry).sum();
    let newest_first = entries.iter().rev().flat_map(|entry| {
        let deliveries = entry.deliveries.iter().enumerate().rev();
        deliveries.map(move |(at, delivery)| message(entry, at, delivery))
    });
    let mut messages: Vec<Value> = newest_first
        .take_while(|message| room.take(message))
        .collect();
    left_out = left_out.saturating_sub(number(messages.len()));
    messages.reverse();
    Shown { messages, left_out }
}

/// A message, with the chat that it is in.
fn message(entry: &Entry, at: usize, delivery: &Delivery) -> Value {
    let (text, text_left_out) = cut(delivery.text(), TEXT);
    let message = json!({
        "id": format!("{}.{at}", entry.sequence),
        "sequence": entry.sequence,
        "time": entry.time.to_string(),
        "text": text,
        "text_left_out": text_left_out,
    });
    let (chat, more) = match delivery {
        Delivery::Connector {
            connector,
            line,
            user_id,
            message_id,
            user_name,
            chat_id,
            text: _,
            files,
            portal_chat_id,
        } => {
            let user = if user_name.is_empty() {
                user_id
            } else {
                user_name
            };
            let user = cut(user, NAME).0;
            let chat = json!({
                "id": format!("chat {portal_chat_id}"),
                "kind": "connector",
                "title": user,
                "line": line,
                "connector": cut(connector, NAME).0,
                "external_chat": cut(chat_id, NAME).0,
            });
            let shown = files.iter().take(FILES).map(file).collect::<Vec<_>>();
            let more = json!({
                "from": "customer",
                "author": user,
                "external_id": message_id.as_deref().map(|id| cut(id, NAME).0),
                "files": shown,
                "files_left_out": files.len() - shown.len(),
            });
            (chat, more)
        }
        Delivery::Crm {
            entity_type,
            entity,
            user_id,
            chat_id,
            text: _,
            message_id,
        } => {
            let chat = json!({
                "id": format!("chat {chat_id}"),
                "kind": "crm",
                "title": format!("{entity_type} {entity}"),
            });
            let more = json!({
                "from": "employee",
                "author": format!("User {user_id}"),
                "external_id": message_id.to_string(),
            });
            (chat, more)
        }
        Delivery::Network {
            code,
            user_id,
            text: _,
            attach,
            keyboard,
            url_preview,
        } => {
            let chat = json!({
                "id": format!("network {code} {user_id}"),
                "kind": "network",
                "title": format!("User {user_id}"),
                "code": code,
            });
            let more = json!({
                "from": "line",
                "author": "Network line",
                "attach": attach,
                "keyboard": keyboard,
                "url_preview": url_preview,
            });
            (chat, more)
        }
    };
    merged(message, merged(more, json!({"chat": chat})))
}

/// An object with the fields of another one too.
fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

fn file(file: &DeliveredFile) -> Value {
    json!({"name": cut(&file.name, NAME).0, "url": cut(&file.url, 2_000).0})
}

/// The first characters, and how many more there are.
fn cut(text: &str, most: usize) -> (&str, usize) {
    match text.char_indices().nth(most) {
        Some((end, _)) => {
            let (shown, rest) = text.split_at(end);
            (shown, rest.chars().count())
        }
        None => (text, 0),
    }
}
