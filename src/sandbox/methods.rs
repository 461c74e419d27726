//! The methods that the simulated portal knows, one file each.

mod attach;
mod connector_answer;
mod crm_message_add;
mod keyboard;
mod network_message_add;
mod send_messages;
mod shape;

use super::dispatch::Method;

/// Every known method. All three are documented with the scope `imopenlines`.
pub(super) const ALL: &[Method] = &[
    Method {
        name: "imconnector.send.messages",
        scope: Some("imopenlines"),
        run: send_messages::run,
    },
    Method {
        name: "imopenlines.crm.message.add",
        scope: Some("imopenlines"),
        run: crm_message_add::run,
    },
    Method {
        name: "imopenlines.network.message.add",
        scope: Some("imopenlines"),
        run: network_message_add::run,
    },
];
