//! `imopenlines.crm.message.add`: a message of an employee or bot into a chat linked to a CRM item.

use serde_json::{Value, json};

use crate::dispatch::{Call, Done};
use crate::php;
use crate::portal::CrmItem;
use crate::record::Delivery;
use crate::refusal::Refusal;
use crate::state::PortalState;
use crate::switches::{SenderOutsideChat, UnknownCrmType};

const KINDS: [&str; 4] = ["lead", "deal", "company", "contact"];

/// Checks the parameters in the order of the method page, then access, then the chat.
pub(super) fn run(call: &Call<'_>, state: &mut PortalState) -> Result<Done, Refusal> {
    let kind = required(call, "CRM_ENTITY_TYPE")?;
    let kind = php::text(Some(kind)).unwrap_or_default();
    let entity = integer(call, "CRM_ENTITY")?;
    let user_id = integer(call, "USER_ID")?;
    let chat_id = integer(call, "CHAT_ID")?;
    let text = php::text(Some(required(call, "MESSAGE")?)).unwrap_or_default();

    let switches = &call.circumstances.switches;
    let portal = &state.portal;
    let may_read = |id| portal.user(id).is_some_and(|user| user.crm_access);
    if !KINDS.contains(&kind.as_str()) {
        return Err(match switches.unknown_crm_type {
            UnknownCrmType::ChatNotInCrm => Refusal::ChatNotInCrm,
            UnknownCrmType::AccessDenied => Refusal::CallerWithoutAccess,
        });
    }
    if !may_read(call.caller.user_id) {
        return Err(Refusal::CallerWithoutAccess);
    }
    if !may_read(user_id) {
        return Err(Refusal::SenderWithoutAccess);
    }
    let item = CrmItem {
        kind: kind.clone(),
        id: entity,
    };
    let chat = portal.crm_chats.iter().find(|chat| chat.chat_id == chat_id);
    let chat = chat
        .filter(|chat| chat.items.contains(&item))
        .ok_or(Refusal::ChatNotInCrm)?;
    if !chat.members.contains(&user_id) {
        return Err(match switches.sender_outside_chat {
            SenderOutsideChat::Canceled => Refusal::Canceled,
            SenderOutsideChat::MessageAddError => Refusal::MessageAddError,
        });
    }
    let message_id = state.new_id();
    let delivery = Delivery::Crm {
        entity_type: kind,
        entity,
        user_id,
        chat_id,
        text: php::cut(text, switches.text_limit),
        message_id,
    };
    Ok(Done {
        result: json!(message_id),
        deliveries: vec![delivery],
    })
}

fn required<'a>(call: &'a Call<'_>, name: &'static str) -> Result<&'a Value, Refusal> {
    let value = call
        .parameter(name)
        .filter(|value| !php::is_empty(Some(value)));
    value.ok_or(Refusal::EmptyArgument(name))
}

fn integer(call: &Call<'_>, name: &'static str) -> Result<i64, Refusal> {
    php::integer(Some(required(call, name)?)).ok_or(Refusal::InvalidType(name))
}
