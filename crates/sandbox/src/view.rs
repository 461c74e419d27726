//! What a person sees of a portal, as JSON: requests, chats, lines, limits, and what is injected.
//!
//! Read only when somebody looks. Each view has a bound, and says what it leaves out.

mod chats;
mod limits;
mod lines;
mod redaction;
mod requests;
mod size;
mod watch;

pub(crate) use chats::chats;
pub(crate) use limits::buckets;
pub(crate) use lines::lines;
pub(crate) use requests::requests;
pub(crate) use watch::Viewer;

use serde_json::{Value, json};

use crate::simulator::{RunningPortal, Simulator};

/// How many rows of one kind a view has.
const MOST_ROWS: usize = 50;

/// All of a portal but its requests and chats.
fn portal(simulator: &Simulator, portal: &RunningPortal) -> Value {
    let hosts = simulator.portals().iter().take(MOST_ROWS);
    let ahead = simulator.clock.ahead() + portal.clock.ahead();
    let faults = simulator.faults.list();
    let rules = simulator.rules().len();
    let switches = json!(*simulator.switches());
    json!({
        "portal": portal.host,
        "portals": hosts.map(|portal| portal.host.as_str()).collect::<Vec<_>>(),
        "portals_in_all": simulator.portals().len(),
        "ahead_seconds": ahead.as_secs_f64(),
        "utc_offset_hours": portal.state().definition.utc_offset_hours,
        "faults": faults.iter().take(MOST_ROWS).collect::<Vec<_>>(),
        "faults_in_all": faults.len(),
        "message_rules": rules,
        "switches": switches,
        "lines": lines(portal),
        "limits": buckets(simulator, portal),
    })
}
