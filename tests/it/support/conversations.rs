//! Requests in conversations of their own. Calls of one conversation wait for each other, also for
//! an answer that never comes: only those of different ones show what becomes of each by itself.

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{CrmChat, CrmItem, Portal, Sandbox, User, demo};

use super::requests;

/// The first number of a chat, and of a recipient, that the demonstration portal does not have.
const FIRST: i64 = 10_000;

/// Adds so many conversations to the demonstration portal, numbered from 0.
pub(crate) fn add(sandbox: &Sandbox, count: i64) {
    sandbox.alter(demo::HOST, |portal| add_to(portal, count));
}

/// The same for the definition of a portal.
pub(crate) fn add_to(portal: &mut Portal, count: i64) {
    for id in FIRST..FIRST + count {
        portal.crm_chats.push(CrmChat {
            chat_id: id,
            items: vec![CrmItem {
                kind: "lead".to_owned(),
                id: demo::LEAD,
            }],
            members: vec![demo::OWNER, demo::MEMBER],
        });
        portal.users.push(User {
            id,
            active: true,
            crm_access: true,
        });
    }
}

/// A message into the chat with this number.
pub(crate) fn crm_message(conversation: i64, text: &str) -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        portal_chat_id: FIRST + conversation,
        ..requests::crm_message(text)
    }
}

/// A message to the recipient with this number.
pub(crate) fn network_message(conversation: i64, text: &str) -> api::SendNetworkMessageRequest {
    api::SendNetworkMessageRequest {
        user_id: FIRST + conversation,
        ..requests::network_message(text)
    }
}

/// A message of the external user with this number, in a chat of its own. The portal need not know
/// them.
pub(crate) fn connector_message(conversation: i64, id: &str, text: &str) -> api::ConnectorMessage {
    let mut message = requests::connector_message(id, text);
    if let Some(user) = &mut message.user {
        user.id = format!("u{conversation}");
    }
    if let Some(chat) = &mut message.chat {
        chat.id = format!("c{conversation}");
    }
    message
}
