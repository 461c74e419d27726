//! Open lines, connectors, lines of the network and chats of CRM items.

use serde_json::{Value, json};

use super::MOST_ROWS;
use crate::simulator::RunningPortal;

/// The lines of a portal.
pub(crate) fn lines(portal: &RunningPortal) -> Value {
    let state = portal.state();
    let definition = &state.definition;
    let lines = definition.lines.iter().take(MOST_ROWS).map(|line| {
        let connectors = definition.connectors.iter();
        let connectors = connectors
            .filter(|connector| connector.active_lines.contains(&line.id))
            .take(MOST_ROWS)
            .map(|connector| connector.id.as_str());
        json!({
            "id": line.id,
            "active": line.active,
            "connectors": connectors.collect::<Vec<_>>(),
        })
    });
    let network = definition.network_lines.iter().take(MOST_ROWS);
    let network = network.map(|line| json!({"code": line.code, "joined": line.joined}));
    let chats = definition.crm_chats.iter().take(MOST_ROWS).map(|chat| {
        let items = chat.items.iter().take(MOST_ROWS);
        let items = items.map(|item| format!("{} {}", item.kind, item.id));
        json!({
            "id": chat.chat_id,
            "items": items.collect::<Vec<_>>(),
            "members": chat.members.iter().take(MOST_ROWS).collect::<Vec<_>>(),
        })
    });
    json!({
        "lines": lines.collect::<Vec<_>>(),
        "lines_in_all": definition.lines.len(),
        "network_lines": network.collect::<Vec<_>>(),
        "network_lines_in_all": definition.network_lines.len(),
        "crm_chats": chats.collect::<Vec<_>>(),
        "crm_chats_in_all": definition.crm_chats.len(),
    })
}
