//! `imopenlines.crm.message.add`: a message of an employee or bot into the chat of a CRM item.

use serde_json::json;

use crate::error::Refusal;
use crate::php;
use crate::portal::CrmItem;
use crate::record::Delivery;
use crate::rest::call::{Call, Executed};
use crate::state::PortalState;
use crate::switches::{SenderOutsideChat, UnknownCrmType};

const KINDS: [&str; 4] = ["lead", "deal", "company", "contact"];

/// Checks the parameters in the order of the method page, then access, then the chat.
pub(crate) fn run(call: &Call<'_>, state: &mut PortalState) -> Result<Executed, Refusal> {
    let kind = php::text(Some(call.required("CRM_ENTITY_TYPE")?)).unwrap_or_default();
    let entity = integer(call, "CRM_ENTITY")?;
    let user_id = integer(call, "USER_ID")?;
    let chat_id = integer(call, "CHAT_ID")?;
    let text = php::text(Some(call.required("MESSAGE")?)).unwrap_or_default();

    let switches = &call.context.switches;
    let portal = &state.definition;
    let may_read = |id| portal.user(id).is_some_and(|user| user.crm_access);
    if !KINDS.contains(&kind.as_str()) {
        return Err(match switches.unknown_crm_type {
            UnknownCrmType::ChatNotInCrm => Refusal::CHAT_NOT_IN_CRM,
            UnknownCrmType::AccessDenied => Refusal::CALLER_WITHOUT_ACCESS,
        });
    }
    if !may_read(call.caller.user_id) {
        return Err(Refusal::CALLER_WITHOUT_ACCESS);
    }
    if !may_read(user_id) {
        return Err(Refusal::SENDER_WITHOUT_ACCESS);
    }
    let item = CrmItem {
        kind: kind.clone(),
        id: entity,
    };
    let chat = portal.crm_chats.iter().find(|chat| chat.chat_id == chat_id);
    let chat = chat
        .filter(|chat| chat.items.contains(&item))
        .ok_or(Refusal::CHAT_NOT_IN_CRM)?;
    if !chat.members.contains(&user_id) {
        return Err(match switches.sender_outside_chat {
            SenderOutsideChat::Canceled => Refusal::Canceled,
            SenderOutsideChat::MessageAddError => Refusal::MESSAGE_ADD_ERROR,
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
    Ok(Executed {
        result: json!(message_id),
        deliveries: vec![delivery],
    })
}

fn integer(call: &Call<'_>, name: &'static str) -> Result<i64, Refusal> {
    php::integer(Some(call.required(name)?)).ok_or(Refusal::InvalidType(name))
}
