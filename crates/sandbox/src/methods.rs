//! The methods that the simulated portal knows, one file each.

mod attach;
mod common;
mod connector_answer;
mod crm_message_add;
mod keyboard;
mod network_message_add;
mod send_messages;
mod shape;

use super::dispatch::{Call, Done, Method};
use super::refusal::Refusal;
use super::state::PortalState;

/// Every known method: the three of the open channels, documented with the scope `imopenlines`, and those
/// that a client library may need to connect, which need no scope.
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
    common("app.info", common::app_info),
    common("profile", common::profile),
    common("server.time", common::server_time),
    common("scope", common::scope),
    common("methods", common::methods),
];

const fn common(
    name: &'static str,
    run: fn(&Call<'_>, &mut PortalState) -> Result<Done, Refusal>,
) -> Method {
    Method {
        name,
        scope: None,
        run,
    }
}
